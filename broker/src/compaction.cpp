#include "compaction.hpp"

#include <casc/broker/logging.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

// A log with less than both is left alone: nobody misses that much space.
constexpr std::uint64_t kEventsWorthIt = 1000;
constexpr std::uint64_t kBytesWorthIt = 1_MiB;
constexpr auto kPauseAfterFailure = std::chrono::seconds(10);

MonoNanos after(MonoNanos now, std::chrono::nanoseconds time) {
    return now + MonoNanos::distance(time.count());
}

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
        replaced - std::min(replaced, known == left_.end() ? 0 : known->second);
    if (fresh == 0 || fresh < core_.keys.log_keys(log).live) return false;
    return fresh >= kEventsWorthIt || state->bytes >= kBytesWorthIt;
}

void Compaction::on_append(const Topic&, LogId log) {
    if (!is_worth_it(log) || !queued_.insert(log).second) return;
    queue_.push_back(log);
}

void Compaction::tick(MonoNanos now) {
    if (pass_ || stopped_ || core_.store.failure()) return;
    while (!later_.empty() && later_.begin()->first <= now) {
        const LogId log = later_.begin()->second;
        later_.erase(later_.begin());
        left_.erase(log);
        queue_.push_back(log);
    }
    while (!queue_.empty()) {
        const LogId log = queue_.front();
        queue_.pop_front();
        queued_.erase(log);
        const Topic* topic = core_.topics.find(log.topic());
        if (topic != nullptr && topic->is_compacted() && is_worth_it(log))
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
            later_.emplace(after(mono_now(), kPauseAfterFailure), log);
            queued_.insert(log);
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
    // Too young, most likely. What was replaced while the pass went on is not among them.
    if (left == 0) {
        left_.erase(log);
    } else {
        left_[log] = left;
    }
    if (core_.keys.replaced(log) == 0) return;
    if (is_worth_it(log)) {
        if (queued_.insert(log).second) queue_.push_back(log);
        return;
    }
    const std::uint32_t wait_ms =
        std::max(topic->settings.compaction_lag_ms, topic->settings.tombstones_ms);
    if (wait_ms == 0 || !queued_.insert(log).second) return;
    const auto wait = events == 0 ? wait_ms : std::max(1u, topic->settings.compaction_lag_ms);
    later_.emplace(after(now, std::chrono::milliseconds(wait) + std::chrono::seconds(1)), log);
}

void Compaction::forget_topic(TopicId topic) {
    boost::unordered::erase_if(left_,
                               [&](const auto& entry) { return entry.first.topic() == topic; });
}

}  // namespace casc::broker
