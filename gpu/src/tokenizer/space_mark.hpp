#pragma once
// gpu/src/tokenizer/space_mark.hpp: the mark that stands for a space in vocabularies of
// SentencePiece's kind.

#include <string>
#include <string_view>

namespace casc::gpu {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

[[nodiscard]] inline std::string with_marks(std::string_view text) {
    std::string marked;
    marked.reserve(text.size() + text.size() / 2);
    for (const char byte : text) {
        if (byte == ' ')
            marked.append(kSpaceMark);
        else
            marked.push_back(byte);
    }
    return marked;
}

[[nodiscard]] inline std::string with_spaces(std::string_view marked) {
    std::string text;
    for (;;) {
        const std::size_t mark = marked.find(kSpaceMark);
        text.append(marked.substr(0, mark));
        if (mark == marked.npos) return text;
        text.push_back(' ');
        marked.remove_prefix(mark + kSpaceMark.size());
    }
}

}  // namespace casc::gpu
