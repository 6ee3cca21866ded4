#pragma once
// tools/admin/values.hpp: how people write durations, sizes, times and names on the command line.
//
// All parsers fail with invalid_request and a detail that says what would have been understood.
// Thread: any (free functions).

#include <casc/types/result.hpp>
#include <casc/types/vocabulary.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace casc::admin {

using std::chrono::milliseconds;

[[nodiscard]] Result<std::uint64_t> parse_number(std::string_view text);
// "250ms", "5s", "15m", "1h", "7d", "2w"; 0 needs no unit.
[[nodiscard]] Result<milliseconds> parse_duration(std::string_view text);
// "4096", "64KiB", "10GiB", "5MB".
[[nodiscard]] Result<std::uint64_t> parse_bytes(std::string_view text);
// The same, or "unlimited" for -1.
[[nodiscard]] Result<std::int64_t> parse_number_limit(std::string_view text);
[[nodiscard]] Result<std::int64_t> parse_duration_limit(std::string_view text);
[[nodiscard]] Result<std::int64_t> parse_bytes_limit(std::string_view text);
// "2026-01-31", "2026-01-31T10:20:30.5Z", "...+02:00", "now", "-90m" (before `now`).
[[nodiscard]] Result<EpochNanos> parse_time(std::string_view text, EpochNanos now);

[[nodiscard]] Result<Lane> parse_lane(std::string_view text);
[[nodiscard]] Result<Acks> parse_acks(std::string_view text);
[[nodiscard]] Result<Durability> parse_durability(std::string_view text);

// Where to begin reading, or where to put a group.
struct StartPoint {
    enum class Kind : std::uint8_t { earliest, latest, time, offset };
    Kind kind = Kind::earliest;
    EpochNanos time{};
    Offset offset{};
};
// "beginning" or "earliest", "end" or "latest", an offset, or what parse_time takes.
[[nodiscard]] Result<StartPoint> parse_start_point(std::string_view text, EpochNanos now);

// ---- the other way round, for tables ------------------------------------------------------------

[[nodiscard]] std::string format_bytes(double bytes);              // "1.5 MiB"
[[nodiscard]] std::string format_duration(milliseconds duration);  // "7d", "1h30m", "250ms"
[[nodiscard]] std::string format_time(EpochNanos time);            // "2026-01-31T10:20:30.500Z"
[[nodiscard]] std::string format_rate(double per_second);          // "12.3k"

}  // namespace casc::admin
