#include "limits_disk.hpp"

#include "need.hpp"
#include "process_stats.hpp"

#include <casc/storage/block.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <random>
#include <unistd.h>
#include <vector>

namespace casc::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kFileBytes = 512u << 20;
constexpr std::size_t kReadBytes = 1u << 20;

struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<std::byte, Free>;

// Random, because some hosts store zeros for nothing; written, because a page that was never
// touched is slow.
AlignedBytes make_aligned(std::size_t bytes) {
    AlignedBytes memory(
        static_cast<std::byte*>(std::aligned_alloc(storage::kBlockAlignment, bytes)));
    std::mt19937_64 random(1);
    for (std::size_t at = 0; at < bytes; at += sizeof(std::uint64_t)) {
        const std::uint64_t value = random();
        std::memcpy(memory.get() + at, &value, sizeof value);
    }
    return memory;
}

double seconds_since(Clock::time_point began) {
    return std::chrono::duration<double>(Clock::now() - began).count();
}

std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder,
                                               std::string_view extension) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file() && entry.path().extension() == extension)
            files.push_back(entry.path());
    }
    std::ranges::sort(files);
    return files;
}

std::optional<RawRead> read_all(const std::vector<std::filesystem::path>& files, bool direct) {
    const AlignedBytes buffer = make_aligned(kReadBytes);
    RawRead result{.direct = direct};
    const auto began = Clock::now();
    for (const auto& path : files) {
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0));
        if (file < 0) return std::nullopt;
        if (!direct) ::posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL);
        ssize_t got = 0;
        while ((got = ::read(file, buffer.get(), kReadBytes)) > 0)
            result.bytes += static_cast<std::uint64_t>(got);
        ::close(file);
        if (got < 0) return std::nullopt;
    }
    result.seconds = seconds_since(began);
    return result;
}

}  // namespace

RawWrites raw_durable_writes(storage::Disk& disk, const std::filesystem::path& folder,
                             std::size_t write_bytes, unsigned in_flight,
                             std::uint64_t total_bytes) {
    const auto queue = need(disk.make_write_queue(in_flight), "raw writes");
    const std::uint64_t file_bytes =
        std::min<std::uint64_t>(kFileBytes, total_bytes) / write_bytes * write_bytes;
    const auto file = need(queue->open(folder / "raw-writes", file_bytes), "raw writes");
    const AlignedBytes data = make_aligned(write_bytes * in_flight);

    RawWrites result;
    std::vector<Clock::time_point> submitted(in_flight);
    std::vector<storage::WriteCompletion> completed;
    const std::uint64_t count = total_bytes / write_bytes;
    std::uint64_t next = 0;
    const auto submit = [&](std::uint64_t slot) {
        submitted[slot] = Clock::now();
        file->submit_write(next++ * write_bytes % file_bytes,
                           std::span(data.get() + slot * write_bytes, write_bytes), slot);
    };
    const auto began = Clock::now();
    for (std::uint64_t slot = 0; slot < in_flight && next < count; ++slot)
        submit(slot);
    for (std::uint64_t done = 0; done < count;) {
        completed.clear();
        queue->wait(completed);
        const auto now = Clock::now();
        for (auto& completion : completed) {
            need(std::move(completion.result), "raw writes");
            result.latency_ns.record(
                static_cast<std::uint64_t>((now - submitted[completion.token]).count()));
            ++done;
            if (next < count) submit(completion.token);
        }
    }
    result.bytes_per_second = static_cast<double>(count * write_bytes) / seconds_since(began);
    return result;
}

RawRead raw_cold_read(const std::filesystem::path& folder, std::string_view extension) {
    const auto files = files_below(folder, extension);
    const bool dropped = drop_page_cache();
    const auto direct = read_all(files, true);
    const auto buffered = dropped && drop_page_cache() ? read_all(files, false) : std::nullopt;
    if (!direct && !buffered) throw std::runtime_error("the stored files cannot be read");
    if (!buffered) return *direct;
    return direct && direct->seconds < buffered->seconds ? *direct : *buffered;
}

}  // namespace casc::bench
