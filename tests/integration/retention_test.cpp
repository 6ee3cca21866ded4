// Old events go: by count, by bytes, by age, and after the bounds were changed.

#include "broker_verbs.hpp"

using namespace casc;
using namespace casc::test;

namespace {

struct RetentionFixture {
    TestBroker broker{[] {
        TestBrokerOptions options;
        options.settings = {"storage.retention_interval=100ms"};
        return options;
    }()};
    RawConnection raw{broker.endpoint()};
    RetentionFixture() { raw.hello(); }

    std::pair<std::uint64_t, std::uint64_t> bounds(const std::string& topic) {
        fb::DescribeTopicT request;
        request.name = topic;
        const auto reply = must(raw.call(request));
        return {reply.logs.at(0)->start, reply.logs.at(0)->visible_end};
    }
    // Waits for retention to come by.
    template <class Condition>
    bool eventually(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (!condition())
            if (std::chrono::steady_clock::now() > deadline) return false;
        return true;
    }
    void fill(std::uint32_t topic, int batches, std::size_t payload = 100) {
        for (int i = 0; i < batches; ++i)
            must(produce(raw, topic, batch_of({std::string(payload, 'x')})));
    }
};

}  // namespace

TEST_CASE_FIXTURE(RetentionFixture, "broker/retention: by count, exactly, and only what is over") {
    const auto topic = create_topic(raw, "t", [](auto& s) { s.retention_events = 10; });
    fill(topic, 35);
    CHECK(eventually([&] { return bounds("t").first == 25; }));
    CHECK(bounds("t").second == 35);
    CHECK(must(produce(raw, topic, batch_of({"x"}))).base_offset == 35);
}

TEST_CASE_FIXTURE(RetentionFixture,
                  "broker/retention: by bytes, whole batches, never below the bound") {
    const std::size_t one = batch_of({std::string(100, 'x')}).size();
    const auto topic = create_topic(
        raw, "t", [&](auto& s) { s.retention_bytes = static_cast<std::int64_t>(10 * one); });
    fill(topic, 50);
    CHECK(eventually([&] { return bounds("t").first == 40; }));
}

TEST_CASE_FIXTURE(RetentionFixture, "broker/retention: by age, everything that is older") {
    const auto topic = create_topic(raw, "t", [](auto& s) { s.retention_ms = 300; });
    fill(topic, 5);
    CHECK(eventually([&] { return bounds("t").first == 5; }));
    fill(topic, 1);
    CHECK(bounds("t").second == 6);
    CHECK(eventually([&] { return bounds("t").first == 6; }));
}

TEST_CASE_FIXTURE(RetentionFixture,
                  "broker/retention: a shorter age holds at once for what is there") {
    // It used to wait until the old, longer age was over.
    const auto topic = create_topic(raw, "t", [](auto& s) { s.retention_ms = 24 * 3'600'000; });
    fill(topic, 5);
    fb::AlterTopicT alter;
    alter.name = "t";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->retention_ms = 200;
    must(raw.call(alter));
    CHECK(eventually([&] { return bounds("t").first == 5; }));
}

TEST_CASE_FIXTURE(
    RetentionFixture,
    "broker/retention: a lower count holds at once, and low-water marks survive a crash") {
    const auto topic = create_topic(raw, "t");
    fill(topic, 20);
    fb::AlterTopicT alter;
    alter.name = "t";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->retention_events = 5;
    must(raw.call(alter));
    CHECK(eventually([&] { return bounds("t").first == 15; }));
    fb::PurgeTopicT purge;
    purge.name = "t";
    must(raw.call(purge));
    broker.kill_hard();
    broker.restart();
    RawConnection after(broker.endpoint());
    after.hello();
    fb::DescribeTopicT request;
    request.name = "t";
    CHECK(must(after.call(request)).logs.at(0)->start == 20);
}

TEST_CASE_FIXTURE(RetentionFixture,
                  "broker/retention: a reader that falls out of the log goes on at its start") {
    const auto topic = create_topic(raw, "t", [](auto& s) { s.retention_events = 10; });
    fill(topic, 100);
    REQUIRE(eventually([&] { return bounds("t").first == 90; }));
    const auto client = connect(broker);
    auto consumer = must(client->make_consumer());
    REQUIRE(consumer.assign({{"t", PartitionId(0), Lane::normal, Offset(3)}}));
    std::vector<std::string> events;
    REQUIRE(poll_until(consumer, events, [&] { return events.size() >= 10; }));
    CHECK(events.size() == 10);
    CHECK(consumer.position("t", PartitionId(0), Lane::normal).value() == Offset(100));
}
