#include "volatile_run.hpp"

#include "event_budget.hpp"

#include <thread>

namespace casc::bench {

double measure_rate(const VolatilePlan& plan,
                    const std::vector<std::unique_ptr<TakenEvents>>& tallies,
                    std::atomic<bool>& measuring, EventBudget* budget) {
    using Clock = std::chrono::steady_clock;
    const auto taken = [&] {
        std::uint64_t sum = 0;
        for (const auto& tally : tallies)
            sum += tally->count();
        return sum;
    };
    const auto consumers = static_cast<double>(tallies.size());
    // Counting system calls slows them down.
    if (budget) budget->start(Counting::only_calls);
    const std::uint64_t before_warm_up = taken();
    std::this_thread::sleep_for(plan.warm_up);
    if (budget) budget->stop(static_cast<double>(taken() - before_warm_up) / consumers, 0);
    if (budget) budget->start(Counting::all_but_calls);
    measuring.store(true, std::memory_order_relaxed);
    const std::uint64_t before = taken();
    const auto began = Clock::now();
    std::this_thread::sleep_for(plan.duration);
    const std::uint64_t after = taken();
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    measuring.store(false, std::memory_order_relaxed);
    const double events = static_cast<double>(after - before) / consumers;
    if (budget) budget->stop(events, events * static_cast<double>(plan.payload_bytes));
    return events / seconds;
}

void sum_up(const std::vector<std::unique_ptr<TakenEvents>>& tallies, VolatileOutcome& outcome) {
    for (const auto& tally : tallies) {
        outcome.misplaced_count += tally->misplaced();
        outcome.latency_ns.merge(tally->latency_ns());
    }
}

}  // namespace casc::bench
