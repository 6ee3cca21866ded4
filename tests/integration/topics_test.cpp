// Topics: creating, altering, listing, purging, deleting, and creation by use.

#include "broker_verbs.hpp"

using namespace casc;
using namespace casc::test;

namespace {

struct TopicsFixture {
    TestBroker broker;
    RawConnection raw{broker.endpoint()};
    TopicsFixture() { raw.hello(); }

    template <class Request>
    Request named(const std::string& name, const ChangeSettings& change = {}) {
        Request request;
        request.name = name;
        if constexpr (requires { request.settings; }) {
            request.settings = std::make_unique<fb::TopicSettingsT>();
            if (change) change(*request.settings);
        }
        return request;
    }
    ErrorCode create(const std::string& name, const ChangeSettings& change = {}) {
        return code_of(raw.call(create_request(name, change)));
    }
    ErrorCode alter(const std::string& name, const ChangeSettings& change) {
        return code_of(raw.call(named<fb::AlterTopicT>(name, change)));
    }
    fb::DescribeTopicReplyT describe(const std::string& name) {
        return must(raw.call(named<fb::DescribeTopicT>(name)));
    }
};

}  // namespace

TEST_CASE_FIXTURE(TopicsFixture,
                  "broker/topics: a topic is there after a crash, with its settings and number") {
    const auto id = create_topic(raw, "orders", [](auto& settings) {
        settings.partitions = 3;
        settings.retention_ms = 12'345;
        settings.retention_bytes = 1'000'000;
    });
    broker.kill_hard();
    broker.restart();
    RawConnection after(broker.endpoint());
    after.hello();
    const auto found = must(after.call(named<fb::DescribeTopicT>("orders")));
    CHECK(found.topic->topic_id == id);
    CHECK(found.topic->settings->partitions == 3u);
    CHECK(found.topic->settings->retention_ms == 12'345);
    CHECK(found.topic->settings->retention_bytes == 1'000'000);
}

TEST_CASE_FIXTURE(
    TopicsFixture,
    "broker/topics: bad names and settings are refused, and validate_only creates nothing") {
    CHECK(create("orders") == ErrorCode::ok);
    CHECK(create("orders") == ErrorCode::topic_exists);
    for (const char* name : {"", ".hidden", "a b", "a/b", "\xc3\xa4"})
        CHECK(create(name) == ErrorCode::invalid_request);
    CHECK(create(std::string(250, 'n')) == ErrorCode::invalid_request);
    CHECK(create(std::string(249, 'n')) == ErrorCode::ok);
    CHECK(create("t", partitions(0)) == ErrorCode::invalid_config);
    CHECK(create("t", partitions(65'537)) == ErrorCode::invalid_config);
    CHECK(create("t", [](auto& s) { s.retention_ms = 0; }) == ErrorCode::invalid_config);
    CHECK(create("t", [](auto& s) { s.retention_events = -2; }) == ErrorCode::invalid_config);
    CHECK(create("t", [](auto& s) { s.durability = 3; }) == ErrorCode::not_supported);
    auto only = create_request("t");
    only.validate_only = true;
    CHECK(code_of(raw.call(only)) == ErrorCode::ok);
    CHECK(code_of(raw.call(named<fb::DescribeTopicT>("t"))) == ErrorCode::unknown_topic);
}

TEST_CASE_FIXTURE(TopicsFixture, "broker/topics: alter changes what it names and nothing else") {
    create_topic(raw, "orders", [](auto& settings) {
        settings.partitions = 2;
        settings.retention_ms = 60'000;
    });
    CHECK(alter("orders", partitions(1)) == ErrorCode::invalid_config);
    CHECK(alter("orders", in_memory) == ErrorCode::invalid_config);
    CHECK(alter("nowhere", partitions(3)) == ErrorCode::unknown_topic);
    CHECK(alter("orders", partitions(4)) == ErrorCode::ok);
    const auto settings = *describe("orders").topic->settings;
    CHECK(settings.partitions == 4u);
    CHECK(settings.retention_ms == 60'000);
    const auto id = describe("orders").topic->topic_id;
    CHECK(must(produce(raw, id, batch_of({"x"}), Acks::durable, 3)).base_offset == 0);
}

TEST_CASE_FIXTURE(TopicsFixture, "broker/topics: listings come by name, page by page, by prefix") {
    for (const char* name : {"b.2", "a.1", "b.1", "c", "b.3"})
        create_topic(raw, name);
    const auto list = [&](const std::string& prefix, const std::string& after,
                          std::uint32_t limit) {
        fb::ListTopicsT request;
        request.prefix = prefix;
        request.after = after;
        request.limit = limit;
        const auto reply = must(raw.call(request));
        std::string names;
        for (const auto& topic : reply.topics)
            names += topic->name + " ";
        return names + (reply.more ? "+" : "");
    };
    CHECK(list("", "", 0) == "a.1 b.1 b.2 b.3 c ");
    CHECK(list("b.", "", 2) == "b.1 b.2 +");
    CHECK(list("b.", "b.2", 2) == "b.3 ");
    CHECK(list("x", "", 0) == "");
}

TEST_CASE_FIXTURE(TopicsFixture,
                  "broker/topics: purge takes what is there or what lies below a position") {
    const auto id = create_topic(raw, "orders");
    for (int i = 0; i < 10; ++i)
        must(produce(raw, id, batch_of({"x"})));
    fb::PurgeTopicT purge;
    purge.name = "orders";
    auto& position = purge.positions.emplace_back(std::make_unique<fb::PurgePositionT>());
    position->lane = 2;
    position->before = 4;
    must(raw.call(purge));
    CHECK(describe("orders").logs.at(0)->start == 4);
    position->before = 11;
    CHECK(code_of(raw.call(purge)) == ErrorCode::offset_out_of_range);
    position->before = 5;
    position->partition = 1;
    CHECK(code_of(raw.call(purge)) == ErrorCode::unknown_partition);
    purge.positions.clear();
    must(raw.call(purge));
    CHECK(describe("orders").logs.at(0)->start == 10);
    CHECK(must(produce(raw, id, batch_of({"x"}))).base_offset == 10);
}

TEST_CASE_FIXTURE(
    TopicsFixture,
    "broker/topics: a deleted topic is gone for good, its name is free, its number is not") {
    const auto old = create_topic(raw, "orders");
    must(produce(raw, old, batch_of({"x"})));
    must(raw.call(named<fb::DeleteTopicT>("orders")));
    CHECK(code_of(produce(raw, old, batch_of({"x"}))) == ErrorCode::unknown_topic);
    CHECK(code_of(raw.call(named<fb::DeleteTopicT>("orders"))) == ErrorCode::unknown_topic);
    const auto fresh = create_topic(raw, "orders");
    CHECK(fresh != old);
    CHECK(must(produce(raw, fresh, batch_of({"y"}))).base_offset == 0);
    broker.kill_hard();
    broker.restart();
    RawConnection after(broker.endpoint());
    after.hello();
    CHECK(must(after.call(named<fb::DescribeTopicT>("orders"))).topic->topic_id == fresh);
    CHECK(create_topic(after, "another") > fresh);
}

TEST_CASE_FIXTURE(TopicsFixture,
                  "broker/topics: a group that read a deleted topic forgets its positions in it") {
    const auto id = create_topic(raw, "orders");
    must(produce(raw, id, batch_of({"x"})));
    fb::CommitT commit;
    commit.group = "g";
    auto& position = commit.positions.emplace_back(std::make_unique<fb::PartitionPositionT>());
    position->topic_id = id;
    position->lane = 2;
    position->offset = 1;
    must(raw.call(commit));
    fb::CommittedT committed;
    committed.group = "g";
    CHECK(must(raw.call(committed)).positions.size() == 1);
    must(raw.call(named<fb::DeleteTopicT>("orders")));
    CHECK(must(raw.call(committed)).positions.empty());
}

TEST_CASE("broker/topics: topics come into being by use only when the policy says so") {
    TestBrokerOptions options;
    options.settings = {"topics.auto_create=true", "topics.partitions=5"};
    TestBroker broker(options);
    const auto client = connect(broker);
    auto producer = must(client->make_producer("by-use"));
    CHECK(producer.partitions() == 5);
    const auto id = describe_topic(*client, "by-use").topic->topic_id;
    REQUIRE(producer.close());
    client->close();
    // What a client was told holds after a crash.
    broker.kill_hard();
    broker.restart();
    CHECK(describe_topic(*connect(broker), "by-use").topic->topic_id == id);

    TestBroker strict;
    CHECK(code_of(connect(strict)->make_producer("by-use")) == ErrorCode::unknown_topic);
}

TEST_CASE_FIXTURE(TopicsFixture,
                  "broker/topics: an answer that fits no frame is refused, not sent") {
    // Names of a group's topics alone would have passed the limit of a body; the client would have
    // hung up.
    fb::JoinGroupT join;
    join.group = "g";
    join.session_timeout_ms = 30'000;
    const std::string name(249, 'n');
    create_topic(raw, name, partitions(40'000));
    join.topics = {name};
    raw.send(request_bytes(join, 1));
    std::size_t assigned = 0;
    while (assigned < 40'000) {
        const auto frame = raw.receive();
        REQUIRE(frame);
        REQUIRE(frame->error == ErrorCode::ok);
        if (frame->header.kind != wire::FrameKind::push) continue;
        assigned += must(wire::decode<fb::Assignment>(frame->body)).assign.size();
    }
    fb::DescribeGroupT describe_group;
    describe_group.group = "g";
    CHECK(code_of(raw.call(describe_group)) == ErrorCode::frame_too_large);
    CHECK(must(raw.call(fb::ListTopicsT{})).topics.size() == 1);
}
