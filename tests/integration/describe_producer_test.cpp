// DescribeProducer: what is known of a producer, and what holds it back.

#include "tapper.hpp"

using namespace casc;
using namespace casc::test;

namespace {

struct DescribeFixture {
    // A tap that is full for long is not cut off while a slow test looks at it.
    TestBroker broker{{.settings = {"delivery.tap_block_timeout=60s"}}};
    RawConnection raw{broker.endpoint()};
    std::uint32_t topic = 0;

    DescribeFixture() {
        raw.hello("shop");
        topic = create_topic(raw, "t", partitions(2));
    }
    static wire::FinishOptions identity(RawConnection& raw, std::string name = {}) {
        fb::InitProducerT request;
        request.name = std::move(name);
        const auto reply = must(raw.call(request));
        return {.producer_id = ProducerId(reply.producer_id), .producer_epoch = reply.epoch};
    }
    static wire::FinishOptions at(wire::FinishOptions who, std::uint32_t sequence) {
        who.base_sequence = sequence;
        return who;
    }
    // Asked over a connection that produces nothing.
    Result<fb::DescribeProducerReplyT> describe(std::string producer) {
        RawConnection other(broker.endpoint());
        other.hello("asker");
        fb::DescribeProducerT request;
        request.producer = std::move(producer);
        return other.call(request);
    }
    static std::string number(const wire::FinishOptions& who) {
        return std::to_string(who.producer_id.value());
    }
};

}  // namespace

TEST_CASE_FIXTURE(DescribeFixture,
                  "broker/describe_producer: by its name, its number and its client's id") {
    const auto who = identity(raw, "writer");
    must(produce(raw, topic, batch_of({"a", "b"}, Lane::high, at(who, 0)), Acks::durable, 1));
    must(produce(raw, topic, batch_of({"c"}, Lane::normal, at(who, 0)), Acks::durable));
    for (const std::string& name : {std::string("writer"), number(who), std::string("shop")}) {
        CAPTURE(name);
        const auto told = must(describe(name));
        REQUIRE(told.producers.size() == 1);
        const fb::KnownProducerT& producer = *told.producers.front();
        CHECK(producer.producer_id == who.producer_id.value());
        CHECK(producer.name == "writer");
        CHECK(producer.epoch == who.producer_epoch);
        CHECK_FALSE(producer.more_logs);
        REQUIRE(producer.logs.size() == 2);
        const fb::ProducerLogT& last = *producer.logs.front();
        CHECK(last.topic == "t");
        CHECK(last.partition == 0);
        CHECK(last.next_sequence == 1);
        CHECK(last.batches_not_durable == 0);
        CHECK(producer.logs.back()->partition == 1);
        CHECK(producer.logs.back()->lane == static_cast<std::uint8_t>(Lane::high));
        CHECK(producer.logs.back()->next_sequence == 2);
        CHECK(producer.logs.back()->last_append_ns < last.last_append_ns);
        REQUIRE(told.connections.size() == 1);
        const fb::ProducingConnectionT& connection = *told.connections.front();
        CHECK(connection.client_id == "shop");
        CHECK(connection.producers == std::vector<std::uint64_t>{who.producer_id.value()});
        CHECK(connection.held_by == 0);
        CHECK(connection.refused_code == 0);
        CHECK(told.refused_code == 0);
    }
}

TEST_CASE_FIXTURE(DescribeFixture, "broker/describe_producer: one that nobody has is not known") {
    for (const char* name : {"nobody", "0", "1", "-1", "99999999999999999999", "asker"}) {
        CAPTURE(name);
        CHECK(code_of(describe(name)) == ErrorCode::unknown_producer);
    }
}

TEST_CASE_FIXTURE(DescribeFixture,
                  "broker/describe_producer: the last refusal, of one without a number, too") {
    must(produce(raw, topic, batch_of({"a"})));
    CHECK(code_of(produce(raw, topic, batch_of({"a"}), Acks::durable, 7)) ==
          ErrorCode::unknown_partition);
    const auto told = must(describe("shop"));
    CHECK(told.producers.empty());
    REQUIRE(told.connections.size() == 1);
    CHECK(static_cast<ErrorCode>(told.connections.front()->refused_code) ==
          ErrorCode::unknown_partition);
    CHECK(told.connections.front()->refused_message.find("t/7") != std::string::npos);
}

TEST_CASE_FIXTURE(DescribeFixture,
                  "broker/describe_producer: a newer instance, and one that has gone") {
    const auto old = identity(raw, "writer");
    must(produce(raw, topic, batch_of({"a"}, Lane::normal, at(old, 0))));
    {
        RawConnection newer(broker.endpoint());
        newer.hello("shop-2");
        const auto who = identity(newer, "writer");
        CHECK(code_of(produce(raw, topic, batch_of({"b"}, Lane::normal, at(old, 1)))) ==
              ErrorCode::producer_fenced);
        const auto told = must(describe("writer"));
        CHECK(told.producers.front()->epoch == who.producer_epoch);
        CHECK(told.connections.size() == 2);
        const auto fenced = must(describe("shop"));
        REQUIRE(fenced.connections.size() == 1);
        CHECK(static_cast<ErrorCode>(fenced.connections.front()->refused_code) ==
              ErrorCode::producer_fenced);
    }
    raw.abort();
    // The broker learns of the end of a connection when it reads it.
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!must(describe("writer")).connections.empty())
        REQUIRE(std::chrono::steady_clock::now() < deadline);
    broker.kill_hard();
    broker.restart();
    const auto told = must(describe("writer"));
    CHECK(told.producers.front()->epoch == old.producer_epoch + 1);
    REQUIRE(told.producers.front()->logs.size() == 1);
    const fb::ProducerLogT& log = *told.producers.front()->logs.front();
    CHECK(log.epoch == old.producer_epoch);
    CHECK(log.next_sequence == 0);  // the newer one has sent nothing
}

TEST_CASE_FIXTURE(DescribeFixture,
                  "broker/describe_producer: a fenced one that has come back is found, and what "
                  "is taken ends the refusal") {
    const auto old = identity(raw, "writer");
    must(produce(raw, topic, batch_of({"a"}, Lane::normal, at(old, 0))));
    RawConnection newer(broker.endpoint());
    newer.hello("shop-2");
    const auto who = identity(newer, "writer");
    RawConnection back(broker.endpoint());
    back.hello("shop-1");
    CHECK(code_of(produce(back, topic, batch_of({"b"}, Lane::normal, at(old, 1)))) ==
          ErrorCode::producer_fenced);
    const auto connection_of = [&](const std::string& client) {
        auto told = must(describe("writer"));
        for (auto& connection : told.connections)
            if (connection->client_id == client) return std::move(connection);
        return std::unique_ptr<fb::ProducingConnectionT>();
    };
    const auto fenced = connection_of("shop-1");
    REQUIRE(fenced);
    CHECK(static_cast<ErrorCode>(fenced->refused_code) == ErrorCode::producer_fenced);
    // Errors about other things are not about producing.
    CHECK(code_of(newer.call(create_request("t"))) == ErrorCode::topic_exists);
    CHECK(connection_of("shop-2")->refused_code == 0);
    CHECK(code_of(produce(newer, topic, batch_of({"b"}, Lane::normal, at(who, 5)))) ==
          ErrorCode::sequence_gap);
    CHECK(static_cast<ErrorCode>(connection_of("shop-2")->refused_code) == ErrorCode::sequence_gap);
    must(produce(newer, topic, batch_of({"b"}, Lane::normal, at(who, 0))));
    CHECK(connection_of("shop-2")->refused_code == 0);
}

TEST_CASE_FIXTURE(DescribeFixture,
                  "broker/describe_producer: what a client has sent is not repeated at length") {
    CHECK(code_of(describe(std::string(1 << 20, 'x'))) == ErrorCode::invalid_request);
    CHECK(code_of(describe("")) == ErrorCode::invalid_request);
    CHECK(code_of(describe("any client: \"id\"")) == ErrorCode::unknown_producer);
    identity(raw);
    fb::InitProducerT request;
    request.name = std::string(100'000, 'x');
    CHECK_FALSE(raw.call(request));
    const auto told = must(describe("shop"));
    CHECK(told.connections.front()->refused_code != 0);
    CHECK(told.connections.front()->refused_message.size() <= 256);
}

TEST_CASE_FIXTURE(DescribeFixture, "broker/describe_producer: who has the tap that holds it") {
    topic = create_topic(raw, "v", in_no_storage);
    RawConnection wall(broker.endpoint());
    wall.hello("wall");
    fb::TapT tap;
    tap.subscription_id = 1;
    tap.topics = {"v"};
    tap.on_full = 3;  // producers wait
    tap.events_max = 2;
    must(wall.call(tap));
    // All of its requests before it reads an answer.
    fb::ProduceT request;
    request.topic_id = topic;
    request.acks = static_cast<std::uint8_t>(Acks::memory);
    wire::Encoder encoder;
    for (std::uint32_t i = 0; i < 50; ++i)
        raw.send(frame_bytes(wire::FrameKind::request, wire::Api::produce, i,
                             encoder.encode(request), batch_of({"e"})));
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        const auto told = describe("shop");
        if (!told || told->connections.front()->held_by == 0) continue;
        CHECK(told->connections.front()->held_by == 2);
        CHECK(told->connections.front()->tap_client_id == "wall");
        break;
    }
}
