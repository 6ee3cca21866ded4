#pragma once
// Requests under way, each in a slot, so that an answer finds its request by number without a
// search.

#include "request_subject.hpp"

#include <casc/types/assert.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <memory>
#include <unordered_map>
#include <vector>

namespace casc::broker {

// What a connection has to do with requests: those that it has made, and what it serves.
// Thread: owning shard. Lifetime: until the connection ends.
struct RequestPeer {
    SessionPtr session;
    boost::unordered_flat_map<std::uint32_t, std::uint32_t> requests;  // slots, by correlation id
    std::unordered_map<std::uint32_t, std::unique_ptr<Serving>> servings;  // by serve id
    std::vector<Serving*> held_back;  // those that its full queue keeps from being ready
};

// A request to all responders of a subject.
struct Gather {
    std::vector<std::uint32_t> calls;  // slots of those that have not said their last word
    std::uint32_t responders = 0;
    std::uint32_t answers = 0;
    std::uint32_t failures = 0;
    std::uint32_t quorum = 0;
};

struct RequestSlot {
    enum class State : std::uint8_t {
        free,
        waiting,   // for a responder with room
        open,      // a responder has it
        gathering  // to all: its calls have slots of their own
    };

    State state = State::free;
    Lane lane = Lane::normal;
    bool takes_parts = false;
    std::uint32_t generation = 0;  // of the slot: tells calls apart that had it one after the other
    std::uint32_t correlation_id = 0;
    RequestPeer* requester = nullptr;
    Subject* subject = nullptr;
    MonoNanos deadline;
    std::int64_t credit_bytes = 0;  // for parts
    // waiting
    WaitingRequests::Place place;
    // open
    Serving* serving = nullptr;
    std::uint64_t responder = 0;    // its number, also when it is gone
    std::uint32_t next_open = ~0u;  // of the responder's
    std::uint32_t previous_open = ~0u;
    std::uint32_t parent = ~0u;  // the slot of the gathering request whose call it is
    std::uint32_t place_in_gather = 0;
    // gathering
    std::unique_ptr<Gather> gather;
};

// Thread: owning shard.
class RequestSlots {
public:
    static constexpr std::uint32_t kNone = ~0u;

    [[nodiscard]] RequestSlot& operator[](std::uint32_t id) noexcept { return slots_[id]; }
    [[nodiscard]] std::size_t size() const noexcept { return used_; }

    // References to slots are invalid from here on.
    [[nodiscard]] std::uint32_t take() {
        ++used_;
        if (free_.empty()) {
            slots_.emplace_back();
            return static_cast<std::uint32_t>(slots_.size() - 1);
        }
        const std::uint32_t id = free_.back();
        free_.pop_back();
        return id;
    }
    void give_back(std::uint32_t id) {
        RequestSlot& slot = slots_[id];
        CASC_ASSERT(slot.state != RequestSlot::State::free && slot.serving == nullptr, id);
        slot.state = RequestSlot::State::free;
        slot.parent = kNone;
        slot.gather.reset();
        ++slot.generation;
        free_.push_back(id);
        --used_;
    }

    // The number under which a responder knows the call; 0 is none.
    [[nodiscard]] std::uint64_t call_number(std::uint32_t id) const noexcept {
        return std::uint64_t{slots_[id].generation} << 32 | (id + 1);
    }
    // The slot of an open call, or kNone when there is no such call (any more).
    [[nodiscard]] std::uint32_t find(std::uint64_t call) const noexcept {
        const auto id = static_cast<std::uint32_t>(call) - 1;
        if (id >= slots_.size() || slots_[id].state != RequestSlot::State::open ||
            slots_[id].generation != static_cast<std::uint32_t>(call >> 32))
            return kNone;
        return id;
    }

    // Puts a call among those that its responder has, and takes it out.
    void link(std::uint32_t id, Serving& serving) noexcept {
        RequestSlot& slot = slots_[id];
        slot.serving = &serving;
        slot.responder = serving.number;
        slot.previous_open = kNone;
        slot.next_open = serving.first_open;
        if (slot.next_open != kNone) slots_[slot.next_open].previous_open = id;
        serving.first_open = id;
        ++serving.open;
    }
    void unlink(std::uint32_t id) noexcept {
        RequestSlot& slot = slots_[id];
        Serving& serving = *slot.serving;
        (slot.previous_open == kNone ? serving.first_open : slots_[slot.previous_open].next_open) =
            slot.next_open;
        if (slot.next_open != kNone) slots_[slot.next_open].previous_open = slot.previous_open;
        slot.serving = nullptr;
        --serving.open;
    }

private:
    std::vector<RequestSlot> slots_;
    std::vector<std::uint32_t> free_;  // last in, first out: the warmest first
    std::size_t used_ = 0;
};

}  // namespace casc::broker
