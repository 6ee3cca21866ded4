#include "quantities.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <span>
#include <stdexcept>

namespace casc::bench {
namespace {

struct Unit {
    std::string_view name;
    double factor;
};

constexpr std::array kBytes{Unit{"", 1},         Unit{"B", 1},        Unit{"KiB", 0x1p10},
                            Unit{"MiB", 0x1p20}, Unit{"GiB", 0x1p30}, Unit{"TiB", 0x1p40},
                            Unit{"KB", 1e3},     Unit{"MB", 1e6},     Unit{"GB", 1e9},
                            Unit{"TB", 1e12}};
constexpr std::array kNanos{Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"ms", 1e6},
                            Unit{"s", 1e9}, Unit{"m", 60e9}, Unit{"h", 3600e9}};
constexpr std::array kCounts{Unit{"", 1}, Unit{"k", 1e3}, Unit{"K", 1e3}, Unit{"M", 1e6},
                             Unit{"G", 1e9}};

double parse(std::string_view text, std::span<const Unit> units, std::string_view what) {
    double number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
    if (error == std::errc{} && number >= 0) {
        if (number == 0 && unit.empty()) return 0;
        for (const Unit& known : units) {
            const double value = number * known.factor;
            // 2^63: whatever is counted fits a signed 64-bit number.
            if (known.name == unit && value < 0x1p63) return value;
        }
    }
    throw std::invalid_argument("not a " + std::string(what) + ": '" + std::string(text) + "'");
}

std::string scaled(double value, std::span<const char* const> units, double step) {
    std::size_t i = 0;
    while (std::abs(value) >= step && i + 1 < units.size()) {
        value /= step;
        ++i;
    }
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), "%.3g %s", value, units[i]);
    std::string result(text.data());
    while (result.ends_with(' '))
        result.pop_back();
    return result;
}

}  // namespace

std::uint64_t parse_bytes(std::string_view text) {
    return static_cast<std::uint64_t>(std::llround(parse(text, kBytes, "size")));
}

std::chrono::nanoseconds parse_duration(std::string_view text) {
    return std::chrono::nanoseconds(std::llround(parse(text, kNanos, "duration")));
}

std::uint64_t parse_count(std::string_view text) {
    return static_cast<std::uint64_t>(std::llround(parse(text, kCounts, "count")));
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string format_bytes(double bytes) {
    constexpr std::array units{"B", "kB", "MB", "GB", "TB"};
    return scaled(bytes, units, 1000);
}

std::string format_count(double count) {
    constexpr std::array units{"", "k", "M", "G"};
    return scaled(count, units, 1000);
}

std::string format_duration(std::chrono::nanoseconds duration) {
    constexpr std::array units{"ns", "us", "ms", "s"};
    return scaled(static_cast<double>(duration.count()), units, 1000);
}

}  // namespace casc::bench
