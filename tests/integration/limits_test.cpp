// Bounds hold, and reaching one harms nobody else.

#include "broker_verbs.hpp"

#include <atomic>
#include <thread>

using namespace casc;
using namespace casc::test;

TEST_CASE(
    "broker/limits: one connection too many is told why and closed, and its place is free when "
    "another ends") {
    TestBrokerOptions options;
    options.settings = {"limits.connections=2"};
    TestBroker broker(options);
    RawConnection first(broker.endpoint());
    first.hello();
    auto second = std::make_unique<RawConnection>(broker.endpoint());
    second->hello();
    {
        RawConnection third(broker.endpoint());
        const auto frame = third.receive();
        REQUIRE(frame);
        CHECK(frame->error == ErrorCode::too_many_connections);
        CHECK(third.closed_by_peer());
    }
    second.reset();
    fb::HelloT hello;
    hello.version_min = hello.version_max = wire::kProtocolVersion;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    bool taken = false;
    while (!taken && std::chrono::steady_clock::now() < deadline)
        taken = RawConnection(broker.endpoint()).call(hello).has_value();
    CHECK(taken);
    CHECK(must(first.call(fb::ListTopicsT{})).topics.empty());
}

TEST_CASE("broker/limits: a silent connection is closed, one that pings is not") {
    TestBrokerOptions options;
    options.settings = {"limits.handshake_timeout=300ms", "limits.idle_timeout=1500ms",
                        "limits.heartbeat=200ms"};
    TestBroker broker(options);
    RawConnection mute(broker.endpoint()), silent(broker.endpoint()), alive(broker.endpoint());
    silent.hello();
    alive.hello();
    CHECK(mute.closed_by_peer());
    std::atomic<bool> gone{false};
    std::thread waiting([&] { gone = silent.closed_by_peer(); });
    while (!gone)
        REQUIRE(alive.call(fb::PingT{}));
    waiting.join();
    CHECK(alive.call(fb::PingT{}));
}

TEST_CASE("broker/limits: topics.topics_max is a number, not a crash") {
    TestBrokerOptions options;
    options.settings = {"topics.topics_max=2"};
    TestBroker broker(options);
    RawConnection raw(broker.endpoint());
    raw.hello();
    create_topic(raw, "a");
    create_topic(raw, "b");
    CHECK(code_of(raw.call(create_request("c"))) == ErrorCode::overloaded);
}

TEST_CASE(
    "broker/limits: a client that asks and does not read is not listened to, and costs a bounded "
    "amount") {
    // Each answer is a thousand times its request; all of them used to be made as fast as they were
    // asked for.
    TestBroker broker;
    RawConnection other(broker.endpoint());
    other.hello();
    for (int i = 0; i < 400; ++i)
        create_topic(other, std::string(200, 'n') + std::to_string(i));
    std::vector<std::byte> burst;
    for (std::uint32_t i = 0; i < 8000; ++i) {
        const auto frame = request_bytes(fb::ListTopicsT{}, i);
        burst.insert(burst.end(), frame.begin(), frame.end());
    }
    RawConnection greedy(broker.endpoint());
    greedy.hello();
    const auto before = broker.resident_bytes();
    // More than a gigabyte of answers; those that fit nowhere are not made.
    std::thread asking([&] { greedy.send(burst); });
    for (int i = 0; i < 50; ++i)
        must(other.call(fb::PingT{}));
    for (int i = 0; i < 100; ++i) {
        const auto frame = greedy.receive();
        REQUIRE(frame);
        CHECK(frame->header.correlation_id == static_cast<std::uint32_t>(i));
    }
    CHECK(broker.resident_bytes() < before + 500_MiB);
    greedy.abort();
    asking.join();
    CHECK(must(other.call(fb::ListTopicsT{})).topics.size() == 400);
}

TEST_CASE(
    "broker/limits: a producer that is faster than a tiny budget is held back and loses nothing") {
    TestBrokerOptions options;
    options.settings = {"limits.memory_bytes=16MiB"};
    TestBroker broker(options);
    const auto client = connect(broker);
    create_topic(*client, "orders");
    client::ProducerOptions producing;
    producing.batch_bytes = 64_KiB;
    producing.in_flight_bytes = 64_MiB;
    auto producer = must(client->make_producer("orders", producing));
    const std::string payload(8'000, 'x');
    std::atomic<int> delivered{0};
    constexpr int count = 12'000;  // 96 MB
    for (int i = 0; i < count; ++i)
        REQUIRE(producer.send(
            {.payload = std::as_bytes(std::span(payload))},
            [&](Result<client::Delivery> outcome) { delivered += outcome.has_value(); }));
    REQUIRE(producer.close(kPatience));
    CHECK(delivered == count);
    CHECK(describe_topic(*client, "orders").topic->events == count);
    CHECK(broker.resident_bytes() < 600_MiB);
}
