#include "volatile_logs.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

// Of the list of blocks: it is gone through when it has grown to twice what it was then.
constexpr std::size_t kBlocksMin = 256;

VolatileBounds bounds_of(const Topic& topic, const Config::Volatile& config) {
    VolatileBounds bounds{config.log_bytes, topic.settings.retention_events};
    if (topic.settings.retention_bytes >= 0)
        bounds.bytes =
            std::min(bounds.bytes, static_cast<std::uint64_t>(topic.settings.retention_bytes));
    return bounds;
}

}  // namespace

VolatileLogs::VolatileLogs(EpochNanos started)
    : first_(static_cast<std::uint64_t>(std::max<std::int64_t>(started.value(), 0))),
      epoch_(static_cast<std::uint32_t>(first_.value() / 1'000'000'000)) {}

VolatileLogs::Appended VolatileLogs::append(const Topic& topic, LogId log,
                                            std::span<const std::byte> batch, EpochNanos now,
                                            const Config::Volatile& config) {
    VolatileLog& to = logs_.try_emplace(log, pools_, first_).first->second;
    const Offset base = to.end();
    if (to.append(batch, now, ++arrival_, epoch_)) {
        blocks_.push_back({log, to.last_block()});
        if (blocks_.size() >= kBlocksMin && (blocks_.size() & (blocks_.size() - 1)) == 0)
            forget_blocks_that_are_gone();
        keep_within(config.memory_bytes);
    }
    to.trim(bounds_of(topic, config));
    return {base, epoch_};
}

void VolatileLogs::keep_within(std::uint64_t memory_bytes) {
    // Not the block that was begun last: what was just appended is there to be read.
    while (bytes() > memory_bytes && blocks_.size() > 1) {
        const Block oldest = blocks_.front();
        blocks_.pop_front();
        const auto log = logs_.find(oldest.log);
        if (log == logs_.end() || log->second.first_block() > oldest.number) continue;
        const Offset before = log->second.start();
        log->second.drop_block(oldest.number);
        evicted_ += (log->second.start() - before).value();
    }
}

void VolatileLogs::forget_blocks_that_are_gone() {
    std::erase_if(blocks_, [&](const Block& block) {
        const auto log = logs_.find(block.log);
        return log == logs_.end() || log->second.first_block() > block.number;
    });
}

storage::LogState VolatileLogs::state_of(const VolatileLog& log) const {
    return {.start = log.start(),
            .end = log.end(),
            .durable_end = log.end(),
            .bytes = log.bytes(),
            .last_append = log.last_append(),
            .epoch = epoch_};
}

const VolatileLog* VolatileLogs::find(LogId log) const {
    const auto found = logs_.find(log);
    return found == logs_.end() ? nullptr : &found->second;
}

storage::LogState VolatileLogs::state(LogId log) const {
    if (const VolatileLog* found = find(log)) return state_of(*found);
    return {.start = first_,
            .end = first_,
            .durable_end = first_,
            .bytes = 0,
            .last_append = EpochNanos(0),
            .epoch = epoch_};
}

void VolatileLogs::for_each(
    TopicId topic, const std::function<void(LogId, const storage::LogState&)>& visit) const {
    for (auto at = logs_.lower_bound(LogId(topic, PartitionId(0), Lane::critical));
         at != logs_.end() && at->first.topic() == topic; ++at)
        visit(at->first, state_of(at->second));
}

void VolatileLogs::read(LogId log, Offset from, Offset until, std::size_t bytes_max,
                        std::vector<storage::BatchRef>& into) const {
    if (const VolatileLog* found = find(log)) found->read(from, until, bytes_max, into);
}

storage::TimeLookup VolatileLogs::find_time(LogId log, EpochNanos time) const {
    if (const VolatileLog* found = find(log)) return found->find_time(time);
    return {first_, EpochNanos(0)};
}

void VolatileLogs::trim(LogId log, Offset start) {
    if (const auto found = logs_.find(log); found != logs_.end()) found->second.trim_below(start);
}

void VolatileLogs::expire(const std::function<const Topic*(TopicId)>& find_topic, EpochNanos now) {
    const Topic* topic = nullptr;
    for (auto& [log, kept] : logs_) {
        if (topic == nullptr || topic->id != log.topic()) topic = find_topic(log.topic());
        if (topic == nullptr || topic->settings.retention_ms < 0) continue;
        kept.trim_older(now - EpochNanos::distance(topic->settings.retention_ms * 1'000'000));
    }
}

void VolatileLogs::forget_topic(TopicId topic) {
    std::erase_if(logs_, [&](const auto& entry) { return entry.first.topic() == topic; });
}

}  // namespace casc::broker
