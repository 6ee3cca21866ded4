#include "flips.hpp"

#include <algorithm>
#include <cstdint>

namespace casc::bench::compare {
namespace {

std::string count_text(std::uint64_t count, std::uint64_t usual) {
    return count == usual ? std::string() : std::to_string(count);
}

// What is given to it; empty: it is not set.
std::string value_of(const Options& flips, std::string_view flag) {
    if (flag == "--keys") return count_text(flips.key_count, 0);
    if (flag == "--partitions") return count_text(flips.partition_count, 1);
    if (flag == "--compression") return flips.compression == "none" ? "" : flips.compression;
    if (flag == "--retention-bytes") return count_text(flips.retention_bytes.value_or(0), 0);
    if (flag == "--idle-topics") return count_text(flips.idle_topic_count, 0);
    if (flag == "--idle-connections") return count_text(flips.idle_connection_count, 0);
    return count_text(flips.slow_consumer_count, 0);
}

}  // namespace

std::string flip_flags(const Options& flips) {
    return flip_flags(flips, kFlips);
}

std::string flip_flags(const Options& flips, std::span<const std::string_view> known) {
    std::string text;
    for (const std::string_view flag : kFlips) {
        const std::string value = value_of(flips, flag);
        if (!value.empty() && std::ranges::find(known, flag) != known.end())
            text += ' ' + std::string(flag) + ' ' + value;
    }
    return text;
}

}  // namespace casc::bench::compare
