// Transactions of the client: what is read, and what comes of it, in one write.

#include "broker_verbs.hpp"

#include <casc/types/clock.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <random>
#include <thread>

using namespace casc;
using namespace casc::test;

namespace {

using Texts = std::vector<std::string>;

struct TransactionFixture {
    TestBroker broker;
    std::unique_ptr<client::Client> client = connect(broker);

    TransactionFixture() {
        create_topic(*client, "in", partitions(3));
        create_topic(*client, "out", partitions(2));
    }
    client::Transactor transactor(const std::string& name = "") {
        client::TransactorOptions options;
        options.name = name;
        options.timeout = kPatience;
        return must(client->make_transactor(options));
    }
    client::Consumer reader(const std::string& group = "") {
        client::ConsumerOptions options;
        options.group = group;
        options.auto_commit = false;
        return must(client->make_consumer(options));
    }
    // Everything that is in the topic now.
    Texts all_of(const std::string& topic, std::uint32_t partition_count) {
        auto consumer = reader();
        std::vector<client::Place> places;
        std::size_t expected = 0;
        for (const auto& log : describe_topic(*client, topic).logs)
            expected += log->visible_end - log->start;
        for (std::uint32_t p = 0; p < partition_count; ++p)
            places.push_back({topic, PartitionId(p), Lane::normal, Offset(0)});
        must(consumer.assign(places));
        Texts texts;
        REQUIRE(poll_until(consumer, texts, [&] { return texts.size() >= expected; }));
        std::sort(texts.begin(), texts.end());
        return texts;
    }
    // Refers to the text.
    static client::Event event(const std::string& text) {
        return {.payload = std::as_bytes(std::span(text))};
    }
};

}  // namespace

TEST_CASE_FIXTURE(TransactionFixture, "client/transaction: outputs and positions are one write") {
    send_many(*client, "in", 30);
    auto writer = transactor("copier");
    Texts seen;
    for (int life = 0; life < 3; ++life) {
        auto consumer = reader("copiers");
        must(consumer.subscribe({"in"}));
        for (int round = 0; round < 3 && seen.size() < 30; ++round) {
            const auto events = must(consumer.poll(5, kPatience));
            client::Transaction transaction(writer);
            for (const auto read : events) {
                must(transaction.send("out", event(text_of(read))));
                seen.push_back(text_of(read));
            }
            must(transaction.commit_positions(consumer));
            const auto receipt = must(transaction.commit());
            CHECK_FALSE(receipt.duplicate);
            REQUIRE(receipt.batches.size() == 1);
            CHECK(receipt.batches[0].topic == "out");
            CHECK(receipt.batches[0].events == events.size());
            CHECK(receipt.batches[0].first.level == Acks::durable);
        }
        // Read, and never written: the next life reads them again.
        static_cast<void>(must(consumer.poll(3, 0ms)));
        must(consumer.close());
    }
    std::sort(seen.begin(), seen.end());
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    CHECK(all_of("out", 2) == seen);
}

TEST_CASE_FIXTURE(TransactionFixture,
                  "client/transaction: one that is discarded, or fails, has written nothing") {
    auto writer = transactor();
    {
        client::Transaction transaction(writer);
        must(transaction.send("out", event("a")));
    }
    client::Transaction discarded(writer);
    must(discarded.send("out", event("b")));
    discarded.discard();
    CHECK(code_of(discarded.send("out", event("b"))) == ErrorCode::invalid_request);
    CHECK(code_of(discarded.commit()) == ErrorCode::invalid_request);

    create_topic(*client, "fast", in_memory);
    client::Transaction refused(writer);
    must(refused.send("out", event("c")));
    must(refused.send("fast", event("d")));
    CHECK(code_of(refused.commit()) == ErrorCode::not_supported);
    client::Transaction unknown(writer);
    CHECK(code_of(unknown.send("nowhere", event("e"))) == ErrorCode::unknown_topic);
    client::Transaction large(writer);
    CHECK(code_of(large.send("out", event(std::string(2 << 20, 'x')))) ==
          ErrorCode::event_too_large);
    auto consumer = reader();
    CHECK(code_of(large.commit_positions(consumer)) == ErrorCode::invalid_request);
    CHECK(must(large.commit()).batches.empty());
    CHECK(all_of("out", 2).empty());
    // The numbers go on as if nothing had been.
    client::Transaction last(writer);
    must(last.send("out", event("f")));
    must(last.commit());
    CHECK(all_of("out", 2) == Texts{"f"});
}

TEST_CASE_FIXTURE(TransactionFixture,
                  "client/transaction: the newer one of a name fences the older") {
    auto old_one = transactor("mine");
    client::Transaction first(old_one);
    must(first.send("out", event("first")));
    must(first.commit());
    auto new_one = transactor("mine");
    client::Transaction late(old_one);
    must(late.send("out", event("late")));
    CHECK(code_of(late.commit()) == ErrorCode::producer_fenced);
    client::Transaction second(new_one);
    must(second.send("out", event("second")));
    must(second.commit());
    CHECK(all_of("out", 2) == Texts{"first", "second"});
}

TEST_CASE_FIXTURE(
    TransactionFixture,
    "client/transaction: events of a queue are done with what comes of them, or held again") {
    send_many(*client, "in", 6, "e", Lane::normal, PartitionId(0));
    client::QueueOptions options;
    options.group = "workers";
    options.topics = {"in"};
    auto queue = must(client->make_queue_consumer(options));
    std::vector<client::EventId> ids;
    while (ids.size() < 6)
        for (const auto read : must(queue.poll(6, kPatience)))
            ids.push_back(read.id());
    auto writer = transactor();
    {
        client::Transaction discarded(writer);
        must(discarded.done(queue, ids[0]));
        CHECK(code_of(discarded.done(queue, ids[0])) == ErrorCode::lease_lost);
        CHECK(queue.held() == 5);
    }
    CHECK(queue.held() == 6);
    client::Transaction transaction(writer);
    must(transaction.send("out", event("of 0 and 2")));
    must(transaction.done(queue, ids[0]));
    must(transaction.done(queue, ids[2]));
    must(transaction.commit());
    CHECK(queue.held() == 4);
    CHECK(code_of(queue.done(ids[0])) == ErrorCode::lease_lost);
    // A refusal by the broker: they are held again.
    create_topic(*client, "fast", in_memory);
    client::Transaction refused(writer);
    must(refused.send("fast", event("x")));
    must(refused.done(queue, ids[1]));
    CHECK(code_of(refused.commit()) == ErrorCode::not_supported);
    CHECK(queue.held() == 4);
    for (const int i : {1, 3, 4, 5})
        must(queue.done(ids[static_cast<std::size_t>(i)]));
    must(queue.close());
    CHECK(all_of("out", 2) == Texts{"of 0 and 2"});
}

TEST_CASE_FIXTURE(TransactionFixture,
                  "client/transaction: deliveries of delayed events and of known ids tell so") {
    create_topic(*client, "ids",
                 [](fb::TopicSettingsT& settings) { settings.dedup_window_ms = 3'600'000; });
    auto producer = must(client->make_producer("ids"));
    const auto send = [&](std::uint8_t id, EpochNanos at = {}) {
        const std::string text = "x";
        client::Event sent = event(text);
        sent.message_id.emplace().fill(std::byte{id});
        sent.deliver_at = at;
        return must(producer.send_future(sent).get());
    };
    CHECK(send(1).offset == Offset(0));
    CHECK(send(2).offset == Offset(1));
    const auto again = send(1);
    CHECK(again.duplicate);
    CHECK(again.offset == Offset(0));
    const auto later = send(3, wall_now() + EpochNanos::distance(3'600'000'000'000));
    CHECK(later.schedule_id != 0);
    fb::CancelScheduleT cancel;
    cancel.schedule_id = later.schedule_id;
    must(client->call(cancel));
}

TEST_CASE_FIXTURE(TransactionFixture,
                  "client/transaction: read, process, write is exactly once, whoever is killed") {
    const auto seed = static_cast<std::uint32_t>(std::random_device{}());
    CAPTURE(seed);
    std::mt19937 random(seed);
    constexpr std::size_t count = 3000;
    send_many(*client, "in", count);
    const std::string endpoint = broker.endpoint();  // the killer's from here on
    std::atomic<bool> over{false};
    struct Killer {
        std::atomic<bool>& over;
        std::thread thread;
        ~Killer() {
            over = true;
            if (thread.joinable()) thread.join();
        }
    };
    Killer killer{
        over, std::thread([&] {
            while (!over) {
                std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 200));
                if (over) return;
                broker.kill_hard();
                broker.restart();
            }
        })};
    // Some processes end in the middle, with what they have read and not written.
    std::size_t written = 0;
    std::size_t unknown = 0;
    while (written < count) {
        client::ClientOptions patient;
        patient.endpoints = {endpoint};
        patient.wait_for_broker = true;
        patient.connect_timeout = kPatience;
        patient.backoff_first = 5ms;
        patient.backoff_max = 50ms;
        auto life = must(client::Client::connect(patient));
        client::TransactorOptions options;
        options.name = "copier";
        options.timeout = kPatience;
        auto writer = life->make_transactor(options);
        if (!writer) continue;
        client::ConsumerOptions reading;
        reading.group = "copiers";
        reading.auto_commit = false;
        auto consumer = must(life->make_consumer(reading));
        must(consumer.subscribe({"in"}));
        for (int round = 0; round < 8; ++round) {
            const auto events = consumer.poll(200, 200ms);
            if (!events || events->empty()) continue;
            client::Transaction transaction(*writer);
            bool all = true;
            for (const auto read : *events)
                all = all && transaction.send("out", event(text_of(read))).has_value();
            if (!all || !transaction.commit_positions(consumer)) break;
            const auto receipt = transaction.commit();
            if (!receipt && (receipt.error().code == ErrorCode::connection_closed ||
                             receipt.error().code == ErrorCode::timeout))
                ++unknown;
            if (!receipt) break;  // positions say where to go on
        }
        fb::DescribeTopicT describe;
        describe.name = "out";
        const auto described = life->call(describe);
        if (!described) continue;
        written = 0;
        for (const auto& log : described->logs)
            written += log->visible_end - log->start;
    }
    over = true;
    killer.thread.join();
    broker.restart();  // the last one died with the thread that had started it
    client = connect(broker);
    Texts expected;
    for (std::size_t i = 0; i < count; ++i)
        expected.push_back("e" + std::to_string(i));
    std::sort(expected.begin(), expected.end());
    CHECK(all_of("out", 2) == expected);
    MESSAGE("transactions whose outcome was unknown: " << unknown);
}
