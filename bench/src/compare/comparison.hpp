#pragma once
// What a comparison has found: every sample, and the medians that are quoted.
//
// Thread: any, one at a time.

#include "case.hpp"
#include "contestant.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casc::bench::compare {

// casc's second line: what an event costs when it is acknowledged from memory, as most peers do it.
inline constexpr std::string_view kCascMemoryName = "casc (acks=memory)";

// One contestant in one case, a place for each round.
struct Entry {
    std::string contestant;
    Terms terms;
    std::vector<std::optional<Sample>> rounds;  // nothing: it failed in that round
    std::string trouble;                        // why, the first time
};

struct CaseResult {
    Case asked;
    std::vector<Entry> entries;       // casc first, then its second line, then the peers
    std::vector<std::string> absent;  // who has no such thing

    // casc's second line; null: it has none in this case.
    [[nodiscard]] const Entry* memory_line() const;
};

struct Participant {
    std::string name;
    std::string version;
};

struct Skipped {
    std::string name;
    std::string reason;
    std::string remedy;  // a command; empty where there is none
};

struct Comparison {
    std::uint32_t round_count = 0;
    std::string disk;           // what the data was on
    std::string flips;          // what turns rankings round, as flags (flips.hpp)
    double stolen_seconds = 0;  // of processor time, by the host, meanwhile
    std::vector<Participant> participants;
    std::vector<Skipped> skipped;
    std::vector<CaseResult> cases;
};

struct Spread {
    double median = 0;
    double least = 0;
    double most = 0;
};

// Of the rounds that have a sample; nothing when none has.
[[nodiscard]] std::optional<Spread> spread_of(const Entry& entry, const Metric& metric);
// Of casc over the peer in each round that both have a sample of: a machine that changes between
// rounds changes both.
[[nodiscard]] std::optional<Spread> ratios_of(const Entry& casc, const Entry& peer,
                                              const Metric& metric);
// Of casc's second line over a peer; nothing for casc itself, or where there is no such line.
[[nodiscard]] std::optional<Spread> memory_ratios_of(const CaseResult& result, const Entry& peer,
                                                     const Metric& metric);

}  // namespace casc::bench::compare
