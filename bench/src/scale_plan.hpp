#pragma once
// Which variable the `scale` workload changes, through which steps, and which of those there is no
// room for.
//
// Thread: any.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casc::bench {

enum class ScaleOver : std::uint8_t { partitions, connections, groups, size, backlog };

// Throws std::runtime_error that lists those that there are.
[[nodiscard]] ScaleOver scale_over_of(std::string_view name);
[[nodiscard]] std::string_view to_string(ScaleOver over);
// What grows is connections of clients, each in this process, too.
[[nodiscard]] bool is_over_clients(ScaleOver over);
[[nodiscard]] std::vector<std::uint64_t> default_steps(ScaleOver over);
// "1,10,1k", or "16,1KiB" for what is counted in bytes; in the order given. Throws
// std::runtime_error that says what is wrong with it.
[[nodiscard]] std::vector<std::uint64_t> parse_steps(ScaleOver over, std::string_view text);
// "10", or "1 KiB" for what is counted in bytes.
[[nodiscard]] std::string format_step(ScaleOver over, std::uint64_t step);

// What a machine has for a step.
struct ScaleRoom {
    std::uint64_t disk_free_bytes = 0;
    std::uint64_t open_files_max = 0;
    std::uint64_t memory_bytes = 0;
};
// Raises this process's limit of open files to `open_files` where it may; the broker inherits it.
[[nodiscard]] ScaleRoom room_here(const std::string& folder, std::uint64_t open_files);
[[nodiscard]] std::uint64_t open_files_for(ScaleOver over, std::uint64_t step);
// How long a step's load runs before it is measured for so long.
[[nodiscard]] std::chrono::nanoseconds warm_up_before(std::chrono::nanoseconds duration);
// Why a step whose load is measured for so long has to be left out, if it has to be.
[[nodiscard]] std::optional<std::string> no_room_for(ScaleOver over, std::uint64_t step,
                                                     std::chrono::nanoseconds duration,
                                                     const ScaleRoom& room);
inline constexpr std::chrono::seconds kStepDuration{3};  // unless --duration says otherwise

// How a column changes over the steps.
struct Growth {
    double last_over_first = 0;
    double largest_over_smallest = 0;
    [[nodiscard]] bool is_flat() const { return largest_over_smallest <= 2; }
};
// Nothing without two values, or when one of them is not positive.
[[nodiscard]] std::optional<Growth> growth_of(const std::vector<double>& column);

}  // namespace casc::bench
