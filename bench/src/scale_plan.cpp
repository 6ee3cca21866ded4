#include "scale_plan.hpp"

#include "host.hpp"
#include "open_files.hpp"
#include "payload.hpp"
#include "quantities.hpp"

#include <casc/types/vocabulary.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <stdexcept>

namespace casc::bench {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kGiB = 1u << 30;

struct Variable {
    ScaleOver over;
    std::string_view name;
    std::uint64_t least;
    std::uint64_t most;
    bool in_bytes;
};
constexpr std::array kVariables{
    Variable{ScaleOver::partitions, "partitions", 1, kPartitionsMax, false},
    Variable{ScaleOver::connections, "connections", 1, 1'000'000, false},
    Variable{ScaleOver::groups, "groups", 0, 10'000, false},
    Variable{ScaleOver::size, "size", kPayloadBytesMin, 4 * kMiB, true},
    Variable{ScaleOver::backlog, "backlog", 0, 1024 * kGiB, true},
};

const Variable& variable(ScaleOver over) {
    return kVariables[static_cast<std::size_t>(over)];
}

std::uint64_t parse_step(const Variable& of, std::string_view text) {
    std::uint64_t step = 0;
    try {
        step = of.in_bytes ? parse_bytes(text) : parse_count(text);
    } catch (const std::invalid_argument& error) {
        throw std::runtime_error("--steps: " + std::string(error.what()));
    }
    if (step < of.least || step > of.most)
        throw std::runtime_error("--steps: " + std::string(of.name) + " go from " +
                                 std::to_string(of.least) + " to " + std::to_string(of.most) +
                                 ", not '" + std::string(text) + "'");
    return step;
}

// A client with a thread that works with it, whose system calls are counted, too.
constexpr std::uint64_t kFilesPerConnection = kFilesPerClient + 1;
// Its payloads, times and batches.
constexpr std::uint64_t kMemoryPerConnection = 2 * kMiB;
// What is stored lies in the journal, in files, and for a while in those that these are made into.
constexpr std::uint64_t kDiskPerStoredByte = 3;
// Of durable events, with room to spare for a fast disk. Where it is not enough a step fails that
// would have been left out.
constexpr double kStoredBytesPerSecondMax = 600.0 * kMiB;
// The journal, and what a broker keeps free (storage.reserve_bytes as shipped).
constexpr std::uint64_t kDiskForTheBroker = kGiB + 256 * kMiB;
constexpr std::chrono::nanoseconds kScaleWarmUpMax = std::chrono::seconds(1);

std::uint64_t disk_for(ScaleOver over, std::uint64_t step, std::chrono::nanoseconds duration) {
    const std::chrono::duration<double> loaded = duration + warm_up_before(duration);
    const auto stored = static_cast<std::uint64_t>(loaded.count() * kStoredBytesPerSecondMax);
    const std::uint64_t backlog = over == ScaleOver::backlog ? step : 0;
    return kDiskPerStoredByte * (stored + backlog) + kDiskForTheBroker;
}

std::optional<std::string> too_little(const char* what, std::uint64_t needed, std::uint64_t there,
                                      const char* remedy) {
    if (needed <= there) return {};
    return "needs " + std::to_string(needed) + ' ' + what + " and there are " +
           std::to_string(there) + "; " + remedy;
}

}  // namespace

ScaleOver scale_over_of(std::string_view name) {
    std::string all;
    for (const Variable& known : kVariables) {
        if (known.name == name) return known.over;
        all += (all.empty() ? "" : ", ") + std::string(known.name);
    }
    throw std::runtime_error(
        (name.empty() ? "--over is missing" : "--over knows no '" + std::string(name) + "'") +
        "; there are " + all);
}

std::string_view to_string(ScaleOver over) {
    return variable(over).name;
}

bool is_over_clients(ScaleOver over) {
    return over == ScaleOver::connections || over == ScaleOver::groups;
}

std::vector<std::uint64_t> default_steps(ScaleOver over) {
    switch (over) {
        case ScaleOver::partitions:
        case ScaleOver::connections:
            return {1, 10, 100, 1000, 10'000};
        case ScaleOver::groups:
            return {0, 1, 10, 100};
        case ScaleOver::size:
            return {16, 256, 4096, 64 * 1024, kMiB};
        case ScaleOver::backlog:
            break;
    }
    return {0, kGiB, 3 * kGiB, 10 * kGiB};
}

std::vector<std::uint64_t> parse_steps(ScaleOver over, std::string_view text) {
    std::vector<std::uint64_t> steps;
    for (std::size_t from = 0; from <= text.size();) {
        const std::size_t end = std::min(text.find(',', from), text.size());
        steps.push_back(parse_step(variable(over), text.substr(from, end - from)));
        from = end + 1;
    }
    return steps;
}

std::string format_step(ScaleOver over, std::uint64_t step) {
    if (!variable(over).in_bytes) return std::to_string(step);
    constexpr std::array kUnits{"B", "KiB", "MiB", "GiB"};
    std::size_t unit = 0;
    for (; unit + 1 < kUnits.size() && step >= 1024 && step % 1024 == 0; ++unit)
        step /= 1024;
    return std::to_string(step) + ' ' + kUnits[unit];
}

ScaleRoom room_here(const std::string& folder, std::uint64_t open_files) {
    return {std::filesystem::space(folder).available, allow_open_files(open_files), memory_bytes()};
}

std::uint64_t open_files_for(ScaleOver over, std::uint64_t step) {
    return (is_over_clients(over) ? kFilesPerConnection * step : 0) + kFilesBesideConnections;
}

std::chrono::nanoseconds warm_up_before(std::chrono::nanoseconds duration) {
    return std::min(duration, kScaleWarmUpMax);
}

std::optional<std::string> no_room_for(ScaleOver over, std::uint64_t step,
                                       std::chrono::nanoseconds duration, const ScaleRoom& room) {
    if (auto why = too_little("bytes of disk", disk_for(over, step, duration), room.disk_free_bytes,
                              "--data-dir names another disk, and a smaller --duration needs less"))
        return why;
    if (!is_over_clients(over)) return {};
    if (auto why = too_little("open files", open_files_for(over, step), room.open_files_max,
                              "raise the hard limit (ulimit -Hn, LimitNOFILE)"))
        return why;
    // Half of it is the broker's and the kernel's.
    return too_little("bytes of memory", 2 * kMemoryPerConnection * step, room.memory_bytes,
                      "it is the clients that take it");
}

std::optional<Growth> growth_of(const std::vector<double>& column) {
    if (column.size() < 2) return {};
    const auto [least, most] = std::ranges::minmax(column);
    if (least <= 0) return {};
    return Growth{column.back() / column.front(), most / least};
}

}  // namespace casc::bench
