// How producers are held to the speed of the checkpoints.

#include "flush_pace.hpp"

#include <casc/types/units.hpp>

#include <doctest/doctest.h>

namespace casc::storage {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kCheckpoint = 64_MiB;
constexpr std::size_t kLimit = 192_MiB;
constexpr std::size_t kRest = (kCheckpoint + kLimit) / 2;
constexpr MonoNanos kNow(1'000'000'000);

// Checkpoints flush a MiB in a millisecond.
struct PaceFixture {
    PaceFixture() { pace.flushed(kCheckpoint, 64ms, kLimit); }
    // How long nobody else is admitted after a MiB that fills the store to `unflushed`.
    std::int64_t pause_ns(std::size_t unflushed) {
        FlushPace fresh = pace;
        fresh.admitted(1_MiB, unflushed, kNow);
        return std::max<std::int64_t>(0, (fresh.admits_at() - kNow).value());
    }
    FlushPace pace{kCheckpoint, kLimit};
};

}  // namespace

TEST_CASE("storage/flush_pace: nobody is held back before the speed of a checkpoint is known") {
    FlushPace pace(kCheckpoint, kLimit);
    pace.admitted(1_MiB, kLimit, kNow);
    CHECK(pace.admits_at() < kNow);
}

TEST_CASE_FIXTURE(PaceFixture, "storage/flush_pace: a short burst is not held back") {
    CHECK(pause_ns(1_MiB) == 0);
    CHECK(pause_ns(kCheckpoint) == 0);
}

TEST_CASE_FIXTURE(PaceFixture, "storage/flush_pace: the fuller the store, the longer the pause") {
    std::int64_t last = 0;
    for (std::size_t unflushed = kCheckpoint + 1_MiB; unflushed <= kLimit; unflushed += 1_MiB) {
        const std::int64_t pause = pause_ns(unflushed);
        CHECK(pause >= last);
        last = pause;
    }
    CHECK(pause_ns(kCheckpoint + 1_MiB) < 600'000);
    CHECK(pause_ns(kLimit) == 4'000'000);
}

TEST_CASE_FIXTURE(PaceFixture, "storage/flush_pace: somewhere in between as much comes as goes") {
    CHECK(pause_ns(kRest) == 1'000'000);
}

TEST_CASE_FIXTURE(PaceFixture, "storage/flush_pace: pauses add up") {
    pace.admitted(1_MiB, kRest, kNow);
    pace.admitted(1_MiB, kRest, kNow);
    CHECK((pace.admits_at() - kNow).value() == 2'000'000);
}

TEST_CASE_FIXTURE(PaceFixture, "storage/flush_pace: a slower disk slows producers down") {
    const std::int64_t before = pause_ns(kLimit);
    pace.flushed(kCheckpoint, 128ms, kLimit);
    CHECK(pause_ns(kLimit) > before);
    CHECK(pause_ns(kLimit) < 2 * before);  // one slow checkpoint is not believed at once
    for (int i = 0; i < 50; ++i)
        pace.flushed(kCheckpoint, 128ms, kLimit);
    CHECK(pause_ns(kLimit) > 2 * before - 10'000);
}

TEST_CASE_FIXTURE(PaceFixture, "storage/flush_pace: a checkpoint of next to nothing says nothing") {
    const std::int64_t before = pause_ns(kLimit);
    for (int i = 0; i < 20; ++i)
        pace.flushed(4_KiB, 10ms, kLimit);
    CHECK(pause_ns(kLimit) == before);
}

TEST_CASE_FIXTURE(PaceFixture, "storage/flush_pace: pauses end when there is room again") {
    for (int i = 0; i < 1000; ++i)
        pace.admitted(1_MiB, kLimit, kNow);
    CHECK((pace.admits_at() - kNow).value() == 50'000'000);  // and are never long
    pace.flushed(kCheckpoint, 64ms, kCheckpoint);
    CHECK(pace.admits_at() < kNow);
}

TEST_CASE("storage/flush_pace: where a checkpoint is all that may wait, nobody is held back") {
    FlushPace pace(kCheckpoint, kCheckpoint / 4 * 3);
    pace.flushed(kCheckpoint / 4 * 3, 64ms, 0);
    pace.admitted(1_MiB, kCheckpoint / 4 * 3, kNow);
    CHECK(pace.admits_at() < kNow);
}

TEST_CASE_FIXTURE(
    PaceFixture,
    "storage/flush_pace: checkpoints are behind when more waits than comes during one") {
    CHECK_FALSE(pace.is_behind(kCheckpoint + kCheckpoint / 4));
    CHECK(pace.is_behind(kRest));
}

}  // namespace casc::storage
