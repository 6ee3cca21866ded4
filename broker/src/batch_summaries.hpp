#pragma once
// What the batches hold that were looked at last, in a few hundred bits each, so that most filters
// that match nothing in a batch are answered without looking at its events.
//
// A batch that one reader looks at gets no summary: making one costs more than looking once. When a
// second reader comes by, it pays for all that follow.

#include "filter.hpp"

#include <casc/types/vocabulary.hpp>
#include <casc/wire/batch.hpp>

#include <array>
#include <bitset>
#include <cstdint>
#include <vector>

namespace casc::broker {

// Thread: owning shard.
class BatchSummaries {
public:
    // True: nothing in the batch matches. Remembers that somebody has asked.
    [[nodiscard]] bool rule_out(const Filter& filter, LogId log, const wire::BatchView& batch);

private:
    static constexpr std::size_t kPlaces = 4096;  // of which one is found at once, or not at all
    static constexpr std::size_t kBits = 1024;    // of one batch

    struct Summary {
        LogId log{};
        Offset base{};
        std::uint32_t events = 0;
        std::uint32_t asked = 0;
        bool made = false;
        std::bitset<kBits> bits{};
    };

    void make(Summary& summary, const wire::BatchView& batch) const;

    std::vector<Summary> places_;
};

}  // namespace casc::broker
