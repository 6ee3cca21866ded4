#include "retention.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

EpochNanos after(EpochNanos from, std::int64_t ms) {
    return from + EpochNanos::distance(ms * 1'000'000);
}

}  // namespace

void Retention::load() {
    core_.store.for_each_log(
        LogId(), LogId(~std::uint64_t{0}), [&](LogId log, const storage::LogState& state) {
            const Topic* topic = core_.topics.find(log.topic());
            if (topic == nullptr || state.start == state.end) return;
            // When the oldest event was written is on disk; the first look is at once and finds
            // out.
            if (topic->settings.retention_ms >= 0)
                schedule(*topic, log, after(core_.now(), -topic->settings.retention_ms));
            grown_.insert(log);
        });
}

void Retention::on_append(const Topic& topic, LogId log) {
    if (topic.settings.retention_ms >= 0) schedule(topic, log, core_.now());
    if (topic.settings.retention_bytes >= 0 || topic.settings.retention_events >= 0)
        grown_.insert(log);
}

void Retention::schedule(const Topic& topic, LogId log, EpochNanos oldest) {
    if (scheduled_.insert(log).second) due_.push({after(oldest, topic.settings.retention_ms), log});
}

void Retention::on_bounds_changed(LogId log) {
    grown_.insert(log);
    scheduled_.insert(log);
    due_.push({core_.now(), log});  // an older place in the queue is one look too many, no harm
}

bool Retention::tick(EpochNanos now) {
    bool trimmed = false;
    std::vector<LogId> looked_at;
    std::vector<LogId> again;
    for (auto it = grown_.begin(); it != grown_.end() && looked_at.size() < kLogsPerTick; ++it)
        looked_at.push_back(*it);
    for (const LogId log : looked_at) {
        grown_.erase(log);
        const Topic* topic = core_.topics.find(log.topic());
        if (topic == nullptr) continue;
        const auto done = trim_by_size(*topic, log);
        if (!done) again.push_back(log);
        trimmed = trimmed || (done && *done);
    }
    grown_.insert(again.begin(), again.end());
    std::size_t looks = looked_at.size();
    for (; !due_.empty() && due_.top().at <= now && looks < kLogsPerTick; ++looks) {
        const LogId log = due_.top().log;
        due_.pop();
        scheduled_.erase(log);
        const Topic* topic = core_.topics.find(log.topic());
        if (topic == nullptr) continue;
        const auto done = trim_by_age(*topic, log, now);
        // The disk has failed or is full: in a second, not never.
        if (!done && scheduled_.insert(log).second) due_.push({after(now, 1000), log});
        trimmed = trimmed || (done && *done);
    }
    if (trimmed) core_.store.post_reclaim();
    return looks >= kLogsPerTick;
}

Result<bool> Retention::trim_by_size(const Topic& topic, LogId log) {
    const auto state = core_.store.log_state(log);
    if (!state) return false;
    Offset start = state->start;
    if (const auto bound = topic.settings.retention_bytes;
        bound >= 0 && state->bytes > static_cast<std::uint64_t>(bound)) {
        CASC_TRY(const Offset by_bytes,
                 core_.store.start_for_bytes(log, static_cast<std::uint64_t>(bound)));
        start = std::max(start, by_bytes);
    }
    const Offset visible_end = core_.visibility.visible_end(topic, log);
    if (const auto bound = topic.settings.retention_events;
        bound >= 0 && (visible_end - state->start).value() > static_cast<std::uint64_t>(bound))
        start = std::max(start, visible_end - OffsetDelta(static_cast<std::uint64_t>(bound)));
    start = std::min(start, visible_end);
    if (start <= state->start) return false;
    CASC_TRY_VOID(core_.store.trim(log, start));
    core_.deleted.on_trimmed(log);
    return true;
}

Result<bool> Retention::trim_by_age(const Topic& topic, LogId log, EpochNanos now) {
    if (topic.settings.retention_ms < 0) return false;
    const auto state = core_.store.log_state(log);
    if (!state || state->start == state->end) return false;
    const EpochNanos oldest_kept = after(now, -topic.settings.retention_ms);
    CASC_TRY(const storage::TimeLookup found, core_.store.find_time(log, oldest_kept));
    const Offset start = std::min(found.offset, core_.visibility.visible_end(topic, log));
    const bool moves = start > state->start;
    if (moves) {
        CASC_TRY_VOID(core_.store.trim(log, start));
        core_.deleted.on_trimmed(log);
    }
    // Something is left: look again when it is due. Finding what is due may read from the disk, so
    // not more often than a hundred times per retention time, nor than once a second.
    const std::int64_t pause_ms = std::max<std::int64_t>(1000, topic.settings.retention_ms / 100);
    if (start < state->end)
        schedule(topic, log, std::max(found.time, after(oldest_kept, pause_ms)));
    return moves;
}

}  // namespace casc::broker
