// Which way of writing a ring settles on, with lines that travel as fast as the test says.

#include <casc/ring/detail/stream_choice.hpp>

#include <doctest/doctest.h>

using casc::ring::detail::StreamChoice;

namespace {

constexpr std::size_t kLapBytes = 64 * 1024;
constexpr std::size_t kBatchBytes = 4096;

// A writer and a reader at work.
struct Ring {
    double streamed_ns = 0;  // a byte
    double copied_ns = 0;
    double now_ns = 0;
    std::size_t bytes_streamed = 0;
    std::size_t bytes = 0;
    StreamChoice way{kLapBytes};

    void go_round(int laps) {
        bytes = bytes_streamed = 0;
        for (std::size_t i = 0; i < laps * kLapBytes / kBatchBytes; ++i) {
            now_ns += static_cast<double>(kBatchBytes) * (way.streams() ? streamed_ns : copied_ns);
            bytes += kBatchBytes;
            if (way.streams()) bytes_streamed += kBatchBytes;
            way.wrote(kBatchBytes, [&] { return static_cast<std::uint64_t>(now_ns); });
        }
    }
    [[nodiscard]] double share_streamed() const {
        return static_cast<double>(bytes_streamed) / static_cast<double>(bytes);
    }
};

}  // namespace

TEST_CASE(
    "gpu/stream_choice: where memory is the faster way it streams, and tries the other ever less "
    "often") {
    Ring ring{.streamed_ns = 0.05, .copied_ns = 0.12};
    ring.go_round(100);
    CHECK(ring.share_streamed() > 0.85);
    ring.go_round(5000);
    CHECK(ring.share_streamed() > 0.99);
    CHECK(ring.share_streamed() < 1);
}

TEST_CASE("gpu/stream_choice: where caches are the faster way it does not, after a few laps") {
    Ring ring{.streamed_ns = 0.2, .copied_ns = 0.1};
    ring.go_round(5000);
    CHECK(ring.share_streamed() < 0.01);
}

TEST_CASE("gpu/stream_choice: what changes on the way is followed") {
    Ring ring{.streamed_ns = 0.2, .copied_ns = 0.1};
    ring.go_round(5000);
    ring.copied_ns = 0.6;
    ring.go_round(1000);
    ring.go_round(1000);
    CHECK(ring.share_streamed() > 0.9);
}

TEST_CASE("gpu/stream_choice: where both are as fast it stays with what it has") {
    Ring ring{.streamed_ns = 0.1, .copied_ns = 0.095};
    ring.go_round(5000);
    ring.go_round(5000);
    CHECK(ring.share_streamed() > 0.99);
}

TEST_CASE("gpu/stream_choice: a pause while it measures the way in use does not settle anything") {
    Ring ring{.streamed_ns = 0.05, .copied_ns = 0.12};
    std::size_t streamed = 0;
    std::size_t all = 0;
    for (int lap = 0; lap < 2000; ++lap) {
        ring.go_round(1);
        streamed += ring.bytes_streamed;
        all += ring.bytes;
        if (lap % 97 == 0) ring.now_ns += 1e6;
    }
    CHECK(static_cast<double>(streamed) > 0.9 * static_cast<double>(all));
}

TEST_CASE("gpu/stream_choice: one interruption while it measures does not settle anything") {
    Ring ring{.streamed_ns = 0.05, .copied_ns = 0.12};
    for (int lap = 0; lap < 40; ++lap) {
        ring.go_round(1);
        if (lap % 7 == 0) ring.now_ns += 1e6;
    }
    ring.go_round(5000);
    CHECK(ring.share_streamed() > 0.99);
}
