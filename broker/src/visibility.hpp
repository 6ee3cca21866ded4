#pragma once
// How far consumers may read.
//
// On a `durable` topic: what is durable. On a `memory` topic: everything appended, as long as it
// lies below a ceiling that is durable in the journal; after a crash the log continues at the
// ceiling, so that an offset that a consumer has seen can never come to mean another event. On a
// `volatile` topic: everything.

#include "topic.hpp"
#include "volatile_logs.hpp"

#include <casc/storage/store.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

namespace casc::broker {

// Thread: owning shard.
class Visibility {
public:
    Visibility(storage::Store& store, const VolatileLogs& in_memory)
        : store_(store), in_memory_(in_memory) {}

    [[nodiscard]] Offset visible_end(const Topic& topic, LogId log) {
        if (topic.is_volatile()) return in_memory_.state(log).end;
        const auto state = store_.log_state(log);
        if (!state) return Offset(0);
        if (topic.settings.durability != Durability::memory) return state->durable_end;
        const auto found = ceilings_.find(log);
        if (found == ceilings_.end()) return state->durable_end;
        Ceiling& ceiling = found->second;
        if (ceiling.asked_in <= store_.durable_through()) ceiling.durable = ceiling.asked;
        return std::max(state->durable_end, std::min(state->end, ceiling.durable));
    }

    // Keeps the ceiling ahead of `end`. Called before an append to a `memory` topic.
    [[nodiscard]] Result<void> before_append(LogId log, Offset end) {
        Ceiling& ceiling = ceilings_[log];
        if (ceiling.asked_in <= store_.durable_through()) ceiling.durable = ceiling.asked;
        if (ceiling.asked > end && (ceiling.asked - end).value() > kStep / 2) return {};
        const Offset wanted = end + OffsetDelta(kStep);
        CASC_TRY(ceiling.asked_in, store_.reserve(log, wanted));
        ceiling.asked = wanted;
        return {};
    }

    void forget_topic(TopicId topic) {
        boost::unordered::erase_if(ceilings_,
                                   [&](const auto& entry) { return entry.first.topic() == topic; });
    }

private:
    // A reservation is one small journal record per this many events.
    static constexpr std::uint64_t kStep = 1u << 22;

    struct Ceiling {
        Offset durable;
        Offset asked;
        JournalSequence asked_in;
    };

    storage::Store& store_;
    const VolatileLogs& in_memory_;
    boost::unordered_flat_map<LogId, Ceiling, std::hash<LogId>> ceilings_;
};

}  // namespace casc::broker
