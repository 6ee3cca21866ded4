// SIGTERM: what was received is answered, what waits is answered, and the broker ends with 0.

#include "broker_verbs.hpp"

#include <csignal>

using namespace casc;
using namespace casc::test;

TEST_CASE("broker/drain: every batch that was answered is there, every connection ends in order") {
    TestBroker broker;
    std::size_t answered = 0;
    {
        RawConnection raw(broker.endpoint());
        raw.hello();
        const auto topic = create_topic(raw, "orders");
        fb::ProduceT request;
        request.topic_id = topic;
        request.acks = 2;
        std::vector<std::byte> burst;
        for (std::uint32_t i = 0; i < 500; ++i) {
            const auto frame = request_bytes(request, i, batch_of({std::to_string(i)}));
            burst.insert(burst.end(), frame.begin(), frame.end());
        }
        raw.send(burst);
        REQUIRE(raw.receive());  // it has begun
        broker.signal(SIGTERM);
        ++answered;
        while (const auto frame = raw.receive()) {
            CHECK(frame->error == ErrorCode::ok);
            CHECK(frame->header.correlation_id == answered++);
        }
        CHECK(broker.wait_exit() == ExitStatus{0, 0});
    }
    broker.start();
    const auto client = connect(broker);
    CHECK(describe_topic(*client, "orders").topic->events >= answered);
}

TEST_CASE("broker/drain: a fetch that waits for events is answered with what there is") {
    TestBroker broker;
    RawConnection raw(broker.endpoint());
    raw.hello();
    fb::FetchT fetch;
    auto& source = fetch.sources.emplace_back(std::make_unique<fb::FetchSourceT>());
    source->topic_id = create_topic(raw, "orders");
    fetch.bytes_min = 1;
    fetch.max_wait_ms = 300'000;
    raw.send(request_bytes(fetch, 5));
    must(RawConnection(broker.endpoint()).call([] {
        fb::HelloT hello;
        hello.version_min = hello.version_max = wire::kProtocolVersion;
        return hello;
    }()));
    broker.signal(SIGTERM);
    if (const auto frame = raw.receive()) {  // unless the signal was faster than the fetch
        CHECK(frame->error == ErrorCode::ok);
        CHECK(frame->header.correlation_id == 5);
    }
    CHECK(broker.wait_exit() == ExitStatus{0, 0});
}

TEST_CASE("broker/drain: answers that the client has not read yet are waited for") {
    // They used to be thrown away, with references to memory that was already gone.
    TestBroker broker;
    RawConnection raw(broker.endpoint());
    raw.hello();
    const auto topic = create_topic(raw, "orders");
    for (int i = 0; i < 12; ++i)
        must(produce(raw, topic, batch_of({std::string(1'000'000, 'x')})));
    fb::FetchT fetch;
    auto& source = fetch.sources.emplace_back(std::make_unique<fb::FetchSourceT>());
    source->topic_id = topic;
    source->lane = 2;
    fetch.bytes_max = 16u << 20;
    fetch.bytes_min = 11u << 20;
    fetch.max_wait_ms = 60'000;
    raw.send(request_bytes(fetch, 5));
    RawConnection other(broker.endpoint());
    other.hello();
    const auto queued = [&] {
        // The fetch was taken when a later request of the same connection could be.
        for (const auto& figure : must(other.call(fb::NodeInfoT{})).figures)
            if (figure->name == "casc_requests_total") return figure->value;
        return 0.0;
    };
    while (queued() < 15) {  // hello, create, 12 batches, the fetch
    }
    broker.signal(SIGTERM);
    REQUIRE(broker.wait_for_log("draining"));
    const auto frame = raw.receive();
    REQUIRE(frame);
    CHECK(frame->attachments.size() > 11'000'000);
    CHECK(raw.closed_by_peer());
    CHECK(broker.wait_exit() == ExitStatus{0, 0});
}

TEST_CASE("broker/drain: a client that never reads does not keep the broker from stopping") {
    TestBroker broker;
    RawConnection raw(broker.endpoint());
    raw.hello();
    const auto topic = create_topic(raw, "orders");
    for (int i = 0; i < 12; ++i)
        must(produce(raw, topic, batch_of({std::string(1'000'000, 'x')})));
    fb::SubscribeT subscribe;
    subscribe.subscription_id = 1;
    auto& source = subscribe.sources.emplace_back(std::make_unique<fb::FetchSourceT>());
    source->topic_id = topic;
    source->lane = 2;
    subscribe.credit_bytes = subscribe.credit_events = 1u << 30;
    must(raw.call(subscribe));
    CHECK(broker.terminate() == 0);
}
