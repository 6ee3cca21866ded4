#include "tail_cache.hpp"

#include "entry_records.hpp"

#include <algorithm>

namespace casc::storage {

void TailCache::begin_entry(JournalSequence sequence, BlockRef block) {
    bytes_ += block.bytes().size();
    entries_.push_back(CachedEntry{.sequence = sequence, .block = std::move(block), .logs = {}});
}

void TailCache::add(LogId log, std::uint64_t base, std::uint32_t events,
                    std::span<const std::byte> bytes) {
    CachedEntry& entry = entries_.back();
    if (entry.logs.empty() || entry.logs.back() != log) entry.logs.push_back(log);
    // BlockRef hands out const access; the pool owns the block, and the cache needs a name for it
    // only.
    auto* const block = const_cast<Block*>(entry.block.get());
    logs_[log].batches.push_back({.base = base,
                                  .block = block,
                                  .data = bytes.data(),
                                  .bytes = static_cast<std::uint32_t>(bytes.size()),
                                  .events = events});
}

std::span<const TailCache::CachedBatch> TailCache::live(LogId log) const {
    const auto at = logs_.find(log);
    return at == logs_.end() ? std::span<const CachedBatch>{} : at->second.live();
}

std::optional<std::uint64_t> TailCache::front(LogId log) const {
    const auto batches = live(log);
    return batches.empty() ? std::nullopt : std::optional(batches.front().base);
}

bool TailCache::read(LogId log, std::uint64_t from, std::uint64_t until, std::size_t bytes_max,
                     std::vector<BatchRef>& into) const {
    const auto batches = live(log);
    if (batches.empty() || from < batches.front().base) return false;
    // The first batch that ends behind `from`: it holds it, or follows it across a gap that a crash
    // has left.
    auto at = std::partition_point(batches.begin(), batches.end(),
                                   [&](const CachedBatch& b) { return b.base + b.events <= from; });
    std::size_t bytes = 0;
    for (; at != batches.end() && at->base < until; ++at) {
        if (bytes != 0 && bytes + at->bytes > bytes_max) break;
        bytes += at->bytes;
        into.push_back({BlockRef(at->block), {at->data, at->bytes}});
    }
    return true;
}

namespace {
std::int64_t append_time(const std::byte* batch) {
    return peek_stamp({batch, sizeof(wire::BatchStamp)}).append_time;
}
}  // namespace

std::optional<EpochNanos> TailCache::front_time(LogId log) const {
    const auto batches = live(log);
    if (batches.empty()) return std::nullopt;
    return EpochNanos(append_time(batches.front().data));
}

std::optional<TimeLookup> TailCache::find_time(LogId log, EpochNanos time) const {
    const auto batches = live(log);
    const auto at = std::partition_point(batches.begin(), batches.end(), [&](const CachedBatch& b) {
        return append_time(b.data) < time.value();
    });
    if (at == batches.end()) return std::nullopt;
    return TimeLookup{Offset(at->base), EpochNanos(append_time(at->data))};
}

std::optional<TailCache::Newest> TailCache::newest(LogId log, std::uint64_t bytes) const {
    const auto batches = live(log);
    if (batches.empty()) return std::nullopt;
    Newest found{.start = batches.back().base + batches.back().events, .bytes = 0, .all = true};
    for (auto at = batches.rbegin(); at != batches.rend(); ++at) {
        if (found.bytes + at->bytes > bytes) {
            found.all = false;
            break;
        }
        found.bytes += at->bytes;
        found.start = at->base;
    }
    return found;
}

void TailCache::evict(std::size_t budget, JournalSequence flushed_through) {
    while (bytes_ > budget && !entries_.empty() && entries_.front().sequence <= flushed_through) {
        const CachedEntry& oldest = entries_.front();
        for (const LogId log : oldest.logs)
            drop_front(log, oldest.block.get());
        bytes_ -= oldest.block.bytes().size();
        entries_.pop_front();
    }
}

void TailCache::drop_front(LogId log, const Block* block) {
    const auto at = logs_.find(log);
    if (at == logs_.end())
        return;  // erased meanwhile, or dropped by an earlier run of the same log
    LogTail& tail = at->second;
    while (tail.head != tail.batches.size() && tail.batches[tail.head].block == block)
        ++tail.head;
    if (tail.head == tail.batches.size()) {
        logs_.erase(at);
    } else if (tail.head > 32 && tail.head > tail.batches.size() / 2) {
        tail.batches.erase(tail.batches.begin(),
                           tail.batches.begin() + static_cast<std::ptrdiff_t>(tail.head));
        tail.head = 0;
    }
}

}  // namespace casc::storage
