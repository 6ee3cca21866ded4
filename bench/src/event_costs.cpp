#include "event_costs.hpp"

#include <boost/json/array.hpp>

#include <cstdio>
#include <span>
#include <string_view>
#include <utility>

namespace casc::bench {
namespace {

namespace json = boost::json;

struct CostName {
    Cost cost;
    const char* in_json;
    const char* in_text;
};

constexpr std::array kCostNames{
    CostName{Cost::user_ns, "user_ns", "ns user"},
    CostName{Cost::system_ns, "system_ns", "ns system"},
    CostName{Cost::voluntary_switches, "voluntary_context_switches", "switches"},
    CostName{Cost::involuntary_switches, "involuntary_context_switches", "preemptions"},
    CostName{Cost::system_calls, "system_calls", "system calls"},
    CostName{Cost::journal_writes, "journal_writes", "journal writes"},
    CostName{Cost::journal_bytes, "journal_bytes_per_payload_byte", "in the journal"},
    CostName{Cost::checkpoint_bytes, "checkpoint_bytes_per_payload_byte", "in checkpoints"},
    CostName{Cost::disk_bytes, "disk_bytes_per_payload_byte", "in all to the disk"},
};
static_assert(kCostNames.size() == kCostCount);

// A client has neither journal nor data.
constexpr std::size_t kClientCostCount = 5;
constexpr std::span kClientCosts = std::span(kCostNames).first<kClientCostCount>();

constexpr bool is_in_bytes(Cost cost) {
    return cost >= Cost::journal_bytes;
}

std::string short_number(std::optional<double> value) {
    if (!value) return "unknown";
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3g", *value);
    return text.data();
}

json::object process_object(const BudgetPerEvent& budget, const Costs& costs,
                            std::span<const CostName> names) {
    json::object object;
    json::object not_measured;
    for (const CostName& name : names) {
        const auto value = budget.per_event(costs, name.cost);
        object[name.in_json] = value ? json::value(*value) : json::value(nullptr);
        const auto why = costs.unknown().find(name.cost);
        if (!value)
            not_measured[name.in_json] =
                why == costs.unknown().end() ? "there was no event to count for" : why->second;
    }
    if (!not_measured.empty()) object["not_measured"] = std::move(not_measured);
    return object;
}

std::string process_line(const BudgetPerEvent& budget, const Costs& costs,
                         std::span<const CostName> names) {
    std::string line;
    for (const CostName& name : names) {
        if (name.cost == Cost::journal_bytes) {
            line += "; bytes per payload byte: ";
        } else if (!line.empty()) {
            line += ", ";
        }
        line += short_number(budget.per_event(costs, name.cost)) + ' ' + name.in_text;
    }
    return line + '\n';
}

}  // namespace

void Costs::set_unknown(Cost cost, std::string why) {
    values_[index(cost)].reset();
    unknown_.try_emplace(cost, std::move(why));
}

Costs& Costs::operator+=(const Costs& other) {
    for (std::size_t i = 0; i < kCostCount; ++i)
        if (other.values_[i]) values_[i] = values_[i].value_or(0) + *other.values_[i];
    unknown_.insert(other.unknown_.begin(), other.unknown_.end());
    for (const auto& [cost, why] : unknown_)
        values_[index(cost)].reset();
    return *this;
}

Costs Costs::growth_since(const Costs& before) const {
    Costs growth;
    for (std::size_t i = 0; i < kCostCount; ++i)
        if (values_[i] && before.values_[i]) growth.values_[i] = *values_[i] - *before.values_[i];
    growth.unknown_ = unknown_;
    growth.unknown_.insert(before.unknown_.begin(), before.unknown_.end());
    return growth;
}

BudgetPerEvent& BudgetPerEvent::operator+=(const BudgetPerEvent& other) {
    event_count += other.event_count;
    call_event_count += other.call_event_count;
    payload_bytes += other.payload_bytes;
    client += other.client;
    broker += other.broker;
    return *this;
}

std::optional<double> BudgetPerEvent::per_event(const Costs& costs, Cost cost) const {
    const double divisor = is_in_bytes(cost)            ? payload_bytes
                           : cost == Cost::system_calls ? call_event_count
                                                        : event_count;
    const auto value = costs.of(cost);
    return value && divisor > 0 ? std::optional(*value / divisor) : std::nullopt;
}

json::object BudgetPerEvent::to_json() const {
    return {{"events", event_count},
            {"client", process_object(*this, client, kClientCosts)},
            {"broker", process_object(*this, broker, kCostNames)}};
}

std::string BudgetPerEvent::to_text() const {
    return "per event     client: " + process_line(*this, client, kClientCosts) +
           "              broker: " + process_line(*this, broker, kCostNames);
}

}  // namespace casc::bench
