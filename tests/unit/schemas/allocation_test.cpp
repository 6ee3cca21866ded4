// The producer's hot path takes no memory once its buffers have grown. Counted by replacing
// operator new, which is why these facts have a file of their own.
#include "batch_support.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> allocations{0};

}  // namespace

void* operator new(std::size_t bytes) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

using namespace casc;
using namespace casc::wire;
using namespace casc::wire::test;

namespace {

template <class Work>
std::size_t allocations_of(Work&& work) {
    const std::size_t before = allocations.load();
    work();
    return allocations.load() - before;
}

}  // namespace

TEST_CASE(
    "schemas/batch allocation: once warm, neither adding nor finishing nor reading allocates") {
    const Bytes payload =
        bytes_of("a payload that repeats, a payload that repeats, a payload that repeats");
    const Bytes key = bytes_of("key");
    const std::array headers{HeaderInput{"name", "value"}};
    BatchBuilder builder;
    Decompressor decompressor;
    Bytes buffer;
    const auto round = [&](Codec codec) {
        builder.reset();
        for (int i = 0; i < 500; ++i) {
            builder.add_payload(payload, EpochNanos(1));
            builder.add({.payload = payload,
                         .key = std::span<const std::byte>(key),
                         .headers = headers,
                         .message_id = MessageId{},
                         .timestamp = EpochNanos(2),
                         .type = "type",
                         .schema_version = 1,
                         .time_to_live_ms = 2,
                         .deliver_at = EpochNanos(3)},
                        EpochNanos(1));
        }
        const auto batch = BatchView::parse(builder.finish({.codec = codec}, buffer)).value();
        const auto payloads = decompressor.open(batch).value();
        for (std::uint32_t i = 0; i < batch.event_count(); ++i)
            if (batch.event(i, payloads).payload.size() != payload.size()) std::abort();
    };
    CHECK(allocations_of([&] { round(Codec::lz4); }) > 0);
    round(Codec::none);
    CHECK(allocations_of([&] { round(Codec::lz4); }) == 0);
    CHECK(allocations_of([&] { round(Codec::none); }) == 0);
}

TEST_CASE(
    "schemas/error allocation: refusing a batch because of its bytes allocates nothing but its "
    "detail") {
    CHECK(allocations_of([] {
              const Result<int> refused = ErrorCode::batch_corrupt;
              if (refused) std::abort();
          }) == 0);
}
