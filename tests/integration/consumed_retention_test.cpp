// Topics whose events go when every group has done with them.

#include "key_value_fixture.hpp"

using namespace casc;
using namespace casc::test;

namespace {

struct ConsumedFixture : KeyValueFixture {
    std::uint64_t start_of(const std::string& topic) {
        return describe_topic(*client, topic).logs.at(0)->start;
    }
    void commit(const std::string& group, std::uint32_t topic, std::uint64_t offset) {
        fb::CommitT request;
        request.group = group;
        auto position = std::make_unique<fb::PartitionPositionT>();
        position->topic_id = topic;
        position->lane = static_cast<std::uint8_t>(Lane::normal);
        position->offset = offset;
        request.positions.push_back(std::move(position));
        must(client->call(request));
    }
    static void delete_consumed(fb::TopicSettingsT& settings) {
        settings.partitions = 1;
        settings.delete_consumed = true;
    }
};

}  // namespace

TEST_CASE_FIXTURE(ConsumedFixture,
                  "broker/consumed: events go when the slowest group has committed them") {
    const std::uint32_t topic = create_topic(*client, "t", delete_consumed);
    send_many(*client, "t", 10, "e", Lane::normal, PartitionId(0));
    commit("fast", topic, 8);
    CHECK(eventually([&] { return start_of("t") == 8; }));
    // A group that begins later reads from what is left; from then on it counts.
    commit("slow", topic, 8);
    send_many(*client, "t", 10, "e", Lane::normal, PartitionId(0));
    commit("fast", topic, 20);
    commit("slow", topic, 12);
    CHECK(eventually([&] { return start_of("t") == 12; }));
    broker.kill_hard();
    broker.options().settings.emplace_back("groups.session_timeout_max=2s");
    broker.restart();
    CHECK(start_of("t") == 12);
    // Groups get time to come back, and then it goes on.
    commit("slow", topic, 20);
    CHECK(eventually([&] { return start_of("t") == 20; }));
}

TEST_CASE_FIXTURE(ConsumedFixture,
                  "broker/consumed: a topic that no group reads keeps everything") {
    create_topic(*client, "t", delete_consumed);
    const std::uint32_t other = create_topic(*client, "other", delete_consumed);
    send_many(*client, "t", 10, "e", Lane::normal, PartitionId(0));
    send_many(*client, "other", 10, "e", Lane::normal, PartitionId(0));
    commit("g", other, 10);
    CHECK(eventually([&] { return start_of("other") == 10; }));
    CHECK(start_of("t") == 0);
    // And the bounds of time and size hold as ever.
    fb::AlterTopicT alter;
    alter.name = "t";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->retention_events = 4;
    must(client->call(alter));
    CHECK(eventually([&] { return start_of("t") == 6; }));
}

TEST_CASE_FIXTURE(ConsumedFixture, "broker/consumed: a queue group has done with what is settled") {
    create_topic(*client, "t", delete_consumed);
    send_many(*client, "t", 10, "e", Lane::normal, PartitionId(0));
    auto queue = join_queue("q", "t");
    std::size_t got = 0;
    while (got < 10)
        for (const auto event : must(queue.poll(10, kPatience))) {
            ++got;
            // The sixth is refused for now, and holds what is behind it.
            if (event.event.offset == Offset(5)) {
                must(queue.refuse(event.id(), "not yet", 3'600'000ms));
            } else {
                must(queue.done(event.id()));
            }
        }
    CHECK(eventually([&] {
        static_cast<void>(queue.poll(10, 1ms));
        return start_of("t") == 5;
    }));
}

TEST_CASE_FIXTURE(ConsumedFixture,
                  "broker/consumed: a group without members holds events for a time only") {
    const std::uint32_t topic = create_topic(*client, "t", [](auto& settings) {
        delete_consumed(settings);
        settings.absent_group_ms = 3'600'000;
    });
    send_many(*client, "t", 10, "e", Lane::normal, PartitionId(0));
    commit("dead", topic, 2);
    commit("living", topic, 7);
    CHECK(eventually([&] { return start_of("t") == 2; }));
    {
        auto consumer = must(client->make_consumer({.group = "living"}));
        must(consumer.subscribe({"t"}));
        std::vector<std::string> texts;
        CHECK(poll_until(consumer, texts, [&] { return texts.size() == 3; }));
        fb::AlterTopicT alter;
        alter.name = "t";
        alter.settings = std::make_unique<fb::TopicSettingsT>();
        alter.settings->absent_group_ms = 1;
        must(client->call(alter));
        CHECK(eventually([&] {
            static_cast<void>(consumer.poll(1, 1ms));
            static_cast<void>(consumer.commit());
            return start_of("t") == 10;
        }));
    }
}
