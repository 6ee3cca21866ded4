// casc-admin without a broker: mistakes, contexts, and what it generates.

#include "admin_run.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sys/stat.h>

using namespace casc::test;
namespace fs = std::filesystem;

namespace {

// A folder of its own, and no broker anywhere.
struct LocalFixture {
    fs::path folder;

    LocalFixture() {
        std::string name = (fs::temp_directory_path() / "casc-admin-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        folder = name;
    }
    ~LocalFixture() { fs::remove_all(folder); }

    AdminRun run(Words words, Variables variables = {}) {
        return run_admin(folder, std::move(words), {}, std::move(variables));
    }
    // A shell's opinion on a script.
    int shell(const std::string& program, const std::string& script) {
        std::ofstream(folder / "script") << script;
        return std::system((program + " " + (folder / "script").string()).c_str());
    }
};

}  // namespace

TEST_CASE_FIXTURE(LocalFixture,
                  "admin/usage: a mistyped word is met with the nearest one, and exit 2") {
    struct Mistake {
        Words words;
        const char* expected;
    };
    const std::vector<Mistake> mistakes{
        {{"topci", "ls"}, "did you mean 'casc-admin topic'?"},
        {{"topic", "lst"}, "did you mean 'casc-admin topic ls'?"},
        {{"topic", "creat", "x"}, "did you mean 'casc-admin topic create'?"},
        {{"--timeout", "1s", "gruop", "ls"}, "did you mean 'casc-admin group'?"},
        {{"topic", "create", "x", "--partition", "3"}, "did you mean --partitions?"},
        {{"topic"}, "needs one of: create, ls"},
        {{}, "needs one of: topic"},
        {{"topic", "create", "x", "-p", "many"}, "'many' is not a number"},
        {{"topic", "create", "x", "--retention", "7"}, "is not a duration"},
        {{"topic", "info"}, "NAME is required"},
        {{"topic", "ls", "-o", "yaml"}, "is not table, json or jsonl"},
    };
    for (const Mistake& mistake : mistakes) {
        const AdminRun done = run(mistake.words);
        CAPTURE(done.err);
        CHECK(done.code == 2);
        CHECK(done.err.find(mistake.expected) != done.err.npos);
        CHECK(done.out.empty());
    }
}

TEST_CASE_FIXTURE(LocalFixture,
                  "admin/usage: errors are objects on stderr with -o json, mistakes too") {
    for (const Words& words :
         std::vector<Words>{{"topic", "ls", "--endpoint", kNobody, "-o", "json"},
                            {"topic", "lst", "-o", "json"},
                            {"-o", "jsonl", "topic", "create"},
                            {"errors", "9999", "-ojson"}}) {
        const AdminRun done = run(words);
        CAPTURE(done.err);
        CHECK(done.code != 0);
        CHECK(done.out.empty());
        const auto lines = json_lines(done.err);
        REQUIRE(lines.size() == 1);
        const auto& error = lines[0].at("error");
        CHECK(error.at("code").is_int64());
        CHECK(error.at("name").is_string());
        CHECK(!error.at("message").as_string().empty());
        CHECK(error.as_object().contains("hint"));
    }
}

TEST_CASE_FIXTURE(LocalFixture,
                  "admin/usage: no broker is exit 3 for every command that needs one") {
    for (const Words& words : std::vector<Words>{{"topic", "ls"},
                                                 {"topic", "rm", "x", "--yes"},
                                                 {"consume", "x"},
                                                 {"produce", "x"},
                                                 {"group", "ls"},
                                                 {"node", "info"},
                                                 {"top"},
                                                 {"storage", "backup", "/nowhere"}}) {
        Words all = words;
        all.insert(all.end(), {"--endpoint", kNobody});
        const AdminRun done = run(all);
        CAPTURE(done.err);
        CHECK(done.code == 3);
        CHECK(done.err.find(kNobody) != done.err.npos);
        CHECK(done.err.find("hint: ") != done.err.npos);
    }
}

TEST_CASE_FIXTURE(LocalFixture, "admin/usage: help is exit 0 on stdout, for every command") {
    for (const Words& words : std::vector<Words>{
             {"--help"}, {"topic", "--help"}, {"topic", "create", "-h"}, {"top", "--help"}}) {
        const AdminRun done = run(words);
        CHECK(done.code == 0);
        CHECK(done.out.find("Usage:") != done.out.npos);
        CHECK(done.err.empty());
    }
}

TEST_CASE_FIXTURE(LocalFixture,
                  "admin/errors: by number or by name, with the exit code it leads to") {
    const auto all = boost::json::parse(run({"errors", "-o", "json"}).out).as_array();
    CHECK(all.size() > 40);
    for (const char* asked : {"4003", "UNKNOWN_TOPIC", "unknown-topic"}) {
        const auto one = boost::json::parse(run({"errors", asked, "-o", "json"}).out);
        CHECK(one.at("code") == 4003);
        CHECK(one.at("exit_code") == 5);
        CHECK(one.at("retryable") == false);
    }
    const AdminRun mistyped = run({"errors", "UNKNOWN_TOPC"});
    CHECK(mistyped.code == 5);
    CHECK(mistyped.err.find("did you mean UNKNOWN_TOPIC?") != mistyped.err.npos);
}

TEST_CASE_FIXTURE(
    LocalFixture,
    "admin/context: kept for the owner alone, used until another is, toggled with -") {
    CHECK(run({"context", "ls"}).code == 0);
    CHECK(run({"context", "add", "one"}).code == 2);
    CHECK(run({"context", "add", "one", "--endpoint", "127.0.0.1:1", "--timeout", "3s"}).code == 0);
    CHECK(run({"context", "add", "two", "--endpoint", "127.0.0.1:2", "--endpoint", "127.0.0.1:3"})
              .code == 0);
    const fs::path file = folder / "config" / "contexts.json";
    CHECK((fs::status(file).permissions() & fs::perms::all) ==
          (fs::perms::owner_read | fs::perms::owner_write));
    CHECK((fs::status(folder / "config").permissions() & fs::perms::all) == fs::perms::owner_all);

    const auto shown = [&](Words words, Variables variables = {}) {
        words.insert(words.begin(), {"context", "show", "-o", "json"});
        return boost::json::parse(run(words, std::move(variables)).out);
    };
    CHECK(shown({}).at("endpoints").at(0) == "127.0.0.1:1");
    CHECK(shown({}).at("timeout_ms") == 3000);
    CHECK(run({"context", "use", "two"}).code == 0);
    CHECK(shown({}).at("endpoints").as_array().size() == 2);
    CHECK(run({"context", "use", "-"}).code == 0);
    CHECK(shown({}).at("origin") == "context 'one'");
    // Who is stronger: flag, then a context by name, then the environment, then the context in use.
    const Variables variables{{"CASC_ENDPOINT", "127.0.0.1:9"}, {"CASC_CONTEXT", "two"}};
    CHECK(shown({}, variables).at("origin") == "environment");
    CHECK(shown({"--context", "two"}, variables).at("origin") == "context 'two'");
    CHECK(shown({"--endpoint", "127.0.0.1:8"}, variables).at("origin") == "flag");
    CHECK(shown({}, {{"CASC_CONTEXT", "two"}}).at("origin") == "context 'two'");

    CHECK(run({"context", "add", "one", "--endpoint", "127.0.0.1:4"}).code == 2);
    CHECK(run({"context", "rm", "one"}).code == 2);
    CHECK(run({"context", "rm", "one", "--yes"}).code == 0);
    CHECK(run({"context", "use", "one"}).code == 5);
    CHECK(boost::json::parse(run({"context", "ls", "-o", "json"}).out).as_array().size() == 1);
    CHECK(run({"topic", "ls", "--context", "gone"}).code == 2);
}

TEST_CASE_FIXTURE(LocalFixture, "admin/context: a damaged file is named and left alone") {
    fs::create_directories(folder / "config");
    std::ofstream(folder / "config" / "contexts.json") << "{";
    const AdminRun done = run({"context", "add", "x", "--endpoint", kNobody});
    CHECK(done.code == 2);
    CHECK(done.err.find("contexts.json") != done.err.npos);
    CHECK(fs::file_size(folder / "config" / "contexts.json") == 1);
    // What needs no connection does not care.
    CHECK(run({"errors"}).code == 0);
}

TEST_CASE_FIXTURE(LocalFixture, "admin/generate: bash completes verbs, options and values") {
    const std::string script = run({"generate", "completion", "bash"}).out;
    CHECK(shell("bash -n", script) == 0);
    const auto completes = [&](const std::string& words, const std::string& expected) {
        const std::string probe =
            script + "COMP_WORDS=(" + words + ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n" +
            "_casc_admin\nfor w in \"${COMPREPLY[@]}\"; do [ \"$w\" = " + expected +
            " ] && exit 0; done\nexit 1\n";
        return shell("bash", probe) == 0;
    };
    CHECK(completes("casc-admin to", "topic"));
    CHECK(completes("casc-admin topic cr", "create"));
    CHECK(completes("casc-admin --endpoint 127.0.0.1:1 topic cr", "create"));
    CHECK(completes("casc-admin topic create --par", "--partitions"));
    CHECK(completes("casc-admin topic create x --end", "--endpoint"));
    CHECK(completes("casc-admin produce t --lane cr", "critical"));
    CHECK(!completes("casc-admin topic cr", "consume"));
}

TEST_CASE_FIXTURE(LocalFixture,
                  "admin/generate: every command and option is in the manual and the completions") {
    const std::string man = run({"generate", "man"}).out;
    const std::string zsh = run({"generate", "completion", "zsh"}).out;
    const std::string fish = run({"generate", "completion", "fish"}).out;
    CHECK(man.starts_with(".TH CASC"));
    CHECK(zsh.starts_with("#compdef casc-admin"));
    for (const char* verb : {"add-partitions", "consume", "reset", "backup", "completion"}) {
        CAPTURE(verb);
        std::string in_man = verb;
        for (std::size_t at = 0; (at = in_man.find('-', at)) != in_man.npos; at += 2)
            in_man.insert(at, "\\");
        CHECK(man.find(in_man) != man.npos);
        CHECK(zsh.find(verb) != zsh.npos);
        CHECK(fish.find(verb) != fish.npos);
    }
    CHECK(man.find("CASC_ENDPOINT") != man.npos);
    CHECK(fish.find("-l retention") != fish.npos);
    CHECK(run({"generate", "completion", "tcsh"}).code == 2);
}

TEST_CASE_FIXTURE(LocalFixture,
                  "admin/generate: the unit and the configuration are the broker's own") {
    const std::string unit =
        run({"generate", "systemd", "--bin", "/opt/casc/bin", "--user", "events"}).out;
    CHECK(unit.find("ExecStart=/opt/casc/bin/casc-broker") != unit.npos);
    CHECK(unit.find("User=events\n") != unit.npos);
    CHECK(unit.find('@') == unit.npos);
    const AdminRun config = run({"generate", "config"});
    CHECK(config.code == 0);
    CHECK(config.out.find("[limits]") != config.out.npos);
    const auto wrapped = boost::json::parse(run({"generate", "config", "-o", "json"}).out);
    CHECK(wrapped.at("config").as_string() == config.out);
}

TEST_CASE_FIXTURE(LocalFixture, "admin/version: says what it is") {
    const auto version = boost::json::parse(run({"version", "-o", "json"}).out);
    CHECK(version.at("program") == "casc-admin");
    CHECK(version.at("protocol_version") == 1);
}
