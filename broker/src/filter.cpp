#include "filter.hpp"

#include "filter_parser.hpp"

#include <charconv>
#include <functional>

namespace casc::broker {

bool parse_number(std::string_view text, FilterNumber& into) noexcept {
    const char* const end = text.data() + text.size();
    const std::size_t sign = text.starts_with('-') ? 1 : 0;
    // from_chars() would take "inf", too.
    if (text.size() <= sign || text[sign] < '0' || text[sign] > '9') return false;
    const auto whole = std::from_chars(text.data(), end, into.whole);
    into.integral = whole.ec == std::errc{} && whole.ptr == end;
    if (into.integral) {
        into.real = static_cast<double>(into.whole);
        return true;
    }
    const auto real = std::from_chars(text.data(), end, into.real);
    return real.ec == std::errc{} && real.ptr == end;
}

std::uint64_t filter_term(FilterField field, std::string_view name,
                          std::string_view text) noexcept {
    constexpr std::uint64_t odd = 0x9E3779B97F4A7C15;
    const std::hash<std::string_view> hash;
    return (hash(text) + odd * (hash(name) + static_cast<std::uint64_t>(field))) * odd;
}

Result<Filter> Filter::parse(std::string_view text) {
    if (text.size() > kTextBytesMax)
        return Error(ErrorCode::filter_too_expensive,
                     "it has " + std::to_string(text.size()) + " bytes; at most " +
                         std::to_string(kTextBytesMax) + " are taken");
    Filter filter;
    filter.text_ = text;
    CASC_TRY_VOID(FilterParser(text).parse(filter));
    filter.find_required_terms();
    return filter;
}

void Filter::require_terms_of(const FilterTest& test) {
    const bool summarised = test.field == FilterField::type || test.field == FilterField::source ||
                            test.field == FilterField::destination ||
                            test.field == FilterField::key || test.field == FilterField::header;
    if (!summarised || test.op != FilterOp::equal) return;
    std::vector<Term> terms;
    for (const FilterLiteral& literal : test.literals) {
        if (literal.kind != JsonKind::text) return;  // "7" and "7.0" are the same number
        const std::string_view name =
            test.field == FilterField::header ? header_names_[test.slot] : std::string_view();
        terms.push_back({test.field, filter_term(test.field, name, literal.text)});
    }
    required_terms_.push_back(std::move(terms));
}

void Filter::find_required_terms() {
    if (nodes_.front().kind == FilterNode::Kind::test)
        return require_terms_of(tests_[nodes_[0].test]);
    if (nodes_.front().kind != FilterNode::Kind::all_of) return;
    for (std::uint32_t part = 1; part < nodes_.size(); part = nodes_[part].end)
        if (nodes_[part].kind == FilterNode::Kind::test)
            require_terms_of(tests_[nodes_[part].test]);
}

}  // namespace casc::broker
