// casc-admin kv and topic delete-event, against a real broker.

#include "admin_run.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::test;

TEST_CASE_FIXTURE(AdminFixture, "admin/kv: keys are put, got, listed, watched and deleted") {
    REQUIRE(run({"topic", "create", "config", "--cleanup", "compact"}).code == 0);
    CHECK(run({"kv", "get", "config", "rate"}).code == 5);
    REQUIRE(run({"kv", "put", "config", "rate", "250"}).code == 0);
    CHECK(run({"kv", "get", "config", "rate"}).out == "250\n");
    REQUIRE(run({"kv", "put", "config", "text"}, "from stdin").code == 0);
    const auto entry = json({"kv", "get", "config", "text"});
    CHECK(entry.at("value") == "from stdin");
    CHECK(entry.at("revision") == 2);
    // Only as expected.
    const AdminRun conflict = run({"kv", "put", "config", "rate", "1", "--expected", "7"});
    CHECK(conflict.code == 6);
    CHECK(conflict.err.find("it is at revision 1") != std::string::npos);
    CHECK(run({"kv", "put", "config", "rate", "1", "--create"}).code == 6);
    REQUIRE(run({"kv", "put", "config", "rate", "300", "--expected", "1"}).code == 0);
    CHECK(run({"kv", "put", "config", "other", "1", "--create"}).code == 0);

    const auto keys = json({"kv", "ls", "config", "--prefix", "r"});
    REQUIRE(keys.as_array().size() == 1);
    CHECK(keys.at(0).at("key") == "rate");
    CHECK(keys.at(0).at("value_bytes") == 3);
    CHECK(json({"kv", "ls", "config", "-n", "2"}).as_array().size() == 2);
    const auto history = json({"kv", "history", "config", "rate"});
    REQUIRE(history.as_array().size() == 2);
    CHECK(history.at(0).at("value") == "250");
    CHECK(history.at(1).at("value") == "300");

    CHECK(run({"kv", "delete", "config", "rate"}).code == 2);  // nobody was asked
    REQUIRE(run({"kv", "delete", "config", "rate", "--yes"}).code == 0);
    CHECK(run({"kv", "delete", "config", "rate", "--yes"}).code == 5);
    CHECK(run({"kv", "get", "config", "rate"}).code == 5);
    const AdminRun watched =
        run({"kv", "watch", "config", "--current", "--prefix", "t", "-n", "1", "-o", "json"});
    const auto lines = json_lines(watched.out);
    REQUIRE(lines.size() == 1);
    CHECK(lines.at(0).at("value") == "from stdin");
    CHECK(run({"topic", "create", "log"}).code == 0);
    CHECK(run({"kv", "get", "log", "x"}).code == 1);
    CHECK(json({"topic", "info", "config"}).at("cleanup") == "compact");
    CHECK(json({"topic", "info", "config"}).at("keys") == 2);
}

TEST_CASE_FIXTURE(AdminFixture, "admin/topic: one event is deleted, after a question") {
    REQUIRE(run({"topic", "create", "t"}).code == 0);
    produce("t", "a\nb\nc\n");
    CHECK(run({"topic", "delete-event", "t", "--offset", "1"}).code == 2);
    REQUIRE(run({"topic", "delete-event", "t", "--offset", "1", "--yes"}).code == 0);
    CHECK(run({"topic", "delete-event", "t", "--offset", "9", "--yes"}).code == 1);
    CHECK(run({"topic", "delete-event", "no", "--offset", "1", "--yes"}).code == 5);
    CHECK(run({"consume", "t", "-f", "%v "}).out == "a c ");
    // Nobody waits for what is not there any more.
    REQUIRE(run({"topic", "delete-event", "t", "--offset", "2", "--yes"}).code == 0);
    const AdminRun rest = run({"consume", "t", "-f", "%v "});
    CHECK(rest.out == "a ");
    CHECK(rest.err.find("nothing for a while") == std::string::npos);
}

TEST_CASE_FIXTURE(AdminFixture, "admin/topic: retention by use is set, shown and taken back") {
    REQUIRE(run({"topic", "create", "t", "--delete-consumed", "on", "--absent-group", "1h"}).code ==
            0);
    auto info = json({"topic", "info", "t"});
    CHECK(info.at("delete_consumed") == true);
    CHECK(info.at("absent_group_ms") == 3'600'000);
    REQUIRE(run({"topic", "alter", "t", "--delete-consumed", "off"}).code == 0);
    info = json({"topic", "info", "t"});
    CHECK(info.at("delete_consumed") == false);
    CHECK(run({"topic", "create", "c", "--cleanup", "never"}).code == 2);
    CHECK(run({"topic", "create", "c", "--cleanup", "compact", "--retention", "1h"}).code == 2);
}
