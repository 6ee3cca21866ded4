// The bytes of a connection that are not yet taken apart.

#include "receive_buffer.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>

using namespace casc;
using namespace casc::broker;

namespace {

std::size_t fill(ReceiveBuffer& buffer, std::string_view from, std::size_t frame_bytes) {
    const auto space = buffer.space(frame_bytes);
    REQUIRE(!space.empty());
    const std::size_t bytes = std::min(space.size(), from.size());
    std::memcpy(space.data(), from.data(), bytes);
    buffer.filled(bytes);
    return bytes;
}

}  // namespace

TEST_CASE(
    "broker/receive_buffer: any sequence of frames comes out as it went in, aligned and whole") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    ReceiveBuffer buffer;
    std::string stream;
    std::vector<std::size_t> frames;
    for (int i = 0; i < 400; ++i) {
        const std::size_t bytes = 8 * (1 + random() % (i % 40 == 0 ? 20'000u : 200u));
        frames.push_back(bytes);
        for (std::size_t b = 0; b < bytes; ++b)
            stream.push_back(static_cast<char>(random()));
    }
    std::size_t received = 0, taken = 0, frame = 0;
    while (frame < frames.size()) {
        const std::size_t held = buffer.received().size();
        if (held >= frames[frame]) {
            const auto front = buffer.received().first(frames[frame]);
            CHECK(reinterpret_cast<std::uintptr_t>(front.data()) % 8 == 0);
            REQUIRE(std::memcmp(front.data(), stream.data() + taken, front.size()) == 0);
            taken += front.size();
            buffer.consume(front.size());
            ++frame;
            continue;
        }
        const std::size_t known = held >= 8 ? frames[frame] : 0;
        const std::size_t some = 1 + random() % 5000;
        received += fill(buffer, std::string_view(stream).substr(received, some), known);
    }
    CHECK(taken == stream.size());
    CHECK(buffer.received().empty());
}

TEST_CASE("broker/receive_buffer: a quiet connection costs little") {
    ReceiveBuffer buffer;
    CHECK(buffer.capacity() == 0);
    for (int i = 0; i < 100; ++i) {
        buffer.filled(std::min<std::size_t>(buffer.space(0).size(), 64));
        buffer.consume(64);
    }
    CHECK(buffer.capacity() == ReceiveBuffer::kSmallBytes);
}

TEST_CASE("broker/receive_buffer: room for the whole frame once its size is known") {
    ReceiveBuffer buffer;
    buffer.filled(std::min<std::size_t>(buffer.space(0).size(), 100));
    CHECK(buffer.space(300'000).size() >= 300'000 - 100);
    CHECK(buffer.received().size() == 100);
}
