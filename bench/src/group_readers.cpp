#include "group_readers.hpp"

#include "need.hpp"

#include <casc/client/consumer.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>

namespace casc::bench {

// The client's I/O thread ends after the consumer that it works for.
struct GroupReaders::Member {
    std::unique_ptr<client::Client> client;
    client::Consumer consumer;
    std::thread thread;
    std::uint64_t events_read = 0;  // the thread's until it has ended
};

namespace {

// A broker that works delivers what it has long before.
constexpr std::chrono::seconds kGroupPatience{30};

}  // namespace

// The object is whole before its threads start: when one cannot, the destructor ends the others.
GroupReaders::GroupReaders(const Target& target, const std::vector<std::string>& topics,
                           std::uint64_t count)
    : GroupReaders() {
    for (std::uint64_t number = 0; number < count; ++number) {
        auto client = target.connect();
        client::ConsumerOptions options;
        options.group = "scale-" + std::to_string(number);
        auto consumer = need(client->make_consumer(options), "a consumer");
        need(consumer.subscribe(topics), "joining " + options.group);
        members_.push_back(std::unique_ptr<Member>(
            new Member{std::move(client), std::move(consumer), std::thread(), 0}));
    }
    for (auto& member : members_)
        member->thread = std::thread([this, &member = *member] { follow(member); });
}

GroupReaders::~GroupReaders() {
    enough_.store(0, std::memory_order_release);
    stopping_.store(true, std::memory_order_release);
    for (auto& member : members_)
        if (member->thread.joinable()) member->thread.join();
}

std::uint64_t GroupReaders::finish(std::uint64_t acknowledged) {
    enough_.store(acknowledged, std::memory_order_release);
    stopping_.store(true, std::memory_order_release);
    std::uint64_t missing = 0;
    for (auto& member : members_) {
        member->thread.join();
        missing += acknowledged - std::min(acknowledged, member->events_read);
    }
    members_.clear();
    if (!trouble_.empty()) throw std::runtime_error("a group that reads: " + trouble_);
    return missing;
}

void GroupReaders::follow(Member& member) try {
    auto last = std::chrono::steady_clock::now();
    const auto is_done = [&] {
        return stopping_.load(std::memory_order_acquire) &&
               (member.events_read >= enough_.load(std::memory_order_acquire) ||
                std::chrono::steady_clock::now() - last > kGroupPatience);
    };
    while (!is_done()) {
        const auto events =
            need(member.consumer.poll_batches(std::chrono::milliseconds(50)), "polling");
        if (!events.empty()) last = std::chrono::steady_clock::now();
        member.events_read += events.size();
        events_read_.fetch_add(events.size(), std::memory_order_relaxed);
    }
    need(member.consumer.close(), "leaving");
} catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    if (trouble_.empty()) trouble_ = error.what();
}

}  // namespace casc::bench
