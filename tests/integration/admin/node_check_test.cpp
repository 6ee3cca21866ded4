// casc-admin node, check and top, against a real broker and against none.

#include "admin_run.hpp"

#include <doctest/doctest.h>

#include <fstream>

using namespace casc::test;

namespace {}  // namespace

TEST_CASE_FIXTURE(AdminFixture, "admin/node: info describes the broker, with all figures in JSON") {
    const auto info = json({"node", "info"});
    CHECK(info.at("pid") == broker.pid());
    CHECK(info.at("figures").at("casc_topics") == 0);
    CHECK(info.at("figures").at("casc_events_in_total") == 0);
    CHECK(run({"node", "info"}).out.find("casc_topics") == std::string::npos);
    CHECK(run({"node", "info", "--figures"}).out.find("casc_topics") != std::string::npos);
}

TEST_CASE("admin/node: config shows values and where they came from") {
    AdminFixture admin(TestBrokerOptions{.settings = {"limits.connections=77"}});
    const auto all = admin.json({"node", "config"}).as_array();
    CHECK(all.size() > 20);
    const auto one = admin.json({"node", "config", "limits.conn"}).as_array();
    REQUIRE(one.size() == 1);
    CHECK(one[0].at("value") == "77");
    CHECK(one[0].at("origin") == "flag");
    CHECK(admin.json({"node", "config", "--changed"}).as_array().size() < all.size());
}

TEST_CASE_FIXTURE(AdminFixture, "admin/check: what is well is exit 0 and one line with figures") {
    for (const char* what : {"live", "ready", "lag"}) {
        CAPTURE(what);
        const AdminRun done = run({"check", what});
        CHECK(done.code == 0);
        CHECK(done.out.starts_with("CASC "));
        CHECK(done.out.find(" OK - ") != done.out.npos);
        const auto lines = json_lines(run({"check", what, "--format", "json"}).out);
        REQUIRE(lines.size() == 1);
        CHECK(lines[0].at("status") == "ok");
        CHECK(lines[0].at("exit_code") == 0);
    }
}

TEST_CASE_FIXTURE(AdminFixture, "admin/check: storage compares free space with the thresholds") {
    CHECK(run({"check", "storage", "--warn", "2", "--crit", "1"}).code == 0);
    const AdminRun warned = run({"check", "storage", "--warn", "1000000TiB", "--crit", "1"});
    CHECK(warned.code == 1);
    CHECK(warned.out.find("STORAGE WARNING") != warned.out.npos);
    CHECK(run({"check", "storage", "--warn", "1000000TiB", "--crit", "1000000TiB"}).code == 2);
}

TEST_CASE_FIXTURE(AdminFixture, "admin/check: lag compares each group with the thresholds") {
    REQUIRE(run({"topic", "create", "t"}).code == 0);
    produce("t", "1\n2\n3\n4\n");
    REQUIRE(run({"consume", "t", "-g", "g", "-n", "1"}).code == 0);
    CHECK(run({"check", "lag", "-w", "4", "-c", "9"}).code == 0);
    CHECK(run({"check", "lag", "-w", "3", "-c", "9"}).code == 1);
    const AdminRun critical = run({"check", "lag", "-w", "1", "-c", "3", "-g", "g"});
    CHECK(critical.code == 2);
    CHECK(critical.out.find("'g'=3;1;3") != critical.out.npos);
    CHECK(run({"check", "lag", "-g", "nobody"}).code == 3);
}

TEST_CASE_FIXTURE(AdminFixture,
                  "admin/check: no broker is critical, a question without sense is unknown") {
    const auto folder = broker.folder();
    for (const char* what : {"live", "ready", "storage", "lag"}) {
        CAPTURE(what);
        const AdminRun done =
            run_admin(folder, {"check", what, "--endpoint", kNobody, "-o", "json"});
        CHECK(done.code == 2);
        CHECK(json_lines(done.out).at(0).at("status") == "critical");
    }
    CHECK(run_admin(folder, {"check", "live", "--endpoint", "no:such:address"}).code == 3);
}

TEST_CASE_FIXTURE(AdminFixture,
                  "admin/top: samples as lines, and as JSON with rates, topics and groups") {
    REQUIRE(run({"topic", "create", "t"}).code == 0);
    produce("t", "1\n2\n");
    REQUIRE(run({"consume", "t", "-g", "g", "-n", "1"}).code == 0);
    const auto samples = json_lines(run({"top", "-n", "2", "-i", "10ms", "-o", "json"}).out);
    REQUIRE(samples.size() == 2);
    CHECK(samples[1].at("topics").at(0).at("topic") == "t");
    CHECK(samples[1].at("topics").at(0).at("events") == 2);
    CHECK(samples[1].at("groups").at(0).at("lag") == 1);
    CHECK(samples[1].at("events_in_per_second") == 0);
    const AdminRun lines = run({"top", "-n", "1", "-i", "10ms"});
    CHECK(lines.code == 0);
    CHECK(lines.out.find("free ") != lines.out.npos);
    CHECK(lines.out.find('\x1b') == lines.out.npos);
}
