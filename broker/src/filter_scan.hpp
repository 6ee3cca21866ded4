#pragma once
// Looks at batches for readers that have a filter. What several readers have in common lies here:
// the payloads that were opened last, and summaries of what batches hold.

#include "batch_summaries.hpp"
#include "filter_match.hpp"

#include <casc/storage/block.hpp>
#include <casc/wire/compression.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace casc::broker {

struct FilterCounters {
    std::uint64_t events_examined = 0;
    std::uint64_t events_matched = 0;
    std::uint64_t batches_skipped = 0;     // nothing in them matched
    std::uint64_t batches_summarised = 0;  // of those: their summaries knew
    std::uint64_t batches_opened = 0;      // decompressed
};

// Thread: owning shard. Lifetime: keeps the blocks of the last batches until forget().
class FilterScan {
public:
    // The events [first, end) of a batch that match; bits of others are not set. Valid until the
    // next call. `log` and the batch's base say which batch it is.
    [[nodiscard]] std::span<const std::uint64_t> scan(const Filter& filter, LogId log,
                                                      const storage::BatchRef& ref,
                                                      const wire::BatchView& batch,
                                                      std::uint32_t first, std::uint32_t end);
    // Takes an event out of what scan() has found.
    void drop(std::uint32_t index) { words_[index / 64] &= ~(std::uint64_t{1} << index % 64); }
    // How far to look in one go, from event `first` on: payloads of which nobody knows how much
    // there is in them are looked at a few MiB at a time.
    [[nodiscard]] static std::uint32_t scan_end(const Filter& filter, const wire::BatchView& batch,
                                                std::uint32_t first);
    // About how many bytes scan() has to look at.
    [[nodiscard]] static std::size_t scan_bytes(const Filter& filter, const wire::BatchView& batch,
                                                std::uint32_t first, std::uint32_t end);
    // Uncompressed; opened once for all who ask. Nothing: they cannot be.
    [[nodiscard]] std::optional<std::span<const std::byte>> payloads(const storage::BatchRef& ref,
                                                                     const wire::BatchView& batch);

    // Lets go of what was opened; now and then.
    void forget();

    [[nodiscard]] const FilterCounters& counters() const noexcept { return counters_; }

private:
    static constexpr std::size_t kOpenedMax = 16;
    static constexpr std::size_t kOpenedBytesMax = 32u << 20;

    struct Opened {
        storage::BatchRef ref;
        std::unique_ptr<wire::Decompressor> decompressor;
        std::span<const std::byte> payloads;
    };

    [[nodiscard]] Opened& make_room(std::size_t bytes);

    FilterMatcher matcher_;
    BatchSummaries summaries_;
    std::vector<std::uint64_t> words_;
    std::vector<Opened> opened_;  // a ring
    std::size_t oldest_ = 0;
    std::size_t opened_bytes_ = 0;
    FilterCounters counters_;
};

}  // namespace casc::broker
