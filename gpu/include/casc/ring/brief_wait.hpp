#pragma once
// casc/ring/brief_wait.hpp: whether it is worth looking again for a few microseconds before going
// to sleep.
//
// To wake a thread on an idle processor takes 5 to 10 us on a virtual machine, a quarter of a hop
// of a lone request each time. Waiting awake saves that when the next thing comes at once, and
// wastes the time when it does not; so it is done where it is likely, and given up for a while
// where it does not pay. (In general it does not: docs/threading.md.)

#include <algorithm>
#include <chrono>

namespace casc::ring {

// Thread: one at a time.
class BriefWait {
public:
    static constexpr std::chrono::microseconds kLength{20};

    [[nodiscard]] bool is_worth_it() noexcept {
        if (trust_ > 0) return true;
        if (++passed_over_ < kTryAgainAfter) return false;
        passed_over_ = 0;
        trust_ = 1;
        return true;
    }
    // Whether something came.
    void record(bool has_come) noexcept {
        trust_ = has_come ? std::min(trust_ + 1, kTrustMax) : trust_ - 1;
    }

private:
    static constexpr int kTrustMax = 8;
    static constexpr int kTryAgainAfter = 64;

    int trust_ = 1;
    int passed_over_ = 0;
};

}  // namespace casc::ring
