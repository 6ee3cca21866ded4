// casc-admin why, against a real broker: each thing that can be waited for.

#include "admin_run.hpp"

#include <casc/client/client.hpp>

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

struct WhyFixture : AdminFixture {
    std::unique_ptr<client::Client> client;

    WhyFixture() {
        REQUIRE(run({"topic", "create", "t"}).code == 0);
        client::ClientOptions options;
        options.endpoints = {broker.endpoint()};
        auto connected = client::Client::connect(options);
        REQUIRE(connected);
        client = *std::move(connected);
    }
    Words reasons(const std::string& what, const std::string& name) {
        Words words;
        const auto said = json({"why", what, name});
        for (const auto& reason : said.as_array()) {
            // Where programs start slowly a producer may have nothing to do for long.
            if (reason.at("reason").as_string() == "idle") continue;
            words.emplace_back(reason.at("reason").as_string());
            CHECK(reason.at("sentence").as_string().size() > 10);
        }
        return words;
    }
    client::QueueConsumer member(std::uint32_t prefetch) {
        client::QueueOptions options;
        options.group = "q";
        options.topics = {"t"};
        options.prefetch_events = prefetch;
        auto made = client->make_queue_consumer(options);
        REQUIRE(made);
        return *std::move(made);
    }
};

}  // namespace

TEST_CASE_FIXTURE(WhyFixture, "admin/why: a queue group, from nobody there to nothing to do") {
    produce("t", "1\n2\n3\n");
    {
        auto anna = member(2);
        const auto events = anna.poll(2, 30s);
        REQUIRE(events);
        REQUIRE(events->size() == 2);
        const client::EventId first = (*events->begin()).id();
        CHECK(reasons("group", "q") == Words{"no_room", "leased"});
        CHECK(run({"why", "group", "q"}).out.find("member") != std::string::npos);
        REQUIRE(anna.refuse(first, "busy", 1h));
        REQUIRE(anna.flush());
        const Words now = reasons("group", "q");
        CHECK(std::find(now.begin(), now.end(), "delayed") != now.end());
        REQUIRE(anna.close());
    }
    CHECK(reasons("group", "q").front() == "no_members");
    REQUIRE(run({"topic", "alter", "t", "--pause-lanes", "normal"}).code == 0);
    CHECK(reasons("group", "q").at(1) == "paused");
    CHECK(run({"why", "group", "nobody"}).code == 5);
}

TEST_CASE_FIXTURE(WhyFixture, "admin/why: a stream group that is behind, and one that is not") {
    produce("t", "1\n2\n3\n");
    REQUIRE(run({"consume", "t", "-g", "s", "-n", "1"}).code == 0);
    CHECK(reasons("group", "s") == Words{"no_members"});
    REQUIRE(run({"consume", "t", "-g", "s"}).code == 0);
    CHECK(reasons("group", "s") == Words{"caught_up"});
}

TEST_CASE_FIXTURE(WhyFixture,
                  "admin/why: a topic with paused lanes and something that is due later") {
    CHECK(reasons("topic", "t") == Words{"open"});
    REQUIRE(run({"produce", "t", "-v", "later", "--delay", "1h"}).code == 0);
    REQUIRE(run({"topic", "alter", "t", "--pause-lanes", "low,high"}).code == 0);
    CHECK(reasons("topic", "t") == Words{"paused", "paused", "scheduled"});
    CHECK(run({"why", "topic", "nothing"}).code == 5);
}

TEST_CASE_FIXTURE(WhyFixture, "admin/why: a producer that is at work, was refused, or has gone") {
    client::ProducerOptions options;
    options.name = "writer";
    {
        const auto payload = std::as_bytes(std::span(std::string_view("e")));
        auto producer = client->make_producer("t", options);
        REQUIRE(producer);
        REQUIRE(producer->send({.payload = payload}));
        REQUIRE(producer->flush());
        CHECK(reasons("producer", "writer") == Words{"last_append"});
        auto newer = client->make_producer("t", options);
        REQUIRE(newer);
        REQUIRE(newer->send({.payload = payload}));
        REQUIRE(newer->flush());
        const auto fenced = producer->send_future({.payload = payload}).get();
        REQUIRE_FALSE(fenced);
        CHECK(fenced.error().code == ErrorCode::producer_fenced);
        CHECK(reasons("producer", "writer") == Words{"refused", "last_append"});
        const std::string said = run({"why", "producer", "writer"}).out;
        CHECK(said.find("PRODUCER_FENCED") != std::string::npos);
    }
    client.reset();
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (reasons("producer", "writer").front() != "not_connected")
        REQUIRE(std::chrono::steady_clock::now() < deadline);
    CHECK(run({"why", "producer", "nobody"}).code == 5);
}
