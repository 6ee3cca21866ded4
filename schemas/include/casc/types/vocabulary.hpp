#pragma once
// casc/types/vocabulary.hpp: the nouns of casc as types. docs/glossary.md has the same words.

#include <casc/types/strong.hpp>

#include <array>
#include <cstdint>
#include <string_view>

namespace casc {

// A topic, numbered from 1 in order of creation; numbers are never used again. 0 names no topic.
using TopicId = Id<struct TopicIdTag, std::uint32_t>;

// A partition of a topic, counted from 0. At most kPartitionsMax per topic, so that a LogId fits 64
// bits.
using PartitionId = Id<struct PartitionIdTag, std::uint32_t>;
inline constexpr std::uint32_t kPartitionsMax = 1u << 16;

// The position of an event in its log, counted from 0.
using Offset = Point<struct OffsetTag, std::uint64_t>;
using OffsetDelta = Offset::distance;

// The number that the broker gave a producer for deduplication. 0: the producer is not idempotent.
using ProducerId = Id<struct ProducerIdTag, std::uint64_t>;

// The number of a journal entry, counted from 1. 0: before everything.
using JournalSequence = Point<struct JournalSequenceTag, std::uint64_t>;

// Wall-clock time in nanoseconds since 1970; travels on the wire and to disk.
using EpochNanos = Point<struct EpochNanosTag, std::int64_t>;

// Monotonic time in nanoseconds; never leaves the process.
using MonoNanos = Point<struct MonoNanosTag, std::int64_t>;

// A priority lane of a partition. Lower numbers are more urgent.
enum class Lane : std::uint8_t { critical = 0, high = 1, normal = 2, low = 3 };
inline constexpr std::uint8_t kLaneCount = 4;
inline constexpr std::array<Lane, kLaneCount> kLanes{Lane::critical, Lane::high, Lane::normal,
                                                     Lane::low};
inline constexpr std::array<std::string_view, kLaneCount> kLaneNames{"critical", "high", "normal",
                                                                     "low"};

constexpr std::string_view to_string(Lane lane) {
    return kLaneNames[static_cast<std::size_t>(lane)];
}

// What a topic promises about an event that a consumer has seen (see docs/ARCHITECTURE.md,
// "Durability").
enum class Durability : std::uint8_t { volatile_ = 0, memory = 1, durable = 2, replicated = 3 };

// When a producer wants to be told, and, in an acknowledgement, the level that was reached.
enum class Acks : std::uint8_t { none = 0, memory = 1, durable = 2, replicated = 3 };

constexpr std::string_view to_string(Durability d) {
    constexpr std::array<std::string_view, 4> names{"volatile", "memory", "durable", "replicated"};
    return names[static_cast<std::size_t>(d)];
}

constexpr std::string_view to_string(Acks a) {
    constexpr std::array<std::string_view, 4> names{"none", "memory", "durable", "replicated"};
    return names[static_cast<std::size_t>(a)];
}

// A log: the ordered events of one topic, partition and lane. Packed so that the big-endian bytes
// of value() sort by topic, then partition, then lane. A partition from the wire is held against
// the topic's count before it gets here; if that were forgotten, its excess bits are dropped rather
// than let into the topic.
class LogId {
public:
    constexpr LogId() = default;
    constexpr explicit LogId(std::uint64_t value) : value_(value) {}
    constexpr LogId(TopicId topic, PartitionId partition, Lane lane)
        : value_(static_cast<std::uint64_t>(topic.value()) << 32 |
                 static_cast<std::uint64_t>(partition.value() & 0xFFFFFF) << 8 |
                 static_cast<std::uint64_t>(lane)) {}

    [[nodiscard]] constexpr std::uint64_t value() const { return value_; }
    [[nodiscard]] constexpr TopicId topic() const {
        return TopicId(static_cast<std::uint32_t>(value_ >> 32));
    }
    [[nodiscard]] constexpr PartitionId partition() const {
        return PartitionId(static_cast<std::uint32_t>(value_ >> 8) & 0xFFFFFF);
    }
    [[nodiscard]] constexpr Lane lane() const { return static_cast<Lane>(value_ & 0xFF); }
    friend constexpr auto operator<=>(LogId, LogId) = default;

private:
    std::uint64_t value_{};
};

}  // namespace casc

template <>
struct std::hash<casc::LogId> {
    std::size_t operator()(casc::LogId log) const noexcept {
        return static_cast<std::size_t>((log.value() ^ log.value() >> 24) * 0x9E3779B97F4A7C15ull >>
                                        7);
    }
};
