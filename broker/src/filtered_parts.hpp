#pragma once
// What of stored batches a reader with a filter is handed, gathered for one Deliver: batches as
// they are, parts of them, or batches with a bit per event that says which of them are meant.

#include "batch_parts.hpp"

#include <casc/wire/batch_slice.hpp>

namespace casc::broker {

// Sets a bit for each event of [first, end) of `batch` that matches and has not expired, which is
// counted. Valid until the next scan.
// Thread: owning shard.
[[nodiscard]] std::span<const std::uint64_t> matching_events(
    Core& core, const Filter& filter, LogId log, const storage::BatchRef& ref,
    const wire::BatchView& batch, std::uint32_t first, std::uint32_t end);

// Runs of set bits, one after the other.
class MatchRuns {
public:
    explicit MatchRuns(std::span<const std::uint64_t> words) : words_(words) {}
    // The next run, or an empty one at the end.
    [[nodiscard]] wire::SliceRange next();

private:
    [[nodiscard]] std::uint32_t find(std::uint32_t from, bool set) const;

    std::span<const std::uint64_t> words_;
    std::uint32_t at_ = 0;
};

// Whether parts of a batch, a run of set bits each, are so much less than all of it that copying
// them and computing their checksums pays.
[[nodiscard]] bool worth_cutting(const wire::BatchView& batch,
                                 std::span<const std::uint64_t> words);

// Thread: owning shard.
class FilteredParts {
public:
    void clear();
    // Adds what matches of a batch, from `from` on.
    [[nodiscard]] Handed add(Core& core, const Filter& filter, LogId log,
                             const storage::BatchRef& ref, Offset from);

    [[nodiscard]] std::span<const storage::BatchRef> batches() const noexcept { return batches_; }
    // A bit per event of all batches; empty: all are meant.
    [[nodiscard]] std::span<const std::uint64_t> matches() const noexcept {
        return partial_ ? std::span<const std::uint64_t>(bits_) : std::span<const std::uint64_t>();
    }
    // That had to be looked at since clear().
    [[nodiscard]] std::size_t scanned_bytes() const noexcept { return scanned_bytes_; }

private:
    void put(storage::BatchRef batch, std::uint32_t events);
    void put(storage::BatchRef batch, std::uint32_t events, std::span<const std::uint64_t> words);
    [[nodiscard]] bool cut(Core& core, const storage::BatchRef& ref, const wire::BatchView& batch,
                           std::span<const std::uint64_t> words, Handed& handed);

    std::vector<storage::BatchRef> batches_;
    std::vector<std::uint64_t> bits_;
    std::size_t bit_count_ = 0;
    bool partial_ = false;
    std::size_t scanned_bytes_ = 0;
};

}  // namespace casc::broker
