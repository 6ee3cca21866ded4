#pragma once
// How fast the loopback interface is, with nothing of ours on either end.
//
// Thread: any; both use two threads for as long as they run.

#include "histogram.hpp"

#include <chrono>
#include <cstdint>

namespace casc::bench {

// Bytes per second of one TCP stream of 64 KiB sends, both ends blocking.
[[nodiscard]] double tcp_stream_bytes_per_second(std::chrono::nanoseconds duration);

// Where the two ends of a ping-pong run. A reply on another processor costs waking it up, several
// times the rest.
enum class Ends : std::uint8_t { anywhere, on_one_processor, on_two_processors };

// Nanoseconds from sending 128 bytes to having their echo, both ends blocking.
[[nodiscard]] Histogram tcp_round_trips_ns(std::chrono::nanoseconds duration,
                                           Ends ends = Ends::anywhere);

}  // namespace casc::bench
