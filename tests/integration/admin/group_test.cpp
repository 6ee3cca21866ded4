// casc-admin group, against a real broker.

#include "admin_run.hpp"

#include <doctest/doctest.h>

using namespace casc::test;

namespace {

// A topic of five events, two of which group g has read.
struct GroupFixture : AdminFixture {
    GroupFixture() {
        REQUIRE(run({"topic", "create", "t"}).code == 0);
        produce("t", "1\n2\n3\n4\n5\n");
        REQUIRE(run({"consume", "t", "-g", "g", "-n", "2"}).out == "1\n2\n");
    }
    std::int64_t lag() { return json({"group", "info", "g"}).at("lag").to_number<std::int64_t>(); }
};

}  // namespace

TEST_CASE_FIXTURE(GroupFixture, "admin/group: ls, info and lag say where a group is") {
    const auto groups = json({"group", "ls"}).as_array();
    REQUIRE(groups.size() == 1);
    CHECK(groups[0].at("name") == "g");
    CHECK(groups[0].at("state") == "empty");
    CHECK(json({"group", "ls", "x"}).as_array().empty());

    CHECK(lag() == 3);
    const auto info = json({"group", "info", "g"});
    CHECK(info.at("members").as_array().empty());
    const auto positions = json({"group", "lag", "g"}).as_array();
    REQUIRE(positions.size() == 1);
    CHECK(positions[0].at("committed") == 2);
    CHECK(positions[0].at("end") == 5);
    CHECK(positions[0].at("lag") == 3);
    CHECK(positions[0].at("lane") == "normal");
    CHECK(run({"group", "lag", "nobody"}).code == 5);
}

TEST_CASE_FIXTURE(GroupFixture, "admin/group: a dry run of reset shows the change and makes none") {
    const auto plan = json({"group", "reset", "g", "--to", "earliest", "--dry-run"});
    REQUIRE(plan.as_array().size() == 1);
    CHECK(plan.at(0).at("before") == 2);
    CHECK(plan.at(0).at("after") == 0);
    CHECK(plan.at(0).at("change") == -2);
    CHECK(lag() == 3);
}

TEST_CASE_FIXTURE(GroupFixture, "admin/group: reset moves to the ends, an offset or a time") {
    CHECK(run({"group", "reset", "g", "--to", "latest"}).code == 2);
    CHECK(lag() == 3);
    CHECK(run({"group", "reset", "g", "--to", "latest", "--yes"}).code == 0);
    CHECK(lag() == 0);
    CHECK(run({"group", "reset", "g", "--to", "-1h", "--yes"}).code == 0);
    CHECK(lag() == 5);
    CHECK(run({"group", "reset", "g", "--to", "4", "--topic", "t", "--yes"}).code == 0);
    CHECK(run({"consume", "t", "-g", "g"}).out == "5\n");
    CHECK(run({"group", "reset", "g", "--to", "4", "--topic", "nowhere", "--yes"}).code == 5);
    CHECK(run({"group", "reset", "nobody", "--to", "earliest", "--yes"}).code == 5);
    CHECK(run({"group", "reset", "g"}).code == 2);
}

TEST_CASE_FIXTURE(GroupFixture, "admin/group: rm forgets the positions") {
    CHECK(run({"group", "rm", "g"}).code == 2);
    CHECK(run({"group", "rm", "g", "--yes"}).code == 0);
    CHECK(run({"group", "info", "g"}).code == 5);
    CHECK(run({"consume", "t", "-g", "g", "-f", "%v"}).out == "12345");
}
