#include "compaction.hpp"

#include <casc/broker/logging.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

// A log with less than both is left alone: nobody misses that much space.
constexpr std::uint64_t kEventsWorthIt = 1000;
constexpr std::uint64_t kBytesWorthIt = 1_MiB;
constexpr auto kPauseAfterFailure = std::chrono::seconds(10);
// After a pass in vain, whatever the topic says.
constexpr std::chrono::milliseconds kWaitMin = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kWaitMax = std::chrono::hours(1);

}  // namespace

void Compaction::load() {
    core_.store.for_each_log(LogId(), LogId(~std::uint64_t{0}),
                             [&](LogId log, const storage::LogState&) {
                                 const Topic* topic = core_.topics.find(log.topic());
                                 if (topic != nullptr && topic->is_compacted())
                                     on_append(*topic, log);
                             });
}

bool Compaction::is_worth_it(LogId log) const {
    const auto state = core_.store.log_state(log);
    if (!state) return false;
    const std::uint64_t replaced = core_.keys.replaced(log);
    const auto known = left_.find(log);
    const std::uint64_t fresh =
        replaced - std::min(replaced, known == left_.end() ? 0 : known->second.events);
    if (fresh == 0 || fresh < core_.keys.log_keys(log).live) return false;
    return fresh >= kEventsWorthIt || state->bytes >= kBytesWorthIt;
}

void Compaction::on_append(const Topic&, LogId log) {
    if (is_worth_it(log) && !rests(log, mono_now())) queue_.push(log);
}

bool Compaction::rests(LogId log, MonoNanos now) const {
    const auto known = left_.find(log);
    return known != left_.end() && known->second.rests_until > now;
}

void Compaction::look_again(LogId log, MonoNanos when) {
    Left& left = left_[log];
    if (left.due) std::erase_if(later_, [&](const auto& at) { return at.second == log; });
    left.due = when;
    later_.emplace(when, log);
}

void Compaction::tick(MonoNanos now) {
    if (pass_ || stopped_ || core_.store.failure()) return;
    while (!later_.empty() && later_.begin()->first <= now) {
        const LogId log = later_.begin()->second;
        later_.erase(later_.begin());
        if (const auto known = left_.find(log); known != left_.end())
            known->second = {.waited = known->second.waited};
        queue_.push(log);
    }
    while (!queue_.empty()) {
        const LogId log = queue_.pop();
        const Topic* topic = core_.topics.find(log.topic());
        if (topic != nullptr && topic->is_compacted() && is_worth_it(log) && !rests(log, now))
            return begin(*topic, log);
    }
}

void Compaction::begin(const Topic& topic, LogId log) {
    const auto before = [&](std::uint32_t ms) {
        return core_.now() - EpochNanos::distance(
                                 std::chrono::nanoseconds(std::chrono::milliseconds(ms)).count());
    };
    const auto state = core_.store.log_state(log);
    pass_ = Pass{.request = {.log = log,
                             .from = state->start,
                             .until = state->durable_end,
                             .erased = {},
                             .compacts = true,
                             .replaced_before = before(topic.settings.compaction_lag_ms),
                             .tombstones_before = before(topic.settings.tombstones_ms)}};
    pass_->replaced = core_.keys.replaced(log);
    ++passes_;
    go_on();
}

void Compaction::go_on() {
    core_.store.post_rewrite(pass_->request, [this](Result<storage::Rewritten> done) {
        const LogId log = pass_->request.log;
        if (!done) {
            log_event(LogLevel::error, "compaction_failed",
                      {{"log", log.value()}, {"why", done.error().message()}});
            look_again(log, mono_now() + kPauseAfterFailure);
            pass_.reset();
            return;
        }
        pass_->events += done->events;
        pass_->request.from = done->next;
        events_ += done->events;
        bytes_ += done->bytes;
        const bool is_gone = core_.topics.find(log.topic()) == nullptr;
        if (!is_gone) core_.keys.on_compacted(log, done->events, done->complete_from);
        if (is_gone || stopped_) return pass_.reset();
        if (done->next < pass_->request.until) return go_on();
        end(mono_now());
    });
}

void Compaction::end(MonoNanos now) {
    const LogId log = pass_->request.log;
    const std::uint64_t events = pass_->events;
    const std::uint64_t left = pass_->replaced - std::min(pass_->replaced, events);
    pass_.reset();
    if (events != 0) core_.store.post_reclaim();
    const Topic* topic = core_.topics.find(log.topic());
    // Too young, most likely, or not durable yet. What was replaced while the pass went on is not
    // among them.
    Left& known = left_[log];
    known.events = left;
    if (core_.keys.replaced(log) == 0) return;
    if (events != 0 && is_worth_it(log)) return queue_.push(log);
    // After a pass in vain for twice as long, so that a log full of young tombstones is not read
    // all day. What is appended meanwhile is looked at when it is worth it, but not before any of
    // it can be old enough.
    const std::chrono::milliseconds lag(topic->settings.compaction_lag_ms);
    const std::chrono::milliseconds longest =
        std::max({lag, std::chrono::milliseconds(topic->settings.tombstones_ms), kWaitMax});
    const std::chrono::milliseconds shortest = std::max(lag, kWaitMin);
    known.waited = events == 0 ? std::clamp(2 * known.waited, shortest, longest) : shortest;
    if (events == 0) known.rests_until = now + shortest;
    look_again(log, now + known.waited);
}

void Compaction::forget_topic(TopicId topic) {
    boost::unordered::erase_if(left_,
                               [&](const auto& entry) { return entry.first.topic() == topic; });
}

}  // namespace casc::broker
