// casc-admin group and dlq with queue groups, against a real broker.

#include "admin_run.hpp"

#include <casc/client/client.hpp>

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

// A topic of five events; a member of queue group g has given up the second and the fourth, and
// settled the first.
struct DeadLetterFixture : AdminFixture {
    DeadLetterFixture() {
        REQUIRE(run({"topic", "create", "t", "-p", "3"}).code == 0);
        produce("t", "1\n2\n3\n4\n5\n", {"--partition", "2", "-H", "colour=red", "--key", "key"});
        auto events = take(5);
        give_up(events, 1, "no stock");
        give_up(events, 3, "no money");
        REQUIRE(member().done(events[0]));
        REQUIRE(member().flush());
        const auto deadline = std::chrono::steady_clock::now() + TestBroker::kPatience;
        while (letters() != 2)
            REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
    client::QueueConsumer& member() {
        if (member_) return *member_;
        client::ClientOptions options;
        options.endpoints = {broker.endpoint()};
        auto connected = client::Client::connect(options);
        REQUIRE(connected);
        client_ = *std::move(connected);
        client::QueueOptions of_member;
        of_member.group = "g";
        of_member.topics = {"t"};
        auto made = client_->make_queue_consumer(of_member);
        REQUIRE(made);
        return member_.emplace(*std::move(made));
    }
    std::vector<client::EventId> take(std::size_t count) {
        std::vector<client::EventId> ids;
        while (ids.size() < count) {
            const auto events = member().poll(count - ids.size(), 1000ms);
            REQUIRE(events);
            for (const client::ConsumedEvent& event : *events)
                ids.push_back(event.id());
        }
        return ids;
    }
    void give_up(const std::vector<client::EventId>& events, std::size_t at, const char* why) {
        REQUIRE(member().give_up(events.at(at), why));
        REQUIRE(member().flush());
    }
    std::int64_t letters() {
        return json({"dlq", "ls"}).at(0).at("dead_letters").to_number<std::int64_t>();
    }

private:
    std::unique_ptr<client::Client> client_;
    std::optional<client::QueueConsumer> member_;
};

}  // namespace

TEST_CASE_FIXTURE(DeadLetterFixture, "admin/queue: ls, info and lag tell what is left of a queue") {
    CHECK(json({"group", "ls"}).at(0).at("kind") == "queue");
    const auto info = json({"group", "info", "g"});
    CHECK(info.at("kind") == "queue");
    CHECK(info.at("lag") == 2);
    CHECK(info.at("deliveries_max") == 20);
    CHECK(info.at("dead_letter_topic") == "g.dead");
    CHECK(info.at("members").at(0).at("in_flight_events") == 2);
    CHECK(info.at("logs").at(0).at("leased") == 2);
    const auto logs = json({"group", "lag", "g"}).as_array();
    REQUIRE(logs.size() == 1);
    CHECK(logs[0].at("partition") == 2);
    CHECK(logs[0].at("floor") == 2);
    CHECK(logs[0].at("lag") == 2);
    CHECK(run({"group", "lag", "g"}).err.find("lag 2 in all") != std::string::npos);
    // These failed when there was a queue group at all.
    CHECK(run({"check", "lag", "-w", "1", "-c", "10"}).code == 1);
    CHECK(json_lines(run({"top", "-n", "1", "-i", "10ms", "-o", "jsonl"}).out).size() == 1);
}

TEST_CASE_FIXTURE(DeadLetterFixture,
                  "admin/queue: pending says who has what, and what comes again when") {
    REQUIRE(member().refuse({LogId(TopicId(1), PartitionId(2), Lane::normal), Offset(2)}, "later",
                            std::chrono::hours(1)));
    REQUIRE(member().flush());
    const auto pending = json({"group", "pending", "g"}).as_array();
    REQUIRE(pending.size() == 2);
    CHECK(pending[0].at("first") == 2);
    CHECK(pending[0].at("state") == "delayed");
    CHECK(pending[0].at("error") == "later");
    CHECK(pending[0].at("member").is_null());
    CHECK(pending[0].at("wait_ms").to_number<std::int64_t>() > 3'000'000);
    CHECK(pending[1].at("first") == 4);
    CHECK(pending[1].at("end") == 5);
    CHECK(pending[1].at("events") == 1);
    CHECK(pending[1].at("state") == "leased");
    CHECK(pending[1].at("attempts") == 1);
    CHECK(pending[1].at("topic") == "t");
    CHECK(pending[1].at("member") == json({"group", "info", "g"}).at("members").at(0).at("member"));
    const auto one = run({"group", "pending", "g", "-n", "1"});
    CHECK(one.err.find("there are more") != std::string::npos);
    CHECK(run({"group", "pending", "nobody"}).code == 5);
}

TEST_CASE_FIXTURE(DeadLetterFixture,
                  "admin/queue: dlq ls and show tell the story of each dead letter") {
    CHECK(letters() == 2);
    CHECK(json({"dlq", "ls", "x"}).as_array().empty());
    const auto letters = json({"dlq", "show", "g"}).as_array();
    REQUIRE(letters.size() == 2);
    CHECK(letters[0].at("error") == "no stock");
    CHECK(letters[0].at("group") == "g");
    CHECK(letters[0].at("from_topic") == "t");
    CHECK(letters[0].at("from_partition") == 2);
    CHECK(letters[0].at("from_offset") == 1);
    CHECK(letters[0].at("attempts") == 1);
    CHECK(letters[0].at("event").at("value") == "2");
    CHECK(letters[1].at("error") == "no money");
    CHECK(json({"dlq", "show", "g.dead", "-n", "1"}).as_array().size() == 1);
    CHECK(run({"dlq", "show", "g", "-n", "1"}).err.find("1 of 2") != std::string::npos);
    CHECK(run({"dlq", "show", "nobody"}).code == 5);
}

TEST_CASE_FIXTURE(DeadLetterFixture,
                  "admin/queue: replay puts dead letters back where they were, as they were") {
    CHECK(json({"dlq", "replay", "g", "--dry-run"}).at(0).at("events") == 2);
    CHECK(letters() == 2);
    const auto replayed = json({"dlq", "replay", "g", "-n", "1"}).as_array();
    REQUIRE(replayed.size() == 1);
    CHECK(replayed[0].at("topic") == "t");
    CHECK(replayed[0].at("events") == 1);
    CHECK(letters() == 1);
    CHECK(run({"dlq", "replay", "g"}).code == 0);
    CHECK(letters() == 0);
    CHECK(run({"dlq", "replay", "g"}).err.find("replayed 0") != std::string::npos);
    const auto events = json_lines(run({"consume", "t", "-o", "jsonl"}).out);
    REQUIRE(events.size() == 7);
    CHECK(events[5].at("value") == "2");
    CHECK(events[5].at("key") == "key");
    CHECK(events[5].at("partition") == 2);
    CHECK(events[5].at("headers") == events[1].at("headers"));
    CHECK(events[5].at("timestamp_ns") == events[1].at("timestamp_ns"));
    CHECK(events[6].at("value") == "4");
}

TEST_CASE_FIXTURE(
    DeadLetterFixture,
    "admin/queue: replay goes elsewhere when told, and stops at what is no dead letter") {
    CHECK(run({"dlq", "replay", "g", "--to", "nowhere"}).code == 5);
    CHECK(letters() == 2);
    CHECK(run({"dlq", "replay", "g", "--to", "g.dead"}).code != 0);
    CHECK(letters() == 2);
    REQUIRE(run({"topic", "create", "other"}).code == 0);
    produce("g.dead", "by hand\n");
    const auto partly = run({"dlq", "replay", "g", "--to", "other"});
    CHECK(partly.code == 7);
    CHECK(partly.err.find("is not a dead letter") != std::string::npos);
    CHECK(letters() == 1);
    CHECK(run({"consume", "other"}).out == "2\n4\n");
}

TEST_CASE_FIXTURE(DeadLetterFixture, "admin/queue: purge removes dead letters for good") {
    CHECK(run({"dlq", "purge", "g"}).code == 2);
    CHECK(letters() == 2);
    CHECK(run({"dlq", "purge", "g", "--yes"}).code == 0);
    CHECK(letters() == 0);
    CHECK(json({"dlq", "show", "g"}).as_array().empty());
    CHECK(run({"dlq", "purge", "g", "--yes"}).code == 0);
    // A topic that holds no dead letters is nothing for it.
    REQUIRE(run({"topic", "create", "plain"}).code == 0);
    produce("plain", "1\n2\n");
    CHECK(run({"dlq", "purge", "plain", "--yes"}).err.find("is not a dead letter") !=
          std::string::npos);
    CHECK(run({"consume", "plain"}).out == "1\n2\n");
}

TEST_CASE_FIXTURE(DeadLetterFixture,
                  "admin/queue: headers that only look like a dead letter's are the event's own") {
    REQUIRE(run({"topic", "create", "elsewhere"}).code == 0);
    produce("t", "forged\n",
            {"--partition", "2", "-H", "casc-dead-topic=elsewhere", "-H",
             "casc-dead-truncated=payload"});
    give_up(take(1), 0, "forged");
    const auto deadline = std::chrono::steady_clock::now() + TestBroker::kPatience;
    while (letters() != 3)
        REQUIRE(std::chrono::steady_clock::now() < deadline);
    CHECK(json({"dlq", "show", "g"}).at(2).at("from_topic") == "t");
    CHECK(run({"dlq", "replay", "g"}).code == 0);
    const auto events = json_lines(run({"consume", "t", "-o", "jsonl"}).out);
    REQUIRE(events.size() == 9);
    CHECK(events[8].at("value") == "forged");
    CHECK(events[8].at("headers") == events[5].at("headers"));
}
