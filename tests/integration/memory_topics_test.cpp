// Topics of `memory` durability: events are seen before they are on disk, and an offset that was
// seen never comes to mean another event.

#include "broker_verbs.hpp"

#include <map>

using namespace casc;
using namespace casc::test;

TEST_CASE(
    "broker/memory_topics: offsets are not used again after a crash, and the epoch says that there "
    "was one") {
    TestBroker broker;
    std::uint32_t topic = 0;
    std::map<std::uint64_t, std::string> seen;
    std::uint64_t last_end = 0;
    std::uint32_t last_epoch = 0;
    for (int life = 0; life < 3; ++life) {
        RawConnection raw(broker.endpoint());
        raw.hello();
        if (life == 0) topic = create_topic(raw, "fast", in_memory);
        for (int i = 0; i < 50; ++i) {
            const std::string text = std::to_string(life) + "/" + std::to_string(i);
            const auto reply = must(produce(raw, topic, batch_of({text}), Acks::memory));
            CHECK_MESSAGE(reply.base_offset >= last_end,
                          "an offset that may have been seen was used again");
            CHECK(seen.emplace(reply.base_offset, text).second);
            last_end = reply.base_offset + 1;
            if (i == 0 && life > 0) CHECK(reply.epoch > last_epoch);
            last_epoch = reply.epoch;
        }
        broker.kill_hard();
        broker.restart();
    }
    // What is left is what was written at that offset.
    const auto client = connect(broker);
    auto consumer = must(client->make_consumer());
    REQUIRE(consumer.assign({{"fast", PartitionId(0), Lane::normal, Offset(0)}}));
    RawConnection raw(broker.endpoint());
    raw.hello();
    must(produce(raw, topic, batch_of({"the end"}), Acks::durable));
    bool ended = false;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!ended && std::chrono::steady_clock::now() < deadline)
        for (const auto event : must(consumer.poll(1000, 50ms))) {
            const auto text = text_of(event);
            ended = text == "the end";
            if (!ended) CHECK(seen.at(event.event.offset.value()) == text);
        }
    CHECK(ended);
}

TEST_CASE(
    "broker/memory_topics: a consumer sees an event without waiting for the disk's "
    "acknowledgement") {
    TestBroker broker;
    RawConnection raw(broker.endpoint()), reader(broker.endpoint());
    raw.hello();
    reader.hello();
    const auto topic = create_topic(raw, "fast", in_memory);
    must(produce(raw, topic, batch_of({"first"}), Acks::durable));  // the reservation is on disk
    fb::FetchT fetch;
    auto& source = fetch.sources.emplace_back(std::make_unique<fb::FetchSourceT>());
    source->topic_id = topic;
    source->lane = 2;
    source->offset = 1;
    fetch.bytes_min = 1;
    fetch.max_wait_ms = 60'000;
    reader.send(request_bytes(fetch, 1));
    must(produce(raw, topic, batch_of({"second"}), Acks::memory));
    const auto frame = reader.receive();
    REQUIRE(frame);
    CHECK(events_in(frame->attachments) == std::vector<std::string>{"second"});
}

TEST_CASE("broker/memory_topics: an orderly stop loses nothing") {
    TestBroker broker;
    {
        RawConnection raw(broker.endpoint());
        raw.hello();
        const auto topic = create_topic(raw, "fast", in_memory);
        for (int i = 0; i < 100; ++i)
            must(produce(raw, topic, batch_of({std::to_string(i)}), Acks::memory));
        CHECK(broker.terminate() == 0);
    }
    broker.start();
    const auto client = connect(broker);
    auto consumer = must(client->make_consumer());
    REQUIRE(consumer.assign({{"fast", PartitionId(0), Lane::normal, Offset(0)}}));
    std::vector<std::string> events;
    REQUIRE(poll_until(consumer, events, [&] { return events.size() >= 100; }));
    for (int i = 0; i < 100; ++i)
        CHECK(events[static_cast<std::size_t>(i)] == std::to_string(i));
}
