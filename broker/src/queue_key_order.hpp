#pragma once
// Order by key inside a queue group: which event of a key may be delivered, and which wait for it.
//
// The events of a key stand in line, in the order in which the group reached them, whichever of its
// logs they are in. Only the first is delivered; it stays the first until it is settled, also while
// it is refused and waits to come again. So members get the events of a key one at a time and in
// order, and never two of them at once.

#include <casc/types/vocabulary.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace casc::broker {

// Keys are told apart by this; two with the same one only wait for each other without need. Not
// stored, so that it may change.
using KeyHash = std::uint64_t;
inline constexpr KeyHash kNoKey = 0;

[[nodiscard]] KeyHash hash_of(std::optional<std::span<const std::byte>> key) noexcept;

// An event of one of the group's logs.
struct QueuePlace {
    LogId log;
    Offset offset;
    friend bool operator==(const QueuePlace&, const QueuePlace&) = default;
};

// Thread: owning shard.
class QueueKeyOrder {
public:
    // The event is reached, for the first time. Whether it may be delivered; otherwise it waits
    // until leave() names it. Not for events without a key.
    [[nodiscard]] bool enter(KeyHash key, QueuePlace event);
    // The event is settled or gone. Who may be delivered in its place, if that changes by it.
    // Events that never entered are of no interest.
    std::optional<QueuePlace> leave(QueuePlace event);
    // All that stand in some line with an event of that log.
    [[nodiscard]] std::vector<QueuePlace> of_log(LogId log) const;

    // In all lines, the first ones included.
    [[nodiscard]] std::size_t size() const noexcept { return standing_.size(); }

private:
    struct PlaceHash {
        std::size_t operator()(const QueuePlace& place) const noexcept {
            constexpr std::uint64_t golden_ratio = 0x9E3779B97F4A7C15;
            return std::hash<LogId>{}(place.log) ^ place.offset.value() * golden_ratio;
        }
    };
    struct Line {
        QueuePlace first;
        QueuePlace last;
    };
    struct Standing {
        KeyHash key = kNoKey;
        std::optional<QueuePlace> before;
        std::optional<QueuePlace> behind;
    };

    boost::unordered_flat_map<KeyHash, Line> lines_;
    boost::unordered_flat_map<QueuePlace, Standing, PlaceHash> standing_;
};

}  // namespace casc::broker
