#pragma once
// storage/src/log_index.hpp: what the store knows of every log, all of it in memory, at most 64
// bytes each.

#include <casc/storage/store.hpp>

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <memory>
#include <vector>

namespace casc::storage {

// The state of a log as it is stored (docs/storage_format.md, "Log row").
struct LogRow {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t bytes = 0;
    std::uint64_t ceiling =
        0;  // no offset below it may be given out after a crash; 0: none reserved
    std::int64_t last_append = 0;
    std::uint32_t epoch = 1;
    RetentionClass retention = RetentionClass::unlimited;
    std::uint8_t unused[3] = {};

    // The rules of how records change a log, shared by the shard and by recovery.
    void append(std::uint64_t base, std::uint32_t events, std::size_t batch_bytes,
                std::int64_t time, RetentionClass in);
    void trim(std::uint64_t new_start);
};
static_assert(sizeof(LogRow) == 48);

// 48 bytes per log in chunks that never move, and about 15 for finding it: a hash set of slot
// numbers (not of logs, whose hash is found by way of the slot) and a list of slots in LogId order,
// sorted only when somebody lists. Ceilings, which few logs have, are kept apart.
//
// Thread: owning shard.
class LogIndex {
public:
    // As LogRow, without the ceiling.
    struct Slot {
        std::uint64_t log = 0;  // 0: free
        std::uint64_t start = 0;
        std::uint64_t end = 0;
        std::uint64_t bytes = 0;
        std::int64_t last_append = 0;
        std::uint32_t epoch = 1;
        RetentionClass retention = RetentionClass::unlimited;
    };
    static_assert(sizeof(Slot) == 48);

    LogIndex();
    LogIndex(const LogIndex&) = delete;
    LogIndex& operator=(const LogIndex&) = delete;

    [[nodiscard]] const Slot* find(LogId log) const;
    [[nodiscard]] LogRow row(LogId log) const;  // a fresh row when there is none
    void set(LogId log, const LogRow& row);
    void erase(LogId log);
    [[nodiscard]] std::size_t size() const { return by_log_.size(); }
    [[nodiscard]] std::size_t memory_bytes() const;

    // Every log with a reserved ceiling. `visit` must not change the index.
    template <class Visit>
    void for_each_ceiling(Visit&& visit) const {
        for (const auto& [log, ceiling] : ceilings_)
            visit(log);
    }

    // Every log in [first, last] in LogId order.
    void for_each(LogId first, LogId last, const std::function<void(const Slot&)>& visit) const;

private:
    static constexpr std::size_t kChunkSlots = 1024;

    [[nodiscard]] Slot& slot(std::uint32_t number) const {
        return chunks_[number / kChunkSlots][number % kChunkSlots];
    }
    struct Hash {
        using is_transparent = void;
        const LogIndex* index;
        std::size_t operator()(std::uint32_t number) const {
            return (*this)(LogId(index->slot(number).log));
        }
        std::size_t operator()(LogId log) const { return std::hash<LogId>{}(log); }
    };
    struct Equal {
        using is_transparent = void;
        const LogIndex* index;
        bool operator()(std::uint32_t a, std::uint32_t b) const { return a == b; }
        bool operator()(std::uint32_t number, LogId log) const {
            return index->slot(number).log == log.value();
        }
        bool operator()(LogId log, std::uint32_t number) const {
            return index->slot(number).log == log.value();
        }
    };
    [[nodiscard]] std::uint32_t take_slot();
    void sort_listing() const;

    std::vector<std::unique_ptr<Slot[]>> chunks_;
    std::uint32_t slots_used_ = 0;
    std::vector<std::uint32_t> free_;
    boost::unordered_flat_set<std::uint32_t, Hash, Equal> by_log_;
    boost::unordered_flat_map<LogId, std::uint64_t, std::hash<LogId>> ceilings_;
    // The slots in LogId order, but for those added since the last listing, which are at the end.
    mutable std::vector<std::uint32_t> listing_;
    mutable std::size_t listing_sorted_ = 0;
};

}  // namespace casc::storage
