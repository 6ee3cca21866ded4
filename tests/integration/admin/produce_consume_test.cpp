// casc-admin produce and consume: what goes in comes out.

#include "admin_run.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

using namespace casc::test;

namespace {

struct OneTopic : AdminFixture {
    OneTopic() { REQUIRE(run({"topic", "create", "t"}).code == 0); }
};

}  // namespace

TEST_CASE_FIXTURE(OneTopic,
                  "admin/produce: a line is an event, from stdin, a file or the command line") {
    produce("t", "one\ntwo\n\nno newline at the end");
    const auto file = broker.folder() / "events.txt";
    std::ofstream(file) << "from a file\n";
    produce("t", "", {"--file", file.string()});
    produce("t", "", {"-v", "said", "-v", "twice"});
    CHECK(run({"consume", "t"}).out ==
          "one\ntwo\n\nno newline at the end\nfrom a file\nsaid\ntwice\n");
    CHECK(run({"produce", "t", "--file", "/nowhere/at/all"}).code == 2);
}

TEST_CASE_FIXTURE(OneTopic, "admin/produce: flags give key, lane, headers and acks to all events") {
    produce("t", "v\n",
            {"--key", "k", "--lane", "critical", "-H", "a=1", "-H", "b=x=y", "--acks", "memory"});
    const auto events = json_lines(run({"consume", "t", "-o", "json"}).out);
    REQUIRE(events.size() == 1);
    CHECK(events[0].at("key") == "k");
    CHECK(events[0].at("lane") == "critical");
    CHECK(events[0].at("headers").at(1).at("name") == "b");
    CHECK(events[0].at("headers").at(1).at("value") == "x=y");
    CHECK(run({"produce", "t", "-H", "nothing"}, "v\n").code == 2);
    CHECK(run({"produce", "t", "--lane", "urgent"}, "v\n").code == 2);
}

TEST_CASE_FIXTURE(OneTopic, "admin/produce: a delimiter splits key and value") {
    const AdminRun sent =
        run({"produce", "t", "--key-delimiter", ":"}, "k1:v:1\nno delimiter\nk2:v2\n");
    CHECK(sent.code == 7);
    CHECK(sent.err.find("line 2") != sent.err.npos);
    CHECK(run({"consume", "t", "-f", "%k>%v,"}).out == "k1>v:1,k2>v2,");
}

TEST_CASE_FIXTURE(OneTopic, "admin/produce: JSON that consume printed goes in again unchanged") {
    const std::string lines =
        R"({"value":"text","key":"k","lane":"high","headers":{"h":"1"},"type":"created","timestamp_ns":1700000000123456789})"
        "\n"
        R"({"value_base64":"/wAB","key_base64":"gA==","schema_version":7,"lane":"high"})"
        "\n"
        R"({"value":{"nested":[1,2]},"lane":"high"})"
        "\n";
    produce("t", lines, {"--json"});
    REQUIRE(run({"topic", "create", "copy"}).code == 0);
    const std::string printed = run({"consume", "t", "-o", "jsonl"}).out;
    produce("copy", printed, {"--json"});
    const auto first = json_lines(printed);
    const auto second = json_lines(run({"consume", "copy", "-o", "jsonl"}).out);
    REQUIRE(first.size() == 3);
    REQUIRE(second.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        auto a = first[i].as_object();
        auto b = second[i].as_object();
        for (const char* own : {"topic", "append_time_ns"}) {
            a.erase(own);
            b.erase(own);
        }
        CHECK(a == b);
    }
    const std::string all = boost::json::serialize(boost::json::value_from(first));
    CHECK(all.find(R"("value_base64":"/wAB")") != all.npos);
    CHECK(all.find("1700000000123456789") != all.npos);
    CHECK(all.find(R"("type":"created")") != all.npos);
}

TEST_CASE_FIXTURE(OneTopic,
                  "admin/produce: a bad line fails alone and is named; all bad is no success") {
    const AdminRun some =
        run({"produce", "t", "--json"}, "{\"value\":\"a\"}\nnot json\n{\"valeu\":1}\n");
    CHECK(some.code == 7);
    CHECK(some.err.find("line 2") != some.err.npos);
    CHECK(some.err.find("unknown field 'valeu'") != some.err.npos);
    CHECK(run({"produce", "t", "--json"}, "nope\n").code == 2);
    CHECK(run({"consume", "t"}).out == "a\n");
    const auto summary = json({"produce", "t"}, "b\n");
    CHECK(summary.at("events") == 1);
    CHECK(summary.at("failed") == 0);
}

TEST_CASE_FIXTURE(OneTopic,
                  "admin/produce: an event that is too large is refused, and the topic goes on") {
    REQUIRE(run({"topic", "alter", "t", "--event-bytes-max", "1KiB"}).code == 0);
    const AdminRun sent = run({"produce", "t"}, std::string(4000, 'x') + "\n");
    CHECK(sent.code == 1);
    CHECK(sent.err.find("EVENT_TOO_LARGE") != sent.err.npos);
    produce("t", "small\n");
    CHECK(run({"consume", "t"}).out == "small\n");
}

TEST_CASE_FIXTURE(OneTopic, "admin/consume: from the beginning, the end, an offset or a time") {
    produce("t", "a\nb\nc\n");
    CHECK(run({"consume", "t"}).out == "a\nb\nc\n");
    CHECK(run({"consume", "t", "--from", "1"}).out == "b\nc\n");
    CHECK(run({"consume", "t", "--from", "end"}).out.empty());
    CHECK(run({"consume", "t", "--from", "99"}).out.empty());
    CHECK(run({"consume", "t", "--from", "-1h"}).out == "a\nb\nc\n");
    CHECK(run({"consume", "t", "--from", "2261-01-01"}).out.empty());
    CHECK(run({"consume", "t", "-n", "2"}).out == "a\nb\n");
    CHECK(run({"consume", "t", "-n", "0"}).out.empty());
    CHECK(run({"consume", "t", "--from", "yesterday"}).code == 2);
}

TEST_CASE_FIXTURE(OneTopic,
                  "admin/consume: -n with --follow waits for the events that are missing") {
    produce("t", "a\nb\n");
    CHECK(run({"consume", "t", "--follow", "-n", "2"}).out == "a\nb\n");
}

TEST_CASE_FIXTURE(OneTopic, "admin/consume: the format language") {
    produce("t", "v\n", {"--key", "k", "--lane", "low", "-H", "n=1", "-H", "m=2"});
    CHECK(run({"consume", "t", "-f", "%t/%p/%l/%o %k=%v %h %s %%\\t%v{hex}%k{base64}\\n"}).out ==
          "t/0/low/0 k=v n=1,m=2 1 %\t76aw==\n");
    CHECK(run({"consume", "t", "-f", "%T{ms}"}).out.size() == 13);
    CHECK(run({"consume", "t", "-f", "%T"}).out.ends_with("Z"));
    for (const char* bad : {"%x", "%v{octal}", "%", "%k{ms}", "%v{hex", "\\q"}) {
        CAPTURE(bad);
        CHECK(run({"consume", "t", "-f", bad}).code == 2);
    }
}

TEST_CASE_FIXTURE(OneTopic, "admin/consume: by priority the urgent lanes come first") {
    produce("t", "n1\nn2\n");
    produce("t", "c1\n", {"--lane", "critical"});
    produce("t", "h1\n", {"--lane", "high"});
    const std::string read = run({"consume", "t", "--order", "priority"}).out;
    CHECK(read.find("c1") < read.find("h1"));
    CHECK(read.find("h1") < read.find("n1"));
    CHECK(read.find("n1") < read.find("n2"));
    CHECK(run({"consume", "t", "--lane", "high"}).out == "h1\n");
}

TEST_CASE_FIXTURE(OneTopic, "admin/consume: a group goes on where it stopped") {
    produce("t", "a\nb\nc\n");
    CHECK(run({"consume", "t", "-g", "readers", "-n", "2"}).out == "a\nb\n");
    CHECK(run({"consume", "t", "-g", "readers"}).out == "c\n");
    CHECK(run({"consume", "t", "-g", "readers"}).out.empty());
    CHECK(run({"consume", "t", "-g", "others"}).out == "a\nb\nc\n");
    CHECK(run({"consume", "t", "-g", "late", "--from", "end"}).out.empty());
    CHECK(run({"consume", "t", "-g", "readers", "--from", "3"}).code == 2);
    CHECK(run({"consume", "t", "-g", "readers", "--lane", "low"}).code == 2);
}

TEST_CASE_FIXTURE(
    AdminFixture,
    "admin/consume: several partitions and topics; one that is not there is an error") {
    REQUIRE(run({"topic", "create", "a", "b", "-p", "4"}).code == 0);
    for (int i = 0; i < 8; ++i)
        produce("a", "x\n", {"--partition", std::to_string(i % 4)});
    produce("b", "y\n");
    CHECK(run({"consume", "a", "b", "-f", "%v"}).out.size() == 9);
    CHECK(run({"consume", "a", "--partition", "2", "-f", "%p%v"}).out == "2x2x");
    CHECK(run({"consume", "a", "nowhere"}).code == 5);
    CHECK(run({"consume", "nowhere", "-g", "g"}).code == 5);
    CHECK(run({"produce", "nowhere"}, "x\n").code == 5);
    CHECK(run({"produce", "a", "--partition", "9"}, "x\n").code == 5);
    CHECK(run({"consume", "a", "--partition", "9"}).code == 5);
}

TEST_CASE_FIXTURE(AdminFixture, "admin/tap: what comes from now on, and the last of what was") {
    REQUIRE(run({"topic", "create", "ticks", "--durability", "volatile"}).code == 0);
    CHECK(json({"topic", "info", "ticks"}).at("durability") == "volatile");
    produce("ticks", "a:1\nb:2\na:3\n", {"--key-delimiter", ":", "--acks", "memory"});
    CHECK(run({"tap", "ticks", "--last", "2", "-n", "2"}).out == "2\n3\n");
    CHECK(run({"tap", "ticks", "--last-per-key", "-n", "2", "-f", "%k=%v,"}).out == "b=2,a=3,");
    CHECK(run({"consume", "ticks"}).out == "1\n2\n3\n");
    CHECK(run({"tap", "ticks", "-n", "0"}).err.find("0 events, 0 left out") != std::string::npos);

    const AdminRun refused = run({"produce", "ticks"}, "x\n");
    CHECK(refused.code != 0);
    CHECK(refused.err.find("volatile") != refused.err.npos);
    CHECK(run({"tap", "nowhere"}).code != 0);
    CHECK(run({"tap", "ticks", "--on-full", "explode"}).code == 2);
    CHECK(run({"tap", "ticks", "--last", "2", "--last-per-key"}).code == 2);
}

TEST_CASE_FIXTURE(OneTopic,
                  "admin/consume: a pattern is all topics that match, a filter what matches") {
    for (const char* topic : {"orders.eu", "orders.us", "orders.eu.paid"})
        REQUIRE(run({"topic", "create", topic}).code == 0);
    produce("orders.eu", "{\"n\":1}\n{\"n\":2}\n");
    produce("orders.us", "{\"n\":3}\n");
    produce("orders.eu.paid", "{\"n\":4}\n");
    const auto lines = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "consume");
        const AdminRun read = run(arguments);
        CHECK_MESSAGE(read.code == 0, read.err);
        std::multiset<std::string> texts;
        std::istringstream in(read.out);
        for (std::string line; std::getline(in, line);)
            texts.insert(line);
        return texts;
    };
    using Lines = std::multiset<std::string>;
    CHECK(lines({"orders.*"}) == Lines{R"({"n":1})", R"({"n":2})", R"({"n":3})"});
    CHECK(lines({"orders.>", "--filter", "json.n >= 2 && json.n != 3"}) ==
          Lines{R"({"n":2})", R"({"n":4})"});
    CHECK(lines({"orders.>", "--filter", "json.n == 9"}).empty());
    CHECK(lines({"orders.*", "--follow", "-n", "3"}).size() == 3);
    CHECK(lines({"orders.*", "-g", "g", "--filter", "json.n == 2"}) == Lines{R"({"n":2})"});
    CHECK(lines({"orders.*", "-g", "g"}).empty());  // it has passed over the others

    const AdminRun bad = run({"consume", "orders.eu", "--filter", "json.n =< 2"});
    CHECK(bad.code != 0);
    CHECK(bad.err.find("at 8") != bad.err.npos);
    CHECK(run({"consume", "nothing.*"}).code != 0);
    CHECK(run({"consume", "orders.*", "--follow", "--lane", "low"}).code == 2);
    CHECK(run({"consume", "orders.>.x", "--follow"}).code != 0);
}
