// Producing: levels of acknowledgement, duplicates, and what is refused.

#include "broker_verbs.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

using namespace casc;
using namespace casc::test;

namespace {

struct ProduceFixture {
    TestBroker broker;
    RawConnection raw{broker.endpoint()};
    std::uint32_t topic = 0;

    ProduceFixture() {
        raw.hello();
        topic = create_topic(raw, "orders", partitions(2));
    }
    wire::FinishOptions identity(std::string name = {}) {
        fb::InitProducerT request;
        request.name = std::move(name);
        const auto reply = must(raw.call(request));
        return {.producer_id = ProducerId(reply.producer_id), .producer_epoch = reply.epoch};
    }
    static wire::FinishOptions at(wire::FinishOptions who, std::uint32_t sequence) {
        who.base_sequence = sequence;
        return who;
    }
};

}  // namespace

TEST_CASE_FIXTURE(ProduceFixture,
                  "broker/produce: acks=durable is answered with the offset once it is on disk") {
    const auto first = must(produce(raw, topic, batch_of({"a", "b"})));
    CHECK(first.base_offset == 0);
    CHECK(first.level == 2);
    CHECK_FALSE(first.duplicate);
    CHECK(first.append_time_ns > 0);
    CHECK(must(produce(raw, topic, batch_of({"c"}))).base_offset == 2);
    CHECK(must(produce(raw, topic, batch_of({"d"}), Acks::durable, 1)).base_offset == 0);
}

TEST_CASE_FIXTURE(ProduceFixture,
                  "broker/produce: the time of an event is when it came, and not when the broker "
                  "went to sleep before") {
    for (int i = 0; i < 10; ++i) {
        const EpochNanos sent = wall_now();
        // The answer needs no second wake-up, so the next one finds the broker asleep.
        CHECK(must(produce(raw, topic, batch_of({"a"}), Acks::memory)).append_time_ns >=
              sent.value());
        std::this_thread::sleep_for(std::chrono::milliseconds(7));  // of its ticks' 100
    }
}

TEST_CASE_FIXTURE(ProduceFixture, "broker/produce: acks=memory is answered at once and says so") {
    const auto reply = must(produce(raw, topic, batch_of({"a"}), Acks::memory));
    CHECK(reply.base_offset == 0);
    CHECK(reply.level >= 1);
}

TEST_CASE_FIXTURE(ProduceFixture,
                  "broker/produce: one-way batches are stored in order and not answered") {
    fb::ProduceT request;
    request.topic_id = topic;
    wire::Encoder encoder;
    for (int i = 0; i < 100; ++i)
        raw.send(frame_bytes(wire::FrameKind::one_way, wire::Api::produce, 9,
                             encoder.encode(request), batch_of({std::to_string(i)})));
    // The next answer is that of the next request, so none of them was answered.
    CHECK(must(produce(raw, topic, batch_of({"last"}))).base_offset == 100);
}

TEST_CASE_FIXTURE(
    ProduceFixture,
    "broker/produce: a one-way batch that is refused is answered, or the loss would be silent") {
    fb::ProduceT request;
    request.topic_id = 999;
    wire::Encoder encoder;
    raw.send(frame_bytes(wire::FrameKind::one_way, wire::Api::produce, 77, encoder.encode(request),
                         batch_of({"x"})));
    const auto frame = raw.receive();
    REQUIRE(frame);
    CHECK(frame->error == ErrorCode::unknown_topic);
    CHECK(frame->header.correlation_id == 77);
}

TEST_CASE_FIXTURE(ProduceFixture,
                  "broker/produce: a duplicate is stored once and answered with its first offset") {
    const auto who = identity();
    for (std::uint32_t i = 0; i < 5; ++i)
        CHECK(must(produce(raw, topic, batch_of({"e"}, Lane::normal, at(who, i)))).base_offset ==
              i);
    const auto again = must(produce(raw, topic, batch_of({"e"}, Lane::normal, at(who, 3))));
    CHECK(again.duplicate);
    CHECK(again.base_offset == 3);
    CHECK(must(produce(raw, topic, batch_of({"e"}, Lane::normal, at(who, 5)))).base_offset == 5);
}

TEST_CASE_FIXTURE(ProduceFixture,
                  "broker/produce: a duplicate is recognised after the broker was killed") {
    const auto who = identity();
    const auto batch = batch_of({"e"}, Lane::normal, at(who, 0));
    must(produce(raw, topic, batch));
    broker.kill_hard();
    broker.restart();
    RawConnection after(broker.endpoint());
    after.hello();
    const auto again = must(produce(after, topic, batch));
    CHECK(again.duplicate);
    CHECK(again.base_offset == 0);
}

TEST_CASE_FIXTURE(ProduceFixture,
                  "broker/produce: duplicates sent while the original is on its way are all "
                  "answered once it is durable") {
    const auto who = identity();
    const auto batch = batch_of({"e"}, Lane::normal, at(who, 0));
    fb::ProduceT request;
    request.topic_id = topic;
    request.acks = 2;
    std::vector<std::byte> burst;
    for (std::uint32_t correlation = 100; correlation < 110; ++correlation) {
        const auto frame = request_bytes(request, correlation, batch);
        burst.insert(burst.end(), frame.begin(), frame.end());
    }
    raw.send(burst);
    int duplicates = 0;
    for (int i = 0; i < 10; ++i) {
        const auto frame = raw.receive();
        REQUIRE(frame);
        REQUIRE(frame->error == ErrorCode::ok);
        const auto reply = must(wire::decode<fb::ProduceReply>(frame->body));
        CHECK(reply.base_offset == 0);
        CHECK(reply.level == 2);
        duplicates += reply.duplicate;
    }
    CHECK(duplicates == 9);
}

TEST_CASE_FIXTURE(
    ProduceFixture,
    "broker/produce: gaps, old instances and unknown identities are refused by number") {
    const auto who = identity("till");
    const auto send = [&](wire::FinishOptions options) {
        return code_of(produce(raw, topic, batch_of({"e"}, Lane::normal, options)));
    };
    CHECK(send(at(who, 1)) == ErrorCode::sequence_gap);
    CHECK(send(at(who, 0)) == ErrorCode::ok);
    CHECK(send(at(who, 2)) == ErrorCode::sequence_gap);
    const auto newer = identity("till");
    CHECK(newer.producer_id == who.producer_id);
    CHECK(send(at(who, 1)) == ErrorCode::producer_fenced);
    CHECK(send(at(newer, 0)) == ErrorCode::ok);
    CHECK(send({.producer_id = ProducerId(4711), .producer_epoch = 1}) ==
          ErrorCode::unknown_producer);
}

TEST_CASE_FIXTURE(ProduceFixture,
                  "broker/produce: what cannot be stored is refused and nothing else suffers") {
    CHECK(code_of(produce(raw, 999, batch_of({"x"}))) == ErrorCode::unknown_topic);
    CHECK(code_of(produce(raw, topic, batch_of({"x"}), Acks::durable, 2)) ==
          ErrorCode::unknown_partition);
    CHECK(code_of(produce(raw, topic, batch_of({"x"}), static_cast<Acks>(3))) ==
          ErrorCode::not_supported);
    auto corrupt = batch_of({"some payload"});
    corrupt[corrupt.size() - 1 - 8] ^= std::byte{1};
    CHECK(code_of(produce(raw, topic, corrupt)) == ErrorCode::batch_corrupt);
    auto unknown_lane = batch_of({"x"});
    unknown_lane[91] = std::byte{4};
    const auto refused = code_of(produce(raw, topic, unknown_lane));
    CHECK((refused == ErrorCode::unknown_lane || refused == ErrorCode::batch_malformed));
    CHECK(code_of(produce(raw, topic, {})) == ErrorCode::batch_malformed);
    CHECK(must(produce(raw, topic, batch_of({"good"}))).base_offset == 0);
}

TEST_CASE_FIXTURE(
    ProduceFixture,
    "broker/produce: an event over the topic's limit is refused, a batch of small ones is not") {
    const auto small =
        create_topic(raw, "small", [](auto& settings) { settings.event_bytes_max = 100; });
    CHECK(code_of(produce(raw, small, batch_of({std::string(101, 'x')}))) ==
          ErrorCode::event_too_large);
    CHECK(code_of(produce(raw, small, batch_of({std::string(100, 'x'), std::string(100, 'y')}))) ==
          ErrorCode::ok);
}

TEST_CASE_FIXTURE(ProduceFixture,
                  "broker/produce: the client's producer gets every event there once, in order") {
    const auto client = connect(broker);
    auto producer = must(client->make_producer("orders"));
    std::atomic<int> delivered{0}, failed{0};
    for (int i = 0; i < 20'000; ++i) {
        const std::string text = std::to_string(i);
        REQUIRE(producer.send(
            {.payload = std::as_bytes(std::span(text)), .partition = PartitionId(1)},
            [&](Result<client::Delivery> outcome) { ++(outcome ? delivered : failed); }));
    }
    REQUIRE(producer.close(kPatience));
    CHECK(delivered == 20'000);
    CHECK(failed == 0);
    auto consumer = must(client->make_consumer());
    REQUIRE(consumer.assign({{"orders", PartitionId(1), Lane::normal, Offset(0)}}));
    std::vector<std::string> events;
    REQUIRE(poll_until(consumer, events, [&] { return events.size() >= 20'000; }));
    for (int i = 0; i < 20'000; ++i)
        REQUIRE(events[static_cast<std::size_t>(i)] == std::to_string(i));
}
