// What casc-broker does when it is told something from outside: to stop, to read its file again,
// that a peer is gone.

#include "raw_connection.hpp"
#include "test_broker.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>

using namespace casc;
using namespace casc::test;
namespace fb = casc::wire::fb;

namespace {

// A broker with a configuration file that can be rewritten.
struct ReloadFixture {
    TestBroker broker{[] {
        TestBrokerOptions options;
        // A relative name is looked up where the test runs; the file must exist before the first
        // start.
        options.flags = {"--config", config_path()};
        write("[limits]\nconnections = 100\n");
        return options;
    }()};

    ~ReloadFixture() { std::filesystem::remove(config_path()); }

    static std::string config_path() {
        return (std::filesystem::temp_directory_path() /
                ("casc-reload-" + std::to_string(::getpid()) + ".toml"))
            .string();
    }
    static void write(std::string_view text) {
        std::ofstream(config_path(), std::ios::trunc) << text;
    }
    void reload(std::string_view expected_log_line) {
        broker.signal(SIGHUP);
        CHECK(broker.wait_for_log(expected_log_line));
    }
    std::string setting(const std::string& key) {
        RawConnection raw(broker.endpoint());
        raw.hello();
        const auto reply = raw.call(fb::NodeConfigT{});
        REQUIRE_MESSAGE(reply.has_value(), reply.error().message());
        for (const auto& entry : reply->entries) {
            if (entry->key == key) return entry->value;
        }
        return "";
    }
};

}  // namespace

TEST_CASE("broker/signals: SIGTERM and SIGINT drain and exit 0") {
    for (const int number : {SIGTERM, SIGINT}) {
        CAPTURE(number);
        TestBroker broker;
        RawConnection open(broker.endpoint());
        open.hello();
        broker.signal(number);
        CHECK(broker.wait_exit() == ExitStatus{0, 0});
        CHECK(broker.log().find(" stopped") != std::string::npos);
        CHECK(open.closed_by_peer());
    }
}

TEST_CASE("broker/signals: the ready file is there exactly while the broker serves") {
    TestBroker broker;
    CHECK(std::filesystem::exists(broker.folder() / "ready"));
    CHECK(broker.terminate() == 0);
    CHECK_FALSE(std::filesystem::exists(broker.folder() / "ready"));
}

TEST_CASE("broker/signals: a peer that hangs up before its answer does no harm") {
    TestBroker broker;
    for (int i = 0; i < 50; ++i) {
        RawConnection raw(broker.endpoint());
        raw.hello();
        for (std::uint32_t n = 0; n < 50; ++n)
            raw.send(request_bytes(fb::NodeConfigT{}, n));
        raw.abort();
    }
    RawConnection raw(broker.endpoint());
    raw.hello();
    CHECK(raw.call(fb::PingT{}).has_value());
}

TEST_CASE_FIXTURE(ReloadFixture, "broker/signals: SIGHUP applies what can be changed at once") {
    CHECK(setting("limits.connections") == "100");
    write("[limits]\nconnections = 1\n");
    reload("reloaded");
    CHECK(broker.log().find("setting_changed") != std::string::npos);
    CHECK(setting("limits.connections") == "1");
    RawConnection first(broker.endpoint());
    RawConnection second(broker.endpoint());
    // One of the two is one too many, whichever the broker took first.
    const auto refusal = second.receive();
    REQUIRE(refusal.has_value());
    CHECK(refusal->error == ErrorCode::too_many_connections);
}

TEST_CASE_FIXTURE(ReloadFixture,
                  "broker/signals: SIGHUP names what needs a restart and does not change it") {
    write("[limits]\nconnections = 100\nmemory_bytes = \"1GiB\"\n");
    reload("restart_needed setting=limits.memory_bytes");
    CHECK(setting("limits.memory_bytes") == "512MiB");
}

TEST_CASE_FIXTURE(ReloadFixture,
                  "broker/signals: SIGHUP with a bad file changes nothing and says why") {
    write("[limits]\nconnections = 5\nbogus = 1\n");
    reload("reload_refused");
    CHECK(broker.log().find("limits.bogus") != std::string::npos);
    CHECK(setting("limits.connections") == "100");
    std::filesystem::remove(config_path());
    broker.signal(SIGHUP);
    CHECK(broker.wait_for_log("reload_refused", 2));
    CHECK(setting("limits.connections") == "100");
}

TEST_CASE("broker/signals: the log can be JSON, one object per line") {
    TestBroker broker({.settings = {"log.format=json"}});
    CHECK(broker.terminate() == 0);
    std::istringstream lines(broker.log());
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        CAPTURE(line);
        CHECK(line.starts_with("{\"time\":\""));
        CHECK(line.ends_with("}"));
        CHECK(line.find("\"event\":\"") != line.npos);
    }
    CHECK(count >= 3);
}
