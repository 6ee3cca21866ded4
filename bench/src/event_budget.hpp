#pragma once
// Measures what client and broker spend on the events of a workload:
//
//   EventBudget budget(target);
//   budget.start();
//   ...                                         // the measured time
//   budget.stop(event_count, payload_bytes);    // passes add up
//   report.budget = budget.so_far();
//
// Thread:   one at a time.
// Lifetime: `target` must outlive it. Its broker may not be started again between start and stop.

#include "event_costs.hpp"
#include "process_meter.hpp"
#include "report.hpp"

#include <chrono>
#include <optional>

namespace casc::bench {

class Target;

class EventBudget {
public:
    explicit EventBudget(const Target& target) : target_(target) {}
    EventBudget(const EventBudget&) = delete;
    EventBudget& operator=(const EventBudget&) = delete;

    // Takes a moment in which a load that runs goes on: who divides by its events counts them from
    // the return on.
    void start(Counting counting = Counting::everything);
    // Requires start(). Returns the processor time of both since, for who shows a pass by itself.
    // `not_the_clients`: what the benchmark itself has computed meanwhile, as to be on time; no
    // client of anybody's would, so that it is left out.
    CpuSeconds stop(double event_count, double payload_bytes,
                    std::chrono::nanoseconds not_the_clients = {});
    // Of everything between a start and its stop. Nothing when there was none.
    [[nodiscard]] const std::optional<BudgetPerEvent>& so_far() const { return so_far_; }

private:
    const Target& target_;
    std::optional<BudgetPerEvent> so_far_;
    // From start() to stop().
    Counting counting_ = Counting::everything;
    Costs storage_before_;
    std::optional<ProcessMeter> broker_;
    std::optional<ProcessMeter> client_;
};

}  // namespace casc::bench
