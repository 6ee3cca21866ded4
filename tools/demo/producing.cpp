#include "producing.hpp"

#include <casc/types/clock.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>

namespace casc::demo {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

client::Producer make_producer(client::Client& client, const char* topic,
                               client::ProducerOptions options = {}) {
    auto producer = client.make_producer(topic, std::move(options));
    if (!producer)
        throw std::runtime_error("cannot produce to " + std::string(topic) + ": " +
                                 producer.error().message());
    return std::move(producer).value();
}

}  // namespace

std::size_t producer_of(const Record& record) {
    return checksum(record.key) % kProducerCount;
}

Producing::Producing(client::Client& client, const std::vector<Record>& records, SendLedger& ledger,
                     std::size_t first, std::size_t last, std::optional<double> events_per_second)
    : client_(client),
      records_(records),
      ledger_(ledger),
      first_(first),
      last_(last),
      events_per_second_(events_per_second) {
    for (std::size_t i = 0; i < kProducerCount; ++i)
        threads_.emplace_back([this, i] { run(i); });
}

Producing::~Producing() {
    join();
}

void Producing::join() {
    for (std::thread& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

void Producing::run(std::size_t producer) {
    std::vector<client::Producer> topics;
    for (const char* topic : kTopics)
        topics.push_back(make_producer(client_, topic));
    const auto start = Clock::now();
    for (std::size_t number = first_; number < last_; ++number) {
        const Record& record = records_[number];
        if (producer_of(record) != producer) continue;
        if (events_per_second_) {
            // By the clock and not by the answers: a broker that is down does not slow down the
            // world.
            const std::chrono::duration<double> due(static_cast<double>(number - first_) /
                                                    *events_per_second_);
            std::this_thread::sleep_until(start + std::chrono::duration_cast<Clock::duration>(due));
        }
        ledger_.sent(number);
        const Result<void> accepted = topics[static_cast<std::size_t>(record.kind)].send(
            {.payload = bytes_of(record.payload), .key = bytes_of(record.key), .lane = record.lane},
            [this, number](Result<client::Delivery> outcome) { ledger_.settled(number, outcome); });
        if (!accepted) ledger_.settled(number, accepted.error());
    }
    for (client::Producer& topic : topics) {
        // Whatever does not settle in time shows in the ledger as not acknowledged.
        static_cast<void>(topic.close(30s));
    }
}

Throughput produce_at_full_speed(client::Client& client, const std::vector<Record>& records,
                                 const std::string& topic, std::chrono::milliseconds duration) {
    std::atomic<std::uint64_t> events{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> bytes{0};
    const auto start = Clock::now();
    const auto run = [&](std::size_t producer) {
        client::ProducerOptions options;
        options.on_batch = [&](const client::Delivery&, std::uint32_t count,
                               const Result<void>& outcome) {
            (outcome ? events : refused).fetch_add(count, std::memory_order_relaxed);
        };
        client::Producer sender = make_producer(client, topic.c_str(), std::move(options));
        std::uint64_t sent_bytes = 0;
        constexpr std::size_t kClockEvery = 256;
        for (std::size_t i = 0; i % kClockEvery != 0 || Clock::now() < start + duration; ++i) {
            const Record& record = records[(i * kProducerCount + producer) % records.size()];
            const Result<void> accepted =
                sender.send({.payload = bytes_of(record.payload), .lane = record.lane});
            if (!accepted) {
                refused.fetch_add(1, std::memory_order_relaxed);
                break;
            }
            sent_bytes += record.payload.size();
        }
        if (!sender.close(30s)) refused.fetch_add(1, std::memory_order_relaxed);
        bytes.fetch_add(sent_bytes, std::memory_order_relaxed);
    };
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kProducerCount; ++i)
        threads.emplace_back(run, i);
    for (std::thread& thread : threads)
        thread.join();
    const std::chrono::duration<double> seconds = Clock::now() - start;
    if (refused != 0) throw std::runtime_error("events were refused at full speed");
    return {events, bytes, seconds.count()};
}

}  // namespace casc::demo
