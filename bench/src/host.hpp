#pragma once
// The machine and the process that a number was measured on.
//
// Thread: any, except pin_this_thread(), which says which.

#include <cstdint>
#include <string>

namespace casc::bench {

[[nodiscard]] std::string cpu_name();
[[nodiscard]] std::uint32_t cpu_count();
[[nodiscard]] std::uint64_t memory_bytes();
[[nodiscard]] std::string kernel_name();
// The commit that the program was configured from; "-dirty" is appended when there were changes on
// top.
[[nodiscard]] std::string commit_name();

// Of this process so far: the most memory it had, and the processor time it took.
[[nodiscard]] std::uint64_t own_rss_bytes_max();
[[nodiscard]] double own_cpu_seconds();
// Processor time that the host of a virtual machine gave to others while this one wanted it, since
// boot and over all processors; in steps of 10 ms. 0 where nobody says ("steal" in /proc/stat).
[[nodiscard]] double stolen_cpu_seconds();

// Raises this process's limit of open files, and that of children that are started later, to
// `count` where it is lower. Returns what is allowed then, which is less where it may not.
std::uint64_t allow_open_files(std::uint64_t count);

// Keeps the calling thread on processor `cpu`. False when it may not run there.
bool pin_this_thread(std::uint32_t cpu);

}  // namespace casc::bench
