#include "filter_match.hpp"

#include "same_text.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

namespace casc::broker {
namespace {

using Column = wire::Column;

constexpr std::uint32_t kAbsentEnd = 0x80000000u;  // docs/protocol.md, "Columns"

std::uint32_t load_end(const std::byte* ends, std::uint32_t index) noexcept {
    std::uint32_t end;
    std::memcpy(&end, ends + std::size_t{4} * index, sizeof end);
    return end;
}

// Runs `wanted(bit)` for each candidate and keeps those for which it says yes.
template <class Wanted>
std::uint64_t select(std::uint64_t candidates, Wanted&& wanted) {
    std::uint64_t chosen = 0;
    for (std::uint64_t left = candidates; left != 0; left &= left - 1) {
        const auto bit = static_cast<unsigned>(std::countr_zero(left));
        chosen |= std::uint64_t{wanted(bit)} << bit;
    }
    return chosen;
}

int compare(const FilterNumber& a, const FilterNumber& b) noexcept {
    if (a.integral && b.integral) return a.whole < b.whole ? -1 : a.whole > b.whole ? 1 : 0;
    return a.real < b.real ? -1 : a.real > b.real ? 1 : 0;
}

bool decides(FilterOp op, int order) noexcept {
    switch (op) {
        case FilterOp::less:
            return order < 0;
        case FilterOp::less_or_equal:
            return order <= 0;
        case FilterOp::greater:
            return order > 0;
        case FilterOp::greater_or_equal:
            return order >= 0;
        default:
            return order == 0;
    }
}

// Text against a number: the text has to be one.
bool is_that_number(std::string_view text, const FilterLiteral& literal, FilterOp op) noexcept {
    FilterNumber number;
    return parse_number(text, number) && decides(op, compare(number, literal.number));
}

bool is_any(const FilterTest& test, std::string_view text) noexcept {
    for (const FilterLiteral& literal : test.literals) {
        if (literal.kind == JsonKind::text ? same_text(text, literal.text)
                                           : is_that_number(text, literal, FilterOp::equal))
            return true;
    }
    return false;
}

// A text that is there: a column's value, a header's.
bool is_true_of(const FilterTest& test, std::string_view text) noexcept {
    switch (test.op) {
        case FilterOp::has:
            return true;
        case FilterOp::equal:
            return is_any(test, text);
        case FilterOp::not_equal:
            return !is_any(test, text);
        case FilterOp::prefix:
            return text.starts_with(test.literals.front().text);
        case FilterOp::suffix:
            return text.ends_with(test.literals.front().text);
        case FilterOp::contains:
            return text.find(test.literals.front().text) != std::string_view::npos;
        default: {
            const FilterLiteral& literal = test.literals.front();
            if (literal.kind == JsonKind::number) return is_that_number(text, literal, test.op);
            return decides(test.op, text.compare(literal.text));
        }
    }
}

// Calls `run` with what says whether a text that is there is as the test wants it. To be one of a
// few texts is by far the most usual test, and decided here, not for each event.
template <class Run>
std::uint64_t with_text_test(const FilterTest& test, Run&& run) {
    const bool is_one_of =
        test.op == FilterOp::equal &&
        std::all_of(test.literals.begin(), test.literals.end(),
                    [](const FilterLiteral& one) { return one.kind == JsonKind::text; });
    if (!is_one_of) return run([&](std::string_view text) { return is_true_of(test, text); });
    const std::span literals(test.literals);
    return run([literals](std::string_view text) {
        for (const FilterLiteral& wanted : literals)
            if (same_text(text, wanted.text)) return true;
        return false;
    });
}

bool same(const JsonValue& value, const FilterLiteral& literal, std::string_view text,
          const FilterNumber& number) noexcept {
    if (value.kind != literal.kind) return false;
    switch (value.kind) {
        case JsonKind::text:
            return same_text(text, literal.text);
        case JsonKind::number:
            return compare(number, literal.number) == 0;
        case JsonKind::boolean:
            return value.truth == literal.truth;
        default:
            return true;  // null
    }
}

Column column_of(FilterField field) noexcept {
    switch (field) {
        case FilterField::key:
            return Column::keys;
        case FilterField::source:
            return Column::sources;
        case FilterField::destination:
            return Column::destinations;
        case FilterField::correlation_id:
            return Column::correlation_ids;
        default:
            return Column::types;
    }
}

}  // namespace

FilterMatcher::TextColumn::TextColumn(const wire::BatchView& batch, Column column) noexcept {
    if (!batch.has(column)) return;
    ends = batch.column(column).data();
    const std::size_t ends_bytes = std::size_t{4} * batch.event_count();
    values = ends + (ends_bytes + 7) / 8 * 8;
}

std::string_view FilterMatcher::TextColumn::at(std::uint32_t index) const noexcept {
    const std::uint32_t end = load_end(ends, index);
    if ((end & kAbsentEnd) != 0) return {};
    const std::uint32_t begin = index == 0 ? 0 : load_end(ends, index - 1) & ~kAbsentEnd;
    return {reinterpret_cast<const char*>(values + begin), end - begin};
}

std::uint64_t FilterMatcher::match(const Filter& filter, const wire::BatchView& batch,
                                   std::uint32_t word, std::uint64_t candidates,
                                   const OpenPayloads& open) {
    filter_ = &filter;
    batch_ = &batch;
    open_ = &open;
    base_ = word * 64;
    opened_ = unreadable_ = false;
    for (std::size_t slot = 0; slot < filter.json_paths().size(); ++slot)
        slots_[slot].known = 0;
    const std::uint64_t matching = node(0, candidates);
    return unreadable_ ? candidates : matching;
}

std::uint64_t FilterMatcher::node(std::uint32_t at, std::uint64_t candidates) {
    const FilterNode& here = filter_->nodes()[at];
    const auto next = [&](std::uint32_t part) { return filter_->nodes()[part].end; };
    switch (here.kind) {
        case FilterNode::Kind::test:
            return test(filter_->tests()[here.test], candidates);
        case FilterNode::Kind::none_of:
            return candidates & ~node(at + 1, candidates);
        case FilterNode::Kind::all_of:
            for (std::uint32_t part = at + 1; part < here.end && candidates != 0; part = next(part))
                candidates = node(part, candidates);
            return candidates;
        case FilterNode::Kind::any_of: {
            std::uint64_t chosen = 0;
            for (std::uint32_t part = at + 1; part < here.end && chosen != candidates;
                 part = next(part))
                chosen |= node(part, candidates & ~chosen);
            return chosen;
        }
    }
    return 0;
}

std::uint64_t FilterMatcher::test(const FilterTest& test, std::uint64_t candidates) {
    switch (test.field) {
        case FilterField::lane:
            return test_lane(test) & candidates;
        case FilterField::header:
            return test_header(test, candidates);
        case FilterField::json:
            return test_json(test, candidates);
        default:
            return test_text(test, column_of(test.field), candidates);
    }
}

std::uint64_t FilterMatcher::test_lane(const FilterTest& test) const {
    return is_true_of(test, to_string(batch_->header().lane)) ? ~std::uint64_t{0} : 0;
}

std::uint64_t FilterMatcher::test_text(const FilterTest& test, Column column,
                                       std::uint64_t candidates) const {
    const TextColumn texts(*batch_, column);
    if (texts.ends == nullptr) return 0;
    // An empty key is a key; of the others an empty text is the same as none.
    const bool empty_counts = column == Column::keys;
    const auto there = [&](std::string_view text) {
        return empty_counts ? text.data() != nullptr : !text.empty();
    };
    return with_text_test(test, [&](auto&& wanted) {
        return select(candidates, [&](unsigned bit) {
            const std::string_view text = texts.at(base_ + bit);
            return there(text) && wanted(text);
        });
    });
}

// Of headers with the same name any may match.
std::uint64_t FilterMatcher::test_header(const FilterTest& test, std::uint64_t candidates) const {
    const TextColumn lists(*batch_, Column::headers);
    if (lists.ends == nullptr) return 0;
    const std::string_view name_wanted = filter_->header_names()[test.slot];
    return with_text_test(test, [&](auto&& wanted) {
        return select(candidates, [&](unsigned bit) {
            const std::string_view list = lists.at(base_ + bit);
            wire::HeaderCursor headers(std::as_bytes(std::span(list)));
            for (std::string_view name, value; headers.next(name, value);)
                if (same_text(name, name_wanted) && wanted(value)) return true;
            return false;
        });
    });
}

const JsonValue& FilterMatcher::json_value(std::uint32_t slot, unsigned bit) {
    Slot& of = slots_[slot];
    JsonValue& value = of.values[bit];
    const std::uint64_t mask = std::uint64_t{1} << bit;
    if ((of.known & mask) != 0) return value;
    of.known |= mask;
    const auto payload = batch_->payload(base_ + bit, *payloads_);
    find_json({reinterpret_cast<const char*>(payload.data()), payload.size()},
              filter_->json_paths()[slot], value);
    return value;
}

std::uint64_t FilterMatcher::test_json(const FilterTest& test, std::uint64_t candidates) {
    if (candidates == 0) return 0;
    if (!opened_) {
        payloads_ = (*open_)();
        opened_ = true;
        unreadable_ = !payloads_;
    }
    if (unreadable_) return 0;
    return select(candidates,
                  [&](unsigned bit) { return is_true(test, json_value(test.slot, bit)); });
}

bool FilterMatcher::is_true(const FilterTest& test, const JsonValue& value) {
    if (value.kind == JsonKind::missing) return false;
    if (test.op == FilterOp::has) return true;
    std::string_view text = value.raw;
    if (value.kind == JsonKind::text && value.escaped) {
        if (!unescape_json(value.raw, unescaped_)) return false;
        text = unescaped_;
    }
    FilterNumber number;
    if (value.kind == JsonKind::number && !parse_number(value.raw, number)) return false;
    if (test.op == FilterOp::equal || test.op == FilterOp::not_equal) {
        bool any = false;
        for (const FilterLiteral& literal : test.literals)
            any = any || same(value, literal, text, number);
        return any == (test.op == FilterOp::equal);
    }
    const FilterLiteral& literal = test.literals.front();
    if (value.kind != literal.kind) return false;
    if (value.kind == JsonKind::number) return decides(test.op, compare(number, literal.number));
    return is_true_of(test, text);
}

}  // namespace casc::broker
