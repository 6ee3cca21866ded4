#include "journal_segments.hpp"

#include "journal_format.hpp"

#include <casc/types/assert.hpp>
#include <casc/types/fail_point.hpp>

#include <algorithm>
#include <unordered_set>

namespace casc::storage::detail {

SegmentSet::SegmentSet(Disk& disk, WriteQueue& queue, const JournalOptions& options)
    : disk_(disk), queue_(queue), options_(options), maker_(disk, queue) {}

std::filesystem::path SegmentSet::path_of(unsigned number) const {
    return options_.directory / segment_name(number);
}

Result<void> SegmentSet::open(const JournalScan& scan) {
    CASC_TRY_VOID(open_chain(scan));
    CASC_TRY_VOID(open_unused(scan));
    while (segments_.size() < options_.segments_min) {
        auto made = make_segment();
        if (made) continue;
        // A journal that is there must come up on a full disk too, or nobody can make room.
        if (live_.empty()) return made;
        growth_failed_ = true;
        break;
    }
    return {};
}

Result<void> SegmentSet::open_chain(const JournalScan& scan) {
    for (const auto index : scan.chain) {
        const auto& scanned = scan.segments[index];
        CASC_TRY(auto file, queue_.open(path_of(scanned.number), scanned.bytes));
        // Recovery may have read what the process before wrote and did not live to see complete.
        CASC_TRY_VOID(file->sync());
        live_.push_back(segments_.size());
        segments_.push_back({scanned.number, scanned.bytes, std::move(file), scanned.first,
                             scanned.last, scanned.end});
    }
    return {};
}

Result<void> SegmentSet::open_unused(const JournalScan& scan) {
    const std::unordered_set<std::size_t> chain(scan.chain.begin(), scan.chain.end());
    for (std::size_t i = 0; i < scan.segments.size(); ++i) {
        const auto& scanned = scan.segments[i];
        const bool in_chain = chain.contains(i);
        // Shorter: a crash interrupted its making, or segments were smaller once. It takes less to
        // make it anew.
        if (!in_chain && scanned.bytes < options_.segment_bytes) {
            CASC_TRY_VOID(disk_.remove_file(path_of(scanned.number)));
            continue;
        }
        next_number_ = std::max(next_number_, scanned.number + 1);
        if (in_chain) continue;
        auto& segment = segments_.emplace_back();
        segment.number = scanned.number;
        segment.bytes = scanned.bytes;
        CASC_TRY(segment.file, queue_.open(path_of(scanned.number), scanned.bytes));
        if (scanned.starts_with_entry) CASC_TRY_VOID(blank_blocking(segment));
        empty_.push_back(segments_.size() - 1);
    }
    return {};
}

Result<void> SegmentSet::make_room_for_mark() {
    if (fits_current(kBlockAlignment) || !empty_.empty()) return {};
    return make_segment();
}

Result<void> SegmentSet::make_segment() {
    CASC_FAIL_POINT("journal.segment_new");
    if (auto filled = disk_.fill_file(path_of(next_number_), options_.segment_bytes); !filled) {
        static_cast<void>(disk_.remove_file(path_of(next_number_)));
        return filled;
    }
    return add_made_segment();
}

Result<void> SegmentSet::add_made_segment() {
    Segment segment;
    segment.number = next_number_;
    segment.bytes = options_.segment_bytes;
    CASC_TRY(segment.file, queue_.open(path_of(next_number_), segment.bytes));
    ++next_number_;
    empty_.push_back(segments_.size());
    segments_.push_back(std::move(segment));
    return {};
}

Result<void> SegmentSet::blank_blocking(Segment& segment) {
    std::vector<WriteCompletion> completed;
    segment.file->submit_write(0, zeros_.bytes(), kBlankToken);
    queue_.wait(completed);
    return completed.front().result;
}

bool SegmentSet::fits_current(std::uint64_t bytes) const noexcept {
    if (live_.empty()) return false;
    const auto& current = segments_[live_.back()];
    return current.end + bytes <= current.bytes;
}

std::size_t SegmentSet::spare_count() const noexcept {
    return empty_.size() + waiting_.size();
}

bool SegmentSet::has_room(std::uint64_t bytes) {
    if (fits_current(bytes)) return true;
    take_made();
    if (empty_.empty()) grow_ahead();
    return !empty_.empty();
}

SegmentSet::Place SegmentSet::place(JournalSequence sequence, std::uint64_t bytes) {
    if (!fits_current(bytes)) {
        CASC_ASSERT(!empty_.empty(), sequence.value(), bytes);
        auto& next = segments_[empty_.front()];
        next.end = 0;
        next.first = sequence;
        live_.push_back(empty_.front());
        empty_.pop_front();
        growth_failed_ = false;
        grow_ahead();
    }
    auto& current = segments_[live_.back()];
    CASC_ASSERT(current.end + bytes <= current.bytes, current.end, bytes, current.bytes);
    const Place found{current.file.get(), current.end};
    current.end += bytes;
    current.last = sequence;
    return found;
}

void SegmentSet::recycle_through(JournalSequence sequence) {
    recycled_ = std::max(recycled_, sequence);
    recycle();
}

void SegmentSet::durable_through(JournalSequence sequence) {
    durable_ = sequence;
    recycle();
}

void SegmentSet::recycle() {
    // Recovery needs a complete entry to start with. Were the newest durable entry gone while its
    // successors are in flight, a crash could lose the next one and keep the one after it, and the
    // journal would seem to start there.
    while (live_.size() > 1 && segments_[live_.front()].last <= recycled_ &&
           segments_[live_[1]].first <= durable_) {
        waiting_.push_back(live_.front());
        live_.pop_front();
    }
    start_blanking();
}

void SegmentSet::start_blanking() {
    if (blanking_ || waiting_.empty() || frozen_) return;
    CASC_FAIL_POINT("journal.recycle");
    blanking_ = true;
    segments_[waiting_.front()].file->submit_write(0, zeros_.bytes(), kBlankToken);
}

void SegmentSet::blanked(bool written) {
    CASC_ASSERT(blanking_ && !waiting_.empty());
    blanking_ = false;
    if (!written) return;  // it waits for ever: the journal is frozen
    growth_failed_ = false;
    segments_[waiting_.front()].end = 0;
    empty_.push_back(waiting_.front());
    waiting_.pop_front();
    start_blanking();
}

// Makes a segment while one is still to spare, so that the shard does not run out while it is being
// filled.
void SegmentSet::grow_ahead() {
    if (spare_count() > 1 || segments_.size() >= options_.segments_max || growth_failed_ || frozen_)
        return;
    if (!options_.grow_on_helper_thread) {
        if (empty_.empty()) growth_failed_ = !make_segment();
        return;
    }
    if (!maker_.idle()) return;
    CASC_FAIL_POINT("journal.segment_new");
    maker_.post_make(path_of(next_number_), options_.segment_bytes);
}

void SegmentSet::take_made() {
    const auto made = maker_.take();
    if (!made) return;
    // A journal that cannot grow is not broken: it waits for recycling, and its user for
    // can_submit().
    growth_failed_ = !*made || !add_made_segment();
}

Journal::Usage SegmentSet::usage() const noexcept {
    Journal::Usage usage;
    usage.segments = static_cast<unsigned>(segments_.size());
    usage.segments_free = static_cast<unsigned>(empty_.size());
    for (const auto index : live_)
        if (segments_[index].last > recycled_) usage.bytes_not_recycled += segments_[index].end;
    return usage;
}

}  // namespace casc::storage::detail
