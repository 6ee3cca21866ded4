#pragma once
// What waits for a tap, and what is left out of it when that becomes too much.

#include "batch_arena.hpp"
#include "lane_turns.hpp"
#include "opened_batch.hpp"

#include <casc/types/fail_point.hpp>
#include <casc/types/vocabulary.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace casc::broker {

enum class OnFull : std::uint8_t { drop_oldest = 0, drop_newest = 1, conflate = 2, block = 3 };

struct TapMarks {
    OnFull on_full = OnFull::drop_oldest;
    std::uint64_t events_max = 0;
    std::uint64_t bytes_max = 0;
};

struct TapItem {
    LogId log;
    storage::BatchRef batch;
    std::uint32_t events = 0;
    // A bit per event of the batch: those that are meant; null: all.
    std::shared_ptr<const std::vector<std::uint64_t>> matches{};

    [[nodiscard]] bool means(std::uint32_t index) const {
        return matches == nullptr || ((*matches)[index / 64] >> index % 64 & 1u) != 0;
    }
};

// Keeps of `items`, which are in order, the last event of each key of each topic; events without a
// key count as having one and the same. What is kept is copied into `arena`, so that no block is
// held for a few of its events. Batches that cannot be read are kept as they are.
[[nodiscard]] std::deque<TapItem> last_per_key(const std::deque<TapItem>& items,
                                               OpenedBatch& opened, BatchArena& arena);

// Keeps the last `events` events; what is left of a batch is copied into `arena`.
void keep_last(std::deque<TapItem>& items, std::uint64_t events, OpenedBatch& opened,
               BatchArena& arena);

// Batches in lanes (or, in order of arrival, one behind the other). It is full when it has as many
// events or bytes as its marks say; they are passed by the last batch at most, because batches come
// and go whole, and by `conflate`: it waits until there are twice as many, keeps the last of each
// key, and drops the oldest only when that leaves it full. So it looks at each event about twice,
// however many keys there are.
//
// Thread: owning shard. Lifetime: borrows `pools` and `opened`.
class TapQueue {
public:
    TapQueue(ArenaPools& pools, OpenedBatch& opened, TapMarks marks, bool by_priority)
        : pools_(pools), opened_(opened), marks_(marks), by_priority_(by_priority) {}

    // Takes it in, as the marks allow.
    void push(TapItem item);
    // As push(), and drops the oldest whatever the marks say should be done: for what was there
    // before the tap was.
    void replay(TapItem item);

    [[nodiscard]] bool empty() const noexcept { return items_ == 0; }
    [[nodiscard]] std::size_t items() const noexcept { return items_; }
    [[nodiscard]] std::uint64_t events() const noexcept { return events_; }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] bool full() const noexcept { return reaches(1, 1); }
    // Half empty: those who were held back may go on.
    [[nodiscard]] bool low() const noexcept { return !reaches(1, 2); }
    [[nodiscard]] bool overfull() const noexcept { return reaches(2, 1); }

    // The lane to serve next, not empty. Only while !empty().
    [[nodiscard]] std::size_t pick(const Config::Delivery& bounds);
    [[nodiscard]] const TapItem* front(std::size_t lane) const {
        return lanes_[lane].empty() ? nullptr : &lanes_[lane].front();
    }
    [[nodiscard]] TapItem pop(std::size_t lane);

    // The oldest half goes, whatever the marks say.
    void shed();
    // What is of this topic goes, uncounted.
    void forget_topic(TopicId topic);

    void count_skipped(std::uint64_t events) noexcept { skipped_ += events; }
    [[nodiscard]] std::uint64_t skipped() const noexcept { return skipped_; }
    // Events that were left out, since the last call.
    [[nodiscard]] std::uint64_t take_skipped() noexcept {
        const std::uint64_t skipped = std::exchange(skipped_, 0);
        return seeded_bug("tap_not_told") ? 0 : skipped;
    }

private:
    [[nodiscard]] bool reaches(std::uint64_t times, std::uint64_t parts) const noexcept {
        return events_ >= marks_.events_max * times / parts ||
               bytes_ >= marks_.bytes_max * times / parts;
    }
    [[nodiscard]] bool too_full() const noexcept {
        return events_ > marks_.events_max || bytes_ > marks_.bytes_max;
    }
    void add(TapItem item);
    void drop_oldest();
    void drop_one();
    void conflate();

    ArenaPools& pools_;
    OpenedBatch& opened_;
    const TapMarks marks_;
    const bool by_priority_;
    std::array<std::deque<TapItem>, kLaneCount> lanes_;
    LaneTurns turns_;
    std::size_t items_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t skipped_ = 0;
};

}  // namespace casc::broker
