#include "client_fixture.hpp"

#include <casc/client/partitioner.hpp>

using namespace casc;
using namespace casc::client;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

constexpr auto kNever = std::chrono::microseconds(3600s);

std::size_t produces(FakeBroker& broker) {
    return broker.requests(wire::Api::produce).size();
}

}  // namespace

TEST_CASE_FIXTURE(ClientFixture,
                  "client/producer: an event is stored and its delivery says where") {
    auto sending = producer();
    const auto first = sending.send_future(event_for("a", 2, Lane::high)).get();
    const auto second = sending.send_future(event_for("b", 2, Lane::high)).get();
    REQUIRE(first);
    REQUIRE(second);
    CHECK(second->partition == PartitionId(2));
    CHECK(second->lane == Lane::high);
    CHECK(second->offset == Offset(1));
    CHECK(second->level == Acks::durable);
    CHECK_FALSE(second->duplicate);
    CHECK(broker.payloads(log(2, Lane::high)) == std::vector<std::string>{"a", "b"});
}

TEST_CASE_FIXTURE(ClientFixture, "client/producer: everything an event may carry arrives") {
    auto sending = producer();
    const wire::HeaderInput headers[] = {{"h", "v"}};
    Event event = event_for("payload");
    event.key = bytes_of("key");
    event.headers = headers;
    event.type = "t";
    event.correlation_id = "c";
    event.source = "s";
    event.destination = "d";
    event.schema_version = 7;
    event.time_to_live_ms = 8;
    event.timestamp = EpochNanos(9);
    REQUIRE(sending.send_future(event).get());
    const auto stored = broker.log(log(0));
    const auto batch = wire::BatchView::parse(stored.batches.at(0).bytes);
    REQUIRE(batch);
    const auto seen = batch->event(0, batch->stored_payloads());
    CHECK(std::ranges::equal(*seen.key, bytes_of("key")));
    CHECK(seen.type == "t");
    CHECK(seen.correlation_id == "c");
    CHECK(seen.source == "s");
    CHECK(seen.destination == "d");
    CHECK(seen.schema_version == 7);
    CHECK(seen.time_to_live_ms == 8);
    CHECK(seen.timestamp == EpochNanos(9));
    CHECK_FALSE(seen.headers.empty());
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/producer: a batch that is not full goes when its linger is over") {
    ProducerOptions options;
    options.linger = 2ms;
    auto sending = producer(options);
    REQUIRE(sending.try_send(event_for("a")));
    REQUIRE(sending.try_send(event_for("b")));
    CHECK(broker.wait_until([&] { return broker.payloads(log(0)).size() == 2; }));
}

TEST_CASE_FIXTURE(ClientFixture, "client/producer: without a linger an event goes at once") {
    ProducerOptions options;
    options.linger = 0us;
    auto sending = producer(options);
    REQUIRE(sending.try_send(event_for("a")));
    CHECK(broker.wait_until([&] { return broker.payloads(log(0)).size() == 1; }));
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/producer: nothing goes before its linger unless the batch is full") {
    ProducerOptions options;
    options.linger = kNever;
    options.batch_bytes = 1000;
    auto sending = producer(options);
    const std::string payload(96, 'x');
    // 96 bytes of overhead and 100 per event: nine fit, the tenth begins the next batch.
    for (int i = 0; i < 10; ++i)
        REQUIRE(sending.try_send(event_for(payload)));
    REQUIRE(broker.wait_until([&] { return produces(broker) == 1; }));
    CHECK(broker.payloads(log(0)).size() == 9);
    CHECK(sending.flush());
    CHECK(produces(broker) == 2);
    for (const auto& stored : broker.log(log(0)).batches)
        CHECK(stored.bytes.size() <= 1000);
}

TEST_CASE_FIXTURE(ClientFixture, "client/producer: an event larger than a batch goes alone") {
    ProducerOptions options;
    options.batch_bytes = 1000;
    options.in_flight_bytes = 4000;
    auto sending = producer(options);
    CHECK(sending.send_future(event_for(std::string(10'000, 'x'))).get());
}

TEST_CASE_FIXTURE(ClientFixture, "client/producer: what can never be sent is refused at once") {
    auto sending = producer();
    CHECK(sending.try_send(event_for("a", 4)).error().code == ErrorCode::unknown_partition);
    CHECK(sending.try_send(event_for(std::string(2 << 20, 'x'))).error().code ==
          ErrorCode::event_too_large);
    CHECK(client->make_producer("nothing").error().code == ErrorCode::unknown_topic);
}

TEST_CASE_FIXTURE(
    ClientFixture,
    "client/producer: the bound refuses, and takes events again after acknowledgements") {
    std::atomic<bool> silent{true};
    const auto hooks = broker.on_request([&](const auto& r) {
        return r.api == wire::Api::init_producer && silent
                   ? Verdict{Verdict::refuse, ErrorCode::overloaded}
                   : Verdict{};
    });
    ProducerOptions options;
    options.in_flight_bytes = 64_KiB;
    options.batch_bytes = 8_KiB;
    auto sending = producer(options);
    const std::string payload(1000, 'x');
    std::size_t accepted = 0;
    Result<void> last;
    while ((last = sending.try_send(event_for(payload))))
        ++accepted;
    CHECK(last.error().code == ErrorCode::queue_full);
    CHECK(accepted * 1004 <= 64_KiB);
    CHECK(accepted >= 40);
    CHECK(sending.send(event_for(payload), {}, 5ms).error().code == ErrorCode::queue_full);
    silent = false;
    CHECK(sending.send(event_for(payload), {}, 10s));
    CHECK(sending.flush());
    CHECK(sending.in_flight_bytes() == 0);
    CHECK(broker.payloads(log(0)).size() == accepted + 1);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/producer: no more batches of a log are on the wire than allowed") {
    std::mutex mutex;
    const auto hooks = broker.on_request([](const auto& r) {
        return r.api == wire::Api::produce ? Verdict{Verdict::silent} : Verdict{};
    });
    ProducerOptions options;
    options.in_flight_batches = 3;
    options.batch_bytes = 200;
    options.close_linger = 0ms;
    auto sending = producer(options);
    for (int i = 0; i < 20; ++i)
        REQUIRE(sending.try_send(event_for(std::string(150, 'x'))));
    REQUIRE(broker.wait_until([&] { return produces(broker) == 3; }));
    CHECK(client->call(fb::ListTopicsT{}));  // handled after whatever had been sent before it
    CHECK(produces(broker) == 3);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/producer: keys choose partitions as Kafka does, no key spreads batches") {
    auto sending = producer();
    for (const std::string key : {"21", "foobar", "abc"}) {
        Event event;
        event.payload = event.key.emplace(bytes_of(key));
        const auto delivery = sending.send_future(event).get();
        REQUIRE(delivery);
        CHECK(delivery->partition == partition_of_key(bytes_of(key), 4));
    }
    bool reached[4] = {};
    for (int i = 0; i < 4; ++i) {
        Event event;
        event.payload = bytes_of("x");
        const auto delivery = sending.send_future(event).get();
        REQUIRE(delivery);
        reached[delivery->partition.value()] = true;
    }
    for (const bool r : reached)
        CHECK(r);
}

TEST_CASE_FIXTURE(ClientFixture, "client/producer: compressed batches open to what was sent") {
    ProducerOptions options;
    options.codec = wire::Codec::lz4;
    auto sending = producer(options);
    const std::string payload(5000, 'x');
    REQUIRE(sending.send_future(event_for(payload)).get());
    CHECK(broker.log(log(0)).batches.at(0).bytes.size() < 1000);
    CHECK(broker.payloads(log(0)) == std::vector{payload});
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/producer: acks none is one-way and settles when it is written") {
    ProducerOptions options;
    options.acks = Acks::none;
    auto sending = producer(options);
    const auto delivery = sending.send_future(event_for("a")).get();
    REQUIRE(delivery);
    CHECK(delivery->level == Acks::none);
    CHECK(broker.wait_until([&] { return broker.payloads(log(0)).size() == 1; }));
    CHECK(broker.requests(wire::Api::produce).at(0).kind == wire::FrameKind::one_way);
}

TEST_CASE_FIXTURE(ClientFixture, "client/producer: batch callbacks count every event") {
    std::atomic<std::uint32_t> count{0};
    ProducerOptions options;
    options.on_batch = [&](const Delivery&, std::uint32_t events, const Result<void>& outcome) {
        if (outcome) count += events;
    };
    auto sending = producer(options);
    for (int i = 0; i < 1000; ++i)
        REQUIRE(sending.send(event_for("x")));
    CHECK(sending.flush());
    CHECK(count == 1000);
}

TEST_CASE_FIXTURE(ClientFixture, "client/producer: several threads may send") {
    auto sending = producer();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&sending, t] {
            for (int i = 0; i < 2000; ++i)
                CHECK(sending.send(event_for(std::to_string(t) + ":" + std::to_string(i))));
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(sending.flush());
    const auto stored = broker.payloads(log(0));
    CHECK(stored.size() == 8000);
    int next[4] = {};
    for (const std::string& payload : stored) {
        const int thread = payload[0] - '0';
        CHECK(payload.substr(2) == std::to_string(next[thread]++));
    }
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/producer: after close nothing is accepted and nothing is left") {
    auto sending = producer();
    for (const auto& n : numbers(100))
        REQUIRE(sending.send(event_for(n)));
    CHECK(sending.close());
    CHECK(broker.payloads(log(0)) == numbers(100));
    CHECK(sending.try_send(event_for("late")).error().code == ErrorCode::cancelled);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/producer: closing with something left fails it as cancelled") {
    const auto hooks = broker.on_request([](const auto& r) {
        return r.api == wire::Api::produce ? Verdict{Verdict::silent} : Verdict{};
    });
    auto sending = producer();
    ErrorCode code{};
    REQUIRE(sending.try_send(event_for("a"), [&](Result<Delivery> d) { code = d.error().code; }));
    CHECK(sending.close(10ms).error().code == ErrorCode::timeout);
    CHECK(code == ErrorCode::cancelled);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/producer: closing the client first fails what waits and ends cleanly") {
    const auto hooks = broker.on_request([](const auto& r) {
        return r.api == wire::Api::produce ? Verdict{Verdict::silent} : Verdict{};
    });
    auto sending = producer();
    auto future = sending.send_future(event_for("a"));
    client->close();
    CHECK(future.get().error().code == ErrorCode::cancelled);
    CHECK(sending.try_send(event_for("b")).error().code == ErrorCode::cancelled);
}

TEST_CASE_FIXTURE(ClientFixture, "client/producer: a flush that cannot end says so") {
    const auto hooks = broker.on_request([](const auto& r) {
        return r.api == wire::Api::produce ? Verdict{Verdict::silent} : Verdict{};
    });
    ProducerOptions options;
    options.close_linger = 0ms;
    auto sending = producer(options);
    REQUIRE(sending.try_send(event_for("a")));
    CHECK(sending.flush(10ms).error().code == ErrorCode::timeout);
}
