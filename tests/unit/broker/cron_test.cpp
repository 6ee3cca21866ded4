#include "cron.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace casc;
using broker::Cron;

namespace {

using namespace std::chrono;

// "2026-02-28 23:59:30"
EpochNanos at(int y, unsigned m, unsigned d, int hour = 0, int minute = 0, int second = 0) {
    const auto time =
        sys_days(year(y) / month(m) / day(d)) + hours(hour) + minutes(minute) + seconds(second);
    return EpochNanos(nanoseconds(time.time_since_epoch()).count());
}

EpochNanos next(std::string_view text, EpochNanos after) {
    const auto cron = Cron::parse(text);
    REQUIRE_MESSAGE(cron, cron.error().message());
    return cron->next(after);
}

}  // namespace

TEST_CASE("broker/cron: the next time is the first one behind now") {
    const EpochNanos now = at(2026, 11, 29, 5, 41, 50);  // a Sunday
    CHECK(next("* * * * *", now) == at(2026, 11, 29, 5, 42));
    CHECK(next("* * * * *", at(2026, 11, 29, 5, 42)) == at(2026, 11, 29, 5, 43));
    CHECK(next("*/15 * * * *", now) == at(2026, 11, 29, 5, 45));
    CHECK(next("5,50 * * * *", now) == at(2026, 11, 29, 5, 50));
    CHECK(next("0 4 * * *", now) == at(2026, 11, 30, 4));
    CHECK(next("30 8 * * mon-fri", now) == at(2026, 11, 30, 8, 30));
    CHECK(next("0 0 1 * *", now) == at(2026, 12, 1));
    CHECK(next("0 0 1 jan *", now) == at(2027, 1, 1));
    CHECK(next("10-20/5 6 * * *", now) == at(2026, 11, 29, 6, 10));
    CHECK(next("0 0 * * 7", now) == at(2026, 12, 6));
    CHECK(next("0 0 * * 0", now) == at(2026, 12, 6));
    CHECK(next("@hourly", now) == at(2026, 11, 29, 6));
    CHECK(next("@daily", now) == at(2026, 11, 30));
    CHECK(next("@weekly", now) == at(2026, 12, 6));
    CHECK(next("@monthly", now) == at(2026, 12, 1));
    CHECK(next("@yearly", now) == at(2027, 1, 1));
}

TEST_CASE("broker/cron: either of two restricted days will do, one alone must") {
    const EpochNanos now = at(2026, 11, 29);
    CHECK(next("0 0 13 * fri", now) == at(2026, 12, 4));
    CHECK(next("0 0 2 * fri", now) == at(2026, 12, 2));
    CHECK(next("0 0 13 * *", now) == at(2026, 12, 13));
}

TEST_CASE("broker/cron: leap days come, over a century that has none too") {
    CHECK(next("0 0 29 2 *", at(2026, 11, 29)) == at(2028, 2, 29));
    CHECK(next("0 0 29 2 *", at(2096, 3, 1)) == at(2104, 2, 29));
}

TEST_CASE("broker/cron: at a distance") {
    const EpochNanos now = at(2026, 11, 29, 5, 41, 50);
    CHECK(next("@every 90s", now) == at(2026, 11, 29, 5, 43, 20));
    CHECK(next("@every 2d", now) == at(2026, 12, 1, 5, 41, 50));
}

TEST_CASE("broker/cron: what is no schedule is refused") {
    for (const std::string text : {"",
                                   "*",
                                   "* * * *",
                                   "* * * * * *",
                                   "60 * * * *",
                                   "* 24 * * *",
                                   "* * 0 * *",
                                   "* * 32 * *",
                                   "* * * 13 *",
                                   "* * * * 8",
                                   "5-1 * * * *",
                                   "*/0 * * * *",
                                   "*/99 * * * *",
                                   "a * * * *",
                                   "1- * * * *",
                                   "-1 * * * *",
                                   "1,,2 * * * *",
                                   "0 0 30 2 *",
                                   "0 0 31 4,6 *",
                                   "@never",
                                   "@every",
                                   "@every ",
                                   "@every 0s",
                                   "@every 5",
                                   "@every 5x",
                                   "@every 999999d",
                                   "1/2/3 * * * *"}) {
        INFO(text);
        const auto cron = Cron::parse(text);
        CHECK_FALSE(cron);
        if (!cron) CHECK(cron.error().code == ErrorCode::invalid_request);
    }
}
