#include "filter_parser.hpp"

#include <casc/types/vocabulary.hpp>

#include <algorithm>
#include <array>

namespace casc::broker {
namespace {

using TokenKind = FilterToken::Kind;

struct FieldName {
    std::string_view name;
    FilterField field;
};
constexpr std::array<FieldName, 8> kFilterFields{{{"type", FilterField::type},
                                                  {"key", FilterField::key},
                                                  {"source", FilterField::source},
                                                  {"destination", FilterField::destination},
                                                  {"correlation_id", FilterField::correlation_id},
                                                  {"lane", FilterField::lane},
                                                  {"header", FilterField::header},
                                                  {"json", FilterField::json}}};
struct OpName {
    std::string_view symbol;
    FilterOp op;
};
constexpr std::array<OpName, 6> kComparisons{{{"==", FilterOp::equal},
                                              {"!=", FilterOp::not_equal},
                                              {"<", FilterOp::less},
                                              {"<=", FilterOp::less_or_equal},
                                              {">", FilterOp::greater},
                                              {">=", FilterOp::greater_or_equal}}};
constexpr std::array<OpName, 3> kLikenesses{
    {{"prefix", FilterOp::prefix}, {"suffix", FilterOp::suffix}, {"contains", FilterOp::contains}}};

// In looks at a column.
std::uint32_t cost_of(const FilterTest& test) {
    std::uint32_t cost = 1 + static_cast<std::uint32_t>(test.literals.size() / 4);
    if (test.op == FilterOp::contains) cost += 3;
    if (test.field == FilterField::lane) cost = 0;
    if (test.field == FilterField::header) cost += 3;
    if (test.field == FilterField::json) cost += 15;
    return cost;
}

template <class Value>
std::uint32_t place_in(std::vector<Value>& all, const Value& one) {
    const auto found = std::find(all.begin(), all.end(), one);
    if (found != all.end()) return static_cast<std::uint32_t>(found - all.begin());
    all.push_back(one);
    return static_cast<std::uint32_t>(all.size() - 1);
}

}  // namespace

// ---- words --------------------------------------------------------------------------------------

Error FilterParser::invalid(const std::string& why) const {
    return filter_error(ErrorCode::invalid_filter, token_.at, why);
}

Error FilterParser::too_expensive(std::size_t at, const std::string& why) const {
    return filter_error(ErrorCode::filter_too_expensive, at, why);
}

Result<void> FilterParser::advance() {
    CASC_TRY(token_, lexer_.next());
    return {};
}

bool FilterParser::is(std::string_view symbol_or_name) const {
    return (token_.kind == TokenKind::symbol || token_.kind == TokenKind::name) &&
           token_.raw == symbol_or_name;
}

Result<bool> FilterParser::accept(std::string_view symbol_or_name) {
    if (!is(symbol_or_name)) return false;
    CASC_TRY_VOID(advance());
    return true;
}

Result<void> FilterParser::expect(std::string_view symbol) {
    CASC_TRY(const bool there, accept(symbol));
    if (!there) return invalid("'" + std::string(symbol) + "' is missing");
    return {};
}

// ---- expressions --------------------------------------------------------------------------------

Result<void> FilterParser::parse(Filter& into) {
    filter_ = &into;
    CASC_TRY_VOID(advance());
    if (token_.kind == TokenKind::end) return invalid("there is nothing to test");
    CASC_TRY(const Part whole, any(0));
    if (token_.kind != TokenKind::end) return invalid("nothing more can stand here");
    if (whole.cost > Filter::kCostMax)
        return too_expensive(0, "it costs " + std::to_string(whole.cost) +
                                    " for each event; at most " + std::to_string(Filter::kCostMax) +
                                    " is taken");
    into.cost_ = whole.cost;
    lay_out(whole);
    return {};
}

Result<FilterParser::Part> FilterParser::joined(FilterNode::Kind kind, std::string_view symbol,
                                                std::string_view word, Grammar part,
                                                std::size_t depth) {
    CASC_TRY(Part first, (this->*part)(depth));
    if (!is(symbol) && !is(word)) return first;
    Part join{.kind = kind, .cost = first.cost};
    join.parts.push_back(std::move(first));
    while (is(symbol) || is(word)) {
        CASC_TRY_VOID(advance());
        CASC_TRY(Part next, (this->*part)(depth));
        join.cost += next.cost;
        join.parts.push_back(std::move(next));
    }
    // What decides cheaply is asked first; nothing but the time it takes depends on it.
    std::stable_sort(join.parts.begin(), join.parts.end(),
                     [](const Part& a, const Part& b) { return a.cost < b.cost; });
    return join;
}

Result<FilterParser::Part> FilterParser::any(std::size_t depth) {
    return joined(FilterNode::Kind::any_of, "||", "or", &FilterParser::all, depth);
}

Result<FilterParser::Part> FilterParser::all(std::size_t depth) {
    return joined(FilterNode::Kind::all_of, "&&", "and", &FilterParser::negation, depth);
}

Result<FilterParser::Part> FilterParser::negation(std::size_t depth) {
    const bool negated = is("!") || is("not");
    if (!negated && !is("(")) return test();
    if (depth == Filter::kDepthMax)
        return too_expensive(token_.at,
                             "it is nested deeper than " + std::to_string(Filter::kDepthMax));
    CASC_TRY_VOID(advance());
    if (!negated) {
        CASC_TRY(Part inside, any(depth + 1));
        CASC_TRY_VOID(expect(")"));
        return inside;
    }
    CASC_TRY(Part inside, negation(depth + 1));
    Part part{.kind = FilterNode::Kind::none_of, .cost = inside.cost};
    part.parts.push_back(std::move(inside));
    return part;
}

void FilterParser::lay_out(const Part& part) {
    const std::size_t place = filter_->nodes_.size();
    filter_->nodes_.push_back({part.kind, 0, part.test});
    for (const Part& inside : part.parts)
        lay_out(inside);
    filter_->nodes_[place].end = static_cast<std::uint32_t>(filter_->nodes_.size());
}

// ---- tests --------------------------------------------------------------------------------------

Result<FilterParser::Part> FilterParser::test() {
    FilterTest made;
    const std::size_t at = token_.at;
    CASC_TRY(const bool has, accept("has"));
    CASC_TRY_VOID(field(made));
    if (has) {
        made.op = FilterOp::has;
        return finish(std::move(made), at);
    }
    CASC_TRY(const bool like, accept("=~"));
    if (like) {
        CASC_TRY_VOID(likeness(made));
        return finish(std::move(made), at);
    }
    CASC_TRY(const bool negated, accept("not"));
    CASC_TRY(const bool listed, accept("in"));
    if (negated && !listed) return invalid("'in' is missing");
    if (listed) {
        made.op = negated ? FilterOp::not_equal : FilterOp::equal;
        CASC_TRY_VOID(list(made));
    } else {
        CASC_TRY_VOID(comparison(made));
    }
    return finish(std::move(made), at);
}

Result<FilterParser::Part> FilterParser::finish(FilterTest made, std::size_t at) {
    if (made.field == FilterField::json && filter_->json_paths_.size() > Filter::kJsonPathsMax)
        return too_expensive(at, "it looks at more than " + std::to_string(Filter::kJsonPathsMax) +
                                     " different places of the payload");
    Part part{.test = static_cast<std::uint32_t>(filter_->tests_.size()), .cost = cost_of(made)};
    filter_->tests_.push_back(std::move(made));
    return part;
}

Result<void> FilterParser::field(FilterTest& into) {
    if (token_.kind != TokenKind::name) return invalid("the name of a field is missing");
    const auto known = std::find_if(kFilterFields.begin(), kFilterFields.end(),
                                    [&](const FieldName& f) { return f.name == token_.raw; });
    if (known == kFilterFields.end())
        return invalid("'" + std::string(token_.raw) +
                       "' is no field; there are type, key, source, destination, correlation_id, "
                       "lane, header.NAME and json.PATH");
    into.field = known->field;
    CASC_TRY_VOID(advance());
    if (into.field == FilterField::header) return header_name(into);
    if (into.field == FilterField::json) return json_path(into);
    return {};
}

Result<void> FilterParser::header_name(FilterTest& into) {
    if (!is(".") && !is("[")) return invalid("header.NAME or header[\"NAME\"] says which header");
    CASC_TRY(const JsonStep step, json_step());
    if (step.is_index) return invalid("a header has a name");
    into.slot = place_in(filter_->header_names_, step.key);
    return {};
}

Result<void> FilterParser::json_path(FilterTest& into) {
    std::vector<JsonStep> path;
    while (is(".") || is("[")) {
        if (path.size() == Filter::kPathStepsMax)
            return too_expensive(token_.at, "a path has at most " +
                                                std::to_string(Filter::kPathStepsMax) + " steps");
        CASC_TRY(path.emplace_back(), json_step());
    }
    into.slot = place_in(filter_->json_paths_, path);
    return {};
}

// .name, ["any name"] or [3].
Result<JsonStep> FilterParser::json_step() {
    JsonStep step;
    CASC_TRY(const bool dot, accept("."));
    if (dot) {
        if (token_.kind != TokenKind::name) return invalid("a name is missing behind the dot");
        step.key = token_.raw;
        CASC_TRY_VOID(advance());
        return step;
    }
    CASC_TRY_VOID(expect("["));
    if (token_.kind == TokenKind::text) {
        step.key = token_.text;
    } else if (token_.kind == TokenKind::number) {
        FilterNumber number;
        if (!parse_number(token_.raw, number) || !number.integral || number.whole < 0 ||
            number.whole > 1'000'000)
            return invalid("a place in a list is a whole number from 0 to 1000000");
        step.is_index = true;
        step.index = static_cast<std::uint32_t>(number.whole);
    } else {
        return invalid("a text in quotes or a number is missing");
    }
    CASC_TRY_VOID(advance());
    CASC_TRY_VOID(expect("]"));
    return step;
}

Result<void> FilterParser::comparison(FilterTest& into) {
    const auto known = std::find_if(kComparisons.begin(), kComparisons.end(),
                                    [&](const OpName& op) { return is(op.symbol); });
    if (known == kComparisons.end())
        return invalid("a comparison is missing: ==, !=, <, <=, >, >=, =~ or in");
    into.op = known->op;
    CASC_TRY_VOID(advance());
    const std::size_t at = token_.at;
    CASC_TRY(into.literals.emplace_back(), literal(into));
    const JsonKind kind = into.literals.front().kind;
    const bool has_order = kind == JsonKind::number || kind == JsonKind::text;
    const bool needs_order = into.op != FilterOp::equal && into.op != FilterOp::not_equal;
    if (needs_order && (!has_order || into.field == FilterField::lane))
        return filter_error(ErrorCode::invalid_filter, at, "only texts and numbers have an order");
    return {};
}

Result<void> FilterParser::likeness(FilterTest& into) {
    const auto known = std::find_if(kLikenesses.begin(), kLikenesses.end(),
                                    [&](const OpName& op) { return is(op.symbol); });
    if (known == kLikenesses.end()) return invalid("prefix, suffix or contains is missing");
    into.op = known->op;
    CASC_TRY_VOID(advance());
    if (token_.kind != TokenKind::text) return invalid("a text in quotes is missing");
    if (into.field == FilterField::lane)
        return invalid("a lane can only be compared with == and !=");
    CASC_TRY(into.literals.emplace_back(), literal(into));
    return {};
}

Result<void> FilterParser::list(FilterTest& into) {
    CASC_TRY_VOID(expect("("));
    for (;;) {
        if (into.literals.size() == Filter::kLiteralsMax)
            return too_expensive(token_.at, "a list has at most " +
                                                std::to_string(Filter::kLiteralsMax) + " values");
        CASC_TRY(into.literals.emplace_back(), literal(into));
        CASC_TRY(const bool more, accept(","));
        if (!more) return expect(")");
    }
}

Result<FilterLiteral> FilterParser::literal(const FilterTest& of) {
    FilterLiteral made;
    if (token_.kind == TokenKind::text) {
        made.kind = JsonKind::text;
        made.text = token_.text;
    } else if (token_.kind == TokenKind::number) {
        made.kind = JsonKind::number;
        if (!parse_number(token_.raw, made.number)) return invalid("that is no number");
    } else if (is("true") || is("false")) {
        made.kind = JsonKind::boolean;
        made.truth = is("true");
    } else if (!is("null")) {
        return invalid("a value is missing: a text in quotes, a number, true, false or null");
    }
    if (made.kind != JsonKind::text && made.kind != JsonKind::number &&
        of.field != FilterField::json)
        return invalid("true, false and null are values of JSON only");
    if (of.field == FilterField::lane) {
        if (std::none_of(kLanes.begin(), kLanes.end(),
                         [&](Lane lane) { return to_string(lane) == made.text; }))
            return invalid("a lane is \"critical\", \"high\", \"normal\" or \"low\"");
    }
    CASC_TRY_VOID(advance());
    return made;
}

}  // namespace casc::broker
