#pragma once
// casc/types/subject.hpp: which names a subject with wildcards stands for.
//
// A name is tokens divided by dots. In a pattern the token "*" stands for exactly one, and ">" as
// the last one for one or more. Thread: any.

#include <string_view>

namespace casc {

// Whether `text` is meant to be a pattern: no topic can have such a name.
[[nodiscard]] constexpr bool has_wildcard(std::string_view text) noexcept {
    return text.find_first_of("*>") != std::string_view::npos;
}

// The token at the front of `rest`, which becomes what is behind its dot; `last` says whether there
// is no dot.
[[nodiscard]] constexpr std::string_view take_token(std::string_view& rest, bool& last) noexcept {
    const std::size_t dot = rest.find('.');
    last = dot == std::string_view::npos;
    const std::string_view token = rest.substr(0, dot);
    rest.remove_prefix(last ? rest.size() : dot + 1);
    return token;
}

// A pattern without a wildcard is a name, and matches itself.
[[nodiscard]] constexpr bool subject_matches(std::string_view pattern,
                                             std::string_view name) noexcept {
    for (;;) {
        bool last_wanted = false;
        bool last_there = false;
        const std::string_view wanted = take_token(pattern, last_wanted);
        if (wanted == ">") return true;  // of the name at least one token is left
        const std::string_view there = take_token(name, last_there);
        if (wanted != "*" && wanted != there) return false;
        if (last_wanted || last_there) return last_wanted && last_there;
    }
}

}  // namespace casc
