#pragma once
// client/src/accumulator.hpp: the user's side of a producer: events go into drafts, full drafts go
// to the I/O thread.

#include "draft.hpp"
#include "in_flight_bound.hpp"
#include "spin_flag.hpp"

#include <casc/ring/ring.hpp>

#include <atomic>
#include <memory>
#include <vector>

namespace casc::client {

using DraftPtr = std::unique_ptr<Draft>;

// One draft is being filled per partition and lane. A full one is pushed into a ring, which wakes
// the I/O thread only when it sleeps. A draft that is not full is fetched by the I/O thread when
// its linger is over; for that the two share a flag which each holds for a moment only.
//
// Thread: add() and seal_all() any; collect() and give_back() the I/O thread.
class Accumulator {
public:
    struct Settings {
        std::uint32_t partitions;
        std::size_t batch_bytes;
        std::size_t event_bytes_max;
        std::chrono::microseconds linger;
    };

    Accumulator(Settings settings, InFlightBound& bound, std::shared_ptr<ring::Waker> io);

    // Adds an event to its draft. Fails as Producer::try_send says; nothing was added then.
    [[nodiscard]] Result<void> add(const Event& event, DeliveryCallback& done);
    // No event is accepted from now on: add() fails with `why`.
    void refuse_from_now(Error why);

    // ---- I/O thread ----
    // Whether collect() has something to do: seq_cst loads, to be asked with the waker armed.
    [[nodiscard]] bool ready() noexcept;
    // Moves what was sealed to the end of `into`, and the drafts whose linger is over at `now` or,
    // with `everything`, all. Returns false when it could not look at the drafts because somebody
    // is adding right now; ask again.
    [[nodiscard]] bool collect(std::chrono::steady_clock::time_point now, bool everything,
                               std::vector<DraftPtr>& into);
    // When the oldest open draft is due; only meaningful after collect() returned true. max():
    // there is none.
    [[nodiscard]] std::chrono::steady_clock::time_point next_due() const noexcept {
        return next_due_;
    }
    // An emptied draft to be used again.
    void give_back(DraftPtr draft) noexcept;
    // The user's side wants the open drafts sent now, not at their time: flush, or no room is left.
    void hurry() noexcept;
    [[nodiscard]] bool take_hurry() noexcept {
        return hurry_.exchange(false, std::memory_order_seq_cst);
    }

private:
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};
    // The bound is charged in steps, so that many barely filled drafts do not use it up.
    static constexpr std::size_t kChargeStep = 16_KiB;

    struct Slot {
        DraftPtr draft;
        std::uint32_t older = kNone;  // the list of open drafts, oldest first
        std::uint32_t newer = kNone;
    };

    [[nodiscard]] Result<void> check(const Event& event, std::size_t bytes) const;
    [[nodiscard]] PartitionId choose(const Event& event) noexcept;
    [[nodiscard]] bool charge(Draft& draft, std::size_t bytes) noexcept;
    [[nodiscard]] bool open(std::uint32_t log, Lane lane, std::size_t bytes);
    void put(Draft& draft, const Event& event, std::size_t bytes, DeliveryCallback& done);
    [[nodiscard]] bool seal(std::uint32_t log);
    [[nodiscard]] DraftPtr unlink(std::uint32_t log) noexcept;
    void settle_charge(Draft& draft) noexcept;

    // Fixed after construction.
    const Settings settings_;
    InFlightBound& bound_;
    const std::shared_ptr<ring::Waker> io_;

    // Held by either side while it touches the next group.
    SpinFlag flag_;
    std::vector<Slot> slots_;
    std::uint32_t oldest_ = kNone;
    std::uint32_t newest_ = kNone;
    std::array<std::uint32_t, kLaneCount>
        sticky_{};           // the partition of events without a key, per lane
    bool io_knows_ = false;  // the I/O thread has a timer for the oldest draft, or is about to look
    ring::RingProducer<DraftPtr> sealed_tx_;
    ring::RingConsumer<DraftPtr> spare_rx_;
    std::optional<Error> refusal_;

    // Written by either side, read by the I/O thread (seq_cst).
    alignas(kCacheLineBytes) std::atomic<bool> look_{false};
    std::atomic<bool> hurry_{false};

    // Owned by the I/O thread.
    ring::RingConsumer<DraftPtr> sealed_rx_;
    ring::RingProducer<DraftPtr> spare_tx_;
    std::chrono::steady_clock::time_point next_due_ = std::chrono::steady_clock::time_point::max();

    Accumulator(Settings settings, InFlightBound& bound, std::shared_ptr<ring::Waker> io,
                ring::Ring<DraftPtr> sealed, ring::Ring<DraftPtr> spare);
};

}  // namespace casc::client
