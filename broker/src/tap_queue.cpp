#include "tap_queue.hpp"

#include <casc/wire/batch_slice.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <string_view>

namespace casc::broker {
namespace {

// Views into the batches, which are there until all is done.
struct TopicKey {
    TopicId topic;
    bool has_key;
    std::string_view key;
    friend bool operator==(const TopicKey&, const TopicKey&) = default;
};
struct TopicKeyHash {
    std::size_t operator()(const TopicKey& of) const noexcept {
        return std::hash<std::string_view>{}(of.key) ^ std::hash<TopicId>{}(of.topic) * 31;
    }
};
using Seen = boost::unordered_flat_set<TopicKey, TopicKeyHash>;

TopicKey key_of(TopicId topic, const wire::BatchView& batch, std::uint32_t index) {
    const auto key = batch.value(wire::Column::keys, index);
    if (!key) return {topic, false, {}};
    return {topic, true, {reinterpret_cast<const char*>(key->data()), key->size()}};
}

// What is kept so far, last item first.
struct KeptItems {
    BatchArena& arena;
    std::uint64_t bytes = 0;
    std::deque<TapItem> items;

    void add_copy(const TapItem& item) {
        add({item.log, arena.add(item.batch.bytes, bytes), item.events, item.matches});
    }
    void add_slice(const TapItem& item, const OpenedBatch::View& view, wire::SliceRange range) {
        BatchArena::Room room = arena.take(wire::slice_bytes(view.batch, range), bytes);
        wire::slice_batch(view.batch, view.payloads, range, room.bytes);
        add({item.log, {std::move(room.block), room.bytes}, range.end - range.first, {}});
    }
    void add(TapItem item) {
        bytes += item.batch.bytes.size();
        items.push_front(std::move(item));
    }
};

// The runs of events of a batch whose keys were not seen in what came after it, last run first.
void keep_unseen(const TapItem& item, Seen& seen, OpenedBatch& opened, KeptItems& kept) {
    const auto batch = wire::BatchView::parse(item.batch.bytes);
    if (!batch) return kept.add_copy(item);
    std::vector<wire::SliceRange> runs;
    for (std::uint32_t i = batch->event_count(); i-- > 0;) {
        if (!item.means(i)) continue;
        if (!seen.insert(key_of(item.log.topic(), *batch, i)).second) continue;
        if (!runs.empty() && runs.back().first == i + 1) {
            runs.back().first = i;
        } else {
            runs.push_back({i, i + 1});
        }
    }
    if (runs.empty()) return;
    const bool whole = runs.front().end - runs.front().first == batch->event_count();
    if (whole) return kept.add_copy(item);
    const auto view = opened.open(item.batch);
    if (!view) return kept.add_copy(item);
    for (const wire::SliceRange run : runs)
        kept.add_slice(item, *view, run);
}

}  // namespace

std::deque<TapItem> last_per_key(const std::deque<TapItem>& items, OpenedBatch& opened,
                                 BatchArena& arena) {
    Seen seen;
    KeptItems kept{arena, 0, {}};
    for (auto item = items.rbegin(); item != items.rend(); ++item)
        keep_unseen(*item, seen, opened, kept);
    opened.forget();
    return std::move(kept.items);
}

void keep_last(std::deque<TapItem>& items, std::uint64_t events, OpenedBatch& opened,
               BatchArena& arena) {
    std::uint64_t there = 0;
    for (const TapItem& item : items)
        there += item.events;
    while (there > events && there - items.front().events >= events) {
        there -= items.front().events;
        items.pop_front();
    }
    if (there <= events) return;
    TapItem& first = items.front();
    const auto view = opened.open(first.batch);
    if (!view) return;
    const wire::SliceRange rest{static_cast<std::uint32_t>(there - events), first.events};
    BatchArena::Room room = arena.take(wire::slice_bytes(view->batch, rest), 0);
    wire::slice_batch(view->batch, view->payloads, rest, room.bytes);
    opened.forget();
    first.batch = {std::move(room.block), room.bytes};
    first.events = rest.end - rest.first;
}

void TapQueue::add(TapItem item) {
    const std::size_t lane = by_priority_ ? static_cast<std::size_t>(item.log.lane()) : 0;
    ++items_;
    events_ += item.events;
    bytes_ += item.batch.bytes.size();
    lanes_[lane].push_back(std::move(item));
}

void TapQueue::push(TapItem item) {
    if (marks_.on_full == OnFull::drop_newest && full()) return count_skipped(item.events);
    add(std::move(item));
    if (marks_.on_full == OnFull::drop_oldest) return drop_oldest();
    if (marks_.on_full == OnFull::conflate && overfull()) conflate();
}

void TapQueue::replay(TapItem item) {
    add(std::move(item));
    drop_oldest();
}

void TapQueue::drop_oldest() {
    while (items_ > 1 && too_full())
        drop_one();
}

void TapQueue::conflate() {
    const std::uint64_t before = events_;
    BatchArena arena(pools_);
    items_ = 0;
    events_ = bytes_ = 0;
    for (auto& lane : lanes_) {
        lane = last_per_key(lane, opened_, arena);
        items_ += lane.size();
        for (const TapItem& item : lane) {
            events_ += item.events;
            bytes_ += item.batch.bytes.size();
        }
    }
    count_skipped(before - events_);
    drop_oldest();
}

void TapQueue::shed() {
    const std::uint64_t before = bytes_;
    while (items_ > 0 && bytes_ > before / 2)
        drop_one();
}

void TapQueue::drop_one() {
    std::size_t lane = kLaneCount - 1;  // of what is least urgent
    while (lanes_[lane].empty())
        --lane;
    count_skipped(pop(lane).events);
}

std::size_t TapQueue::pick(const Config::Delivery& bounds) {
    return turns_.pick([this](std::size_t lane) { return !lanes_[lane].empty(); }, bounds);
}

TapItem TapQueue::pop(std::size_t lane) {
    TapItem item = std::move(lanes_[lane].front());
    lanes_[lane].pop_front();
    --items_;
    events_ -= item.events;
    bytes_ -= item.batch.bytes.size();
    return item;
}

void TapQueue::forget_topic(TopicId topic) {
    for (auto& lane : lanes_)
        std::erase_if(lane, [&](const TapItem& item) {
            if (item.log.topic() != topic) return false;
            --items_;
            events_ -= item.events;
            bytes_ -= item.batch.bytes.size();
            return true;
        });
}

}  // namespace casc::broker
