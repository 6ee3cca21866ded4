#pragma once
// A subject: who serves it, who of them is next, and which requests wait for one of them.

#include "lane_turns.hpp"
#include "session.hpp"

#include <array>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

namespace casc::broker {

struct RequestPeer;
struct Subject;

// A connection that serves a subject: a responder. (The class Responder is where the answer to a
// frame goes.)
struct Serving {
    std::uint64_t number;  // of all there ever were
    RequestPeer* peer;
    Subject* subject;
    std::uint32_t serve_id;
    std::uint32_t open_max;
    std::uint32_t open = 0;          // requests that it has
    std::uint32_t first_open = ~0u;  // the first of them, see RequestSlots
    std::uint64_t last_given = 0;    // rises with every request of the subject
    std::uint32_t ready_at = ~0u;    // place in Subject::ready
    bool stopped = false;            // gets nothing new
};

// Those who have room, the one with the least open first; of several who have the same, the one
// that was given something longest ago. Thread: owning shard.
class ReadyServings {
public:
    [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
    [[nodiscard]] Serving& first() const noexcept { return *heap_.front(); }
    [[nodiscard]] static bool holds(const Serving& serving) noexcept {
        return serving.ready_at != kNowhere;
    }
    void add(Serving& serving);
    void remove(Serving& serving);
    // What it has open has changed.
    void moved(Serving& serving);

private:
    static constexpr std::uint32_t kNowhere = ~0u;

    [[nodiscard]] static bool before(const Serving& a, const Serving& b) noexcept {
        return a.open != b.open ? a.open < b.open : a.last_given < b.last_given;
    }
    void put(std::uint32_t at, Serving* serving) noexcept {
        heap_[at] = serving;
        serving->ready_at = at;
    }
    bool up(std::uint32_t at);
    void down(std::uint32_t at);

    std::vector<Serving*> heap_;
};

// Requests that no responder had room for, by lane; first come, first served in a lane.
// Thread: owning shard.
class WaitingRequests {
public:
    struct Waiting {
        std::uint32_t slot;  // of the request
        std::vector<std::byte> batch;
    };
    using Place = std::list<Waiting>::iterator;

    Place add(Lane lane, Waiting waiting);
    void remove(Lane lane, Place place);
    // The next one, by lane.
    [[nodiscard]] Waiting take(const Config::Delivery& bounds);

    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

private:
    std::array<std::list<Waiting>, kLaneCount> lanes_;
    LaneTurns turns_;
    std::size_t count_ = 0;
};

// Thread: owning shard. Lifetime: as long as somebody serves it.
struct Subject {
    std::string name;
    std::vector<Serving*> servings;  // that are not stopped, in the order in which they came
    ReadyServings ready;
    WaitingRequests waiting;  // empty while somebody is ready
    std::uint64_t given = 0;  // requests handed to responders
    std::uint64_t open = 0;
};

}  // namespace casc::broker
