#pragma once
// How many files a workload opens, for the limits of this process and of its broker.
//
// Thread: any.

#include <cstdint>

namespace casc::bench {

// A client of the library: its socket, the three that its I/O thread waits on, and what counts the
// system calls of that thread.
inline constexpr std::uint64_t kFilesPerClient = 5;
// A process beside its connections: journal, stored files, and a counter for each of its threads.
inline constexpr std::uint64_t kFilesBesideConnections = 300;

// Lets this process and those it starts open `wanted` files, or as many as may be. Throws, with
// what an operator can do, when those are fewer than `needed`.
void require_open_files(std::uint64_t needed, std::uint64_t wanted);

}  // namespace casc::bench
