#include "values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <limits>

namespace casc::admin {

namespace {

Error not_understood(std::string_view text, std::string_view expected) {
    return Error(ErrorCode::invalid_request,
                 "'" + std::string(text) + "' is not " + std::string(expected));
}

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<Unit, 6> kDurationUnits{{{"ms", 1},
                                              {"s", 1000},
                                              {"m", 60'000},
                                              {"h", 3'600'000},
                                              {"d", 86'400'000},
                                              {"w", 604'800'000}}};
constexpr std::array<Unit, 11> kByteUnits{{{"", 1},
                                           {"B", 1},
                                           {"KiB", 1ull << 10},
                                           {"MiB", 1ull << 20},
                                           {"GiB", 1ull << 30},
                                           {"TiB", 1ull << 40},
                                           {"kB", 1000},
                                           {"KB", 1000},
                                           {"MB", 1'000'000},
                                           {"GB", 1'000'000'000},
                                           {"TB", 1'000'000'000'000}}};

// "<number><unit>"; the result fits a signed 64-bit number, as everything on the wire does.
template <std::size_t N>
Result<std::uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, N>& units,
                                      std::string_view expected) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return not_understood(text, expected);
    const std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
    for (const Unit& unit : units) {
        if (unit.name != name) continue;
        constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        if (number > kMax / unit.factor)
            return Error(ErrorCode::invalid_request, "'" + std::string(text) + "' is too large");
        return number * unit.factor;
    }
    return not_understood(text, expected);
}

Result<std::int64_t> or_unlimited(std::string_view text,
                                  Result<std::uint64_t> (*parse)(std::string_view)) {
    if (text == "unlimited") return std::int64_t{-1};
    CASC_TRY(const std::uint64_t number, parse(text));
    return static_cast<std::int64_t>(number);
}

Result<std::uint64_t> parse_duration_ms(std::string_view text) {
    if (text == "0") return std::uint64_t{0};
    return parse_with_unit(text, kDurationUnits,
                           "a duration, such as 250ms, 5s, 15m, 1h, 7d or 2w");
}

// Takes exactly `digits` digits off `text`.
bool take_digits(std::string_view& text, std::size_t digits, int& value) {
    if (text.size() < digits) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (error != std::errc() || end != text.data() + digits || text.front() == '-') return false;
    text.remove_prefix(digits);
    return true;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
}

bool take_date(std::string_view& text, std::int64_t& seconds) {
    int year = 0;
    int month = 0;
    int day = 0;
    if (!take_digits(text, 4, year) || !take(text, '-') || !take_digits(text, 2, month) ||
        !take(text, '-') || !take_digits(text, 2, day))
        return false;
    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    // The years that 64-bit nanoseconds since 1970 can say.
    if (!date.ok() || year < 1970 || year > 2261) return false;
    seconds = std::chrono::sys_days(date).time_since_epoch().count() * 86'400ll;
    return true;
}

bool take_clock(std::string_view& text, std::int64_t& seconds, std::int64_t& nanos) {
    int hour = 0;
    int minute = 0;
    int second = 0;
    if (!take_digits(text, 2, hour) || !take(text, ':') || !take_digits(text, 2, minute))
        return false;
    if (take(text, ':') && !take_digits(text, 2, second)) return false;
    if (hour > 23 || minute > 59 || second > 60) return false;
    seconds += hour * 3600ll + minute * 60ll + second;
    if (!take(text, '.')) return true;
    std::int64_t scale = 100'000'000;
    if (text.empty() || text.front() < '0' || text.front() > '9') return false;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
        nanos += (text.front() - '0') * scale;
        scale /= 10;
    }
    return true;
}

// "Z", "+02:00"; without one the time is UTC.
bool take_zone(std::string_view& text, std::int64_t& seconds) {
    if (text.empty() || take(text, 'Z')) return text.empty();
    const bool east = text.front() == '+';
    if (!east && text.front() != '-') return false;
    text.remove_prefix(1);
    int hours = 0;
    int minutes = 0;
    if (!take_digits(text, 2, hours) || !take(text, ':') || !take_digits(text, 2, minutes))
        return false;
    seconds += (east ? -1 : 1) * (hours * 3600ll + minutes * 60ll);
    return text.empty();
}

template <class Enum, std::size_t N>
Result<Enum> parse_name(std::string_view text, const std::array<std::string_view, N>& names,
                        const std::array<Enum, N>& values, std::string_view expected) {
    const auto found = std::find(names.begin(), names.end(), text);
    if (found == names.end()) return not_understood(text, expected);
    return values[static_cast<std::size_t>(found - names.begin())];
}

std::string printed(const char* format, double value, std::string_view suffix) {
    std::array<char, 64> text{};
    const int size = std::snprintf(text.data(), text.size(), format, value);
    return std::string(text.data(), static_cast<std::size_t>(size)) + std::string(suffix);
}

}  // namespace

Result<std::uint64_t> parse_number(std::string_view text) {
    constexpr std::array<Unit, 1> kNone{{{"", 1}}};
    return parse_with_unit(text, kNone, "a number");
}

Result<milliseconds> parse_duration(std::string_view text) {
    CASC_TRY(const std::uint64_t ms, parse_duration_ms(text));
    return milliseconds(ms);
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
    return parse_with_unit(text, kByteUnits, "a size, such as 4096, 64KiB, 512MiB or 10GiB");
}

Result<std::int64_t> parse_number_limit(std::string_view text) {
    return or_unlimited(text, parse_number);
}
Result<std::int64_t> parse_duration_limit(std::string_view text) {
    return or_unlimited(text, parse_duration_ms);
}
Result<std::int64_t> parse_bytes_limit(std::string_view text) {
    return or_unlimited(text, parse_bytes);
}

Result<EpochNanos> parse_time(std::string_view text, EpochNanos now) {
    if (text == "now") return now;
    if (text.starts_with('-')) {
        CASC_TRY(const milliseconds before, parse_duration(text.substr(1)));
        if (before.count() > now.value() / 1'000'000)
            return Error(ErrorCode::invalid_request, "'" + std::string(text) + "' is before 1970");
        return EpochNanos(now.value() - before.count() * 1'000'000);
    }
    std::string_view rest = text;
    std::int64_t seconds = 0;
    std::int64_t nanos = 0;
    bool good = take_date(rest, seconds);
    if (good && !rest.empty())
        good = (take(rest, 'T') || take(rest, ' ')) && take_clock(rest, seconds, nanos) &&
               take_zone(rest, seconds);
    if (!good) return not_understood(text, "a time, such as 2026-01-31T10:20:30Z, now or -1h");
    return EpochNanos(seconds * 1'000'000'000 + nanos);
}

Result<Lane> parse_lane(std::string_view text) {
    return parse_name(text, kLaneNames, kLanes, "a lane: critical, high, normal or low");
}

Result<Acks> parse_acks(std::string_view text) {
    return parse_name<Acks, 3>(text, {"none", "memory", "durable"},
                               {Acks::none, Acks::memory, Acks::durable},
                               "an acknowledgement: none, memory or durable");
}

Result<Durability> parse_durability(std::string_view text) {
    return parse_name<Durability, 3>(
        text, {"volatile", "memory", "durable"},
        {Durability::volatile_, Durability::memory, Durability::durable},
        "a durability: volatile, memory or durable");
}

Result<StartPoint> parse_start_point(std::string_view text, EpochNanos now) {
    using Kind = StartPoint::Kind;
    if (text == "beginning" || text == "earliest") return StartPoint{Kind::earliest};
    if (text == "end" || text == "latest") return StartPoint{Kind::latest};
    if (const auto offset = parse_number(text))
        return StartPoint{Kind::offset, {}, Offset(*offset)};
    const auto time = parse_time(text, now);
    if (!time)
        return not_understood(text,
                              "a position: beginning, end, an offset, a time such as "
                              "2026-01-31T10:20:30Z, or -1h");
    return StartPoint{Kind::time, *time};
}

std::string format_bytes(double bytes) {
    constexpr std::array<std::string_view, 5> kNames{" B", " KiB", " MiB", " GiB", " TiB"};
    std::size_t power = 0;
    while (bytes >= 1024 && power + 1 < kNames.size()) {
        bytes /= 1024;
        ++power;
    }
    return printed(power == 0 ? "%.0f" : "%.1f", bytes, kNames[power]);
}

std::string format_duration(milliseconds duration) {
    auto rest = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
    if (rest < 1000) return std::to_string(rest) + "ms";
    std::string text;
    // Two units say enough: nobody reads the milliseconds of a week.
    int units = 0;
    for (const Unit unit : {kDurationUnits[4], kDurationUnits[3], kDurationUnits[2],
                            kDurationUnits[1], kDurationUnits[0]}) {
        if (rest < unit.factor || units == 2) continue;
        text += std::to_string(rest / unit.factor) + std::string(unit.name);
        rest %= unit.factor;
        ++units;
    }
    return text;
}

std::string format_time(EpochNanos time) {
    using namespace std::chrono;
    const sys_time<nanoseconds> point{nanoseconds(time.value())};
    const auto day = floor<days>(point);
    const year_month_day date{day};
    const hh_mm_ss clock{floor<milliseconds>(point - day)};
    std::array<char, 64> text{};
    const int size = std::snprintf(
        text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
        static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
        static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
        static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
        static_cast<int>(clock.subseconds().count()));
    return std::string(text.data(), static_cast<std::size_t>(size));
}

std::string format_rate(double per_second) {
    if (per_second >= 1e6) return printed("%.2f", per_second / 1e6, "M");
    if (per_second >= 1e4) return printed("%.1f", per_second / 1e3, "k");
    return printed("%.0f", per_second, "");
}

}  // namespace casc::admin
