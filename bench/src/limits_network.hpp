#pragma once
// How fast the loopback interface is, with nothing of ours on either end.
//
// Thread: any; they use two or three threads for as long as they run.

#include "histogram.hpp"

#include <chrono>
#include <cstddef>
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

// What a broker cannot be better than at a steady pace: an open loop through a thread that passes
// on what it reads. Nanoseconds from when a message of so many bytes should have been sent, one
// each `gap`, until a third thread has it. At least 8 bytes.
[[nodiscard]] Histogram tcp_relay_ns(std::chrono::nanoseconds gap, std::size_t message_bytes,
                                     std::chrono::nanoseconds duration);

}  // namespace casc::bench
