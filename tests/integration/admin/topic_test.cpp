// casc-admin topic, against a real broker.

#include "admin_run.hpp"

#include <doctest/doctest.h>

using namespace casc::test;

TEST_CASE_FIXTURE(AdminFixture,
                  "admin/topic: what was created is listed and described with its settings") {
    CHECK(run({"topic", "create", "orders", "-p", "3", "--retention", "2h", "--retention-bytes",
               "unlimited", "--event-bytes-max", "64KiB", "--durability", "memory"})
              .code == 0);
    const auto listed = json({"topic", "ls"}).as_array();
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].at("name") == "orders");

    const auto info = json({"topic", "info", "orders"});
    CHECK(info.at("partitions") == 3);
    CHECK(info.at("retention_ms") == 2 * 3600 * 1000);
    CHECK(info.at("retention_bytes") == -1);
    CHECK(info.at("event_bytes_max") == 65536);
    CHECK(info.at("durability") == "memory");
    CHECK(info.at("logs").as_array().empty());

    const std::string table = run({"topic", "info", "orders"}).out;
    CHECK(table.find("RETENTION:") != table.npos);
    CHECK(table.find("2h") != table.npos);
    CHECK(table.find("unlimited") != table.npos);
}

TEST_CASE_FIXTURE(AdminFixture, "admin/topic: a prefix chooses, and -o jsonl is a line per topic") {
    REQUIRE(run({"topic", "create", "a1", "a2", "b1"}).code == 0);
    CHECK(json({"topic", "ls", "a"}).as_array().size() == 2);
    CHECK(json_lines(run({"topic", "ls", "-o", "jsonl"}).out).size() == 3);
    CHECK(json({"topic", "ls", "zzz"}).as_array().empty());
}

TEST_CASE_FIXTURE(AdminFixture,
                  "admin/topic: creating twice is a conflict, with --if-not-exists it is not") {
    REQUIRE(run({"topic", "create", "orders"}).code == 0);
    const AdminRun again = run({"topic", "create", "orders"});
    CHECK(again.code == 6);
    CHECK(again.err.find("TOPIC_EXISTS (4006)") != again.err.npos);
    CHECK(run({"topic", "create", "orders", "--if-not-exists"}).code == 0);
    CHECK(run({"topic", "create", "orders", "new"}).code == 7);
    CHECK(run({"topic", "info", "new"}).code == 0);
}

TEST_CASE_FIXTURE(AdminFixture, "admin/topic: a dry run creates nothing") {
    CHECK(run({"topic", "create", "orders", "--dry-run"}).code == 0);
    CHECK(run({"topic", "info", "orders"}).code == 5);
}

TEST_CASE_FIXTURE(AdminFixture, "admin/topic: a topic may be named like a command") {
    CHECK(run({"topic", "create", "node", "ls", "topic"}).code == 0);
    CHECK(run({"topic", "info", "node"}).code == 0);
    CHECK(run({"produce", "produce"}).code == 5);
}

TEST_CASE_FIXTURE(AdminFixture, "admin/topic: alter changes what is said and nothing else") {
    REQUIRE(run({"topic", "create", "orders", "--retention", "1h", "-p", "2"}).code == 0);
    CHECK(run({"topic", "alter", "orders", "--retention-events", "500", "--dry-run"}).code == 0);
    CHECK(json({"topic", "info", "orders"}).at("retention_events") == -1);
    CHECK(run({"topic", "alter", "orders", "--retention-events", "500"}).code == 0);
    const auto info = json({"topic", "info", "orders"});
    CHECK(info.at("retention_events") == 500);
    CHECK(info.at("retention_ms") == 3600 * 1000);
    CHECK(info.at("partitions") == 2);
    CHECK(run({"topic", "alter", "orders"}).code == 2);
}

TEST_CASE_FIXTURE(AdminFixture, "admin/topic: add-partitions adds") {
    REQUIRE(run({"topic", "create", "orders", "-p", "2"}).code == 0);
    CHECK(run({"topic", "add-partitions", "orders", "3"}).code == 0);
    CHECK(json({"topic", "info", "orders"}).at("partitions") == 5);
    CHECK(run({"topic", "add-partitions", "orders", "0"}).code == 2);
}

TEST_CASE_FIXTURE(AdminFixture, "admin/topic: rm asks, and without a terminal says how to answer") {
    REQUIRE(run({"topic", "create", "orders"}).code == 0);
    const AdminRun asked = run({"topic", "rm", "orders"}, "orders\n");
    CHECK(asked.code == 2);
    CHECK(asked.err.find("--yes") != asked.err.npos);
    CHECK(run({"topic", "info", "orders"}).code == 0);
    CHECK(run({"topic", "rm", "orders", "--yes"}).code == 0);
    CHECK(run({"topic", "info", "orders"}).code == 5);
    CHECK(run({"topic", "rm", "orders", "--yes"}).code == 5);
}

TEST_CASE_FIXTURE(AdminFixture,
                  "admin/topic: purge removes the chosen events and shows them first") {
    REQUIRE(run({"topic", "create", "orders"}).code == 0);
    produce("orders", "a\nb\nc\nd\n");
    produce("orders", "x\ny\n", {"--lane", "high"});
    const auto plan =
        json({"topic", "purge", "orders", "--before", "3", "--lane", "normal", "--dry-run"});
    REQUIRE(plan.as_array().size() == 1);
    CHECK(plan.at(0).at("new_start") == 3);
    CHECK(plan.at(0).at("events") == 3);
    CHECK(run({"consume", "orders"}).out.size() == 12);

    CHECK(run({"topic", "purge", "orders", "--before", "3", "--lane", "normal"}).code == 2);
    // A batch is kept or goes as a whole for storage, but readers begin at the mark.
    CHECK(run({"topic", "purge", "orders", "--before", "3", "--lane", "normal", "--yes"}).code ==
          0);
    CHECK(run({"consume", "orders", "--lane", "normal"}).out == "d\n");
    CHECK(run({"topic", "purge", "orders", "--yes"}).code == 0);
    CHECK(run({"consume", "orders"}).out.empty());
    CHECK(run({"topic", "purge", "orders", "--before", "99", "--yes"}).code == 1);
}
