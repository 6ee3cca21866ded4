// What waits for a tap, by each policy.

#include "tap_queue.hpp"

#include <casc/wire/batch_builder.hpp>

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace casc;
using namespace casc::broker;

namespace {

struct TapQueueFixture {
    ArenaPools pools;
    OpenedBatch opened;
    BatchArena arena{pools};
    std::uint64_t next_offset = 0;

    TapQueue make(OnFull on_full, std::uint64_t events_max, bool by_priority = false) {
        return {pools, opened, {on_full, events_max, 1_GiB}, by_priority};
    }
    // A batch with an event per key; the payload is the event's number.
    TapItem item(const std::vector<std::string>& keys, Lane lane = Lane::normal,
                 std::uint32_t topic = 1, wire::Codec codec = wire::Codec::none) {
        wire::BatchBuilder builder(lane);
        std::uint64_t offset = next_offset;
        for (const std::string& key : keys) {
            const std::string text = std::to_string(offset++);
            wire::EventInput input{.payload = std::as_bytes(std::span(text))};
            if (key != "-") input.key = std::as_bytes(std::span(key));
            builder.add(input, EpochNanos(1));
        }
        std::vector<std::byte> bytes;
        builder.finish({.codec = codec}, bytes);
        wire::stamp_batch(bytes, Offset(next_offset), EpochNanos(1), next_offset, 1);
        next_offset = offset;
        return {LogId(TopicId(topic), PartitionId(0), lane), arena.add(bytes, 0),
                static_cast<std::uint32_t>(keys.size())};
    }
    // The numbers of the events that are left, in order.
    std::vector<std::uint64_t> drain(TapQueue& queue) {
        std::vector<std::uint64_t> numbers;
        while (!queue.empty()) {
            const TapItem item = queue.pop(queue.pick({.starvation_bound = 16}));
            const auto opened_item = opened.open(item.batch);
            REQUIRE(opened_item);
            REQUIRE(opened_item->batch.event_count() == item.events);
            for (std::uint32_t i = 0; i < item.events; ++i) {
                const auto event = opened_item->batch.event(i, opened_item->payloads);
                const std::string text(reinterpret_cast<const char*>(event.payload.data()),
                                       event.payload.size());
                CHECK(text == std::to_string(event.offset.value()));
                numbers.push_back(event.offset.value());
            }
        }
        opened.forget();
        CHECK(queue.events() == 0);
        CHECK(queue.bytes() == 0);
        return numbers;
    }
};

using Numbers = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE_FIXTURE(TapQueueFixture, "broker/tap_queue: dropping the oldest, in whole batches") {
    TapQueue queue = make(OnFull::drop_oldest, 4);
    for (int i = 0; i < 5; ++i)
        queue.push(item({"a", "b"}));
    CHECK(queue.take_skipped() == 6);
    CHECK(drain(queue) == Numbers{6, 7, 8, 9});
    queue.push(item(std::vector<std::string>(100, "a")));  // one that is larger than the mark
    CHECK(queue.take_skipped() == 0);
    CHECK(drain(queue).size() == 100);
}

TEST_CASE_FIXTURE(TapQueueFixture, "broker/tap_queue: dropping the oldest of the lowest lane") {
    TapQueue queue = make(OnFull::drop_oldest, 4, true);
    queue.push(item({"0"}, Lane::low));
    queue.push(item({"1"}, Lane::critical));
    queue.push(item({"2"}, Lane::normal));
    queue.push(item({"3"}, Lane::low));
    queue.push(item({"4"}, Lane::critical));
    queue.push(item({"5"}, Lane::critical));
    CHECK(drain(queue) == Numbers{1, 4, 5, 2});
}

TEST_CASE_FIXTURE(TapQueueFixture, "broker/tap_queue: dropping the newest") {
    TapQueue queue = make(OnFull::drop_newest, 4);
    for (int i = 0; i < 5; ++i)
        queue.push(item({"a", "b"}));
    CHECK(queue.take_skipped() == 6);
    CHECK(drain(queue) == Numbers{0, 1, 2, 3});
}

TEST_CASE_FIXTURE(TapQueueFixture, "broker/tap_queue: full, half empty, twice full") {
    TapQueue queue = make(OnFull::block, 4);
    CHECK(queue.low());
    for (int i = 0; i < 4; ++i)
        queue.push(item({"a"}));
    CHECK(queue.full());
    CHECK_FALSE(queue.low());
    CHECK_FALSE(queue.overfull());
    for (int i = 0; i < 4; ++i)
        queue.push(item({"a"}));
    CHECK(queue.overfull());
    for (int i = 0; i < 6; ++i)
        (void)queue.pop(0);
    CHECK_FALSE(queue.low());  // half is not below half
    (void)queue.pop(0);
    CHECK(queue.low());
    CHECK(queue.take_skipped() == 0);
}

TEST_CASE_FIXTURE(TapQueueFixture, "broker/tap_queue: conflating keeps runs of batches") {
    TapQueue queue = make(OnFull::conflate, 7);
    queue.push(item({"a", "b", "c", "d"}));
    queue.push(item({"a", "b", "c", "d"}, Lane::normal, 1, wire::Codec::lz4));
    queue.push(item({"b", "x"}));
    queue.push(item({"a"}, Lane::normal, 2));  // of another topic
    queue.push(item({"-", "x", "-"}));         // fourteen: twice the mark
    CHECK(queue.take_skipped() == 7);
    CHECK(drain(queue) == Numbers{4, 6, 7, 8, 10, 12, 13});
}

TEST_CASE_FIXTURE(TapQueueFixture,
                  "broker/tap_queue: conflating never loses the last of a key that fits") {
    std::mt19937 random(7);
    TapQueue queue = make(OnFull::conflate, 50);
    std::map<std::string, std::uint64_t> last;
    std::uint64_t pushed = 0;
    for (int i = 0; i < 2000; ++i) {
        std::vector<std::string> keys;
        for (std::uint32_t n = random() % 4 + 1; n > 0; --n) {
            keys.push_back(std::to_string(random() % 20));
            last[keys.back()] = next_offset + keys.size() - 1;
        }
        pushed += keys.size();
        queue.push(item(keys));
        CHECK(queue.events() <= 2 * 50 + 4);
    }
    const std::uint64_t skipped = queue.take_skipped();
    const auto left = drain(queue);
    CHECK(left.size() + skipped == pushed);
    for (const auto& [key, number] : last)
        CHECK(std::find(left.begin(), left.end(), number) != left.end());
    CHECK(std::is_sorted(left.begin(), left.end()));
}

TEST_CASE_FIXTURE(TapQueueFixture, "broker/tap_queue: conflated batches hold no others' memory") {
    TapQueue queue = make(OnFull::conflate, 10);
    for (int i = 0; i < 20'000; ++i)
        queue.push(item({std::to_string(i % 3)}));
    arena.close();
    CHECK(pools.bytes_in_use() <= 16 * ArenaPools::kSmallBytes);
    CHECK(drain(queue).size() <= 20);
}

TEST_CASE_FIXTURE(TapQueueFixture, "broker/tap_queue: the last events, also a part of a batch") {
    std::deque<TapItem> items;
    items.push_back(item({"a", "b", "c"}));
    items.push_back(item({"d", "e", "f"}));
    items.push_back(item({"g"}));
    keep_last(items, 3, opened, arena);
    TapQueue queue = make(OnFull::block, 100);
    for (auto& kept : items)
        queue.replay(std::move(kept));
    CHECK(drain(queue) == Numbers{4, 5, 6});
}

TEST_CASE_FIXTURE(TapQueueFixture, "broker/tap_queue: a lane that waits gets its share") {
    TapQueue queue = make(OnFull::block, 1000, true);
    for (int i = 0; i < 3; ++i)
        queue.push(item({"low"}, Lane::low));
    std::size_t since = 0;
    for (int i = 0; i < 40; ++i) {
        queue.push(item({"high"}, Lane::high));
        const std::size_t lane = queue.pick({.starvation_bound = 8});
        since = lane == 3 ? 0 : since + 1;
        CHECK(since < 8);
        if (queue.front(3) == nullptr) break;
        (void)queue.pop(lane);
    }
}

TEST_CASE_FIXTURE(TapQueueFixture, "broker/tap_queue: a topic that is gone") {
    TapQueue queue = make(OnFull::block, 1000);
    queue.push(item({"a"}, Lane::normal, 1));
    queue.push(item({"a"}, Lane::normal, 2));
    queue.push(item({"a"}, Lane::normal, 1));
    queue.forget_topic(TopicId(1));
    CHECK(drain(queue) == Numbers{1});
}
