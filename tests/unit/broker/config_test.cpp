// How settings are read: layers, values, and what is said about mistakes.

#include <casc/broker/config.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <text.hpp>
#include <unistd.h>

using namespace casc;
using namespace casc::broker;
using casc::test::contains;

namespace {

// Five verbs: file, environment, flag, load, problem.
struct ConfigFixture {
    std::filesystem::path folder;
    std::filesystem::path path;
    std::vector<std::string> environment_;
    std::vector<Override> flags_;

    ConfigFixture() {
        std::string name = (std::filesystem::temp_directory_path() / "casc-config-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        folder = name;
    }
    ~ConfigFixture() { std::filesystem::remove_all(folder); }

    void file(std::string_view text) {
        path = folder / "casc.toml";
        std::ofstream(path, std::ios::binary) << text;
    }
    void environment(std::string entry) { environment_.push_back(std::move(entry)); }
    void flag(std::string key, std::string value) {
        flags_.push_back({std::move(key), std::move(value)});
    }
    LoadedConfig load() const {
        auto loaded = load_config(path, environment_, flags_);
        REQUIRE_MESSAGE(loaded.has_value(), loaded.error().detail);
        return std::move(loaded).value();
    }
    // The message, with the name of the temporary folder taken away.
    std::string problem() const {
        const auto loaded = load_config(path, environment_, flags_);
        REQUIRE_FALSE(loaded.has_value());
        CHECK(loaded.error().code == ErrorCode::invalid_config);
        std::string text = loaded.error().detail;
        const std::string prefix = folder.string() + "/";
        for (auto at = text.find(prefix); at != text.npos; at = text.find(prefix))
            text.erase(at, prefix.size());
        return text;
    }
};

EffectiveSetting setting(const LoadedConfig& loaded, std::string_view key) {
    for (const EffectiveSetting& s : loaded.settings) {
        if (s.key == key) return s;
    }
    FAIL("no setting ", std::string(key));
    return {};
}

// The example with every default switched on: a line "#name = value" loses its '#'.
std::string uncommented(std::string_view example) {
    std::string out;
    bool line_start = true;
    for (std::size_t i = 0; i < example.size(); ++i) {
        const bool key_line = line_start && example[i] == '#' && i + 1 < example.size() &&
                              example[i + 1] >= 'a' && example[i + 1] <= 'z';
        line_start = example[i] == '\n';
        if (!key_line) out += example[i];
    }
    return out;
}

}  // namespace

TEST_CASE_FIXTURE(ConfigFixture,
                  "broker/config: without any layer every setting is at its default") {
    const LoadedConfig loaded = load();
    CHECK(loaded.config.limits.frame_bytes == 17_MiB);
    CHECK(setting(loaded, "limits.frame_bytes").value == "17MiB");
    CHECK(setting(loaded, "topics.retention_ms").value == "7d");
    CHECK(setting(loaded, "topics.retention_bytes").value == "unlimited");
    for (const EffectiveSetting& s : loaded.settings)
        CHECK(s.origin == Origin::default_);
}

TEST_CASE_FIXTURE(
    ConfigFixture,
    "broker/config: the example names every key, and switched on it changes nothing") {
    const LoadedConfig defaults = load();
    file(uncommented(example_config()));
    const LoadedConfig loaded = load();
    REQUIRE(loaded.settings.size() == defaults.settings.size());
    for (std::size_t i = 0; i < loaded.settings.size(); ++i) {
        CAPTURE(loaded.settings[i].key);
        CHECK(loaded.settings[i].value == defaults.settings[i].value);
        CHECK(loaded.settings[i].origin == Origin::file);
    }
}

TEST_CASE_FIXTURE(ConfigFixture, "broker/config: the example as printed is a good file") {
    file(example_config());
    for (const EffectiveSetting& s : load().settings)
        CHECK(s.origin == Origin::default_);
}

TEST_CASE_FIXTURE(ConfigFixture,
                  "broker/config: a flag wins over the environment, which wins over the file") {
    file("[limits]\nconnections = 1\nevent_bytes = \"2KiB\"\n[log]\nlevel = 'debug'\n");
    environment("CASC_LIMITS__CONNECTIONS=2");
    environment("CASC_LIMITS__EVENT_BYTES=4096");
    flag("limits.connections", "3");
    const LoadedConfig loaded = load();
    CHECK(loaded.config.limits.connections == 3);
    CHECK(setting(loaded, "limits.connections").origin == Origin::flag);
    CHECK(loaded.config.limits.event_bytes == 4_KiB);
    CHECK(setting(loaded, "limits.event_bytes").origin == Origin::environment);
    CHECK(loaded.config.log.level == "debug");
    CHECK(setting(loaded, "log.level").origin == Origin::file);
    CHECK(setting(loaded, "log.format").origin == Origin::default_);
}

TEST_CASE_FIXTURE(ConfigFixture,
                  "broker/config: other environment variables are nobody's business") {
    environment("CASC_FAIL_POINT=journal.submitted");
    environment("PATH=/bin");
    environment("CASC_");
    environment("NOT_CASC_LIMITS__CONNECTIONS=1");
    CHECK(load().config.limits.connections == 10'000);
}

TEST_CASE_FIXTURE(ConfigFixture,
                  "broker/config: sizes, durations and lists are written as people write them") {
    flag("storage.slice_bytes", "2 GB");
    flag("storage.reserve_bytes", "0");
    flag("limits.idle_timeout", "15m");
    flag("groups.offsets_retention", "12h");
    flag("producers.expiry", "1500");
    flag("topics.retention_ms", "unlimited");
    flag("topics.retention_events", "-1");
    flag("listen.endpoints", "127.0.0.1:0,unix:///tmp/casc.sock,[::1]:9");
    const Config config = load().config;
    CHECK(config.storage.slice_bytes == 2'000'000'000);
    CHECK(config.storage.reserve_bytes == 0);
    CHECK(config.limits.idle_timeout == 15min);
    CHECK(config.groups.offsets_retention == 12h);
    CHECK(config.producers.expiry == 1500ms);
    CHECK(config.topics.retention_ms == -1);
    CHECK(config.topics.retention_events == -1);
    CHECK(config.listen.endpoints ==
          std::vector<std::string>{"127.0.0.1:0", "unix:///tmp/casc.sock", "[::1]:9"});
}

TEST_CASE_FIXTURE(ConfigFixture, "broker/config: a file may give endpoints as a list") {
    file("[listen]\nendpoints = [\"127.0.0.1:1\", \"localhost:2\"]\nhttp = \"\"\n");
    CHECK(load().config.listen.endpoints == std::vector<std::string>{"127.0.0.1:1", "localhost:2"});
    CHECK(load().config.listen.http.empty());
}

TEST_CASE_FIXTURE(ConfigFixture,
                  "broker/config: an unknown key is an error with its line and the nearest name") {
    file("[node]\nid = \"a\"\n[limits]\n  conections = 5\n");
    CHECK(problem() ==
          "casc.toml:4:3: unknown key 'limits.conections', did you mean 'limits.connections'?");
}

TEST_CASE_FIXTURE(ConfigFixture, "broker/config: a key in the wrong section is found") {
    file("[storage]\nheartbeat = 5\n");
    CHECK(problem() ==
          "casc.toml:2:1: unknown key 'storage.heartbeat', did you mean 'limits.heartbeat'?");
}

TEST_CASE_FIXTURE(ConfigFixture,
                  "broker/config: nothing is suggested for a word that resembles nothing") {
    flag("quux.zzzzzzzz", "5");
    CHECK(problem() == "command line: unknown key 'quux.zzzzzzzz'");
}

TEST_CASE_FIXTURE(ConfigFixture, "broker/config: unknown sections and stray keys are errors") {
    file("stray = 1\n[limit]\nconnections = 5\n");
    const std::string text = problem();
    CHECK(contains(text, "casc.toml:1:1: 'stray' stands outside of a [section]"));
    CHECK(contains(text, "unknown section [limit], did you mean 'limits.connections'?"));
}

TEST_CASE_FIXTURE(ConfigFixture,
                  "broker/config: an unknown environment variable of ours is an error") {
    environment("CASC_LIMITS__FRAME_BITES=5");
    CHECK(problem() ==
          "environment variable CASC_LIMITS__FRAME_BITES: unknown key 'limits.frame_bites', "
          "did you mean 'limits.frame_bytes'?");
}

TEST_CASE_FIXTURE(ConfigFixture, "broker/config: bad TOML is reported with its place") {
    file("[limits]\nconnections = = 5\n");
    CHECK(problem().starts_with("casc.toml:2:15: "));
}

// toml++ was shown such letters and reached code that it had declared unreachable.
TEST_CASE_FIXTURE(ConfigFixture,
                  "broker/config: letters beyond ASCII are taken in quotes and comments only") {
    const std::string hint =
        "\ncasc.toml: letters that are not ASCII belong in quotes or comments; here each of their "
        "bytes is shown as Z";
    SUBCASE("in a value without quotes") {
        file("[limits]\nconnections = \u00E9\n");
        CHECK(problem().starts_with("casc.toml:2:"));
        CHECK(problem().ends_with(hint));
    }
    SUBCASE("in a key") {
        file("[limits]\nconn\u00E9ctions = 5\n");
        CHECK(problem().starts_with("casc.toml:2:1: unknown key 'limits.connZZctions'"));
        CHECK(problem().ends_with(hint));
    }
    SUBCASE("in a string that is never closed") {
        file("a = \"\n\u00E9\n");
        CHECK(problem().starts_with("casc.toml:1:"));
    }
    SUBCASE("in what looks like a string and is none") {  // found by the fuzzer
        file("a = 19=79-'=a05Z\u00C9\n");
        CHECK(problem().starts_with("casc.toml:1:"));
    }
    SUBCASE("in quotes and comments") {
        file("\uFEFF[node]  # für uns\ndata_directory = \"/srv/Früchte\"\n");
        CHECK(load().config.node.data_directory == "/srv/Früchte");
    }
}

TEST_CASE_FIXTURE(ConfigFixture, "broker/config: every mistake is reported, not only the first") {
    file(
        "[limits]\nconnections = 0\nframe_bytes = \"64M\"\n[log]\nlevel = "
        "\"loud\"\n[topics]\nauto_create = \"yes\"\n");
    const std::string text = problem();
    CHECK(
        contains(text, "casc.toml:2:15: limits.connections: must be between 1 and 1000000, not 0"));
    CHECK(contains(text, "casc.toml:3:15: limits.frame_bytes: '64M' is not understood: a size is"));
    CHECK(contains(text, "casc.toml:5:9: log.level: 'loud' is none of debug|info|warn|error"));
    CHECK(contains(
        text, "casc.toml:7:15: topics.auto_create: true or false, without quotes, is expected"));
}

TEST_CASE_FIXTURE(ConfigFixture,
                  "broker/config: values of the wrong type or out of range are refused") {
    for (const Override& wrong :
         std::vector<Override>{{"limits.connections", "many"},
                               {"limits.connections", "4294967297"},
                               {"limits.connections", "-1"},
                               {"limits.connections", ""},
                               {"limits.memory_bytes", "99999999999999999999"},
                               {"limits.memory_bytes", "9000000TiB"},
                               {"limits.heartbeat", "10 parsecs"},
                               {"topics.retention_ms", "-2"},
                               {"topics.durability", "replicated"},
                               {"topics.auto_create", "1"},
                               {"node.id", ""},
                               {"node.id", "a b"},
                               {"node.data_directory", ""},
                               {"listen.endpoints", ""},
                               {"listen.endpoints", "127.0.0.1"},
                               {"listen.endpoints", "127.0.0.1:65536"},
                               {"listen.endpoints", "::1:7440"},
                               {"listen.endpoints", ":7440"},
                               {"listen.endpoints", "unix://relative"},
                               {"listen.endpoints", "unix:///" + std::string(120, 'x')},
                               {"listen.endpoints", "inproc://"},
                               {"listen.http", "inproc://x"},
                               {"shared_memory.ring_bytes", "6KiB"},
                               {"listen.http", "unix:///tmp/x"}}) {
        CAPTURE(wrong.key);
        CAPTURE(wrong.value);
        const auto loaded = load_config({}, {}, {wrong});
        REQUIRE_FALSE(loaded.has_value());
        CHECK(contains(loaded.error().detail, wrong.key));
    }
}

TEST_CASE_FIXTURE(ConfigFixture, "broker/config: an address that others reach needs insecure") {
    flag("listen.endpoints", "0.0.0.0:7440");
    CHECK(contains(problem(),
                   "listen.endpoints = 0.0.0.0:7440 (command line): other machines could reach"));
    flag("listen.insecure", "true");
    CHECK(load().config.listen.insecure);
}

TEST_CASE_FIXTURE(
    ConfigFixture,
    "broker/config: loopback and Unix sockets need no insecure, names and other hosts do") {
    const auto allowed = [](std::string endpoint) {
        return load_config({}, {}, {{"listen.endpoints", std::move(endpoint)}}).has_value();
    };
    CHECK(allowed("127.0.0.1:1"));
    CHECK(allowed("127.9.9.9:1"));
    CHECK(allowed("localhost:1"));
    CHECK(allowed("[::1]:1"));
    CHECK(allowed("unix:///run/casc.sock"));
    CHECK(allowed("inproc://orders"));
    CHECK_FALSE(allowed("[::]:1"));
    CHECK_FALSE(allowed("10.0.0.1:1"));
    CHECK_FALSE(allowed("broker.example:1"));
    CHECK_FALSE(allowed("127.0.0.1.example:1"));
    CHECK_FALSE(load_config({}, {}, {{"listen.http", "0.0.0.0:1"}}).has_value());
}

TEST_CASE_FIXTURE(
    ConfigFixture,
    "broker/config: settings that contradict each other are refused with both places") {
    file("[limits]\nheartbeat = \"60s\"\n");
    CHECK(contains(problem(),
                   "limits.idle_timeout = 30s (default) must be longer than limits.heartbeat = 1m "
                   "(casc.toml:2:13)"));
}

TEST_CASE_FIXTURE(ConfigFixture, "broker/config: sizes must fit into each other") {
    for (const Override& wrong :
         std::vector<Override>{{"storage.journal_segment_bytes", "32MiB"},
                               {"storage.journal_segment_bytes", "67108865"},
                               {"storage.journal_segments_max", "2"},
                               {"storage.slice_bytes", "32MiB"},
                               {"limits.memory_bytes", "64MiB"},
                               {"limits.frame_bytes", "1MiB"},
                               {"groups.session_timeout_max", "500"}}) {
        CAPTURE(wrong.key);
        const auto loaded = load_config({}, {}, {wrong});
        REQUIRE_FALSE(loaded.has_value());
        CHECK(contains(loaded.error().detail, wrong.key));
    }
}

TEST_CASE_FIXTURE(ConfigFixture,
                  "broker/config: a file that cannot be read is an error, never silently ignored") {
    path = folder / "missing.toml";
    CHECK(problem() ==
          "cannot read the configuration file missing.toml: No such file or directory");
    path = folder;
    CHECK(contains(problem(), "cannot read the configuration file"));
}

TEST_CASE_FIXTURE(ConfigFixture, "broker/config: an empty file is a good file") {
    file("");
    CHECK(load().config.node.id == "casc-1");
}

TEST_CASE_FIXTURE(ConfigFixture, "broker/config: what can be reloaded is marked") {
    const LoadedConfig loaded = load();
    CHECK(setting(loaded, "limits.connections").reloadable);
    CHECK(setting(loaded, "topics.partitions").reloadable);
    CHECK(setting(loaded, "log.level").reloadable);
    CHECK_FALSE(setting(loaded, "listen.endpoints").reloadable);
    CHECK_FALSE(setting(loaded, "limits.memory_bytes").reloadable);
}
