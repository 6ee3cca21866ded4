#include "batch_parts.hpp"

#include <casc/wire/batch_slice.hpp>

namespace casc::broker {
namespace {

// Of one batch at a time; each part has a header and a block of its own.
constexpr int kAlivePartsMax = 64;
constexpr std::size_t kAliveBytesMax = 4_MiB;

bool has_time_to_live(const storage::BatchRef& batch) {
    std::uint16_t columns;
    std::memcpy(
        &columns,
        batch.bytes.data() + sizeof(wire::BatchStamp) + offsetof(wire::BatchHeader, columns),
        sizeof columns);
    return (columns >> static_cast<unsigned>(wire::Column::time_to_live) & 1u) != 0;
}

bool is_expired(const wire::BatchView& batch, std::uint32_t index, EpochNanos now) {
    std::uint32_t live_ms;
    std::memcpy(&live_ms, batch.column(wire::Column::time_to_live).data() + sizeof live_ms * index,
                sizeof live_ms);
    if (live_ms == 0) return false;
    const std::chrono::nanoseconds live = std::chrono::milliseconds(live_ms);
    return EpochNanos(batch.stamp().append_time) + EpochNanos::distance(live.count()) <= now;
}

// Uncompressed, a part of a batch may be larger than a batch can be.
Offset fitting_end(const OpenedBatch::View& opened, Offset base, Offset first, Offset end) {
    const auto bytes = [&](Offset until) {
        return wire::slice_bytes(opened.batch,
                                 {static_cast<std::uint32_t>((first - base).value()),
                                  static_cast<std::uint32_t>((until - base).value())});
    };
    while ((end - first).value() > 1 && bytes(end) > kAliveBytesMax)
        end = first + OffsetDelta((end - first).value() / 2);
    return end;
}

}  // namespace

storage::BatchRef part_of(Core& core, const storage::BatchRef& batch, Offset first, Offset end,
                          Cut cut) {
    const StoredExtent extent = stored_extent(batch);
    if (first <= extent.base && end >= extent.end) return batch;
    const auto opened = core.opened.open(batch);
    if (!opened) return batch;
    const wire::SliceRange range{static_cast<std::uint32_t>((first - extent.base).value()),
                                 static_cast<std::uint32_t>((end - extent.base).value())};
    const std::size_t bytes = wire::slice_bytes(opened->batch, range);
    if (cut == Cut::if_smaller && bytes >= batch.bytes.size()) return batch;
    storage::BlockRef block = core.slices.take(bytes);
    const auto into = block.bytes().first(bytes);
    wire::slice_batch(opened->batch, opened->payloads, range, into);
    return {std::move(block), into};
}

Lifespans::Lifespans(const Core& core, LogId log, const storage::BatchRef& ref)
    : extent_(stored_extent(ref)), now_(core.now()), deleted_(core.deleted), log_(log) {
    if (!has_time_to_live(ref)) return;
    if (const auto batch = wire::BatchView::parse(ref.bytes)) batch_ = *batch;
}

Lifespans::Run Lifespans::at(Offset offset) const {
    const auto deleted = deleted_.next(log_, offset, extent_.end);
    if (deleted != offset) {
        Run run = run_of_times(offset);
        if (deleted) run.end = std::min(run.end, *deleted);
        return run;
    }
    Offset end = offset;
    while (end < extent_.end && deleted_.contains(log_, end))
        end = end + OffsetDelta(1);
    return {end, Life::deleted};
}

Lifespans::Run Lifespans::run_of_times(Offset offset) const {
    if (!batch_) return {extent_.end, Life::alive};
    const auto first = static_cast<std::uint32_t>((offset - extent_.base).value());
    const bool expired = is_expired(*batch_, first, now_);
    std::uint32_t end = first + 1;
    while (end < extent_.event_count && is_expired(*batch_, end, now_) == expired)
        ++end;
    return {extent_.base + OffsetDelta(end), expired ? Life::expired : Life::alive};
}

Handed add_alive(Core& core, LogId log, const storage::BatchRef& batch, Offset from,
                 std::vector<storage::BatchRef>& into) {
    const StoredExtent extent = stored_extent(batch);
    const Lifespans lives(core, log, batch);
    const auto whole = [&] {
        into.push_back(batch);
        return Handed{batch.bytes.size(), static_cast<std::int64_t>(extent.event_count),
                      extent.end};
    };
    if (const auto all = lives.at(extent.base);
        all.end == extent.end && all.life == Lifespans::Life::alive)
        return whole();
    // What cannot be opened cannot be cut: the receiver, who checks it too, says what is wrong.
    const auto opened = core.opened.open(batch);
    if (!opened) return whole();
    Handed handed{0, 0, std::max(from, extent.base)};
    for (int parts = 0; handed.next < extent.end && parts < kAlivePartsMax;) {
        const Lifespans::Run run = lives.at(handed.next);
        if (run.life != Lifespans::Life::alive) {
            if (run.life == Lifespans::Life::expired)
                core.counters.events_expired += (run.end - handed.next).value();
            handed.next = run.end;
            continue;
        }
        const Offset end = fitting_end(*opened, extent.base, handed.next, run.end);
        into.push_back(part_of(core, batch, handed.next, end, Cut::always));
        handed.bytes += into.back().bytes.size();
        handed.events += static_cast<std::int64_t>((end - handed.next).value());
        handed.next = end;
        ++parts;
        if (handed.bytes >= kAliveBytesMax) break;
    }
    return handed;
}

Offset add_not_deleted(Core& core, LogId log, const storage::BatchRef& batch, Offset first,
                       std::vector<storage::BatchRef>& into) {
    const StoredExtent extent = stored_extent(batch);
    const auto opened = core.opened.open(batch);
    if (!opened) {  // as add_alive()
        into.push_back(batch);
        return extent.end;
    }
    Offset from = std::max(first, extent.base);
    for (int parts = 0; from < extent.end && parts < kAlivePartsMax;) {
        const auto deleted = core.deleted.next(log, from, extent.end);
        if (deleted == from) {
            from = from + OffsetDelta(1);
            continue;
        }
        const Offset end = fitting_end(*opened, extent.base, from, deleted.value_or(extent.end));
        into.push_back(part_of(core, batch, from, end, Cut::always));
        from = end;
        ++parts;
    }
    return from;
}

}  // namespace casc::broker
