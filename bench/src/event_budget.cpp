#include "event_budget.hpp"

#include "need.hpp"
#include "target.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <string>
#include <unistd.h>
#include <utility>

namespace casc::bench {
namespace {

constexpr std::array kFigures{std::pair("casc_journal_entries_total", Cost::journal_writes),
                              std::pair("casc_journal_bytes_total", Cost::journal_bytes),
                              std::pair("casc_checkpoint_bytes_total", Cost::checkpoint_bytes)};

// What the broker says of itself; the same as on its /metrics.
Costs storage_costs(const Target& target) {
    Costs costs;
    std::string why = "the broker has no such counter";
    try {
        const auto info = need(target.connect()->call(wire::fb::NodeInfoT{}), "asking the broker");
        for (const auto& figure : info.figures)
            for (const auto& [name, cost] : kFigures)
                if (figure->name == name) costs.set(cost, figure->value);
    } catch (const std::exception& error) {
        why = error.what();
    }
    for (const auto& [name, cost] : kFigures)
        if (!costs.of(cost)) costs.set_unknown(cost, why);
    return costs;
}

double cpu_seconds(const Costs& costs) {
    return (costs.of(Cost::user_ns).value_or(0) + costs.of(Cost::system_ns).value_or(0)) / 1e9;
}

}  // namespace

void EventBudget::start(Counting counting) {
    counting_ = counting;
    // Opening counters takes long, and a load may run meanwhile; it comes before the first look.
    if (target_.is_own()) broker_.emplace(target_.broker_pid(), counting);
    client_.emplace(::getpid(), counting);
    // Asking the broker is work for both processes, so that it comes before they are looked at, and
    // in stop() after.
    if (counting != Counting::only_calls) storage_before_ = storage_costs(target_);
    if (broker_) broker_->start();
    client_->start();
}

CpuSeconds EventBudget::stop(double event_count, double payload_bytes,
                             std::chrono::nanoseconds not_the_clients) {
    BudgetPerEvent pass;
    pass.event_count = counting_ == Counting::only_calls ? 0 : event_count;
    pass.call_event_count = counting_ == Counting::all_but_calls ? 0 : event_count;
    pass.payload_bytes = counting_ == Counting::only_calls ? 0 : payload_bytes;
    pass.client = client_->spent();
    if (const auto user_ns = pass.client.of(Cost::user_ns))
        pass.client.set(Cost::user_ns,
                        std::max(0.0, *user_ns - static_cast<double>(not_the_clients.count())));
    pass.broker =
        broker_ ? broker_->spent() : unknown_process_costs("the broker is not ours (--address)");
    client_.reset();
    broker_.reset();
    if (counting_ != Counting::only_calls)
        pass.broker += storage_costs(target_).growth_since(storage_before_);
    if (!so_far_) so_far_.emplace();
    *so_far_ += pass;
    return {cpu_seconds(pass.client), cpu_seconds(pass.broker)};
}

}  // namespace casc::bench
