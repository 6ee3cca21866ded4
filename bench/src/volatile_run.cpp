#include "volatile_run.hpp"

#include <thread>

namespace casc::bench {

double measure_rate(const VolatilePlan& plan,
                    const std::vector<std::unique_ptr<TakenEvents>>& tallies,
                    std::atomic<bool>& measuring) {
    using Clock = std::chrono::steady_clock;
    const auto taken = [&] {
        std::uint64_t sum = 0;
        for (const auto& tally : tallies)
            sum += tally->count();
        return sum;
    };
    std::this_thread::sleep_for(plan.warm_up);
    measuring.store(true, std::memory_order_relaxed);
    const std::uint64_t before = taken();
    const auto began = Clock::now();
    std::this_thread::sleep_for(plan.duration);
    const std::uint64_t after = taken();
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    measuring.store(false, std::memory_order_relaxed);
    return static_cast<double>(after - before) / seconds / static_cast<double>(tallies.size());
}

void sum_up(const std::vector<std::unique_ptr<TakenEvents>>& tallies, VolatileOutcome& outcome) {
    for (const auto& tally : tallies) {
        outcome.misplaced_count += tally->misplaced();
        outcome.latency_ns.merge(tally->latency_ns());
    }
}

}  // namespace casc::bench
