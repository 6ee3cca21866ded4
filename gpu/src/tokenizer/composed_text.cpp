#include "tokenizer/composed_text.hpp"

#include "tokenizer/characters.hpp"
#include "tokenizer/unicode_tables.hpp"

#include <casc/types/utf8.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

namespace casc::gpu {
namespace {

// Syllables of Hangul are counted and not listed (The Unicode Standard, 3.12).
constexpr char32_t kSyllables = 0xAC00;
constexpr char32_t kLeads = 0x1100;
constexpr char32_t kVowels = 0x1161;
constexpr char32_t kTails = 0x11A7;  // one before the first: none
constexpr char32_t kLeadCount = 19;
constexpr char32_t kVowelCount = 21;
constexpr char32_t kTailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

// No character below is a mark; some letters below are made of a letter and one.
constexpr char32_t kFirstMark = 0x300;

unsigned order_of(char32_t code) noexcept {
    if (code < kFirstMark) return 0;
    const auto ranges = order_ranges();
    const auto behind = std::ranges::upper_bound(ranges, code, {}, &OrderRange::first);
    if (behind == ranges.begin() || std::prev(behind)->last < code) return 0;
    return std::prev(behind)->order;
}

void append_parts(std::u32string& out, char32_t code) {
    if (const char32_t syllable = code - kSyllables;
        code >= kSyllables && syllable < kSyllableCount) {
        out.push_back(kLeads + syllable / (kVowelCount * kTailCount));
        out.push_back(kVowels + syllable / kTailCount % kVowelCount);
        if (syllable % kTailCount != 0) out.push_back(kTails + syllable % kTailCount);
        return;
    }
    const auto table = character_parts();
    const auto found = std::ranges::lower_bound(table, code, {}, &CharacterParts::whole);
    if (found == table.end() || found->whole != code) return out.push_back(code);
    append_parts(out, found->first);
    if (found->second != 0) append_parts(out, found->second);
}

// Marks on the same letter in their order.
void order_marks(std::u32string& text) {
    for (auto from = text.begin(); from != text.end();) {
        const auto is_mark = [](char32_t code) { return order_of(code) != 0; };
        from = std::find_if(from, text.end(), is_mark);
        const auto to = std::find_if_not(from, text.end(), is_mark);
        std::stable_sort(from, to,
                         [](char32_t a, char32_t b) { return order_of(a) < order_of(b); });
        from = to;
    }
}

// 0: they stay two.
char32_t whole_of(char32_t first, char32_t second) {
    static const std::map<std::pair<char32_t, char32_t>, char32_t> kWholes = [] {
        std::map<std::pair<char32_t, char32_t>, char32_t> wholes;
        for (const CharacterParts& parts : character_parts())
            if (parts.composes) wholes.emplace(std::pair(parts.first, parts.second), parts.whole);
        return wholes;
    }();
    const char32_t lead = first - kLeads;
    const char32_t vowel = second - kVowels;
    if (lead < kLeadCount && vowel < kVowelCount)
        return kSyllables + (lead * kVowelCount + vowel) * kTailCount;
    const char32_t syllable = first - kSyllables;
    const char32_t tail = second - kTails;
    if (syllable < kSyllableCount && syllable % kTailCount == 0 && tail > 0 && tail < kTailCount)
        return first + tail;
    const auto found = kWholes.find({first, second});
    return found == kWholes.end() ? 0 : found->second;
}

// Each character goes into the letter before it when they are one together and nothing between them
// is of the same order or a later one.
void compose(std::u32string& text) {
    constexpr std::size_t kNone = std::u32string::npos;
    std::size_t letter = kNone;  // the last one
    std::size_t size = 0;        // of what is finished
    unsigned order_before = 0;
    for (const char32_t code : text) {
        const unsigned order = order_of(code);
        const bool is_next = letter != kNone && letter + 1 == size;
        if (letter != kNone && (is_next || order_before < order))
            if (const char32_t whole = whole_of(text[letter], code)) {
                text[letter] = whole;
                continue;
            }
        if (order == 0) letter = size;
        order_before = order;
        text[size++] = code;
    }
    text.resize(size);
}

bool may_change(std::string_view text) noexcept {
    // The lead byte of U+0300 and all behind it.
    return std::ranges::any_of(text,
                               [](char byte) { return static_cast<unsigned char>(byte) >= 0xCC; });
}

}  // namespace

std::string composed_text(std::string_view text) {
    if (!may_change(text)) return std::string(text);
    std::u32string codes;
    Character next;
    for (std::size_t at = 0; (next = character_at(text, at)).bytes > 0; at += next.bytes)
        append_parts(codes, next.code);
    order_marks(codes);
    compose(codes);
    std::string composed;
    for (const char32_t code : codes)
        append_utf8(composed, code);
    return composed;
}

}  // namespace casc::gpu
