#include <casc/wire/rpc.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

using namespace casc;
using namespace casc::wire;

namespace {

using Bytes = std::vector<std::byte>;

Bytes copied(std::span<const std::byte> bytes) {
    return {bytes.begin(), bytes.end()};
}

template <class Message>
Bytes encoded(const Message& message) {
    Encoder encoder;
    return copied(encoder.encode(message));
}

fb::CreateTopicT create_orders() {
    fb::CreateTopicT request;
    request.name = "orders";
    request.settings = std::make_unique<fb::TopicSettingsT>();
    request.settings->partitions = 8;
    request.settings->retention_ms = -1;
    return request;
}

template <class Request>
void check_that_an_empty_one_comes_back() {
    using Rpc = Rpc<Request>;
    CHECK(decode<typename Rpc::Table>(encoded(Request{})));
    CHECK(decode<typename Rpc::Reply>(encoded(typename Rpc::ReplyMessage{})));
}

// A body whose `count` references in JoinGroup.topics all lead to one string of `text_bytes`.
Bytes join_with_one_topic_many_times(std::size_t count, std::size_t text_bytes) {
    Encoder encoder;
    return copied(encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        const auto topic = builder.CreateString(std::string(text_bytes, 't'));
        const std::vector<flatbuffers::Offset<flatbuffers::String>> topics(count, topic);
        return fb::CreateJoinGroup(builder, 0, 0, 0, builder.CreateVector(topics));
    }));
}

}  // namespace

TEST_CASE("schemas/messages: what was encoded is decoded") {
    const auto request = decode<fb::CreateTopic>(encoded(create_orders())).value();
    CHECK(request.name == "orders");
    REQUIRE(request.settings);
    CHECK(request.settings->partitions == 8u);
    CHECK(request.settings->retention_ms == -1);
}

TEST_CASE("schemas/messages: a setting that was not given is not the same as zero") {
    auto request = create_orders();
    request.settings->retention_bytes = 0;
    const auto decoded = decode<fb::CreateTopic>(encoded(request)).value();
    CHECK(decoded.settings->retention_bytes.has_value());
    CHECK_FALSE(decoded.settings->retention_events.has_value());
    CHECK_FALSE(decoded.settings->durability.has_value());
}

TEST_CASE("schemas/messages: every request and reply is valid with nothing in it") {
    check_that_an_empty_one_comes_back<fb::HelloT>();
    check_that_an_empty_one_comes_back<fb::PingT>();
    check_that_an_empty_one_comes_back<fb::CreateTopicT>();
    check_that_an_empty_one_comes_back<fb::ListTopicsT>();
    check_that_an_empty_one_comes_back<fb::DescribeTopicT>();
    check_that_an_empty_one_comes_back<fb::PurgeTopicT>();
    check_that_an_empty_one_comes_back<fb::InitProducerT>();
    check_that_an_empty_one_comes_back<fb::ProduceT>();
    check_that_an_empty_one_comes_back<fb::FetchT>();
    check_that_an_empty_one_comes_back<fb::ListOffsetsT>();
    check_that_an_empty_one_comes_back<fb::SubscribeT>();
    check_that_an_empty_one_comes_back<fb::JoinGroupT>();
    check_that_an_empty_one_comes_back<fb::CommitT>();
    check_that_an_empty_one_comes_back<fb::CommittedT>();
    check_that_an_empty_one_comes_back<fb::DescribeGroupT>();
    check_that_an_empty_one_comes_back<fb::ResetGroupT>();
    check_that_an_empty_one_comes_back<fb::NodeInfoT>();
}

TEST_CASE("schemas/messages: an encoder can be used again, also through a builder") {
    Encoder encoder;
    const Bytes first = copied(encoder.encode(create_orders()));
    const auto built = encoder.build(
        [](flatbuffers::FlatBufferBuilder& b) { return fb::CreateProduce(b, 7, 3, 2); });
    const auto* produce = view<fb::Produce>(built).value();
    CHECK(produce->topic_id() == 7);
    CHECK(produce->partition() == 3);
    CHECK(produce->acks() == 2);
    CHECK(copied(encoder.encode(create_orders())) == first);
}

TEST_CASE("schemas/messages: nothing, garbage, and a body cut anywhere are refused") {
    CHECK(decode<fb::CreateTopic>({}).error().code == ErrorCode::malformed_message);
    CHECK(decode<fb::CreateTopic>(Bytes(64, std::byte{0xFF})).error().code ==
          ErrorCode::malformed_message);
    fb::HelloT hello;
    hello.client_id = "someone";
    hello.software = "casc-cpp";
    const Bytes whole = encoded(hello);
    // The last few bytes may be padding behind the last string.
    for (std::size_t length = 0; length + 8 < whole.size(); ++length) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK(decode<fb::Hello>(cut).error().code == ErrorCode::malformed_message);
    }
}

TEST_CASE("schemas/messages: random damage is refused or read without harm") {
    fb::DescribeGroupReplyT reply;
    reply.group = std::make_unique<fb::GroupSummaryT>();
    reply.group->name = "billing";
    for (int i = 0; i < 3; ++i) {
        auto member = std::make_unique<fb::GroupMemberT>();
        member->member_id = "member-" + std::to_string(i);
        member->partitions.push_back(std::make_unique<fb::AssignedPartitionT>());
        member->partitions.back()->topic = "orders";
        reply.members.push_back(std::move(member));
    }
    const Bytes whole = encoded(reply);
    std::mt19937_64 random(40);
    std::size_t refused = 0;
    for (int round = 0; round < 20'000; ++round) {
        Bytes damaged = whole;
        for (std::size_t i = random() % 3 + 1; i > 0; --i)
            damaged[random() % damaged.size()] =
                static_cast<std::byte>(random() % 3 == 0 ? 0xFF : random());
        const auto decoded = decode<fb::DescribeGroupReply>(damaged);
        if (!decoded) ++refused;
    }
    CHECK(refused > 0);
}

TEST_CASE("schemas/messages: one string named a million times does not unpack to a terabyte") {
    CHECK(decode<fb::JoinGroup>(join_with_one_topic_many_times(10, 100)).value().topics.size() ==
          10);
    const Bytes bomb = join_with_one_topic_many_times(1'000'000, 3u << 20);
    REQUIRE(bomb.size() <= kBodyBytesMax);
    CHECK(view<fb::JoinGroup>(bomb).has_value());  // looking costs nothing
    CHECK(decode<fb::JoinGroup>(bomb).error().code == ErrorCode::malformed_message);
}

TEST_CASE("schemas/messages: one table named a million times is refused") {
    Encoder encoder;
    const auto body = encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        const auto source = fb::CreateFetchSource(builder, 1, 2, 3, 4);
        const std::vector<flatbuffers::Offset<fb::FetchSource>> sources(1'000'000, source);
        return fb::CreateFetch(builder, builder.CreateVector(sources));
    });
    CHECK(view<fb::Fetch>(body).error().code == ErrorCode::malformed_message);
}

TEST_CASE("schemas/messages: as many small tables as a body can hold are accepted") {
    fb::FetchT fetch;
    for (int i = 0; i < 10'000; ++i)
        fetch.sources.push_back(std::make_unique<fb::FetchSourceT>());
    CHECK(decode<fb::Fetch>(encoded(fetch)).value().sources.size() == 10'000);
}

TEST_CASE("schemas/messages: fields of a newer version are skipped") {
    // A Produce with a fifth and a sixth field, as a later schema may have them.
    Encoder encoder;
    const auto body = encoder.build([](flatbuffers::FlatBufferBuilder& builder) {
        const auto text = builder.CreateString("from the future");
        const auto start = builder.StartTable();
        builder.AddElement<std::uint32_t>(fb::Produce::VT_TOPIC_ID, 7, 0);
        builder.AddOffset(flatbuffers::FieldIndexToOffset(20), text);
        builder.AddElement<std::uint64_t>(flatbuffers::FieldIndexToOffset(21), 99, 0);
        return flatbuffers::Offset<fb::Produce>(builder.EndTable(start));
    });
    const auto produce = decode<fb::Produce>(body).value();
    CHECK(produce.topic_id == 7);
    CHECK(produce.partition == 0);
}

// Under the undefined-behaviour sanitizer: rows of the store were read where RocksDB had put them.
TEST_CASE("schemas/messages: a message is decoded wherever it lies") {
    Encoder encoder;
    fb::ProduceT produce;
    produce.topic_id = 7;
    const auto body = encoder.encode(produce);
    for (std::size_t shift = 0; shift < 8; ++shift) {
        std::vector<std::byte> bytes(shift + body.size());
        std::copy(body.begin(), body.end(), bytes.begin() + static_cast<std::ptrdiff_t>(shift));
        CHECK(decode<fb::Produce>(std::span(bytes).subspan(shift)).value().topic_id == 7);
    }
}

TEST_CASE("schemas/messages: a request finds its number and its answer by type") {
    static_assert(Rpc<fb::CreateTopicT>::api == Api::create_topic);
    static_assert(std::is_same_v<Rpc<fb::CommitT>::Reply, fb::Done>);
    static_assert(std::is_same_v<Rpc<fb::FetchT>::ReplyMessage, fb::FetchReplyT>);
    CHECK(static_cast<unsigned>(Rpc<fb::BackupT>::api) == 62);
}
