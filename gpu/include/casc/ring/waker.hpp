#pragma once
// casc/ring/waker.hpp: puts one reader thread to sleep and lets any number of writers wake it.
//
// A reader thread has one Waker for all the rings (and other sources) it reads. A writer pays for
// the eventfd only while the reader really sleeps; otherwise one load of a line that everybody
// shares.
//
//   reader:  while (running) {
//                if (rings.drain() == 0) waker->wait([&] { return rings.any_ready(); });
//            }
//
// Why no wake-up is lost. The writer stores its news and then loads the flag; the reader stores the
// flag and then loads the news; all four are seq_cst, so in their single order one of the two loads
// comes last and sees the other side's store: the writer sees the flag, or the reader sees the
// news. (Dekker's argument. Fences would do as well, but GCC's thread sanitizer does not see them.)

#include <casc/ring/sync.hpp>
#include <casc/types/units.hpp>

#include <cstdint>
#include <utility>

namespace casc::ring {

// Thread:   signal() and wake() any; everything else the one reader.
// Lifetime: shared (std::shared_ptr) by the reader and the producers that may signal it.
template <class Sync>
class BasicWaker {
public:
    BasicWaker() = default;
    BasicWaker(const BasicWaker&) = delete;
    BasicWaker& operator=(const BasicWaker&) = delete;

    // Wakes the reader if it sleeps. What the reader is to find must have been stored with seq_cst
    // (a ring does).
    void signal() noexcept {
        if (asleep_.load(std::memory_order_seq_cst) == 0) return;  // pairs with the store in arm()
        wake();
    }

    // Wakes the reader if it sleeps, whatever memory order its news were stored with: for cold
    // paths such as "stop". Of several concurrent callers one pays for the system call.
    void wake() noexcept {
        // Reads the newest value in modification order: either arm()'s 1, or arm() comes later and,
        // being a read-modify-write too, synchronises with this one and so sees what the caller
        // stored before.
        if (asleep_.exchange(0, std::memory_order_seq_cst) != 0) event_.signal();
    }

    // Sleeps unless `has_news()`, for at most `limit`. Returns after a wake-up, the limit, a Unix
    // signal, or at times for no reason; the caller looks at its sources again and does not trust
    // the cause. `has_news` must look at every source with seq_cst loads (RingConsumer::ready()
    // does).
    template <class HasNews>
    void wait(HasNews&& has_news, SleepLimit limit = {}) {
        arm();
        if (!std::forward<HasNews>(has_news)()) event_.wait(limit);
        disarm();
    }

    // The parts of wait() for a reader that sleeps in an event loop on fd(): arm(), look at every
    // source again, then either disarm() and work, or go back to the loop and disarm() when fd() is
    // readable.
    void arm() noexcept {
        // seq_cst: pairs with signal()'s load (see above). An exchange: pairs with wake()'s.
        asleep_.exchange(1, std::memory_order_seq_cst);
    }
    void disarm() noexcept {
        // Still set: nobody has claimed the wake-up. Otherwise one signal is in the descriptor or
        // on its way.
        if (asleep_.exchange(0, std::memory_order_seq_cst) == 0) ++signals_owed_;
        // No system call unless one is due. One that comes after this shortens the next sleep, and
        // only that one: without the count it would stay in the descriptor and turn every later
        // sleep into a spin.
        if (signals_owed_ != 0) signals_owed_ -= event_.consume();
    }

    [[nodiscard]] int fd() const noexcept { return event_.fd(); }

private:
    // Set by the reader, cleared by whoever wakes it. On its own line: writers load it after every
    // publication.
    alignas(kCacheLineBytes) typename Sync::template Atomic<std::uint32_t> asleep_{0};
    alignas(kCacheLineBytes) typename Sync::Event event_;
    // Owned by the reader: wake-ups that writers have claimed and whose signals it has not taken
    // yet.
    std::uint64_t signals_owed_ = 0;
};

using Waker = BasicWaker<StdSync>;

}  // namespace casc::ring
