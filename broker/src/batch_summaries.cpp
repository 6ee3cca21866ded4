#include "batch_summaries.hpp"

#include "filter_match.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

// Which of the bits belong to what: keys are many and would drown the others.
struct BitRange {
    std::size_t first;
    std::size_t count;
};
constexpr BitRange range_of(FilterField field) {
    if (field == FilterField::key) return {512, 512};
    if (field == FilterField::header) return {128, 384};
    return {0, 128};
}

std::size_t bit_of(FilterField field, std::uint64_t term) {
    const BitRange range = range_of(field);
    return range.first + (term >> 40) % range.count;
}

}  // namespace

bool BatchSummaries::rule_out(const Filter& filter, LogId log, const wire::BatchView& batch) {
    if (filter.required_terms().empty()) return false;
    if (places_.empty()) places_.resize(kPlaces);
    const Offset base = batch.base_offset();
    const std::uint64_t mixed = (std::hash<LogId>{}(log) ^ base.value()) * 0x9E3779B97F4A7C15;
    Summary& summary = places_[mixed >> 52];
    // Parts of a batch begin where it does.
    if (summary.log != log || summary.base != base || summary.events != batch.event_count() ||
        summary.asked == 0)
        summary = {.log = log, .base = base, .events = batch.event_count()};
    if (++summary.asked == 1) return false;
    if (!std::exchange(summary.made, true)) make(summary, batch);
    return std::any_of(filter.required_terms().begin(), filter.required_terms().end(),
                       [&](const std::vector<Filter::Term>& terms) {
                           return std::none_of(terms.begin(), terms.end(), [&](Filter::Term term) {
                               return summary.bits.test(bit_of(term.field, term.number));
                           });
                       });
}

void BatchSummaries::make(Summary& summary, const wire::BatchView& batch) const {
    const auto add = [&](FilterField field, std::string_view name, std::string_view text) {
        summary.bits.set(bit_of(field, filter_term(field, name, text)));
    };
    const auto add_column = [&](FilterField field, wire::Column column) {
        const FilterMatcher::TextColumn texts(batch, column);
        if (texts.ends == nullptr) return;
        std::string_view last;
        for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
            const std::string_view text = texts.at(i);
            if (i != 0 && text == last) continue;  // mostly neighbours are of one kind
            add(field, {}, text);
            last = text;
        }
    };
    add_column(FilterField::type, wire::Column::types);
    add_column(FilterField::source, wire::Column::sources);
    add_column(FilterField::destination, wire::Column::destinations);
    add_column(FilterField::key, wire::Column::keys);
    const FilterMatcher::TextColumn lists(batch, wire::Column::headers);
    if (lists.ends == nullptr) return;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
        const std::string_view list = lists.at(i);
        wire::HeaderCursor headers(std::as_bytes(std::span(list)));
        for (std::string_view name, value; headers.next(name, value);)
            add(FilterField::header, name, value);
    }
}

}  // namespace casc::broker
