#include "tokenizer/word_pattern.hpp"

#include "tokenizer/characters.hpp"

#include <array>

namespace casc::gpu {
namespace {

constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

bool is_line_end(char32_t code) noexcept {
    return code == '\r' || code == '\n';
}
bool is_mark(char32_t code) noexcept {
    return !is_space(code) && !is_letter(code) && !is_number(code);
}

// Behind the characters of a kind that begin at `at`, of which at most `count_max` are taken.
template <class Kind>
std::size_t skip_kind(std::string_view text, std::size_t at, Kind is_of_kind,
                      std::size_t count_max = std::string_view::npos) noexcept {
    for (; count_max > 0; --count_max) {
        const Character next = character_at(text, at);
        if (next.bytes == 0 || !is_of_kind(next.code)) break;
        at += next.bytes;
    }
    return at;
}

// 's 't 're 've 'm 'll 'd; 0: none. Regardless of case there is one letter more that counts as an
// s.
std::size_t contraction_bytes(std::string_view text, bool any_case) noexcept {
    constexpr std::array<std::string_view, 7> kEndings{"s", "t", "re", "ve", "m", "ll", "d"};
    constexpr std::string_view kLongS = "\xC5\xBF";
    if (text.empty() || text.front() != '\'') return 0;
    text.remove_prefix(1);
    const auto same = [&](char is, char wanted) {
        return is == wanted || (any_case && is >= 'A' && is <= 'Z' && is + ('a' - 'A') == wanted);
    };
    for (const std::string_view ending : kEndings) {
        if (text.size() < ending.size()) continue;
        if (same(text[0], ending[0]) && (ending.size() == 1 || same(text[1], ending[1])))
            return 1 + ending.size();
    }
    return any_case && text.starts_with(kLongS) ? 1 + kLongS.size() : 0;
}

// \s+(?!\S)|\s+ : all spaces at the end of the text; else all but the last, which belongs to the
// word behind it, unless it is the only one.
std::size_t spaces_bytes(std::string_view text) noexcept {
    std::size_t end = 0;
    std::size_t last = 0;  // where the last one begins
    for (Character next = character_at(text, 0); next.bytes > 0 && is_space(next.code);
         next = character_at(text, end)) {
        last = end;
        end += next.bytes;
    }
    return end == text.size() || last == 0 ? end : last;
}

// \s*[\r\n]+ : of the spaces at the beginning, those up to the last end of a line; 0: there is
// none.
std::size_t lines_bytes(std::string_view text) noexcept {
    std::size_t lines = 0;
    std::size_t at = 0;
    for (Character next = character_at(text, 0); next.bytes > 0 && is_space(next.code);
         next = character_at(text, at)) {
        at += next.bytes;
        if (is_line_end(next.code)) lines = at;
    }
    return lines;
}

std::size_t gpt2_word(std::string_view text) noexcept {
    if (const std::size_t bytes = contraction_bytes(text, false)) return bytes;
    const std::size_t from = text.starts_with(' ') ? 1 : 0;
    for (const auto& kind : {is_letter, is_number, is_mark})
        if (const std::size_t end = skip_kind(text, from, kind); end > from) return end;
    return spaces_bytes(text);
}

std::size_t llama3_word(std::string_view text, std::size_t digits_max) noexcept {
    if (const std::size_t bytes = contraction_bytes(text, true)) return bytes;
    const Character first = character_at(text, 0);
    // Whatever stands before letters goes with them, an end of a line and a digit excepted.
    const bool may_lead =
        !is_line_end(first.code) && !is_letter(first.code) && !is_number(first.code);
    const std::size_t letters = may_lead ? first.bytes : 0;
    if (const std::size_t end = skip_kind(text, letters, is_letter); end > letters) return end;
    if (const std::size_t end = skip_kind(text, 0, is_number, digits_max); end > 0) return end;
    const std::size_t marks = text.starts_with(' ') ? 1 : 0;
    if (const std::size_t end = skip_kind(text, marks, is_mark); end > marks)
        return skip_kind(text, end, is_line_end);
    if (const std::size_t bytes = lines_bytes(text)) return bytes;
    return spaces_bytes(text);
}

}  // namespace

std::optional<WordPattern> word_pattern_of(std::string_view regex) noexcept {
    if (regex == kGpt2Regex) return WordPattern::gpt2;
    if (regex == kLlama3Regex) return WordPattern::llama3;
    if (regex == kQwen2Regex) return WordPattern::qwen2;
    return std::nullopt;
}

std::size_t first_word_bytes(WordPattern pattern, std::string_view text) noexcept {
    switch (pattern) {
        case WordPattern::gpt2:
            return gpt2_word(text);
        case WordPattern::llama3:
            return llama3_word(text, 3);
        case WordPattern::qwen2:
            return llama3_word(text, 1);
    }
    return text.size();
}

}  // namespace casc::gpu
