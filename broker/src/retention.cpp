#include "retention.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

EpochNanos after(EpochNanos from, std::int64_t ms) {
    return from + EpochNanos::distance(ms * 1'000'000);
}

bool has_size_bound(const Topic& topic) {
    return topic.settings.retention_bytes >= 0 || topic.settings.retention_events >= 0;
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
            if (has_size_bound(*topic)) grown_.push(log);
        });
}

void Retention::on_append(const Topic& topic, LogId log) {
    if (topic.settings.retention_ms >= 0) schedule(topic, log, core_.now());
    if (has_size_bound(topic)) grown_.push(log);
}

void Retention::schedule(const Topic& topic, LogId log, EpochNanos oldest) {
    const EpochNanos at = after(oldest, topic.settings.retention_ms);
    if (scheduled_.try_emplace(log, at).second) due_.push({at, log});
}

void Retention::on_bounds_changed(LogId log) {
    grown_.push(log);
    const EpochNanos now = core_.now();
    scheduled_[log] = now;  // an older place in the queue is passed over
    due_.push({now, log});
}

bool Retention::tick(EpochNanos now) {
    const bool sizes_left = grown_.size() > kLogsPerTick;
    const bool by_size = look_at_sizes();
    const bool by_age = look_at_ages(now);
    if (by_size || by_age) core_.store.post_reclaim();
    return sizes_left || (!due_.empty() && due_.top().at <= now);
}

bool Retention::look_at_sizes() {
    bool trimmed = false;
    for (std::size_t looks = std::min(grown_.size(), kLogsPerTick); looks > 0; --looks) {
        const LogId log = grown_.pop();
        const Topic* topic = core_.topics.find(log.topic());
        if (topic == nullptr || !has_size_bound(*topic)) continue;
        const auto done = trim_by_size(*topic, log);
        // To the back, so that many that grow all the time take turns.
        if (!done || grows_yet(*topic, log)) grown_.push(log);
        trimmed = trimmed || (done && *done);
    }
    return trimmed;
}

bool Retention::look_at_ages(EpochNanos now) {
    bool trimmed = false;
    for (std::size_t looks = 0; !due_.empty() && due_.top().at <= now && looks < kLogsPerTick;) {
        const Due due = due_.top();
        due_.pop();
        const auto place = scheduled_.find(due.log);
        if (place == scheduled_.end() || place->second != due.at) continue;
        scheduled_.erase(place);
        ++looks;
        const Topic* topic = core_.topics.find(due.log.topic());
        if (topic == nullptr) continue;
        const auto done = trim_by_age(*topic, due.log, now);
        // The disk has failed or is full: in a second, not never.
        if (!done && scheduled_.try_emplace(due.log, after(now, 1000)).second)
            due_.push({after(now, 1000), due.log});
        trimmed = trimmed || (done && *done);
    }
    return trimmed;
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

bool Retention::grows_yet(const Topic& topic, LogId log) const {
    const auto state = core_.store.log_state(log);
    return state && core_.visibility.visible_end(topic, log) < state->end;
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
