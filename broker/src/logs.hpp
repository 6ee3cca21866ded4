#pragma once
// The logs of every topic, wherever they are: in the store, or, of volatile topics, in memory only.

#include "topic_registry.hpp"
#include "volatile_logs.hpp"

#include <casc/storage/store.hpp>

namespace casc::broker {

// Thread: owning shard. Lifetime: borrows all three.
class Logs {
public:
    Logs(storage::Store& store, const TopicRegistry& topics, VolatileLogs& in_memory)
        : store_(store), topics_(topics), in_memory_(in_memory) {}

    [[nodiscard]] bool is_volatile(TopicId id) const noexcept {
        const Topic* topic = topics_.find(id);
        return topic != nullptr && topic->is_volatile();
    }

    [[nodiscard]] std::optional<storage::LogState> state(LogId log) const {
        if (is_volatile(log.topic())) return in_memory_.state(log);
        return store_.log_state(log);
    }
    // Those of a topic that have ever had an event.
    void for_each(TopicId topic,
                  const std::function<void(LogId, const storage::LogState&)>& visit) const {
        if (is_volatile(topic)) return in_memory_.for_each(topic, visit);
        for_each_log(store_, topic, visit);
    }
    // As Store::read_tail(). Of a volatile log that is all that there is: never false.
    [[nodiscard]] bool read_tail(LogId log, Offset from, Offset until, std::size_t bytes_max,
                                 std::vector<storage::BatchRef>& into) {
        if (!is_volatile(log.topic())) return store_.read_tail(log, from, until, bytes_max, into);
        in_memory_.read(log, from, until, bytes_max, into);
        return true;
    }
    [[nodiscard]] Result<storage::TimeLookup> find_time(LogId log, EpochNanos time) {
        if (is_volatile(log.topic())) return in_memory_.find_time(log, time);
        return store_.find_time(log, time);
    }
    [[nodiscard]] Result<JournalSequence> trim(LogId log, Offset start) {
        if (!is_volatile(log.topic())) return store_.trim(log, start);
        in_memory_.trim(log, start);
        return store_.durable_through();  // done, as far as it will ever be
    }

private:
    storage::Store& store_;
    const TopicRegistry& topics_;
    VolatileLogs& in_memory_;
};

}  // namespace casc::broker
