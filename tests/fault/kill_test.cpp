// A broker that is killed at any moment loses nothing that it has acknowledged, repeats nothing and keeps the order.

#include <casc/client/client.hpp>
#include <delivery_history.hpp>
#include <doctest/doctest.h>
#include <test_broker.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kPartitions = 2;

// A seed from the environment repeats a run.
std::uint32_t seed_of_this_run() {
    const char* given = std::getenv("CASC_TEST_SEED");
    const std::uint32_t seed = given != nullptr ? static_cast<std::uint32_t>(std::atoll(given)) : std::random_device{}();
    MESSAGE("seed " << seed << " (CASC_TEST_SEED repeats it)");
    return seed;
}

std::unique_ptr<client::Client> connect(const TestBroker& broker) {
    client::ClientOptions options;
    options.endpoints = {broker.endpoint()};
    options.backoff_first = 5ms;
    options.backoff_max = 50ms;
    options.connect_timeout = 30s;
    options.request_timeout = 60s;
    auto connected = client::Client::connect(options);
    REQUIRE_MESSAGE(connected, connected.error().message());
    return *std::move(connected);
}

void create_topic(client::Client& client, const std::string& name) {
    wire::fb::CreateTopicT request;
    request.name = name;
    request.settings = std::make_unique<wire::fb::TopicSettingsT>();
    request.settings->partitions = kPartitions;
    const auto created = client.call(request);
    REQUIRE_MESSAGE(created, created.error().message());
}

// Sends numbered events to random logs until it is stopped; the client repeats what a crash has cut off.
class Load {
public:
    Load(client::Client& client, DeliveryHistory& history, const std::string& topic, std::uint32_t seed)
        : history_(history), random_(seed) {
        client::ProducerOptions options;
        options.batch_bytes = 4096;
        options.linger = 500us;
        options.in_flight_bytes = 256_KiB;
        auto made = client.make_producer(topic, options);
        REQUIRE_MESSAGE(made, made.error().message());
        producer_.emplace(*std::move(made));
        thread_ = std::thread([this] { run(); });
    }

    // Everything accepted is acknowledged or has failed afterwards.
    void stop() {
        stopping_ = true;
        thread_.join();
        const auto flushed = producer_->flush(120s);
        CHECK_MESSAGE(flushed, flushed.error().message());
        producer_.reset();
    }

    std::atomic<std::uint64_t> failures{0};

private:
    void run() {
        while (!stopping_) {
            const std::uint32_t partition = random_() % kPartitions;
            const std::uint32_t lane = random_() % kLaneCount;
            const auto payload = history_.next(partition, lane, random_() % 400);
            client::Event event;
            event.payload = payload;
            event.lane = static_cast<Lane>(lane);
            event.partition = PartitionId(partition);
            const SentEvent sent = DeliveryHistory::parse(payload);
            const auto accepted = producer_->send(event, [this, sent](const Result<client::Delivery>& delivered) {
                if (delivered) {
                    history_.acknowledged(sent);
                } else {
                    ++failures;
                }
            });
            if (!accepted) ++failures;
        }
    }

    DeliveryHistory& history_;
    std::mt19937 random_;
    std::optional<client::Producer> producer_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

// Reads every log from its beginning to its end.
void read_everything(client::Client& client, DeliveryHistory& history, const std::string& topic) {
    wire::fb::DescribeTopicT request;
    request.name = topic;
    const auto described = client.call(request);
    REQUIRE_MESSAGE(described, described.error().message());
    std::vector<client::Place> places;
    for (const auto& log : described->logs)
        places.push_back({topic, PartitionId(log->partition), static_cast<Lane>(log->lane), Offset(log->start)});
    auto consumer = client.make_consumer();
    REQUIRE(consumer);
    const auto assigned = consumer->assign(places);
    REQUIRE_MESSAGE(assigned, assigned.error().message());
    const auto at_the_end = [&] {
        return std::all_of(described->logs.begin(), described->logs.end(), [&](const auto& log) {
            const auto position = consumer->position(topic, PartitionId(log->partition), static_cast<Lane>(log->lane));
            return position && position->value() >= log->visible_end;
        });
    };
    const auto give_up = std::chrono::steady_clock::now() + 120s;
    while (!at_the_end() && std::chrono::steady_clock::now() < give_up) {
        const auto events = consumer->poll(10'000, 1s);
        REQUIRE_MESSAGE(events, events.error().message());
        for (const auto& received : *events)
            CHECK(history.received(received.partition.value(), static_cast<std::uint32_t>(received.event.lane),
                                   received.event.payload));
    }
    CHECK(at_the_end());
}

void check_history(const DeliveryHistory& history) {
    const auto violations = history.violations();
    for (const std::string& violation : violations) MESSAGE(violation);
    CHECK(violations.empty());
}

}  // namespace

TEST_CASE("fault/kill: SIGKILL at random moments, a hundred times, loses, repeats and reorders nothing") {
    const std::uint32_t seed = seed_of_this_run();
    std::mt19937 random(seed);
    TestBroker broker;
    broker.keep_endpoints();
    auto client = connect(broker);
    create_topic(*client, "orders");
    DeliveryHistory history;
    Load load(*client, history, "orders", seed);
    std::uint64_t acknowledged = 0;
    for (int round = 0; round < 100; ++round) {
        // Not before the last life has acknowledged something, so that every round tests something.
        const auto patience = std::chrono::steady_clock::now() + 60s;
        while (history.acknowledged_count() <= acknowledged && std::chrono::steady_clock::now() < patience)
            std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
        acknowledged = history.acknowledged_count();
        broker.kill_hard();
        broker.restart();
    }
    load.stop();
    CHECK(load.failures == 0);
    CHECK(history.acknowledged_count() > 100);
    read_everything(*client, history, "orders");
    check_history(history);
}

TEST_CASE("fault/kill: death at every named point of journal, checkpoint, slice and retention loses nothing") {
    const std::uint32_t seed = seed_of_this_run();
    std::mt19937 random(seed);
    TestBrokerOptions options;
    options.settings = {"storage.slice_bytes=4MiB", "topics.retention_bytes=2MiB", "storage.retention_interval=100ms"};
    TestBroker broker(options);
    broker.keep_endpoints();
    auto client = connect(broker);
    create_topic(*client, "orders");
    const std::vector<std::string> points = {
        "journal.submit",      "journal.written",        "journal.recycle",         "journal.opening",
        "journal.segment_new", "checkpoint.begin",       "checkpoint.sst_written",  "checkpoint.ingested",
        "slice.roll",          "checkpoint.state_written", "retention.drop",        "store.append"};
    DeliveryHistory history;
    history.expect_retention();
    for (const std::string& point : points) {
        INFO(point);
        broker.terminate();
        const bool frequent = point == "journal.submit" || point == "journal.written" || point == "store.append";
        const auto pass = frequent ? 1 + random() % 300 : 1;
        broker.options().environment["CASC_FAIL_POINT"] = point + ":" + std::to_string(pass);
        bool died_starting = false;
        try {
            broker.start();
        } catch (const std::runtime_error&) {
            died_starting = true;  // some points lie in the start itself; the broker then never serves
        }
        broker.options().environment.erase("CASC_FAIL_POINT");
        if (died_starting) {
            broker.restart();
            continue;
        }
        Load load(*client, history, "orders", static_cast<std::uint32_t>(random()));
        CHECK(broker.wait_exit().signal == SIGKILL);
        broker.restart();
        load.stop();
        CHECK(load.failures == 0);
    }
    read_everything(*client, history, "orders");
    check_history(history);
}
