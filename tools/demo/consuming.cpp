#include "consuming.hpp"

#include <chrono>
#include <stdexcept>

namespace casc::demo {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kEventsPerPoll = 2000;
constexpr auto kPollTimeout = 50ms;
constexpr auto kReadPatience = 30s;

client::ConsumerOptions group_options(const std::string& group) {
    client::ConsumerOptions options;
    options.group = group;
    options.order = client::Order::priority;
    options.auto_commit_interval = 100ms;
    return options;
}

Kind kind_of(std::string_view topic) {
    return topic == kTopics[0] ? Kind::package : Kind::file;
}

}  // namespace

Group::Group(std::string name, const std::string& endpoint, const std::vector<Record>& records)
    : name_(std::move(name)), endpoint_(endpoint), ledger_(records, kMemberCount) {
    for (std::size_t i = 0; i < kMemberCount; ++i)
        threads_.emplace_back([this, i] { run(i); });
}

Group::~Group() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

void Group::stop() {
    stopping_ = true;
    for (std::thread& thread : threads_)
        thread.join();
    threads_.clear();
    const std::lock_guard lock(mutex_);
    if (!trouble_.empty()) throw std::runtime_error("group " + name_ + ": " + trouble_);
}

void Group::give_up(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (trouble_.empty()) trouble_ = why;
}

void Group::run(std::size_t member) {
    try {
        read(member);
    } catch (const std::exception& e) {
        give_up(e.what());
    }
}

void Group::read(std::size_t member) {
    client::ClientOptions options;
    options.endpoints = {endpoint_};
    options.client_id = name_ + "-" + std::to_string(member + 1);
    auto client = client::Client::connect(std::move(options));
    if (!client) throw std::runtime_error(client.error().message());
    auto consumer = (*client)->make_consumer(group_options(name_));
    if (!consumer) throw std::runtime_error(consumer.error().message());

    bool assigned = false;
    client::RebalanceCallbacks callbacks;
    callbacks.assigned = [&](const std::vector<client::TopicPartition>& partitions) {
        if (!partitions.empty() && !std::exchange(assigned, true)) assigned_members_.fetch_add(1);
    };
    if (const auto joined =
            consumer->subscribe({kTopics.begin(), kTopics.end()}, std::move(callbacks));
        !joined) {
        throw std::runtime_error(joined.error().message());
    }
    while (!stopping_.load(std::memory_order_relaxed)) {
        const auto events = consumer->poll(kEventsPerPoll, kPollTimeout);
        if (!events) {
            // The broker is away for a moment, which is the point of this demo; the client is
            // connecting again.
            if (!error_info(events.error().code).retryable)
                throw std::runtime_error(events.error().message());
            std::this_thread::sleep_for(5ms);
            continue;
        }
        for (const client::ConsumedEvent& event : *events)
            ledger_.received(member, kind_of(event.topic), event);
    }
    if (const auto closed = consumer->close(); !closed)
        throw std::runtime_error(closed.error().message());
}

Throughput read_everything(client::Client& client, const std::string& topic,
                           std::uint32_t partitions, std::uint64_t events) {
    auto consumer = client.make_consumer({});
    if (!consumer) throw std::runtime_error(consumer.error().message());
    std::vector<client::Place> places;
    for (std::uint32_t p = 0; p < partitions; ++p) {
        for (const Lane lane : kLanes)
            places.push_back({topic, PartitionId(p), lane, Offset(0)});
    }
    if (const auto assigned = consumer->assign(places); !assigned)
        throw std::runtime_error(assigned.error().message());
    Throughput read;
    const auto start = Clock::now();
    while (read.events < events && Clock::now() < start + kReadPatience) {
        const auto got = consumer->poll_batches(kPollTimeout);
        if (!got) throw std::runtime_error("reading back: " + got.error().message());
        read.events += got->size();
        for (const client::ReceivedBatch& batch : got->batches()) {
            for (std::uint32_t i = batch.first; i < batch.end; ++i)
                read.bytes += batch.event(i).event.payload.size();
        }
    }
    read.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return read;
}

}  // namespace casc::demo
