// What one operation on a ring costs a thread that nobody disturbs: the instructions alone, without
// the travel of cache lines between processors (that is `casc-bench ring`), and what a waker adds
// to them.

#include <casc/ring/ring.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace casc::ring {
namespace {

template <std::size_t kBytes>
using Item = std::array<std::byte, kBytes>;

template <std::size_t kBytes>
void BM_RingPushPop(benchmark::State& state) {
    auto [tx, rx] = make_ring<Item<kBytes>>(1024);
    Item<kBytes> item{};
    for (auto _ : state) {
        benchmark::DoNotOptimize(tx.try_push(item));
        benchmark::DoNotOptimize(rx.try_pop(item));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_RingPushPop<8>)->Name("BM_RingPushPop/item_bytes:8");
BENCHMARK(BM_RingPushPop<64>)->Name("BM_RingPushPop/item_bytes:64");

// The same when the reader could be asleep: a locked store and a look at its flag.
void BM_RingPushPopWithWaker(benchmark::State& state) {
    auto [tx, rx] = make_ring<Item<8>>(1024, std::make_shared<Waker>());
    Item<8> item{};
    for (auto _ : state) {
        benchmark::DoNotOptimize(tx.try_push(item));
        benchmark::DoNotOptimize(rx.try_pop(item));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_RingPushPopWithWaker)->Name("BM_RingPushPopWithWaker/item_bytes:8");

void BM_RingBatch(benchmark::State& state) {
    const auto batch_count = static_cast<std::size_t>(state.range(0));
    auto [tx, rx] = make_ring<Item<64>>(1024, std::make_shared<Waker>());
    std::vector<Item<64>> batch(batch_count);
    for (auto _ : state) {
        benchmark::DoNotOptimize(tx.try_push_many(batch));
        rx.drain([](Item<64>&& item) { benchmark::DoNotOptimize(item); });
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.SetBytesProcessed(state.iterations() * state.range(0) * 64);
}
BENCHMARK(BM_RingBatch)->ArgName("batch_count")->Arg(1)->Arg(8)->Arg(64)->Arg(512);

// A reader that goes to sleep and is woken at once: two system calls and what is around them.
void BM_WakerRoundTrip(benchmark::State& state) {
    const auto waker = std::make_shared<Waker>();
    auto [tx, rx] = make_ring<std::uint64_t>(16, waker);
    for (auto _ : state) {
        waker->arm();
        benchmark::DoNotOptimize(tx.try_push(1));
        waker->disarm();
        benchmark::DoNotOptimize(rx.try_pop());
    }
}
BENCHMARK(BM_WakerRoundTrip);

}  // namespace
}  // namespace casc::ring
