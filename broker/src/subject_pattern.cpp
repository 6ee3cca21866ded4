#include "subject_pattern.hpp"

#include "topic.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

Error bad_pattern(std::string_view pattern, const char* why) {
    return Error(ErrorCode::invalid_pattern, "'" + std::string(pattern) + "': " + why);
}

// Everything but the wildcards has to be what a name is made of.
Result<void> check_letters(std::string_view text) {
    std::string name(text);
    for (char& letter : name)
        if (letter == '*' || letter == '>') letter = 'x';
    return check_name("a subject", name);
}

}  // namespace

Result<SubjectPattern> SubjectPattern::parse(std::string_view text) {
    CASC_TRY_VOID(check_letters(text));
    SubjectPattern pattern;
    pattern.text_ = text;
    pattern.prefix_bytes_ = text.size();
    if (!has_wildcard(text)) return pattern;
    std::string_view rest = text;
    for (bool last = false; !last;) {
        const std::size_t at = text.size() - rest.size();
        const std::string_view token = take_token(rest, last);
        if (token.empty()) return bad_pattern(text, "a token is empty");
        if (!has_wildcard(token)) continue;
        if (token.size() > 1) return bad_pattern(text, "a wildcard is a token of its own");
        if (token == ">" && !last) return bad_pattern(text, "'>' can only be the last token");
        pattern.prefix_bytes_ = std::min(pattern.prefix_bytes_, at);
    }
    return pattern;
}

bool SubjectPattern::matches(std::string_view name) const noexcept {
    if (!name.starts_with(prefix())) return false;
    if (is_name()) return name.size() == text_.size();
    return subject_matches(std::string_view(text_).substr(prefix_bytes_),
                           name.substr(prefix_bytes_));
}

}  // namespace casc::broker
