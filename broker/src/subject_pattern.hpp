#pragma once
// Subjects: a topic's name as tokens divided by dots, and patterns of them.
//
//   orders.*.created    '*' stands for exactly one token
//   orders.>            '>', as the last token, for one or more
//
// A pattern without a wildcard is a name.

#include <casc/types/result.hpp>
#include <casc/types/subject.hpp>

#include <string>
#include <string_view>

namespace casc::broker {

// Thread: any (a value).
class SubjectPattern {
public:
    // A name or a pattern. Fails with: invalid_pattern, invalid_request (it could be no topic's
    // name either).
    [[nodiscard]] static Result<SubjectPattern> parse(std::string_view text);

    [[nodiscard]] bool matches(std::string_view name) const noexcept;
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] bool is_name() const noexcept { return prefix_bytes_ == text_.size(); }
    // Every name that matches begins with this.
    [[nodiscard]] std::string_view prefix() const noexcept {
        return std::string_view(text_).substr(0, prefix_bytes_);
    }

    friend bool operator==(const SubjectPattern& a, const SubjectPattern& b) {
        return a.text_ == b.text_;
    }

private:
    std::string text_;
    std::size_t prefix_bytes_ = 0;  // up to the first token with a wildcard
};

}  // namespace casc::broker
