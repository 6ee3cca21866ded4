#include "consumed_retention.hpp"

#include <casc/types/clock.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

constexpr std::size_t kTopicsPerTick = 64;

}  // namespace

void ConsumedRetention::load() {
    started_ = mono_now();
    started_at_ = core_.now();
    core_.topics.for_each("", "", [&](const Topic& topic) {
        core_.consumed.put(topic);
        return true;
    });
}

void ConsumedRetention::tick() {
    bool trimmed = false;
    for (const TopicId id : core_.consumed.take(kTopicsPerTick))
        if (const Topic* topic = core_.topics.find(id)) trimmed = trim(*topic) || trimmed;
    if (trimmed) core_.store.post_reclaim();
}

bool ConsumedRetention::waits_for_groups(const Topic& topic) const {
    if (topic.created > started_at_) return false;
    std::chrono::milliseconds wait = core_.config.groups.session_timeout_max;
    if (const auto absent = topic.settings.absent_group_ms; absent != 0)
        wait = std::min(wait, std::chrono::milliseconds(absent));
    return (mono_now() - started_).value() < std::chrono::nanoseconds(wait).count();
}

bool ConsumedRetention::trim(const Topic& topic) {
    if (waits_for_groups(topic)) return false;
    std::vector<DoneWith> readers;
    const auto collect = [&](DoneWith done) { readers.push_back(std::move(done)); };
    streams_.for_each_reader(topic, collect);
    queues_.for_each_reader(topic, collect);
    if (readers.empty()) return false;
    std::vector<std::pair<LogId, Offset>> starts;
    core_.store.for_each_log(LogId(topic.id, PartitionId(0), Lane::critical),
                             LogId(topic.id, PartitionId(kPartitionsMax - 1), Lane::low),
                             [&](LogId log, const storage::LogState& state) {
                                 Offset start = core_.visibility.visible_end(topic, log);
                                 for (const DoneWith& done : readers)
                                     start = std::min(start, done(log).value_or(state.start));
                                 if (start > state.start) starts.emplace_back(log, start);
                             });
    for (const auto& [log, start] : starts) {
        // The disk is full or has failed: again with the next round.
        if (!core_.store.trim(log, start)) return false;
        core_.deleted.on_trimmed(log);
    }
    return !starts.empty();
}

}  // namespace casc::broker
