#include "kill_load.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

namespace casc::test {

using namespace std::chrono_literals;

std::uint32_t seed_of_this_run() {
    const char* given = std::getenv("CASC_TEST_SEED");
    const std::uint32_t seed =
        given != nullptr ? static_cast<std::uint32_t>(std::atoll(given)) : std::random_device{}();
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

void keep_from_now_on(client::Client& client, const std::string& topic) {
    wire::fb::AlterTopicT request;
    request.name = topic;
    request.settings = std::make_unique<wire::fb::TopicSettingsT>();
    request.settings->retention_ms = -1;
    request.settings->retention_bytes = -1;
    const auto altered = client.call(request);
    REQUIRE_MESSAGE(altered, altered.error().message());
}

Load::Load(client::Client& client, DeliveryHistory& history, const std::string& topic,
           std::uint32_t seed, const LoadOptions& options)
    : history_(history), random_(seed), options_(options) {
    client::ProducerOptions producer;
    producer.batch_bytes = 4096;
    producer.linger = 500us;
    producer.in_flight_bytes = 256_KiB;
    auto made = client.make_producer(topic, producer);
    REQUIRE_MESSAGE(made, made.error().message());
    producer_.emplace(*std::move(made));
    thread_ = std::thread([this] { run(); });
}

Load::~Load() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
}

Result<void> Load::stop() {
    stopping_ = true;
    thread_.join();
    auto flushed = producer_->flush(120s);
    producer_.reset();
    return flushed;
}

Lane Load::any_lane() {
    const auto lane = static_cast<Lane>(random_() % kLaneCount);
    const bool is_too_many = options_.low_lane_is_rare && lane == Lane::low && random_() % 64 != 0;
    return is_too_many ? Lane::normal : lane;
}

void Load::run() {
    auto due = std::chrono::steady_clock::now();
    while (!stopping_) {
        if (options_.events_per_second != 0) {
            due += std::chrono::nanoseconds(1s) / options_.events_per_second;
            std::this_thread::sleep_until(due);
        }
        const std::uint32_t partition = random_() % kPartitions;
        const Lane lane = any_lane();
        const auto payload =
            history_.next(partition, static_cast<std::uint32_t>(lane), random_() % 400);
        client::Event event;
        event.payload = payload;
        event.lane = lane;
        event.partition = PartitionId(partition);
        const SentEvent sent = DeliveryHistory::parse(payload);
        const auto accepted =
            producer_->send(event, [this, sent](const Result<client::Delivery>& delivered) {
                if (delivered) {
                    history_.acknowledged(sent);
                } else {
                    ++failures;
                }
            });
        if (!accepted) ++failures;
    }
}

// Reads every log from its beginning to its end.
void read_everything(client::Client& client, DeliveryHistory& history, const std::string& topic) {
    wire::fb::DescribeTopicT request;
    request.name = topic;
    const auto described = client.call(request);
    REQUIRE_MESSAGE(described, described.error().message());
    std::vector<client::Place> places;
    for (const auto& log : described->logs)
        places.push_back(
            {topic, PartitionId(log->partition), static_cast<Lane>(log->lane), Offset(log->start)});
    auto consumer = client.make_consumer();
    REQUIRE(consumer);
    const auto assigned = consumer->assign(places);
    REQUIRE_MESSAGE(assigned, assigned.error().message());
    const auto at_the_end = [&] {
        return std::all_of(described->logs.begin(), described->logs.end(), [&](const auto& log) {
            const auto position = consumer->position(topic, PartitionId(log->partition),
                                                     static_cast<Lane>(log->lane));
            return position && position->value() >= log->visible_end;
        });
    };
    const auto give_up = std::chrono::steady_clock::now() + 120s;
    while (!at_the_end() && std::chrono::steady_clock::now() < give_up) {
        const auto events = consumer->poll(10'000, 1s);
        REQUIRE_MESSAGE(events, events.error().message());
        for (const auto& received : *events)
            CHECK(history.received(received.partition.value(),
                                   static_cast<std::uint32_t>(received.event.lane),
                                   received.event.payload));
    }
    CHECK(at_the_end());
}

void check_history(const DeliveryHistory& history) {
    const auto violations = history.violations();
    for (const std::string& violation : violations)
        MESSAGE(violation);
    CHECK(violations.empty());
}

}  // namespace casc::test
