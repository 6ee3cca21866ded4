#pragma once
// Events that somebody has deleted one by one: no reader gets them, from memory or from disk, and
// they are taken out of the stored log as soon as they are in it.
//
// A row for each, until its log begins behind it. docs/storage_format.md, "Deleted events".

#include "topic_registry.hpp"

#include <casc/storage/store.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <map>
#include <set>

namespace casc::broker {

// Thread: owning shard. Lifetime: borrows both; the store's callbacks refer to it.
class DeletedEvents {
public:
    static constexpr std::size_t kEventsMax = 1'000'000;

    DeletedEvents(storage::Store& store, const TopicRegistry& topics)
        : store_(store), topics_(topics) {}

    // Fails with: storage errors (rows of events that are gone anyway are erased).
    [[nodiscard]] Result<void> load();

    // Nobody gets it from now on. Returns what that becomes durable with. Fails with: overloaded
    // (too many are remembered), storage errors.
    [[nodiscard]] Result<JournalSequence> add(LogId log, Offset offset);

    [[nodiscard]] bool contains(LogId log, Offset offset) const {
        return !logs_.empty() && next(log, offset) == offset;
    }
    // The first deleted one of [first, end); nothing: none is.
    [[nodiscard]] std::optional<Offset> next(LogId log, Offset first, Offset end) const {
        if (logs_.empty()) return std::nullopt;
        const auto found = next(log, first);
        return found && *found < end ? found : std::nullopt;
    }

    // Has what was deleted taken out of the log, unless that is under way; once in a while.
    void tick();
    void stop() noexcept { stopped_ = true; }  // nothing more is begun
    // What lies below the start of the log is remembered by that.
    void on_trimmed(LogId log);
    void forget_topic(TopicId topic);
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    using Offsets = std::set<Offset>;

    [[nodiscard]] std::optional<Offset> next(LogId log, Offset first) const;
    void take_out(LogId log, std::vector<Offset> offsets, Offset from);
    void was_taken_out(LogId log, const std::vector<Offset>& offsets);

    storage::Store& store_;
    const TopicRegistry& topics_;
    boost::unordered_flat_map<LogId, Offsets, std::hash<LogId>> logs_;
    std::map<LogId, Offsets> stored_;  // those that are still to be taken out
    std::size_t count_ = 0;
    bool busy_ = false;
    MonoNanos not_before_;                // the next goes: each costs a checkpoint and a file
    std::map<LogId, MonoNanos> failing_;  // and until when they are left alone
    bool stopped_ = false;
};

}  // namespace casc::broker
