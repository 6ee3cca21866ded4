// Topics of `volatile` durability: read like any other, kept in memory only, empty after a restart.

#include "queue_member.hpp"
#include "tapper.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

using namespace casc;
using namespace casc::test;

namespace {

struct VolatileFixture {
    TestBroker broker;
    std::unique_ptr<RawConnection> raw;
    std::uint32_t topic = 0;

    explicit VolatileFixture(std::vector<std::string> settings = {})
        : broker({.settings = std::move(settings)}) {
        connect_again();
        topic = create_topic(*raw, "t", in_no_storage);
    }
    void connect_again() {
        raw = std::make_unique<RawConnection>(broker.endpoint());
        raw->hello();
    }
    fb::ProduceReplyT write(const std::string& text) {
        return must(produce(*raw, topic, batch_of({text}), Acks::memory));
    }
    fb::LogInfoT log() {
        fb::DescribeTopicT request;
        request.name = "t";
        const auto reply = must(raw->call(request));
        REQUIRE(reply.logs.size() == 1);
        return *reply.logs.front();
    }
    // The first source of a Fetch that does not wait, and its events.
    std::pair<fb::FetchedSourceT, std::vector<std::string>> fetch(std::uint64_t offset) {
        fb::FetchT request;
        auto source = std::make_unique<fb::FetchSourceT>();
        source->topic_id = topic;
        source->lane = static_cast<std::uint8_t>(Lane::normal);
        source->offset = offset;
        request.sources.push_back(std::move(source));
        raw->send(request_bytes(request, 77));
        const auto frame = raw->receive();
        REQUIRE(frame);
        const auto reply = must(wire::decode<fb::FetchReply>(frame->body));
        return {*reply.sources.at(0), events_in(frame->attachments)};
    }
};

bool a_file_holds(const std::filesystem::path& folder, const std::string& text) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) continue;
        std::ifstream file(entry.path(), std::ios::binary);
        const std::string content((std::istreambuf_iterator<char>(file)), {});
        if (content.find(text) != std::string::npos) return true;
    }
    return false;
}

}  // namespace

TEST_CASE_FIXTURE(VolatileFixture, "broker/volatile: subscriptions and fetches read them") {
    const auto first = write("a");
    CHECK(first.level == static_cast<std::uint8_t>(Acks::memory));
    CHECK(write("b").base_offset == first.base_offset + 1);
    const auto [source, events] = fetch(first.base_offset);
    CHECK(source.visible_end == first.base_offset + 2);
    CHECK(events == std::vector<std::string>{"a", "b"});

    RawConnection reader(broker.endpoint());
    reader.hello();
    fb::SubscribeT subscribe;
    subscribe.subscription_id = 1;
    auto& from = subscribe.sources.emplace_back(std::make_unique<fb::FetchSourceT>());
    from->topic_id = topic;
    from->lane = static_cast<std::uint8_t>(Lane::normal);
    from->offset = first.base_offset + 1;
    subscribe.credit_bytes = subscribe.credit_events = 1 << 20;
    must(reader.call(subscribe));
    CHECK(events_in(reader.receive()->attachments) == std::vector<std::string>{"b"});
    write("c");
    CHECK(events_in(reader.receive()->attachments) == std::vector<std::string>{"c"});
}

TEST_CASE_FIXTURE(VolatileFixture, "broker/volatile: what would need a disk is refused") {
    const auto refused = produce(*raw, topic, batch_of({"a"}), Acks::durable);
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::not_supported);
    CHECK(refused.error().detail.find("volatile") != std::string::npos);
    fb::AlterTopicT alter;
    alter.name = "t";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->durability = 2;
    CHECK(code_of(raw->call(alter)) == ErrorCode::invalid_config);
}

TEST_CASE_FIXTURE(VolatileFixture,
                  "broker/volatile: a restart empties them, and old offsets are out of range") {
    const std::string needle = "nobody-writes-this-down";
    const auto before = write(needle);
    for (int i = 0; i < 100; ++i)
        write(needle);
    SUBCASE("drained") {
        broker.restart();
    }
    SUBCASE("killed") {
        broker.kill_hard();
        broker.restart();
    }
    CHECK_FALSE(a_file_holds(broker.data_directory(), needle));
    connect_again();
    const auto [source, events] = fetch(before.base_offset + 50);
    CHECK(static_cast<ErrorCode>(source.error) == ErrorCode::offset_out_of_range);
    CHECK(source.start == source.visible_end);
    CHECK(source.start > before.base_offset + 101);
    const auto after = write("new");
    CHECK(after.base_offset == source.start);
    CHECK(after.epoch >= before.epoch);  // in seconds
    CHECK(fetch(source.start).second == std::vector<std::string>{"new"});
}

TEST_CASE("broker/volatile: memory is bounded, by log and by all of them") {
    VolatileFixture at({"volatile.log_bytes=256KiB", "volatile.memory_bytes=4MiB"});
    const std::string text(1000, 'x');
    const auto first = must(produce(*at.raw, at.topic, batch_of({text}), Acks::memory));
    for (int i = 0; i < 100; ++i)
        must(
            produce(*at.raw, at.topic, batch_of(std::vector<std::string>(20, text)), Acks::memory));
    const auto log = at.log();
    CHECK(log.bytes <= 256 * 1024);
    CHECK(log.bytes >= 200 * 1024);
    CHECK(log.start > first.base_offset);
    const auto [source, events] = at.fetch(first.base_offset);
    CHECK(static_cast<ErrorCode>(source.error) == ErrorCode::offset_out_of_range);
    CHECK(source.start == log.start);

    // Fifty logs want more than all may have: the oldest events go.
    const auto wide = create_topic(*at.raw, "wide", [](fb::TopicSettingsT& settings) {
        settings.durability = 0;
        settings.partitions = 50;
    });
    for (std::uint32_t partition = 0; partition < 50; ++partition)
        for (int i = 0; i < 10; ++i)
            must(produce(*at.raw, wide, batch_of(std::vector<std::string>(20, text)), Acks::memory,
                         partition));
    fb::DescribeTopicT describe;
    describe.name = "wide";
    const auto reply = must(at.raw->call(describe));
    CHECK(reply.topic->bytes < 4 * 1024 * 1024);
    double in_use = 0;
    double evicted = 0;
    for (const auto& figure : must(at.raw->call(fb::NodeInfoT{})).figures) {
        if (figure->name == "casc_volatile_bytes") in_use = figure->value;
        if (figure->name == "casc_volatile_events_evicted_total") evicted = figure->value;
    }
    CHECK(in_use > 0);
    CHECK(in_use <= 4.0 * 1024 * 1024);
    CHECK(evicted > 0);
}

TEST_CASE_FIXTURE(VolatileFixture, "broker/volatile: the topic's own bounds, and purging") {
    fb::AlterTopicT alter;
    alter.name = "t";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->retention_events = 5;
    must(raw->call(alter));
    for (int i = 0; i < 20; ++i)
        write(std::to_string(i));
    CHECK(log().visible_end - log().start == 5);
    fb::PurgeTopicT purge;
    purge.name = "t";
    must(raw->call(purge));
    CHECK(log().visible_end == log().start);
    const auto next = write("after");
    CHECK(fetch(next.base_offset).second == std::vector<std::string>{"after"});
}

TEST_CASE_FIXTURE(VolatileFixture, "broker/volatile: a topic that is removed takes its events") {
    write("a");
    fb::DeleteTopicT remove;
    remove.name = "t";
    must(raw->call(remove));
    topic = create_topic(*raw, "t", in_no_storage);
    fb::DescribeTopicT describe;
    describe.name = "t";
    CHECK(must(raw->call(describe)).logs.empty());
}

TEST_CASE_FIXTURE(VolatileFixture, "broker/volatile: a queue group shares the work") {
    for (int i = 0; i < 10; ++i)
        write(std::to_string(i));
    QueueMember anna(broker);
    anna.join("g", 5);
    const auto of_anna = anna.take(5);
    QueueMember bert(broker);
    bert.join("g", 5);
    CHECK(bert.take(5).front().text == "5");
    CHECK(anna.done({of_anna[0], of_anna[1]}).refused.empty());
    // What is refused comes again.
    anna.say(of_anna[2], QueueMember::kRefused, "busy");
    std::vector<std::string> rest;
    for (const Leased& event : anna.take(1))
        rest.push_back(event.text);
    CHECK(rest == std::vector<std::string>{"2"});

    // The group outlives a restart, its events do not.
    broker.restart();
    connect_again();
    QueueMember carl(broker);
    carl.join("g", 5);
    write("new");
    CHECK(carl.take(1).front().text == "new");
}

TEST_CASE_FIXTURE(VolatileFixture, "broker/volatile: lanes, parts of batches, retention by time") {
    must(produce(*raw, topic, batch_of({"1", "2", "3"}), Acks::memory));
    const auto start = log().start;
    CHECK(fetch(start + 2).second == std::vector<std::string>{"1", "2", "3"});  // whole batches
    fb::ListOffsetsT list;
    for (const std::uint8_t at : {std::uint8_t{0}, std::uint8_t{1}}) {
        auto& query = list.queries.emplace_back(std::make_unique<fb::OffsetQueryT>());
        query->topic_id = topic;
        query->lane = static_cast<std::uint8_t>(Lane::normal);
        query->at = at;
    }
    auto& untouched = list.queries.emplace_back(std::make_unique<fb::OffsetQueryT>());
    untouched->topic_id = topic;
    untouched->lane = static_cast<std::uint8_t>(Lane::critical);
    const auto answers = must(raw->call(list));
    CHECK(answers.answers[0]->offset == start);
    CHECK(answers.answers[1]->offset == start + 3);
    CHECK(answers.answers[2]->offset == start);  // where its first event will be
}
