// What the codec costs per batch: a checksum, building a batch of small events, and walking one.
// The whole path at full speed, against memcpy, is `casc-bench codec`.

#include <casc/wire/batch.hpp>
#include <casc/wire/batch_builder.hpp>
#include <casc/wire/crc32c.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

namespace casc::wire {
namespace {

constexpr std::size_t kBatchPayloadBytes = 256 * 1024;

std::span<std::byte> build(BatchBuilder& builder, std::size_t event_bytes,
                           std::vector<std::byte>& into) {
    const std::vector<std::byte> payload(event_bytes, std::byte{'x'});
    builder.reset();
    for (std::size_t done = 0; done < kBatchPayloadBytes; done += event_bytes)
        builder.add_payload(payload, EpochNanos(1));
    return builder.finish({}, into);
}

void BM_Crc32c(benchmark::State& state) {
    const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)), std::byte{'x'});
    for (auto _ : state)
        benchmark::DoNotOptimize(crc32c(bytes));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Crc32c)->ArgName("bytes")->Arg(64)->Arg(4096)->Arg(256 * 1024);

void BM_BatchBuild(benchmark::State& state) {
    const auto event_bytes = static_cast<std::size_t>(state.range(0));
    BatchBuilder builder;
    std::vector<std::byte> into;
    for (auto _ : state)
        benchmark::DoNotOptimize(build(builder, event_bytes, into));
    const auto events = static_cast<std::int64_t>(builder.event_count());
    state.SetItemsProcessed(state.iterations() * events);
    state.SetBytesProcessed(state.iterations() * events * state.range(0));
}
BENCHMARK(BM_BatchBuild)->ArgName("payload_bytes")->Arg(100)->Arg(1024)->Arg(65536);

void BM_BatchWalk(benchmark::State& state) {
    BatchBuilder builder;
    std::vector<std::byte> into;
    const auto batch = build(builder, static_cast<std::size_t>(state.range(0)), into);
    for (auto _ : state) {
        const auto view = BatchView::parse(batch);
        const auto payloads = view->stored_payloads();
        for (std::uint32_t i = 0; i < view->event_count(); ++i)
            benchmark::DoNotOptimize(view->payload(i, payloads));
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(builder.event_count()));
}
BENCHMARK(BM_BatchWalk)->ArgName("payload_bytes")->Arg(100)->Arg(1024)->Arg(65536);

}  // namespace
}  // namespace casc::wire
