#pragma once
// What the figures of a suite are held against: how much faster than others casc wants to be, and
// how near the limits of the machine.
//
// Thread: any.

#include "comparison.hpp"

#include <boost/json/value.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace casc::bench::suite {

// Of each step the reports of its rounds; null where it failed.
using Reports = std::map<std::string, std::vector<boost::json::value>, std::less<>>;

struct Bar {
    std::string figure;           // "durable produce, 1 KiB"
    std::string over;             // whom or what its ratio is over; empty: nobody was there
    std::optional<double> ratio;  // the median of the rounds; nothing: it was not measured
    double asked = 0;
    bool is_more_better = true;  // at least `asked`, or at most

    [[nodiscard]] bool is_reached() const {
        return ratio && (is_more_better ? *ratio >= asked : *ratio <= asked);
    }
};

// All bars, whether there is a figure for them or not.
[[nodiscard]] std::vector<Bar> bars_of(const compare::Comparison& comparison,
                                       const Reports& reports);

}  // namespace casc::bench::suite
