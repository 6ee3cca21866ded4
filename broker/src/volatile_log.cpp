#include "volatile_log.hpp"

#include <casc/wire/batch.hpp>

#include <algorithm>
#include <cstring>

namespace casc::broker {

bool VolatileLog::append(std::span<const std::byte> batch, EpochNanos now, std::uint64_t arrival,
                         std::uint32_t epoch) {
    BatchArena::Room room = arena_.take(batch.size(), bytes_);
    std::memcpy(room.bytes.data(), batch.data(), batch.size());
    wire::stamp_batch(room.bytes, end_, now, arrival, epoch);
    std::uint32_t events;
    std::memcpy(
        &events,
        room.bytes.data() + sizeof(wire::BatchStamp) + offsetof(wire::BatchHeader, event_count),
        sizeof events);
    if (room.new_block) ++blocks_;
    const Offset base = end_;
    end_ = base + OffsetDelta(events);
    bytes_ += batch.size();
    last_append_ = now;
    kept_.push_back({{std::move(room.block), room.bytes}, base, end_, now, blocks_});
    return room.new_block;
}

void VolatileLog::read(Offset from, Offset until, std::size_t bytes_max,
                       std::vector<storage::BatchRef>& into) const {
    // Mostly it is the newest that is wanted.
    auto at = kept_.end();
    while (at != kept_.begin() && kept_.end() - at < 4 && std::prev(at)->end > from)
        --at;
    if (at != kept_.begin() && std::prev(at)->end > from)
        at = std::partition_point(kept_.begin(), at, [&](const Kept& k) { return k.end <= from; });
    std::size_t bytes = 0;
    for (; at != kept_.end() && at->base < until; ++at) {
        if (bytes != 0 && bytes + at->batch.bytes.size() > bytes_max) return;
        bytes += at->batch.bytes.size();
        into.push_back(at->batch);
    }
}

storage::TimeLookup VolatileLog::find_time(EpochNanos time) const {
    // The clock may have been set back between two appends, so not by halves.
    for (const Kept& kept : kept_)
        if (kept.time >= time) return {kept.base, kept.time};
    return {end_, last_append_};
}

void VolatileLog::pop_front() {
    bytes_ -= kept_.front().batch.bytes.size();
    kept_.pop_front();
    if (kept_.empty()) arena_.close();
}

void VolatileLog::trim_below(Offset start) {
    while (!kept_.empty() && kept_.front().end <= start)
        pop_front();
}

void VolatileLog::trim(const VolatileBounds& bounds) {
    const auto too_many = [&] {
        return bounds.events >= 0 &&
               (end_ - kept_[1].base).value() >= static_cast<std::uint64_t>(bounds.events);
    };
    while (kept_.size() > 1 && (bytes_ > bounds.bytes || too_many()))
        pop_front();
}

void VolatileLog::trim_older(EpochNanos than) {
    while (!kept_.empty() && kept_.front().time < than)
        pop_front();
}

void VolatileLog::drop_block(std::uint64_t block) {
    while (!kept_.empty() && kept_.front().block <= block)
        pop_front();
    if (kept_.empty()) arena_.close();
}

}  // namespace casc::broker
