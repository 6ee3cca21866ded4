#pragma once
// The keys of compacted topics and where their last events are, in memory: what the key/value view
// is answered from, and what a put with an expected revision is held against. The values stay in
// the log.
//
// Changed in the one way in which events get into a log (log_appender.hpp), so that it never
// matters how an event was sent. Read at start from the rows that the store keeps of each key;
// docs/adr/0004-compaction-shadows-batches.md says why both.

#include "deleted_events.hpp"
#include "topic_registry.hpp"

#include <casc/storage/store.hpp>
#include <casc/wire/batch.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace casc::broker {

// Thread: owning shard. Lifetime: borrows all of it.
class KeyIndex {
public:
    struct Entry {
        std::uint64_t offset;
        std::int64_t append_time;
        std::uint32_t partition;
        std::uint32_t value_bytes;
        [[nodiscard]] std::uint64_t revision() const noexcept { return offset + 1; }
    };
    // What is known of a compacted log besides.
    struct LogKeys {
        std::uint64_t live = 0;  // keys that have a value
        std::uint64_t taken_out = 0;
        Offset complete_from;
        JournalSequence last;  // of the newest append since start
    };
    struct Range {
        std::string_view prefix{};
        std::string_view from{};
        std::string_view until{};  // empty: no end
        std::string_view after{};
    };

    KeyIndex(storage::Store& store, const TopicRegistry& topics, const DeletedEvents& deleted)
        : store_(store), topics_(topics), deleted_(deleted) {}

    void load();

    // Whether the events of a batch may be appended to the compacted topic. Fails with:
    // unknown_lane, key_required, invalid_request, wrong_partition, not_supported, overloaded (too
    // many keys).
    [[nodiscard]] Result<void> check(const Topic& topic, PartitionId partition,
                                     const wire::BatchView& batch,
                                     std::uint64_t memory_bytes_max) const;
    // It has been appended, its first event at `base`.
    void apply(const Topic& topic, LogId log, const wire::BatchView& batch, EpochNanos now,
               const storage::AppendTicket& ticket);

    // The key's last event; nullptr when it has no value.
    [[nodiscard]] const Entry* find(TopicId topic, std::string_view key) const;
    // In order, until `visit` returns false.
    void for_each(TopicId topic, const Range& range,
                  const std::function<bool(const std::string& key, const Entry&)>& visit) const;
    // What the newest change of any of its keys becomes durable with.
    [[nodiscard]] JournalSequence last_change(TopicId topic) const;

    [[nodiscard]] LogKeys log_keys(LogId log) const;
    // Events of the log that a newer one of their key, or a tombstone, has replaced, tombstones
    // included.
    [[nodiscard]] std::uint64_t replaced(LogId log) const;
    void on_compacted(LogId log, std::uint64_t taken_out, Offset complete_from);
    void on_trimmed(LogId log);
    void forget_topic(TopicId topic);

    [[nodiscard]] std::uint64_t keys(TopicId topic) const;
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    // About what it takes of memory.
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

private:
    using Keys = std::map<std::string, Entry, std::less<>>;
    struct TopicKeys {
        Keys keys;
        JournalSequence last;
    };

    [[nodiscard]] const TopicKeys* find(TopicId topic) const;
    void bound_taken_out(LogId log, LogKeys& keys) const;
    [[nodiscard]] bool is_there(TopicId topic, const Entry& entry) const;
    Keys::iterator erase(TopicId topic, TopicKeys& of, Keys::iterator at);
    void set(TopicId topic, TopicKeys& of, std::string_view key, const Entry& entry);

    storage::Store& store_;
    const TopicRegistry& topics_;
    const DeletedEvents& deleted_;
    boost::unordered_flat_map<TopicId, TopicKeys, std::hash<TopicId>> topics_keys_;
    boost::unordered_flat_map<LogId, LogKeys, std::hash<LogId>> logs_;
    std::uint64_t count_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace casc::broker
