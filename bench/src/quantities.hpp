#pragma once
// Sizes, times and counts as people write them: "64KiB", "10s", "2M".
//
// Thread: any.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace casc::bench {

// "512", "64KiB", "8GiB", "1.5MB" (KB, MB, GB are powers of ten). Throws std::invalid_argument
// naming the text.
[[nodiscard]] std::uint64_t parse_bytes(std::string_view text);
// "250us", "10s", "1.5m", "0". Throws std::invalid_argument; a number other than 0 needs its unit.
[[nodiscard]] std::chrono::nanoseconds parse_duration(std::string_view text);
// "1000", "10k", "2.5M", "1G". Throws std::invalid_argument.
[[nodiscard]] std::uint64_t parse_count(std::string_view text);

// The middle one of `values`, or halfway between the two in the middle; `values` is not empty.
[[nodiscard]] double median(std::vector<double> values);

[[nodiscard]] std::string format_bytes(
    double bytes);  // "1.21 GB" (powers of ten, as rates are compared)
[[nodiscard]] std::string format_count(double count);                          // "8.02 M"
[[nodiscard]] std::string format_duration(std::chrono::nanoseconds duration);  // "12.5 ms"

}  // namespace casc::bench
