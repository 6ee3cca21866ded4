// casc-admin schedule, and what produce and topic say of times and ids, against a real broker.

#include "admin_run.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::test;

TEST_CASE_FIXTURE(AdminFixture,
                  "admin/schedule: what was sent with a delay is listed, cancelled, or comes") {
    REQUIRE(run({"topic", "create", "t"}).code == 0);
    REQUIRE(run({"produce", "t", "-v", "much later", "--delay", "1h", "--key", "k"}).code == 0);
    REQUIRE(run({"produce", "t", "-v", "at once", "--at", "-1h"}).code == 0);
    const auto listed = json({"schedule", "ls", "t"});
    REQUIRE(listed.as_array().size() == 1);
    CHECK(listed.at(0).at("topic") == "t");
    CHECK(listed.at(0).at("events") == 1);
    CHECK(listed.at(0).at("name") == "");
    const std::string id = std::to_string(listed.at(0).at("schedule_id").to_number<std::int64_t>());
    REQUIRE(run({"schedule", "cancel", id}).code == 0);
    CHECK(run({"schedule", "cancel", id}).code == 5);
    CHECK(json({"schedule", "ls"}).as_array().empty());
    CHECK(json({"consume", "t", "-n", "1"}).at("value") == "at once");
}

TEST_CASE_FIXTURE(AdminFixture,
                  "admin/schedule: schedules are made, replaced and taken away by name") {
    REQUIRE(run({"topic", "create", "t"}).code == 0);
    CHECK(run({"schedule", "create", "tick", "t", "-v", "x"}).code == 2);
    CHECK(run({"schedule", "create", "tick", "t", "-v", "x", "--cron", "no"}).code == 2);
    CHECK(run({"schedule", "create", "tick", "no", "-v", "x", "--cron", "@daily"}).code == 5);
    REQUIRE(run({"schedule", "create", "tick", "t", "-v", "x", "--cron", "0 0 1 1 *"}).code == 0);
    REQUIRE(run({"schedule", "create", "tick", "t", "-v", "x", "-v", "y", "--cron", "@every 1s",
                 "--lane", "high"})
                .code == 0);
    const auto listed = json({"schedule", "ls"});
    REQUIRE(listed.as_array().size() == 1);
    CHECK(listed.at(0).at("name") == "tick");
    CHECK(listed.at(0).at("cron") == "@every 1s");
    CHECK(listed.at(0).at("lane") == "high");
    CHECK(run({"consume", "t", "--follow", "-n", "2", "-f", "%v "}).out == "x y ");
    CHECK(run({"schedule", "cancel", "tick", "tock"}).code == 7);
    CHECK(json({"schedule", "ls"}).as_array().empty());
}

TEST_CASE_FIXTURE(
    AdminFixture,
    "admin/produce: an id within the window is stored once, lives its time, and is shown") {
    REQUIRE(run({"topic", "create", "t", "--dedup-window", "1h"}).code == 0);
    const std::string id = "00112233-4455-6677-8899-aabbccddeeff";
    for (int i = 0; i < 2; ++i)
        REQUIRE(run({"produce", "t", "-v", "once", "--message-id", id, "--ttl", "1h"}).code == 0);
    CHECK(run({"produce", "t", "-v", "x", "--message-id", "123"}).code == 2);
    const auto info = json({"topic", "info", "t"});
    CHECK(info.at("events") == 1);
    CHECK(info.at("dedup_window_ms") == 3'600'000);
    CHECK(info.at("paused_lanes") == "none");
    const auto event = json({"consume", "t"});
    CHECK(event.at("message_id") == "00112233445566778899aabbccddeeff");
    CHECK(event.at("time_to_live_ms") == 3'600'000);
    REQUIRE(run({"topic", "alter", "t", "--pause-lanes", "normal,low"}).code == 0);
    CHECK(json({"topic", "info", "t"}).at("paused_lanes") == "normal,low");
    CHECK(run({"topic", "alter", "t", "--pause-lanes", "fast"}).code == 2);
    REQUIRE(run({"topic", "alter", "t", "--pause-lanes", "none", "--dedup-window", "off"}).code ==
            0);
    CHECK(json({"topic", "info", "t"}).at("dedup_window_ms") == 0);
}
