#include "filter_scan.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace casc::broker {
namespace {

// At about 1 GB/s this is a few milliseconds.
constexpr std::size_t kScanBytesMax = 4u << 20;

std::uint32_t payload_end(const wire::BatchView& batch, std::uint32_t count) {
    if (count == 0) return 0;
    std::uint32_t end;
    std::memcpy(&end,
                batch.column(wire::Column::payload_ends).data() + std::size_t{4} * (count - 1),
                sizeof end);
    return end;
}

std::uint64_t bits_between(std::uint32_t word, std::uint32_t first, std::uint32_t end) {
    const std::uint32_t base = word * 64;
    std::uint64_t bits = ~std::uint64_t{0};
    if (first > base) bits &= first - base >= 64 ? 0 : ~std::uint64_t{0} << (first - base);
    if (end < base + 64) bits &= end <= base ? 0 : ~std::uint64_t{0} >> (base + 64 - end);
    return bits;
}

}  // namespace

std::uint32_t FilterScan::scan_end(const Filter& filter, const wire::BatchView& batch,
                                   std::uint32_t first) {
    const std::uint32_t count = batch.event_count();
    if (!filter.reads_payloads()) return count;
    const std::size_t bytes_max = kScanBytesMax / filter.json_paths().size();
    const std::size_t begin = payload_end(batch, first);
    if (batch.header().payload_bytes - begin <= bytes_max) return count;
    std::uint32_t low = first + 1;  // one is looked at in any case
    for (std::uint32_t high = count; low < high;) {
        const std::uint32_t middle = low + (high - low + 1) / 2;
        if (payload_end(batch, middle) - begin <= bytes_max) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

std::size_t FilterScan::scan_bytes(const Filter& filter, const wire::BatchView& batch,
                                   std::uint32_t first, std::uint32_t end) {
    std::size_t bytes = sizeof(wire::BatchHeader) + batch.header().columns_bytes;
    if (filter.reads_payloads())
        bytes += filter.json_paths().size() * (payload_end(batch, end) - payload_end(batch, first));
    return bytes;
}

std::span<const std::uint64_t> FilterScan::scan(const Filter& filter, LogId log,
                                                const storage::BatchRef& ref,
                                                const wire::BatchView& batch, std::uint32_t first,
                                                std::uint32_t end) {
    const std::size_t words = (batch.event_count() + 63u) / 64;
    words_.assign(words, 0);
    if (summaries_.rule_out(filter, log, batch)) {
        ++counters_.batches_skipped;
        ++counters_.batches_summarised;
        return words_;
    }
    const OpenPayloads open = [&] { return payloads(ref, batch); };
    std::uint64_t matching = 0;
    for (std::uint32_t word = first / 64; word * 64 < end; ++word) {
        words_[word] = matcher_.match(filter, batch, word, bits_between(word, first, end), open);
        matching += static_cast<std::uint64_t>(std::popcount(words_[word]));
    }
    counters_.events_examined += end - first;
    counters_.events_matched += matching;
    if (matching == 0) ++counters_.batches_skipped;
    return words_;
}

std::optional<std::span<const std::byte>> FilterScan::payloads(const storage::BatchRef& ref,
                                                               const wire::BatchView& batch) {
    if (batch.header().codec == wire::Codec::none) return batch.stored_payloads();
    for (const Opened& known : opened_)
        if (known.ref.bytes.data() == ref.bytes.data()) return known.payloads;
    Opened& room = make_room(batch.header().payload_bytes);
    const auto payloads = room.decompressor->open(batch);
    ++counters_.batches_opened;
    if (!payloads) return std::nullopt;
    room.ref = ref;
    room.payloads = *payloads;
    opened_bytes_ += payloads->size();
    return *payloads;
}

FilterScan::Opened& FilterScan::make_room(std::size_t bytes) {
    if (opened_bytes_ + bytes > kOpenedBytesMax) forget();
    if (opened_.size() < kOpenedMax) {
        opened_.push_back({{}, std::make_unique<wire::Decompressor>(), {}});
        return opened_.back();
    }
    Opened& room = opened_[oldest_];
    oldest_ = (oldest_ + 1) % kOpenedMax;
    opened_bytes_ -= room.payloads.size();
    room.ref = {};
    room.payloads = {};
    return room;
}

void FilterScan::forget() {
    opened_.clear();
    oldest_ = 0;
    opened_bytes_ = 0;
}

}  // namespace casc::broker
