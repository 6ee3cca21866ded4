#pragma once
// What a process has spent, figure by figure, and how that is said per event. What could not be
// measured is unknown, with the reason, and never a number.
//
// Thread: any.

#include <boost/json/object.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace casc::bench {

// All but the bytes are said per event; the bytes per byte of payload.
enum class Cost : std::uint8_t {
    user_ns,
    system_ns,
    voluntary_switches,
    involuntary_switches,
    system_calls,
    journal_writes,    // each of them durable before a durable event in it is acknowledged
    journal_bytes,     // padding included
    checkpoint_bytes,  // of the files that take over from the journal
    disk_bytes,        // all that the kernel has handed to the block layer for the process
};
inline constexpr std::size_t kCostCount = 9;

class Costs {
public:
    void set(Cost cost, double value) { values_[index(cost)] = value; }
    // Why this figure is unknown. The first reason stays.
    void set_unknown(Cost cost, std::string why);
    [[nodiscard]] std::optional<double> of(Cost cost) const { return values_[index(cost)]; }
    [[nodiscard]] const std::map<Cost, std::string>& unknown() const { return unknown_; }

    // What is unknown on one side is unknown in the result; what one side has not looked at is what
    // the other has.
    Costs& operator+=(const Costs& other);
    [[nodiscard]] Costs growth_since(const Costs& before) const;

private:
    static constexpr std::size_t index(Cost cost) { return static_cast<std::size_t>(cost); }

    std::array<std::optional<double>, kCostCount> values_{};
    std::map<Cost, std::string> unknown_;
};

// What the two processes have spent on so many events.
struct BudgetPerEvent {
    double event_count = 0;
    double call_event_count =
        0;  // the same, unless system calls were counted in a run of their own
    double payload_bytes = 0;
    Costs client;
    Costs broker;

    BudgetPerEvent& operator+=(const BudgetPerEvent& other);
    // Of a cost that is counted in bytes: per byte of payload. Unknown without any event.
    [[nodiscard]] std::optional<double> per_event(const Costs& costs, Cost cost) const;
    [[nodiscard]] boost::json::object to_json() const;
    [[nodiscard]] std::string to_text() const;  // two lines
};

}  // namespace casc::bench
