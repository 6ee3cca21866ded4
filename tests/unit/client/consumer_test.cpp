#include "client_fixture.hpp"

#include <casc/wire/batch_builder.hpp>

using namespace casc;
using namespace casc::client;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

Place place(std::uint32_t partition, std::uint64_t offset, Lane lane = Lane::normal) {
    return {"orders", PartitionId(partition), lane, Offset(offset)};
}

struct ConsumerFixture : ClientFixture {
    Consumer consumer(ConsumerOptions options = {}) {
        auto made = client->make_consumer(std::move(options));
        REQUIRE(made);
        return std::move(*made);
    }
    void append(const std::vector<std::string>& payloads, std::uint32_t partition = 0,
                Lane lane = Lane::normal, wire::Codec codec = wire::Codec::none) {
        broker.append(log(partition, lane), make_batch(payloads, lane, codec));
    }
    static std::vector<std::string> texts(const EventBatch& events) {
        std::vector<std::string> all;
        for (const ConsumedEvent& e : events)
            all.emplace_back(reinterpret_cast<const char*>(e.event.payload.data()),
                             e.event.payload.size());
        return all;
    }
    // Polls until `count` events have come.
    static std::vector<std::string> read(Consumer& from, std::size_t count,
                                         std::size_t max_events = 1000) {
        std::vector<std::string> all;
        while (all.size() < count) {
            const auto events = from.poll(max_events, kPatience);
            REQUIRE(events);
            if (events->empty()) break;
            for (auto& text : texts(*events))
                all.push_back(std::move(text));
        }
        return all;
    }
};

}  // namespace

TEST_CASE_FIXTURE(ConsumerFixture,
                  "client/consumer: events come with topic, partition, lane and offset") {
    append({"a", "b"}, 3, Lane::high);
    auto reading = consumer();
    REQUIRE(reading.assign({place(3, 0, Lane::high)}));
    const auto events = reading.poll(10, kPatience);
    REQUIRE(events);
    REQUIRE(events->size() == 2);
    const ConsumedEvent first = *events->begin();
    CHECK(first.topic == "orders");
    CHECK(first.topic_id == TopicId(topic));
    CHECK(first.partition == PartitionId(3));
    CHECK(first.event.lane == Lane::high);
    CHECK(first.event.offset == Offset(0));
    CHECK(texts(*events) == std::vector<std::string>{"a", "b"});
}

TEST_CASE_FIXTURE(ConsumerFixture,
                  "client/consumer: nothing there is an empty batch, not an error") {
    auto reading = consumer();
    REQUIRE(reading.assign({place(0, 0)}));
    const auto events = reading.poll(10, 5ms);
    REQUIRE(events);
    CHECK(events->empty());
    CHECK(events->begin() == events->end());
}

TEST_CASE_FIXTURE(ConsumerFixture, "client/consumer: events below the wanted offset are skipped") {
    append({"a", "b", "c", "d"});
    auto reading = consumer();
    REQUIRE(reading.assign({place(0, 2)}));
    CHECK(read(reading, 2) == std::vector<std::string>{"c", "d"});
    CHECK(reading.position("orders", PartitionId(0), Lane::normal).value() == Offset(4));
}

TEST_CASE_FIXTURE(ConsumerFixture,
                  "client/consumer: max_events cuts batches, and the rest follows") {
    for (const auto codec : {wire::Codec::none, wire::Codec::lz4}) {
        append(numbers(100), 0, Lane::normal, codec);
        append(numbers(100), 0, Lane::normal, codec);
    }
    auto reading = consumer();
    REQUIRE(reading.assign({place(0, 0)}));
    std::vector<std::string> all;
    while (all.size() < 400) {
        const auto events = reading.poll(7, kPatience);
        REQUIRE(events);
        REQUIRE_FALSE(events->empty());
        REQUIRE(events->size() <= 7);
        for (auto& text : texts(*events))
            all.push_back(std::move(text));
    }
    std::vector<std::string> expected;
    for (int i = 0; i < 4; ++i)
        for (const auto& n : numbers(100))
            expected.push_back(n);
    CHECK(all == expected);
}

TEST_CASE_FIXTURE(ConsumerFixture,
                  "client/consumer: whole batches can be had without a step per event") {
    append(numbers(100));
    append(numbers(50));
    auto reading = consumer();
    REQUIRE(reading.assign({place(0, 0)}));
    std::size_t events = 0;
    while (events < 150) {
        const auto run = reading.poll_batches(kPatience);
        REQUIRE(run);
        REQUIRE_FALSE(run->empty());
        for (const ReceivedBatch& batch : run->batches())
            events += batch.end - batch.first;
    }
    CHECK(events == 150);
}

TEST_CASE_FIXTURE(
    ConsumerFixture,
    "client/consumer: a batch that was damaged on its way is reported and read again") {
    append({"a", "b"});
    auto reading = consumer();
    REQUIRE(reading.assign({place(0, 0)}));
    REQUIRE(read(reading, 2).size() == 2);
    // Pushed as the next batch of the log, with one bit wrong.
    auto damaged = make_batch({"c"});
    wire::stamp_batch(damaged, Offset(2), EpochNanos(1), 2, 1);
    damaged[damaged.size() - 8] ^= std::byte{1};
    fb::DeliverT push;
    push.subscription_id =
        wire::decode<fb::Subscribe>(broker.requests(wire::Api::subscribe).at(0).body)
            ->subscription_id;
    push.topic_id = topic;
    push.lane = static_cast<std::uint8_t>(Lane::normal);
    broker.push_message(wire::Api::deliver, push, damaged);
    const auto answer = reading.poll(10, kPatience);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::batch_corrupt);
    CHECK(answer.error().detail.find("offset 2") != std::string::npos);
    append({"c"});
    CHECK(read(reading, 1) == std::vector<std::string>{"c"});
}

TEST_CASE_FIXTURE(
    ConsumerFixture,
    "client/consumer: credit goes back as events are handed out, and never runs dry") {
    ConsumerOptions options;
    options.credit_bytes = 4000;
    auto reading = consumer(options);
    for (int i = 0; i < 100; ++i)
        append({std::string(1000, 'x')});
    REQUIRE(reading.assign({place(0, 0)}));
    CHECK(reading.poll(1, kPatience)->size() == 1);
    // Without credit of ours the broker has pushed no more than it was allowed, and one batch over.
    CHECK(broker.credit_bytes_left() > -2000);
    CHECK(read(reading, 99, 1).size() == 99);
    std::uint64_t granted = 0;
    std::uint64_t events = 0;
    REQUIRE(broker.wait_until([&] {
        granted = events = 0;
        for (const auto& request : broker.requests(wire::Api::credit)) {
            const auto credit = wire::decode<fb::Credit>(request.body);
            granted += credit->bytes;
            events += credit->events;
        }
        return events >= 96;
    }));
    CHECK(granted == events * make_batch({std::string(1000, 'x')}).size());
    CHECK(broker.requests(wire::Api::credit).size() <= 100);
}

TEST_CASE_FIXTURE(ConsumerFixture,
                  "client/consumer: a seek drops what was pushed from the old place") {
    append(numbers(10));
    auto reading = consumer();
    REQUIRE(reading.assign({place(0, 0)}));
    REQUIRE(reading.poll(3, kPatience)->size() == 3);
    REQUIRE(reading.seek(place(0, 8)));
    CHECK(read(reading, 2) == std::vector<std::string>{"8", "9"});
    REQUIRE(reading.seek(place(0, 0)));
    CHECK(read(reading, 10) == numbers(10));
    CHECK(reading.seek(place(1, 0)).error().code == ErrorCode::invalid_request);
}

TEST_CASE_FIXTURE(ConsumerFixture,
                  "client/consumer: a seek to a time finds the first event of then or later") {
    append({"old"});
    const auto between =
        wire::BatchView::parse(broker.log(log(0)).batches.at(0).bytes)->stamp().append_time + 1;
    append({"new"});
    auto reading = consumer();
    REQUIRE(reading.assign({place(0, 0)}));
    REQUIRE(reading.seek_to_time("orders", PartitionId(0), EpochNanos(between)));
    CHECK(read(reading, 1) == std::vector<std::string>{"new"});
}

TEST_CASE_FIXTURE(ConsumerFixture,
                  "client/consumer: a paused partition is silent and goes on where it was") {
    append({"a", "b", "c"});
    auto reading = consumer();
    REQUIRE(reading.assign({place(0, 0)}));
    REQUIRE(reading.poll(1, kPatience)->size() == 1);
    REQUIRE(reading.pause("orders", PartitionId(0)));
    CHECK(reading.poll(10, 5ms)->empty());
    REQUIRE(reading.resume("orders", PartitionId(0)));
    CHECK(read(reading, 2) == std::vector<std::string>{"b", "c"});
}

TEST_CASE_FIXTURE(ConsumerFixture, "client/consumer: an expired offset follows the reset policy") {
    // A log whose first events are gone cannot be made by the fake; an offset past the end is out
    // of range as well.
    append({"a", "b"});
    ConsumerOptions options;
    auto earliest = consumer(options);
    REQUIRE(earliest.assign({place(0, 99)}));
    CHECK(read(earliest, 2) == std::vector<std::string>{"a", "b"});

    options.reset = Reset::error;
    auto strict = consumer(options);
    REQUIRE(strict.assign({place(0, 99)}));
    CHECK(strict.poll(10, kPatience).error().code == ErrorCode::offset_out_of_range);

    options.reset = Reset::latest;
    auto latest = consumer(options);
    REQUIRE(latest.assign({place(0, 99)}));
    REQUIRE(broker.wait_until([&] {
        CHECK(latest.poll(10, 1ms)->empty());
        return latest.position("orders", PartitionId(0), Lane::normal).value() == Offset(2);
    }));
    append({"c"});
    CHECK(read(latest, 1) == std::vector<std::string>{"c"});
}

TEST_CASE_FIXTURE(ConsumerFixture,
                  "client/consumer: after a reconnect reading goes on without loss or repetition") {
    auto reading = consumer();
    REQUIRE(reading.assign({place(0, 0)}));
    std::vector<std::string> all;
    for (int round = 0; round < 10; ++round) {
        append(numbers(10));
        const auto some = reading.poll(4, kPatience);
        REQUIRE(some);
        for (auto& text : texts(*some))
            all.push_back(std::move(text));
        broker.cut_all();
    }
    for (auto& text : read(reading, 100 - all.size()))
        all.push_back(std::move(text));
    std::vector<std::string> expected;
    for (int i = 0; i < 10; ++i)
        for (const auto& n : numbers(10))
            expected.push_back(n);
    CHECK(all == expected);
}

TEST_CASE_FIXTURE(
    ConsumerFixture,
    "client/consumer: in priority order a more urgent lane overtakes what was pushed before") {
    append({"low"}, 0, Lane::low);
    append({"low2"}, 0, Lane::low);
    append({"high"}, 0, Lane::high);
    ConsumerOptions options;
    options.order = Order::priority;
    auto reading = consumer(options);
    // The fake pushes lanes in their order, so the urgent one is asked for later.
    REQUIRE(reading.assign({place(0, 0, Lane::low), place(0, 0, Lane::high)}));
    CHECK(read(reading, 3, 1) == std::vector<std::string>{"high", "low", "low2"});
}

TEST_CASE_FIXTURE(ConsumerFixture,
                  "client/consumer: closing the client ends a poll with cancelled") {
    auto reading = consumer();
    REQUIRE(reading.assign({place(0, 0)}));
    CHECK(reading.poll(1, 1ms)->empty());
    client->close();
    CHECK(reading.poll(1, kPatience).error().code == ErrorCode::cancelled);
}

TEST_CASE_FIXTURE(
    ConsumerFixture,
    "client/consumer: an urgent event goes before the rest of a batch that was begun") {
    wire::Codec codec{};
    SUBCASE("as it is") {
        codec = wire::Codec::none;
    }
    SUBCASE("compressed") {
        codec = wire::Codec::lz4;
    }
    auto reading = consumer({.order = Order::priority});
    REQUIRE(reading.assign({place(0, 0, Lane::low), place(0, 0, Lane::critical)}));
    // In what the consumer polls next, since the answer comes behind it.
    const auto arrives = [&](const std::vector<std::string>& payloads, Lane lane) {
        append(payloads, 0, lane, codec);
        REQUIRE(client->call(wire::fb::ListTopicsT{}));
    };
    const auto next = [&] { return read(reading, 1, 1).front(); };

    arrives({"low 1", "low 2", "low 3", "low 4"}, Lane::low);
    CHECK(next() == "low 1");
    arrives({"critical 1", "critical 2"}, Lane::critical);
    CHECK(next() == "critical 1");
    CHECK(next() == "critical 2");
    CHECK(next() == "low 2");
    arrives({"critical 3", "critical 4"}, Lane::critical);
    CHECK(next() == "critical 3");
    // Both are begun.
    CHECK(read(reading, 3, 10) == std::vector<std::string>{"critical 4", "low 3", "low 4"});
    for (const Lane lane : {Lane::low, Lane::critical}) {
        const auto position = reading.position("orders", PartitionId(0), lane);
        REQUIRE(position);
        CHECK(*position == Offset(4));
    }
}

TEST_CASE_FIXTURE(ConsumerFixture,
                  "client/consumer: a batch that was begun is not gone on with after a seek") {
    auto reading = consumer({.order = Order::priority});
    REQUIRE(reading.assign({place(0, 0, Lane::low), place(0, 0, Lane::critical)}));
    append({"low 1", "low 2", "low 3"}, 0, Lane::low, wire::Codec::lz4);
    CHECK(read(reading, 2, 1) == std::vector<std::string>{"low 1", "low 2"});
    append({"critical 1", "critical 2"}, 0, Lane::critical, wire::Codec::lz4);
    REQUIRE(client->call(wire::fb::ListTopicsT{}));
    CHECK(read(reading, 1, 1) == std::vector<std::string>{"critical 1"});
    REQUIRE(reading.seek(place(0, 1, Lane::low)));
    CHECK(read(reading, 3) == std::vector<std::string>{"critical 2", "low 2", "low 3"});
}
