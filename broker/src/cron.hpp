#pragma once
// When something is to happen again and again: the five fields of cron (minute, hour, day of month,
// month, day of week; UTC), as POSIX describes them for crontab, or "@every 90s".

#include <casc/types/result.hpp>
#include <casc/types/vocabulary.hpp>

#include <chrono>
#include <cstdint>
#include <string_view>

namespace casc::broker {

// Thread: any (a value).
class Cron {
public:
    // Fields take '*', numbers, names of months and days ("jan", "mon"), ranges "1-5", steps "*/15"
    // and lists of those. When both days are restricted either of them will do. Short forms:
    // @hourly, @daily, @weekly, @monthly, @yearly, and "@every N" with N in s, m, h or d. Fails
    // with: invalid_request, also when there is no such time.
    [[nodiscard]] static Result<Cron> parse(std::string_view text);

    // The first time behind `after`; of "@every" that much later.
    [[nodiscard]] EpochNanos next(EpochNanos after) const;

private:
    [[nodiscard]] bool is_day(std::chrono::sys_days day) const;

    std::chrono::seconds every_{0};  // 0: by the fields
    std::uint64_t minutes_ = 0;      // a bit for each
    std::uint32_t hours_ = 0;
    std::uint32_t days_ = 0;
    std::uint32_t months_ = 0;
    std::uint32_t weekdays_ = 0;  // Sunday is 0
    bool any_day_ = true;         // the day of the month is '*'
    bool any_weekday_ = true;
};

}  // namespace casc::broker
