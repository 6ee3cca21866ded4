#include "batch_parts.hpp"

#include <casc/wire/batch_slice.hpp>

namespace casc::broker {
namespace {

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

Lifespan lifespan_at(const storage::BatchRef& ref, Offset at, EpochNanos now) {
    const StoredExtent extent = stored_extent(ref);
    const Lifespan all{extent.end, false};
    if (!has_time_to_live(ref)) return all;
    const auto batch = wire::BatchView::parse(ref.bytes);
    if (!batch) return all;
    const auto first = static_cast<std::uint32_t>((at - extent.base).value());
    const bool expired = is_expired(*batch, first, now);
    std::uint32_t end = first + 1;
    while (end < extent.event_count && is_expired(*batch, end, now) == expired)
        ++end;
    return {extent.base + OffsetDelta(end), expired};
}

Handed add_alive(Core& core, const storage::BatchRef& batch, std::vector<storage::BatchRef>& into) {
    const StoredExtent extent = stored_extent(batch);
    Handed handed;
    for (Offset at = extent.base; at < extent.end;) {
        const Lifespan life = lifespan_at(batch, at, core.now);
        const auto count = (life.end - at).value();
        if (life.expired) {
            core.counters.events_expired += count;
        } else {
            into.push_back(part_of(core, batch, at, life.end, Cut::always));
            handed.bytes += into.back().bytes.size();
            handed.events += static_cast<std::int64_t>(count);
        }
        at = life.end;
    }
    return handed;
}

}  // namespace casc::broker
