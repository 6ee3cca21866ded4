#pragma once
// Whether two texts are the same, for texts that are mostly short: comparing those takes less than
// a call to memcmp().

#include <cstdint>
#include <cstring>
#include <string_view>

namespace casc::broker {

// The first and the last word, which may overlap: all of a text of at most two words.
template <class Word>
[[nodiscard]] bool same_words(std::string_view a, std::string_view b) noexcept {
    const auto word = [](const char* at) {
        Word bytes;
        std::memcpy(&bytes, at, sizeof bytes);
        return bytes;
    };
    const std::size_t last = a.size() - sizeof(Word);
    return word(a.data()) == word(b.data()) && word(a.data() + last) == word(b.data() + last);
}

[[nodiscard]] inline bool same_text(std::string_view a, std::string_view b) noexcept {
    const std::size_t size = a.size();
    if (size != b.size()) return false;
    if (size > 16) return std::memcmp(a.data(), b.data(), size) == 0;
    if (size >= 8) return same_words<std::uint64_t>(a, b);
    if (size >= 4) return same_words<std::uint32_t>(a, b);
    if (size >= 2) return same_words<std::uint16_t>(a, b);
    return size == 0 || a[0] == b[0];
}

}  // namespace casc::broker
