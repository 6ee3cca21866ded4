#pragma once
// How fast the disk under a folder is, with nothing of the store in between.
//
// Thread: any.

#include "histogram.hpp"

#include <casc/storage/disk.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace casc::bench {

struct RawWrites {
    double bytes_per_second = 0;
    Histogram latency_ns;  // of one write, from submitting it to knowing it durable
};

// Durable writes of `write_bytes` in order to a file that was written once before, `in_flight` at a
// time, round and round until `total_bytes`: the journal's way of writing and nothing else. Leaves
// the file in `folder`, so that the next call need not make it again.
[[nodiscard]] RawWrites raw_durable_writes(storage::Disk& disk, const std::filesystem::path& folder,
                                           std::size_t write_bytes, unsigned in_flight,
                                           std::uint64_t total_bytes);

struct RawRead {
    std::uint64_t bytes = 0;
    double seconds = 0;
    bool direct = false;  // which of the two ways was faster
    [[nodiscard]] double bytes_per_second() const {
        return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
    }
};

// Every file below `folder` whose name ends in `extension`, front to back in MiB steps: past the
// page cache (O_DIRECT), and, where the page cache may be emptied, through it with the kernel's
// read-ahead. The faster of the two.
[[nodiscard]] RawRead raw_cold_read(const std::filesystem::path& folder,
                                    std::string_view extension);

}  // namespace casc::bench
