#pragma once
// casc/ring/detail/stream_choice.hpp: whether a writer's batches are better off past its cache.
//
// Streaming stores (streaming.hpp) pay where lines travel slower between the two caches than
// through memory. Where memory is far or busy, or the two threads share a core, the ring goes at
// half the speed for nothing; and that changes while it goes round: threads move, and on a virtual
// machine so do processors, memory and neighbours. So the writer tries both ways and keeps the one
// with which the ring goes round faster. Its own time for the stores says nothing: it is the reader
// who waits for the lines.
//
// A way is tried for as many large batches as make two laps of the ring, and the second lap counts:
// in the first one the lines still are where the other way has left them. Two trials in a row have
// to say that the other way is better: in one of them the users may just have paused. The longer
// nothing changes the rarer it tries again.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace casc::ring::detail {

// Thread: the writer's.
class StreamChoice {
public:
    explicit StreamChoice(std::size_t lap_bytes) noexcept : lap_bytes_(lap_bytes) {}

    [[nodiscard]] bool streams() const noexcept { return streams_; }
    // A batch was written. `now` tells the time, in any unit; it is asked once in a few laps.
    template <class Now>
    void wrote(std::size_t bytes, Now&& now) noexcept {
        bytes_ += bytes;
        if (bytes_ >= laps_ * lap_bytes_) [[unlikely]]
            next_phase(now());
    }

private:
    enum class Phase : std::uint8_t {
        settled,  // nothing is measured
        old_way,  // the one that is in use
        arrival,  // of the lines, as the other way leaves them
        new_way,  // the other one
    };
    // Of laps, between two trials: two laps in 512 cost little even where they take five times as
    // long.
    static constexpr std::uint32_t kRestMin = 4;
    static constexpr std::uint32_t kRestMax = 512;
    // So much faster has the other way to be: a ring that waits for its users, all the time, is as
    // fast either way.
    static constexpr double kGain = 1.15;
    static constexpr unsigned kWinsToStay = 2;

    void next_phase(std::uint64_t now) noexcept {
        const double ticks_per_byte =
            static_cast<double>(now - std::exchange(began_, now)) / static_cast<double>(bytes_);
        bytes_ = 0;
        laps_ = 1;
        switch (phase_) {
            case Phase::settled:
                phase_ = Phase::old_way;
                break;
            case Phase::old_way:
                old_cost_ = ticks_per_byte;
                streams_ = !streams_;
                phase_ = Phase::arrival;
                break;
            case Phase::arrival:
                phase_ = Phase::new_way;
                break;
            case Phase::new_way:
                const bool is_better = ticks_per_byte * kGain < old_cost_;
                wins_ = is_better ? wins_ + 1 : 0;
                if (wins_ == kWinsToStay) {
                    wins_ = 0;
                } else {
                    streams_ = !streams_;  // back
                }
                rest_ = is_better ? kRestMin : std::min(2 * rest_, kRestMax);
                laps_ = rest_;
                phase_ = Phase::settled;
                break;
        }
    }

    std::size_t lap_bytes_;
    std::size_t bytes_ = 0;    // of this phase, so far
    std::uint64_t began_ = 0;  // this phase
    double old_cost_ = 0;
    std::uint32_t laps_ = 1;  // of this phase, in all
    std::uint32_t rest_ = kRestMin;
    unsigned wins_ = 0;  // of the other way, in a row
    Phase phase_ = Phase::settled;
    bool streams_ = true;
};

inline std::uint64_t ticks_now() noexcept {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return 0;  // nothing is streamed there
#endif
}

}  // namespace casc::ring::detail
