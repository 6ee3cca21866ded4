#include "flush_pace.hpp"

#include <casc/types/units.hpp>

#include <doctest/doctest.h>

namespace casc::storage {

namespace {

constexpr std::size_t kCheckpoint = 64_MiB;
constexpr std::size_t kLimit = 192_MiB;
constexpr std::size_t kBase = kLimit - kCheckpoint / 2 * 3;

MonoNanos ms(std::int64_t count) {
    return MonoNanos(count * 1'000'000);
}

// Checkpoints every 100 ms, with enough left for the next one.
struct PaceFixture {
    PaceFixture() {
        for (int i = 0; i < 3; ++i)
            pace.flushed(kCheckpoint, kCheckpoint, ms(100 * i));
    }
    FlushPace pace{kCheckpoint, kLimit};
};

}  // namespace

TEST_CASE("storage/flush_pace: nobody is held back before the speed of a checkpoint is known") {
    FlushPace pace(kCheckpoint, kLimit);
    CHECK_FALSE(pace.admits_at(kLimit));
    pace.flushed(kCheckpoint, kCheckpoint, ms(100));
    CHECK_FALSE(pace.admits_at(kLimit));  // since when it took is not known
}

TEST_CASE_FIXTURE(PaceFixture,
                  "storage/flush_pace: what may be unflushed grows as fast as checkpoints flush") {
    CHECK_FALSE(pace.admits_at(kBase));
    CHECK(pace.admits_at(kBase + kCheckpoint / 2) == ms(250));
    CHECK(pace.admits_at(kBase + kCheckpoint) == ms(300));
    pace.flushed(kCheckpoint, kCheckpoint, ms(300));
    CHECK(pace.admits_at(kBase + kCheckpoint) == ms(400));
}

TEST_CASE_FIXTURE(PaceFixture, "storage/flush_pace: a slower disk slows producers down") {
    pace.flushed(kCheckpoint, kCheckpoint, ms(400));
    const auto at = pace.admits_at(kBase + kCheckpoint);
    REQUIRE(at);
    CHECK(*at > ms(500));
    CHECK(*at < ms(600));  // one slow checkpoint is not believed at once
}

TEST_CASE_FIXTURE(PaceFixture,
                  "storage/flush_pace: the time in which there was nothing to flush says nothing") {
    pace.flushed(kCheckpoint, kCheckpoint - 1, ms(300));
    pace.flushed(kCheckpoint, kCheckpoint, ms(90'000));
    CHECK(pace.admits_at(kBase + kCheckpoint) == ms(90'100));
}

}  // namespace casc::storage
