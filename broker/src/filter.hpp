#pragma once
// A filter: which events a reader wants, as a flat program made of an expression.
//
//   type == "order.created" && header.region in ("eu", "us") && json.amount >= 100
//
// The language is in docs/protocol.md, "Filters". A test of something that an event does not have
// is false.

#include "json_path.hpp"

#include <casc/types/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace casc::broker {

enum class FilterField : std::uint8_t {
    type,
    key,
    source,
    destination,
    correlation_id,
    lane,
    header,
    json
};
enum class FilterOp : std::uint8_t {
    equal,      // to any of the literals
    not_equal,  // to none of them
    less,
    less_or_equal,
    greater,
    greater_or_equal,
    prefix,
    suffix,
    contains,
    has
};

struct FilterNumber {
    bool integral = false;
    std::int64_t whole = 0;
    double real = 0;
};
// Nothing but the whole of `text` counts.
[[nodiscard]] bool parse_number(std::string_view text, FilterNumber& into) noexcept;

struct FilterLiteral {
    JsonKind kind = JsonKind::null;  // text, number, boolean or null
    bool truth = false;
    std::string text{};
    FilterNumber number{};
};

struct FilterTest {
    FilterField field = FilterField::type;
    FilterOp op = FilterOp::equal;
    std::uint32_t slot = 0;  // of a header: its name; of JSON: its path
    std::vector<FilterLiteral> literals{};
};

// In prefix order: a node, then its parts, the cheaper ones first.
struct FilterNode {
    enum class Kind : std::uint8_t { all_of, any_of, none_of, test } kind = Kind::test;
    std::uint32_t end = 0;   // one past its last part
    std::uint32_t test = 0;  // of a test: which
};

// Something that an event may hold, as a number: this text in this field (of a header: of that
// name). Different ones may have the same number.
[[nodiscard]] std::uint64_t filter_term(FilterField field, std::string_view name,
                                        std::string_view text) noexcept;

// Thread: any, once made. Lifetime: what reads with it shares it.
class Filter {
public:
    struct Term {
        FilterField field;
        std::uint64_t number;
    };
    static constexpr std::size_t kTextBytesMax = 4096;
    static constexpr std::size_t kDepthMax = 16;
    static constexpr std::size_t kLiteralsMax = 256;  // of one test
    static constexpr std::size_t kJsonPathsMax = 8;   // different ones
    static constexpr std::size_t kPathStepsMax = 16;
    static constexpr std::uint32_t kCostMax = 256;

    // Fails with: invalid_filter and filter_too_expensive, which say where.
    [[nodiscard]] static Result<Filter> parse(std::string_view text);

    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] const std::vector<FilterNode>& nodes() const noexcept { return nodes_; }
    [[nodiscard]] const std::vector<FilterTest>& tests() const noexcept { return tests_; }
    [[nodiscard]] const std::vector<std::string>& header_names() const noexcept {
        return header_names_;
    }
    [[nodiscard]] const std::vector<std::vector<JsonStep>>& json_paths() const noexcept {
        return json_paths_;
    }
    // What it costs to look at one event, in looks at a column.
    [[nodiscard]] std::uint32_t cost() const noexcept { return cost_; }
    // Whether it may have to look at payloads.
    [[nodiscard]] bool reads_payloads() const noexcept { return !json_paths_.empty(); }

    // An event that matches holds at least one term of each of these.
    [[nodiscard]] const std::vector<std::vector<Term>>& required_terms() const noexcept {
        return required_terms_;
    }

private:
    friend class FilterParser;
    void require_terms_of(const FilterTest& test);
    void find_required_terms();

    std::string text_;
    std::vector<FilterNode> nodes_;
    std::vector<FilterTest> tests_;
    std::vector<std::string> header_names_;
    std::vector<std::vector<JsonStep>> json_paths_;
    std::vector<std::vector<Term>> required_terms_;
    std::uint32_t cost_ = 0;
};

}  // namespace casc::broker
