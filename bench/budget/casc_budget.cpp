// casc-budget CASE COUNT: does what budget.toml counts the instructions of, COUNT times over, on
// one thread, and prints how often it has asked for memory. Made to be run under callgrind
// (tests/bench/budget_test.cpp), which counts inside of casc_budget_measured() alone: what is
// around it builds what is worked on, and works on it once before, so that buffers have grown.

#include "need.hpp"

#include <casc/ring/ring.hpp>
#include <casc/storage/simulated_disk.hpp>
#include <casc/storage/store.hpp>
#include <casc/wire/batch.hpp>
#include <casc/wire/batch_builder.hpp>
#include <casc/wire/frame.hpp>
#include <casc/wire/messages.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

// On every thread: what another one is made to do is done for these events, too.
std::atomic<std::uint64_t> allocations{0};

void* allocate(std::size_t bytes, std::size_t alignment) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    const std::size_t whole = std::max<std::size_t>((bytes + alignment - 1) / alignment, 1);
    if (void* const memory = std::aligned_alloc(alignment, whole * alignment)) return memory;
    throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t bytes) {
    return allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace {

using namespace casc;
using bench::need;

// What is counted.
class Work {
public:
    Work() = default;
    virtual ~Work() = default;
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    virtual void run(std::uint64_t count) = 0;
};

constexpr std::size_t kPayloadBytes = 100;
constexpr std::uint64_t kEventsPerBatch = 600;  // 64 KiB, as a producer under load sends them
const LogId kLog(TopicId(1), PartitionId(0), Lane::normal);

void require(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
}

// ---- batches ------------------------------------------------------------------------------------

class BatchMaker {
public:
    std::span<const std::byte> make(std::uint64_t event_count) {
        builder_.reset();
        for (std::uint64_t i = 0; i < event_count; ++i)
            builder_.add_payload(payload_, EpochNanos(1));
        return builder_.finish({}, bytes_);
    }

private:
    const std::vector<std::byte> payload_ = std::vector<std::byte>(kPayloadBytes, std::byte{'x'});
    wire::BatchBuilder builder_;
    std::vector<std::byte> bytes_;
};

// As a client does it before it hands events out.
void take_apart(std::span<const std::byte> bytes) {
    const auto batch = need(wire::BatchView::parse(bytes), "a batch");
    require(batch.verify_body(), "a checksum");
    const auto payloads = batch.stored_payloads();
    std::size_t payload_bytes = 0;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i)
        payload_bytes += batch.payload(i, payloads).size();
    require(payload_bytes == batch.event_count() * kPayloadBytes, "a payload");
}

// Batches of 600 events, of `count` events in all.
template <class OneBatch>
void in_batches(std::uint64_t count, OneBatch&& one_batch) {
    for (std::uint64_t done = 0; done < count; done += kEventsPerBatch)
        one_batch();
}

class Encode final : public Work {
public:
    void run(std::uint64_t count) override {
        in_batches(count, [this] { require(!maker_.make(kEventsPerBatch).empty(), "a batch"); });
    }

private:
    BatchMaker maker_;
};

class Decode final : public Work {
public:
    void run(std::uint64_t count) override {
        in_batches(count, [this] { take_apart(batch_); });
    }

private:
    BatchMaker maker_;
    const std::span<const std::byte> batch_ = maker_.make(kEventsPerBatch);
};

// ---- frames -------------------------------------------------------------------------------------

// The frame of one Produce request, written and read.
class Frame final : public Work {
public:
    void run(std::uint64_t count) override {
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto body = encoder_.build([](flatbuffers::FlatBufferBuilder& builder) {
                wire::fb::ProduceBuilder produce(builder);
                produce.add_topic_id(7);
                produce.add_partition(1);
                produce.add_acks(static_cast<std::uint8_t>(Acks::durable));
                return produce.Finish();
            });
            bytes_.resize(wire::framed_bytes(body.size()));
            wire::write_frame(bytes_, wire::FrameKind::request, wire::Api::produce,
                              static_cast<std::uint32_t>(i), body, 0);
            const auto frame = need(wire::open_frame(bytes_), "a frame");
            require(need(wire::view<wire::fb::Produce>(frame.body), "a request")->topic_id() == 7,
                    "a request");
        }
    }

private:
    wire::Encoder encoder_;
    std::vector<std::byte> bytes_;
};

// ---- the store ----------------------------------------------------------------------------------

// On a disk in memory that writes at once. What is appended stays far below what starts a
// checkpoint.
class StoreInMemory {
public:
    StoreInMemory() {
        disk_.set_write_delay(0, 0);
        storage::StoreOptions options;
        options.directory = "/budget";
        options.journal.segment_bytes = 64u << 20;
        options.reserve_bytes = 0;
        store_ = need(storage::Store::open(disk_, options), "a store");
    }

    // Until it is durable.
    void append(std::span<const std::byte> batch) {
        const auto ticket = need(
            store_->append(kLog, storage::RetentionClass::week, batch, EpochNanos(1)), "an append");
        while (store_->durable_through() < ticket.sequence) {
            store_->submit();
            advanced_.clear();
            store_->poll(advanced_, answers_);
        }
    }
    void read(const std::function<void(std::span<const std::byte>)>& take) {
        constexpr std::size_t read_bytes = 1u << 20;
        const auto state = store_->log_state(kLog);
        require(state.has_value(), "the log");
        for (Offset at = state->start; at < state->end;) {
            batches_.clear();
            require(store_->read_tail(kLog, at, state->end, read_bytes, batches_), "the tail");
            for (const storage::BatchRef& batch : batches_)
                take(batch.bytes);
            at = need(wire::BatchView::parse(batches_.back().bytes), "a batch").end_offset();
        }
    }

private:
    storage::SimulatedDisk disk_{1};
    std::unique_ptr<storage::Store> store_;
    std::vector<storage::Advanced> advanced_;
    std::vector<storage::ReadAnswer> answers_;
    std::vector<storage::BatchRef> batches_;
};

template <std::uint64_t kEvents>
class Append final : public Work {
public:
    void run(std::uint64_t count) override {
        for (std::uint64_t done = 0; done < count; done += kEvents)
            store_.append(batch_);
    }

private:
    StoreInMemory store_;
    BatchMaker maker_;
    const std::span<const std::byte> batch_ = maker_.make(kEvents);
};

// Batches that are in the tail cache, found there.
class Fetch final : public Work {
public:
    Fetch() {
        for (std::uint64_t i = 0; i < kStored; ++i)
            store_.append(maker_.make(kEventsPerBatch));
    }
    void run(std::uint64_t count) override {
        for (std::uint64_t done = 0; done < count; done += kStored) {
            std::uint64_t found = 0;
            store_.read([&](std::span<const std::byte> batch) { found += !batch.empty(); });
            require(found == kStored, "every batch");
        }
    }

private:
    static constexpr std::uint64_t kStored = 60;
    StoreInMemory store_;
    BatchMaker maker_;
};

// ---- rings --------------------------------------------------------------------------------------

template <std::size_t kItems>
class RingWork final : public Work {
public:
    void run(std::uint64_t count) override {
        std::uint64_t taken = 0;
        for (std::uint64_t done = 0; done < count; done += kItems) {
            if constexpr (kItems == 1) {
                require(ring_.producer.try_push(done), "room");
                require(ring_.consumer.try_pop(items_[0]), "an item");
                ++taken;
            } else {
                require(ring_.producer.try_push_many(items_) == kItems, "room");
                ring_.consumer.drain([&](std::uint64_t&&) { ++taken; });
            }
        }
        require(taken >= count, "every item");
    }

private:
    ring::Ring<std::uint64_t> ring_ =
        ring::make_ring<std::uint64_t>(1024, std::make_shared<ring::Waker>());
    std::array<std::uint64_t, kItems> items_{};
};

template <class What>
std::unique_ptr<Work> prepare() {
    return std::make_unique<What>();
}

struct Case {
    std::string_view name;
    std::unique_ptr<Work> (*prepare)();
};
constexpr std::array kCases{
    Case{"encode", prepare<Encode>},
    Case{"decode", prepare<Decode>},
    Case{"frame", prepare<Frame>},
    Case{"append", prepare<Append<kEventsPerBatch>>},
    Case{"append_single", prepare<Append<1>>},
    Case{"fetch", prepare<Fetch>},
    Case{"ring", prepare<RingWork<64>>},
    Case{"ring_single", prepare<RingWork<1>>},
};

}  // namespace

// By this name callgrind finds it.
extern "C" [[gnu::noinline]] void casc_budget_measured(Work& work, std::uint64_t count) {
    work.run(count);
}

int main(int argument_count, char** arguments) try {
    const std::string_view name = argument_count == 3 ? arguments[1] : "";
    const std::string_view digits = argument_count == 3 ? arguments[2] : "";
    std::uint64_t count = 0;
    std::from_chars(digits.begin(), digits.end(), count);
    for (const Case& candidate : kCases) {
        if (candidate.name != name || count == 0) continue;
        const std::unique_ptr<Work> work = candidate.prepare();
        work->run(1);
        const std::uint64_t before = allocations.load();
        casc_budget_measured(*work, count);
        std::printf("%llu\n", static_cast<unsigned long long>(allocations.load() - before));
        return 0;
    }
    std::fputs("usage: casc-budget CASE COUNT; the cases:", stderr);
    for (const Case& candidate : kCases)
        std::fprintf(stderr, " %s", std::string(candidate.name).c_str());
    std::fputs("\n", stderr);
    return 2;
} catch (const std::exception& error) {
    std::fprintf(stderr, "casc-budget: %s\n", error.what());
    return 1;
}
