#pragma once
// Which events of a batch match a filter: 64 events at a time, a bit each, without a branch per
// event of the program and without allocating.

#include "filter.hpp"

#include <casc/wire/batch.hpp>

#include <array>
#include <functional>
#include <optional>

namespace casc::broker {

// Gives the uncompressed payloads when they are asked for: mostly the columns have decided before.
// Nothing: they cannot be opened.
using OpenPayloads = std::function<std::optional<std::span<const std::byte>>()>;

// Keeps what the payloads of 64 events were found to hold, and a buffer for texts with escapes.
//
// Thread: one at a time.
class FilterMatcher {
public:
    // A bit per event of `batch`, from event 64 * `word` on; only those in `candidates` are looked
    // at. Events that cannot be looked at, because payloads cannot be opened, match: the receiver
    // checks them, and says what is wrong.
    [[nodiscard]] std::uint64_t match(const Filter& filter, const wire::BatchView& batch,
                                      std::uint32_t word, std::uint64_t candidates,
                                      const OpenPayloads& open);

    // Where a column with end positions has its values; for loops that cannot afford a call.
    struct TextColumn {
        const std::byte* ends = nullptr;  // null: the batch does not have it
        const std::byte* values = nullptr;

        TextColumn() = default;
        TextColumn(const wire::BatchView& batch, wire::Column column) noexcept;
        // Null data: the event has no value.
        [[nodiscard]] std::string_view at(std::uint32_t index) const noexcept;
    };

private:
    struct Slot {
        std::uint64_t known = 0;  // a bit for each event that was looked at
        std::array<JsonValue, 64> values;
    };

    [[nodiscard]] std::uint64_t node(std::uint32_t at, std::uint64_t candidates);
    [[nodiscard]] std::uint64_t test(const FilterTest& test, std::uint64_t candidates);
    [[nodiscard]] std::uint64_t test_lane(const FilterTest& test) const;
    [[nodiscard]] std::uint64_t test_text(const FilterTest& test, wire::Column column,
                                          std::uint64_t candidates) const;
    [[nodiscard]] std::uint64_t test_header(const FilterTest& test, std::uint64_t candidates) const;
    [[nodiscard]] std::uint64_t test_json(const FilterTest& test, std::uint64_t candidates);
    [[nodiscard]] const JsonValue& json_value(std::uint32_t slot, unsigned bit);
    [[nodiscard]] bool is_true(const FilterTest& test, const JsonValue& value);

    // Of the word that is being matched.
    const Filter* filter_ = nullptr;
    const wire::BatchView* batch_ = nullptr;
    const OpenPayloads* open_ = nullptr;
    std::uint32_t base_ = 0;
    std::optional<std::span<const std::byte>> payloads_;
    bool opened_ = false;
    bool unreadable_ = false;

    std::array<Slot, Filter::kJsonPathsMax> slots_;
    std::string unescaped_;
};

}  // namespace casc::broker
