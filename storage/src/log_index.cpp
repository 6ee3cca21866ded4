#include "log_index.hpp"

#include <algorithm>

namespace casc::storage {

void LogRow::append(std::uint64_t base, std::uint32_t events, std::size_t batch_bytes,
                    std::int64_t time, RetentionClass in) {
    // max: replay may bring a batch that a raised ceiling has already passed.
    end = std::max(end, base + events);
    bytes += batch_bytes;
    last_append = std::max(last_append, time);
    retention = in;
}

void LogRow::trim(std::uint64_t new_start) {
    const std::uint64_t to = std::min(new_start, end);
    if (to <= start) return;
    // Events of a log are taken to be of one size; exact bytes are with the slices, too far away
    // for this path.
    const auto kept = static_cast<double>(end - to) / static_cast<double>(end - start);
    bytes = to == end ? 0 : static_cast<std::uint64_t>(static_cast<double>(bytes) * kept);
    start = to;
}

LogIndex::LogIndex() : by_log_(0, Hash{this}, Equal{this}) {}

const LogIndex::Slot* LogIndex::find(LogId log) const {
    const auto at = by_log_.find(log);
    return at == by_log_.end() ? nullptr : &slot(*at);
}

LogRow LogIndex::row(LogId log) const {
    LogRow row;
    const Slot* const found = find(log);
    if (found == nullptr) return row;
    row.start = found->start;
    row.end = found->end;
    row.bytes = found->bytes;
    row.last_append = found->last_append;
    row.epoch = found->epoch;
    row.retention = found->retention;
    if (const auto at = ceilings_.find(log); at != ceilings_.end()) row.ceiling = at->second;
    return row;
}

void LogIndex::set(LogId log, const LogRow& row) {
    const auto at = by_log_.find(log);
    const std::uint32_t number = at != by_log_.end() ? *at : take_slot();
    slot(number) = Slot{.log = log.value(),
                        .start = row.start,
                        .end = row.end,
                        .bytes = row.bytes,
                        .last_append = row.last_append,
                        .epoch = row.epoch,
                        .retention = row.retention};
    if (at == by_log_.end()) {
        by_log_.insert(number);
        listing_.push_back(number);
    }
    if (row.ceiling != 0) {
        ceilings_[log] = row.ceiling;
    } else if (!ceilings_.empty()) {
        ceilings_.erase(log);
    }
}

void LogIndex::erase(LogId log) {
    const auto at = by_log_.find(log);
    if (at == by_log_.end()) return;
    const std::uint32_t number = *at;
    by_log_.erase(at);
    ceilings_.erase(log);
    slot(number) = Slot{};
    // The slot leaves the listing now, because it may come back with another log. Topics are
    // deleted rarely.
    const auto listed = std::find(listing_.begin(), listing_.end(), number);
    if (static_cast<std::size_t>(listed - listing_.begin()) < listing_sorted_) --listing_sorted_;
    listing_.erase(listed);
    free_.push_back(number);
}

std::uint32_t LogIndex::take_slot() {
    if (!free_.empty()) {
        const std::uint32_t number = free_.back();
        free_.pop_back();
        return number;
    }
    if (slots_used_ == chunks_.size() * kChunkSlots)
        chunks_.push_back(std::make_unique<Slot[]>(kChunkSlots));
    return slots_used_++;
}

std::size_t LogIndex::memory_bytes() const {
    // The set keeps 15 numbers and 16 bytes of metadata per group, at most 7/8 full.
    const std::size_t set_bytes =
        by_log_.bucket_count() * sizeof(std::uint32_t) + by_log_.bucket_count() * 16 / 15;
    return chunks_.size() * kChunkSlots * sizeof(Slot) + set_bytes +
           listing_.capacity() * sizeof(std::uint32_t);
}

void LogIndex::sort_listing() const {
    if (listing_sorted_ == listing_.size()) return;
    const auto by_id = [this](std::uint32_t a, std::uint32_t b) {
        return slot(a).log < slot(b).log;
    };
    const auto added = listing_.begin() + static_cast<std::ptrdiff_t>(listing_sorted_);
    std::sort(added, listing_.end(), by_id);
    std::inplace_merge(listing_.begin(), added, listing_.end(), by_id);
    listing_sorted_ = listing_.size();
}

void LogIndex::for_each(LogId first, LogId last,
                        const std::function<void(const Slot&)>& visit) const {
    sort_listing();
    const auto from = std::lower_bound(
        listing_.begin(), listing_.end(), first.value(),
        [this](std::uint32_t number, std::uint64_t log) { return slot(number).log < log; });
    // A copy: `visit` may create or erase logs.
    std::vector<std::uint32_t> found;
    for (auto at = from; at != listing_.end() && slot(*at).log <= last.value(); ++at)
        found.push_back(*at);
    for (const std::uint32_t number : found) {
        if (slot(number).log != 0) visit(slot(number));
    }
}

}  // namespace casc::storage
