#include "filtered_parts.hpp"

#include <bit>

namespace casc::broker {
namespace {

constexpr int kFilteredPartsMax = 64;
constexpr std::size_t kPartBytesMax = 4_MiB;
// A part is copied and its checksum computed, the whole batch is only referred to: parts have to
// save more than half of the bytes.
constexpr std::size_t kWorthCutting = 2;

std::uint32_t count_of(std::span<const std::uint64_t> words) {
    std::uint32_t count = 0;
    for (const std::uint64_t word : words)
        count += static_cast<std::uint32_t>(std::popcount(word));
    return count;
}

// Uncompressed, a part of a batch may be larger than a batch can be.
wire::SliceRange fitting(const wire::BatchView& batch, wire::SliceRange range) {
    while (range.end - range.first > 1 && wire::slice_bytes(batch, range) > kPartBytesMax)
        range.end = range.first + (range.end - range.first) / 2;
    return range;
}

}  // namespace

bool worth_cutting(const wire::BatchView& batch, std::span<const std::uint64_t> words) {
    MatchRuns runs(words);
    std::size_t bytes = 0;
    int parts = 0;
    for (wire::SliceRange run = runs.next(); run.first != run.end; run = runs.next()) {
        bytes += wire::slice_bytes(batch, run);
        if (++parts > kFilteredPartsMax || bytes * kWorthCutting > batch.bytes().size())
            return false;
    }
    return true;
}

std::uint32_t MatchRuns::find(std::uint32_t from, bool set) const {
    for (std::size_t word = from / 64; word < words_.size(); ++word) {
        std::uint64_t bits = set ? words_[word] : ~words_[word];
        if (word == from / 64) bits &= ~std::uint64_t{0} << from % 64;
        if (bits != 0)
            return static_cast<std::uint32_t>(word * 64) +
                   static_cast<std::uint32_t>(std::countr_zero(bits));
    }
    return static_cast<std::uint32_t>(words_.size() * 64);
}

wire::SliceRange MatchRuns::next() {
    const std::uint32_t first = find(at_, true);
    at_ = find(first, false);
    return {first, at_};
}

std::span<const std::uint64_t> matching_events(Core& core, const Filter& filter, LogId log,
                                               const storage::BatchRef& ref,
                                               const wire::BatchView& batch, std::uint32_t first,
                                               std::uint32_t end) {
    const auto words = core.filters.scan(filter, log, ref, batch, first, end);
    const Lifespans lives(core, log, ref);
    const Offset base = batch.base_offset();
    if (const auto all = lives.at(base);
        all.end == batch.end_offset() && all.life == Lifespans::Life::alive)
        return words;
    for (std::uint32_t index = first; index < end;) {
        const Lifespans::Run run = lives.at(base + OffsetDelta(index));
        const auto until = std::min(end, static_cast<std::uint32_t>((run.end - base).value()));
        for (; index < until; ++index)
            if (run.life != Lifespans::Life::alive && (words[index / 64] >> index % 64 & 1u) != 0) {
                core.filters.drop(index);
                core.counters.events_expired += run.life == Lifespans::Life::expired;
            }
    }
    return words;
}

void FilteredParts::clear() {
    batches_.clear();
    bits_.clear();
    bit_count_ = 0;
    partial_ = false;
    scanned_bytes_ = 0;
}

void FilteredParts::put(storage::BatchRef batch, std::uint32_t events) {
    batches_.push_back(std::move(batch));
    for (std::uint32_t done = 0; done < events;) {
        const auto bit = static_cast<std::uint32_t>(bit_count_ % 64);
        if (bit == 0) bits_.push_back(0);
        const std::uint32_t here = std::min(64 - bit, events - done);
        bits_.back() |= (~std::uint64_t{0} >> (64 - here)) << bit;
        bit_count_ += here;
        done += here;
    }
}

void FilteredParts::put(storage::BatchRef batch, std::uint32_t events,
                        std::span<const std::uint64_t> words) {
    batches_.push_back(std::move(batch));
    partial_ = true;
    for (std::uint32_t done = 0; done < events; done += 64) {
        const std::uint64_t word = words[done / 64];
        const std::uint32_t count = std::min(64u, events - done);
        const auto bit = static_cast<std::uint32_t>(bit_count_ % 64);
        if (bit == 0) {
            bits_.push_back(word);
        } else {
            bits_.back() |= word << bit;
            if (bit + count > 64) bits_.push_back(word >> (64 - bit));
        }
        bit_count_ += count;
    }
}

Handed FilteredParts::add(Core& core, const Filter& filter, LogId log, const storage::BatchRef& ref,
                          Offset from) {
    const StoredExtent extent = stored_extent(ref);
    Handed handed{0, static_cast<std::int64_t>(extent.event_count), extent.end};
    const auto batch = wire::BatchView::parse(ref.bytes);
    if (!batch) {  // the receiver, who checks it too, says what is wrong with it
        put(ref, extent.event_count);
        handed.bytes = ref.bytes.size();
        return handed;
    }
    const auto first =
        static_cast<std::uint32_t>((std::max(from, extent.base) - extent.base).value());
    const std::uint32_t end = FilterScan::scan_end(filter, *batch, first);
    scanned_bytes_ += FilterScan::scan_bytes(filter, *batch, first, end);
    const auto words = matching_events(core, filter, log, ref, *batch, first, end);
    handed.next = extent.base + OffsetDelta(end);
    handed.events = count_of(words);
    if (handed.events == 0) return handed;
    if (handed.events == extent.event_count) {
        put(ref, extent.event_count);
        handed.bytes = ref.bytes.size();
        return handed;
    }
    // What was deleted does not leave the broker, not even unmarked.
    const bool whole =
        end == extent.event_count && !core.deleted.next(log, extent.base, extent.end);
    if ((!whole || worth_cutting(*batch, words)) && cut(core, ref, *batch, words, handed))
        return handed;
    put(ref, extent.event_count, words);
    handed.bytes = ref.bytes.size();
    return handed;
}

// False: it cannot be opened, and is handed out as it is.
bool FilteredParts::cut(Core& core, const storage::BatchRef& ref, const wire::BatchView& batch,
                        std::span<const std::uint64_t> words, Handed& handed) {
    const auto payloads = core.filters.payloads(ref, batch);
    if (!payloads || !batch.verify_body()) return false;
    MatchRuns runs(words);
    handed.events = 0;
    int parts = 0;
    for (wire::SliceRange run = runs.next(); run.first != run.end;) {
        const wire::SliceRange part = fitting(batch, run);
        const std::size_t bytes = wire::slice_bytes(batch, part);
        storage::BlockRef block = core.slices.take(bytes);
        const auto into = block.bytes().first(bytes);
        wire::slice_batch(batch, *payloads, part, into);
        put({std::move(block), into}, part.end - part.first);
        handed.bytes += bytes;
        handed.events += static_cast<std::int64_t>(part.end - part.first);
        run.first = part.end;
        if (run.first == run.end) run = runs.next();
        if (run.first == run.end || (++parts < kFilteredPartsMax && handed.bytes < kPartBytesMax))
            continue;
        handed.next = batch.base_offset() + OffsetDelta(part.end);  // the rest with the next turn
        break;
    }
    return true;
}

}  // namespace casc::broker
