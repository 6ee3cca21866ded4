// Bytes through a ring, and what each end does when the other one's positions are nonsense.

#include <casc/ring/byte_ring.hpp>
#include <casc/ring/sync.hpp>

#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <thread>
#include <vector>

namespace casc::ring {
namespace {

using ByteCursors = ByteRingCursors<StdSync>;
using ByteWriter = BasicByteRingWriter<StdSync>;
using ByteReader = BasicByteRingReader<StdSync>;

constexpr std::size_t kByteRingBytes = 64;

struct ByteRingFixture {
    ByteCursors cursors;
    std::array<std::byte, kByteRingBytes> memory{};
    ByteWriter writer{cursors, memory};
    ByteReader reader{cursors, memory};

    // The next `count` bytes of a stream that says where it is.
    std::vector<std::byte> next(std::size_t count) {
        std::vector<std::byte> bytes(count);
        for (std::byte& b : bytes)
            b = static_cast<std::byte>(sent_++);
        return bytes;
    }
    std::size_t put(std::size_t count) {
        const auto bytes = next(count);
        const auto taken = writer.put(bytes);
        REQUIRE(taken);
        sent_ -= count - *taken;
        static_cast<void>(writer.publish());
        return *taken;
    }
    std::size_t take(std::size_t count) {
        std::vector<std::byte> into(count);
        const auto taken = reader.take(into);
        REQUIRE(taken);
        static_cast<void>(reader.release());
        for (std::size_t i = 0; i < *taken; ++i)
            CHECK(into[i] == static_cast<std::byte>(received_++));
        return *taken;
    }

private:
    std::size_t sent_ = 0;
    std::size_t received_ = 0;
};

}  // namespace

TEST_CASE_FIXTURE(ByteRingFixture,
                  "gpu/byte_ring: bytes come out in order, over the end and back") {
    std::size_t sent = 0;
    std::size_t received = 0;
    for (std::size_t step = 1; step < 200; ++step) {
        sent += put(step % 50);
        received += take(step % 37);
    }
    received += take(1000);
    CHECK(sent == received);
    CHECK(sent > 10 * kByteRingBytes);
}

TEST_CASE_FIXTURE(ByteRingFixture, "gpu/byte_ring: a full ring takes what fits and no more") {
    CHECK(put(100) == kByteRingBytes);
    CHECK(put(1) == 0);
    CHECK_FALSE(writer.has_room());
    CHECK(take(10) == 10);
    CHECK(writer.has_room());
    CHECK(put(100) == 10);
    CHECK(take(100) == kByteRingBytes);
    CHECK(take(100) == 0);
    CHECK_FALSE(reader.has_bytes());
}

TEST_CASE_FIXTURE(ByteRingFixture, "gpu/byte_ring: what was put is seen once it is published") {
    const auto bytes = next(8);
    REQUIRE(writer.put(bytes));
    CHECK_FALSE(reader.has_bytes());
    CHECK_FALSE(writer.publish());
    CHECK(reader.has_bytes());
}

TEST_CASE_FIXTURE(ByteRingFixture, "gpu/byte_ring: whoever waits is woken once") {
    reader.arm();
    const auto bytes = next(8);
    REQUIRE(writer.put(bytes));
    CHECK(writer.publish());
    REQUIRE(writer.put(bytes));
    CHECK_FALSE(writer.publish());
    put(1000);
    writer.arm();
    std::array<std::byte, 4> into;
    REQUIRE(reader.take(into));
    CHECK(reader.release());
    REQUIRE(reader.take(into));
    CHECK_FALSE(reader.release());
    reader.arm();
    reader.disarm();
    REQUIRE(writer.put(bytes));
    CHECK_FALSE(writer.publish());
}

TEST_CASE_FIXTURE(ByteRingFixture,
                  "gpu/byte_ring: a writer's position that moves back is nonsense") {
    put(20);
    take(10);
    cursors.written.store(15);
    std::array<std::byte, 64> into;
    CHECK(reader.has_bytes());
    CHECK(reader.take(into).error().code == ErrorCode::ring_corrupt);
    cursors.written.store(5);  // behind what has been read
    CHECK(reader.take(into).error().code == ErrorCode::ring_corrupt);
    cursors.written.store(20);
    CHECK(take(64) == 10);  // nothing of it was believed
}

TEST_CASE_FIXTURE(ByteRingFixture,
                  "gpu/byte_ring: a writer's position beyond the ring is nonsense") {
    put(20);
    take(10);
    std::array<std::byte, 64> into;
    for (const std::uint64_t position : {75ull, 1ull << 40, ~0ull, 1ull << 63}) {
        CAPTURE(position);
        cursors.written.store(position);
        CHECK(reader.has_bytes());
        CHECK(reader.take(into).error().code == ErrorCode::ring_corrupt);
    }
    cursors.written.store(74);  // exactly full
    CHECK(reader.take(into).value() == 64);
}

TEST_CASE_FIXTURE(ByteRingFixture,
                  "gpu/byte_ring: a reader's position that moves back or ahead is nonsense") {
    put(60);
    take(30);
    put(30);
    CHECK(writer.has_room());
    for (const std::uint64_t position : {0ull, 29ull, 91ull, 1ull << 40, ~0ull}) {
        CAPTURE(position);
        cursors.read.store(position);
        CHECK(writer.has_room());  // so that somebody finds it
        CHECK(writer.put(next(64)).error().code == ErrorCode::ring_corrupt);
    }
}

TEST_CASE_FIXTURE(ByteRingFixture,
                  "gpu/byte_ring: what was put and not published cannot be read yet") {
    REQUIRE(writer.put(next(8)));
    cursors.read.store(8);
    CHECK(writer.put(next(64)).error().code == ErrorCode::ring_corrupt);
}

TEST_CASE_FIXTURE(ByteRingFixture, "gpu/byte_ring: what was taken does not change any more") {
    put(16);
    std::array<std::byte, 16> into;
    REQUIRE(reader.take(into));
    const auto before = into;
    memory.fill(std::byte{0xee});
    CHECK(into == before);
}

TEST_CASE("gpu/byte_ring: two threads, a ring of sixteen bytes, and every byte in its place") {
    constexpr std::size_t kTotal = 300'000;
    ByteCursors cursors;
    std::array<std::byte, 16> memory{};
    std::thread writing([&] {
        ByteWriter writer(cursors, memory);
        std::array<std::byte, 11> piece;
        for (std::size_t sent = 0; sent < kTotal;) {
            const std::size_t wanted = std::min(sent % piece.size() + 1, kTotal - sent);
            for (std::size_t i = 0; i < wanted; ++i)
                piece[i] = static_cast<std::byte>((sent + i) * 7);
            sent += writer.put(std::span(piece).first(wanted)).value();
            static_cast<void>(writer.publish());
            if (!writer.has_room()) std::this_thread::yield();
        }
    });
    ByteReader reader(cursors, memory);
    std::array<std::byte, 13> into;
    std::size_t wrong = 0;
    for (std::size_t received = 0; received < kTotal;) {
        const std::size_t count =
            reader.take(std::span(into).first(received % into.size() + 1)).value();
        static_cast<void>(reader.release());
        for (std::size_t i = 0; i < count; ++i)
            wrong += into[i] == static_cast<std::byte>((received + i) * 7) ? 0 : 1;
        received += count;
        if (count == 0) std::this_thread::yield();
    }
    writing.join();
    CHECK(wrong == 0);
}

}  // namespace casc::ring
