#include "comparison.hpp"

#include "quantities.hpp"

#include <algorithm>

namespace casc::bench::compare {
namespace {

std::optional<Spread> spread_over(const std::vector<double>& values) {
    if (values.empty()) return {};
    const auto [least, most] = std::ranges::minmax(values);
    return Spread{median(values), least, most};
}

}  // namespace

const Entry* CaseResult::memory_line() const {
    const auto found = std::ranges::find(entries, kCascMemoryName, &Entry::contestant);
    return found == entries.end() ? nullptr : &*found;
}

std::optional<Spread> spread_of(const Entry& entry, const Metric& metric) {
    std::vector<double> values;
    for (const std::optional<Sample>& sample : entry.rounds) {
        if (sample) values.push_back((*sample).*metric.value);
    }
    return spread_over(values);
}

std::optional<Spread> ratios_of(const Entry& casc, const Entry& peer, const Metric& metric) {
    std::vector<double> ratios;
    const std::size_t rounds = std::min(casc.rounds.size(), peer.rounds.size());
    for (std::size_t round = 0; round < rounds; ++round) {
        if (!casc.rounds[round] || !peer.rounds[round]) continue;
        const double base = (*peer.rounds[round]).*metric.value;
        if (base > 0) ratios.push_back((*casc.rounds[round]).*metric.value / base);
    }
    return spread_over(ratios);
}

std::optional<Spread> memory_ratios_of(const CaseResult& result, const Entry& peer,
                                       const Metric& metric) {
    const Entry* const line = result.memory_line();
    if (line == nullptr || &peer == line || &peer == &result.entries.front()) return {};
    return ratios_of(*line, peer, metric);
}

}  // namespace casc::bench::compare
