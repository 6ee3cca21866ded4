#include "reader.hpp"

#include "entry_records.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace casc::storage {

// Copies batches one behind the other into a block of the right size.
class Reader::Answer {
public:
    Answer(SizedPools& pool, std::size_t bytes_max) : pool_(pool), bytes_max_(bytes_max) {}

    [[nodiscard]] bool empty() const { return batches.empty(); }
    // False when `batch` has to wait for the next answer.
    bool add(std::span<const std::byte> batch, std::uint64_t stored_bytes_left) {
        if (!empty() && used_ + batch.size() > bytes_max_) return false;
        if (!block_) {
            const std::uint64_t useful = std::min<std::uint64_t>(bytes_max_, stored_bytes_left);
            block_ =
                pool_.take(std::max<std::size_t>(batch.size(), static_cast<std::size_t>(useful)));
        }
        // Only when the directory knew of fewer bytes than there are (it was read before they
        // came).
        if (used_ + batch.size() > block_.bytes().size()) return false;
        std::byte* const copy = block_.bytes().data() + used_;
        std::memcpy(copy, batch.data(), batch.size());
        batches.push_back({block_, {copy, batch.size()}});
        used_ += batch.size();  // a multiple of 8, so the next one is aligned too
        return true;
    }

    std::vector<BatchRef> batches;

private:
    SizedPools& pool_;
    const std::size_t bytes_max_;
    BlockRef block_;
    std::size_t used_ = 0;
};

Result<std::vector<BatchRef>> Reader::read(const ReadRequest& request) {
    bool is_new = false;
    CASC_TRY(Place place, take_place(request, is_new));
    if (place.prepared.empty()) CASC_TRY_VOID(fill(place, request));
    if (place.prepared.empty() && !is_new) {
        // The end of what there was when the place was taken; look again.
        CASC_TRY(place, look_up(request.log, request.from.value()));
        CASC_TRY_VOID(fill(place, request));
    }
    std::vector<BatchRef> answer = std::move(place.prepared);
    if (answer.empty()) return answer;
    place.from = place.next;
    // Whoever comes a second time goes on reading.
    if (!is_new)
        expected_ = {request.token, place.log, Offset(place.from), request.until,
                     request.bytes_max};
    places_.push_front(std::move(place));
    if (places_.size() > kPlacesMax) places_.pop_back();
    return answer;
}

bool Reader::prepare() {
    if (!expected_) return false;
    const ReadRequest request = *std::exchange(expected_, std::nullopt);
    const auto at = find_place(request.log, request.from.value());
    if (at == places_.end()) return false;
    // What fails here fails again when it is asked for, and is reported then.
    if (!fill(*at, request)) places_.erase(at);
    return true;
}

std::list<Reader::Place>::iterator Reader::find_place(LogId log, std::uint64_t from) {
    return std::find_if(places_.begin(), places_.end(),
                        [&](const Place& place) { return place.log == log && place.from == from; });
}

Result<Reader::Place> Reader::take_place(const ReadRequest& request, bool& is_new) {
    const auto at = find_place(request.log, request.from.value());
    is_new = at == places_.end();
    if (is_new) return look_up(request.log, request.from.value());
    Place place = std::move(*at);
    places_.erase(at);
    const bool fits = place.prepared.empty() || (place.next <= request.until.value() &&
                                                 place.prepared_bytes_max == request.bytes_max);
    if (!fits) return look_up(request.log, request.from.value());
    return place;
}

Result<Reader::Place> Reader::look_up(LogId log, std::uint64_t from) const {
    Place place;
    place.log = log;
    place.from = from;
    place.next = from;
    CASC_TRY(place.parts, slices_of_log(rocks_, log));
    while (place.part < place.parts.size() && place.parts[place.part].row.end <= from)
        ++place.part;
    return place;
}

bool Reader::open_part(Place& place) const {
    SliceRef slice = slices_.find(place.parts[place.part].slice);
    if (slice == nullptr)
        return false;  // dropped since: everything in it is below the log's low-water mark
    place.cursor = std::make_unique<SliceCursor>(rocks_, std::move(slice), place.log,
                                                 SliceCursor::Purpose::replay);
    place.cursor->seek(place.next);
    return true;
}

Result<void> Reader::fill(Place& place, const ReadRequest& request) {
    Answer answer(answers_, request.bytes_max);
    CASC_TRY_VOID(collect(place, request.until.value(), answer));
    place.prepared = std::move(answer.batches);
    place.prepared_bytes_max = request.bytes_max;
    return {};
}

Result<void> Reader::collect(Place& place, std::uint64_t until, Answer& answer) const {
    for (; place.part < place.parts.size(); ++place.part, place.cursor.reset()) {
        const SlicePart& part = place.parts[place.part];
        if (part.row.first >= until) return {};
        if (place.cursor == nullptr && !open_part(place)) continue;
        for (; place.cursor->valid(); place.cursor->next()) {
            if (place.cursor->base() >= until) return {};
            const auto batch = place.cursor->batch();
            // What is damaged is told to whoever asks for it, not to readers of what is before it.
            if (!batch && !answer.empty()) return {};
            if (!batch) return batch.error();
            if (!answer.add(*batch, part.row.bytes)) return {};
            place.next = place.cursor->base() + peek_header(*batch).event_count;
        }
        if (auto read = place.cursor->status(); !read) {
            if (!answer.empty()) return {};
            return std::move(read).error();
        }
        // One block holds one answer; the next slice starts the next one.
        if (!answer.empty()) {
            ++place.part;
            place.cursor.reset();
            return {};
        }
    }
    return {};
}

void Reader::forget_dropped() {
    std::erase_if(places_, [this](const Place& place) {
        return place.cursor != nullptr && slices_.find(place.cursor->slice()->id) == nullptr;
    });
}

}  // namespace casc::storage
