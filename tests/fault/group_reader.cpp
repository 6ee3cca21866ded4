#include "group_reader.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <delivery_history.hpp>

namespace casc::test {

using namespace std::chrono_literals;

namespace {

client::Consumer join(client::Client& client, const std::string& group, const std::string& topic) {
    client::ConsumerOptions options;
    options.group = group;
    options.auto_commit = false;
    auto consumer = client.make_consumer(options);
    REQUIRE_MESSAGE(consumer, consumer.error().message());
    const auto subscribed = consumer->subscribe({topic});
    REQUIRE_MESSAGE(subscribed, subscribed.error().message());
    return *std::move(consumer);
}

}  // namespace

// --- what the group has seen ---------------------------------------------------------------------

void GroupHistory::violated(const Log& log, const std::string& what) {
    if (violations_.size() < 20)
        violations_.push_back("partition " + std::to_string(log.first) + " lane " +
                              std::to_string(log.second) + ": " + what);
}

void GroupHistory::received(const Log& log, std::uint64_t offset, std::uint64_t counter) {
    const std::lock_guard lock(mutex_);
    State& state = logs_[log];
    if (offset < state.position)
        violated(log, "offset " + std::to_string(offset) + " again, though " +
                          std::to_string(state.position) + " was committed");
    const auto [known, is_new] = state.counter_at.try_emplace(offset, counter);
    if (known->second != counter)
        violated(log, "offset " + std::to_string(offset) + " names two events");
    if (state.seen.size() <= counter) state.seen.resize(counter + counter / 2 + 1);
    state.seen[counter] = true;
    if (is_new) ++received_;
}

void GroupHistory::committed(const Log& log, std::uint64_t next) {
    const std::lock_guard lock(mutex_);
    State& state = logs_[log];
    state.position = std::max(state.position, next);
    ++commits_;
}

bool GroupHistory::has(const Log& log, std::uint64_t counter) const {
    const std::lock_guard lock(mutex_);
    const auto at = logs_.find(log);
    return at != logs_.end() && counter < at->second.seen.size() && at->second.seen[counter];
}

std::uint64_t GroupHistory::received_count() const {
    const std::lock_guard lock(mutex_);
    return received_;
}

std::uint64_t GroupHistory::commits() const {
    const std::lock_guard lock(mutex_);
    return commits_;
}

std::vector<std::string> GroupHistory::violations() const {
    const std::lock_guard lock(mutex_);
    return violations_;
}

// --- a member ------------------------------------------------------------------------------------

GroupReader::GroupReader(client::Client& client, GroupHistory& history, const std::string& group,
                         const std::string& topic)
    : history_(history), consumer_(join(client, group, topic)), thread_([this] { run(); }) {}

GroupReader::~GroupReader() {
    stopping_ = true;
    thread_.join();
}

void GroupReader::run() {
    while (!stopping_) {
        const auto events = consumer_.poll(1000, 100ms);
        if (!events) continue;  // the broker is dead, or the group is being put together again
        for (const auto& received : *events) {
            const GroupHistory::Log log{received.partition.value(),
                                        static_cast<std::uint32_t>(received.event.lane)};
            const std::uint64_t offset = received.event.offset.value();
            history_.received(log, offset, DeliveryHistory::parse(received.event.payload).counter);
            handed_out_[log] = offset + 1;
        }
        commit();
    }
}

void GroupReader::commit() {
    if (handed_out_.empty()) return;
    // A commit that fails may have been stored all the same; then nothing is claimed of it.
    if (consumer_.commit(2000ms))
        for (const auto& [log, next] : handed_out_)
            history_.committed(log, next);
    handed_out_.clear();
}

}  // namespace casc::test
