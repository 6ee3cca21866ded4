#include "cron.hpp"

#include <casc/types/assert.hpp>

#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace casc::broker {
namespace {

using namespace std::chrono;

// The 29th of February comes again within eight years.
constexpr days kSearched{366 * 8};

struct Field {
    std::string_view what;
    unsigned min;
    unsigned max;
    std::span<const std::string_view> names;  // of min, min + 1, ...
};
constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                   "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDays{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
const std::array<Field, 5> kFields{Field{"minute", 0, 59, {}}, Field{"hour", 0, 23, {}},
                                   Field{"day", 1, 31, {}}, Field{"month", 1, 12, kMonths},
                                   Field{"weekday", 0, 7, kDays}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kShortForms{{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};

Error bad(std::string_view what, std::string_view text) {
    return Error(ErrorCode::invalid_request,
                 "cron: '" + std::string(text) + "' is no " + std::string(what));
}

std::optional<unsigned> number(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

std::vector<std::string_view> split(std::string_view text, char by) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t at = text.find(by);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

Result<unsigned> value_of(std::string_view text, const Field& field) {
    for (unsigned i = 0; i < field.names.size(); ++i)
        if (text == field.names[i]) return field.min + i;
    const auto value = number(text);
    if (!value || *value < field.min || *value > field.max) return bad(field.what, text);
    return *value;
}

// "*", "5", "1-5", each perhaps with "/step".
Result<std::uint64_t> bits_of_part(std::string_view text, const Field& field) {
    const auto halves = split(text, '/');
    unsigned step = 1;
    if (halves.size() > 2) return bad(field.what, text);
    if (halves.size() == 2) {
        const auto given = number(halves[1]);
        if (!given || *given == 0 || *given > field.max) return bad("step", text);
        step = *given;
    }
    unsigned first = field.min;
    unsigned last = field.max;
    if (halves[0] != "*") {
        const auto ends = split(halves[0], '-');
        if (ends.size() > 2) return bad(field.what, text);
        CASC_TRY(first, value_of(ends[0], field));
        if (ends.size() == 2) {
            CASC_TRY(last, value_of(ends[1], field));
        } else if (halves.size() == 1) {
            last = first;
        }
        if (last < first) return bad("range", text);
    }
    std::uint64_t bits = 0;
    for (unsigned at = first; at <= last; at += step)
        bits |= std::uint64_t{1} << at;
    return bits;
}

Result<std::uint64_t> bits_of(std::string_view text, const Field& field) {
    std::uint64_t bits = 0;
    for (const std::string_view part : split(text, ',')) {
        CASC_TRY(const std::uint64_t more, bits_of_part(part, field));
        bits |= more;
    }
    return bits;
}

Result<seconds> interval(std::string_view text) {
    constexpr std::array<std::pair<char, seconds>, 4> units{
        {{'s', 1s}, {'m', 60s}, {'h', 3600s}, {'d', 86'400s}}};
    const auto count = text.empty() ? std::nullopt : number(text.substr(0, text.size() - 1));
    for (const auto& [unit, length] : units)
        if (count && *count != 0 && *count <= 100'000 && text.back() == unit)
            return length * *count;
    return bad("interval (such as 90s, 5m, 1h or 2d)", text);
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
    Cron cron;
    constexpr std::string_view every = "@every ";
    if (text.starts_with(every)) {
        CASC_TRY(cron.every_, interval(text.substr(every.size())));
        return cron;
    }
    for (const auto& [name, fields] : kShortForms)
        if (text == name) text = fields;
    std::vector<std::string_view> fields;
    for (const std::string_view field : split(text, ' '))
        if (!field.empty()) fields.push_back(field);
    if (fields.size() != kFields.size())
        return bad("schedule: wanted are minute, hour, day, month and weekday", text);
    std::array<std::uint64_t, kFields.size()> bits{};
    for (std::size_t i = 0; i < fields.size(); ++i) {
        CASC_TRY(bits[i], bits_of(fields[i], kFields[i]));
    }
    cron.minutes_ = bits[0];
    cron.hours_ = static_cast<std::uint32_t>(bits[1]);
    cron.days_ = static_cast<std::uint32_t>(bits[2]);
    cron.months_ = static_cast<std::uint32_t>(bits[3]);
    cron.weekdays_ = static_cast<std::uint32_t>(bits[4] | bits[4] >> 7);  // Sunday is 0 and 7
    cron.any_day_ = fields[2] == "*";
    cron.any_weekday_ = fields[4] == "*";
    for (sys_days day{}; day < sys_days{} + kSearched; day += days(1))
        if (cron.is_day(day)) return cron;
    return bad("day that there is", text);
}

bool Cron::is_day(sys_days day) const {
    const year_month_day date(day);
    if ((months_ >> static_cast<unsigned>(date.month()) & 1u) == 0) return false;
    const bool of_month = (days_ >> static_cast<unsigned>(date.day()) & 1u) != 0;
    const bool of_week = (weekdays_ >> weekday(day).c_encoding() & 1u) != 0;
    if (any_day_ || any_weekday_) return of_month && of_week;
    return of_month || of_week;
}

EpochNanos Cron::next(EpochNanos after) const {
    if (every_ != 0s) return after + EpochNanos::distance(nanoseconds(every_).count());
    const sys_time<minutes> first =
        floor<minutes>(sys_time<nanoseconds>(nanoseconds(after.value()))) + minutes(1);
    sys_days day = floor<days>(first);
    const sys_days end = day + kSearched;
    for (minutes from = first - day; day < end; day += days(1), from = minutes(0)) {
        if (!is_day(day)) continue;
        for (minutes at = from; at < days(1); ++at) {
            const auto hour = static_cast<unsigned>(at.count() / 60);
            if ((hours_ >> hour & 1u) == 0 || (minutes_ >> at.count() % 60 & 1u) == 0) continue;
            return EpochNanos(nanoseconds((day + at).time_since_epoch()).count());
        }
    }
    CASC_ASSERT(false);  // parse() has found such a day
    return after;
}

}  // namespace casc::broker
