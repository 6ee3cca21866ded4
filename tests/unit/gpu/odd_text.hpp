#pragma once
// odd_text.hpp: texts of UTF-8 that nobody would write.

#include <casc/types/utf8.hpp>

#include <array>
#include <cstdint>
#include <random>
#include <string>

namespace casc::gpu::testing {

// Letters, digits, marks, spaces and ends of lines of one to four bytes, often several of a kind.
inline std::string odd_text(std::mt19937& random, std::size_t characters_max) {
    static constexpr std::array<char32_t, 44> kOften{
        'a',    'b',    'e',    'h',    'l',    'o',    's',   't',    'S',    'L',    ' ',
        ' ',    ' ',    '\n',   '\r',   '\t',   '0',    '1',   '9',    '\'',   '.',    '!',
        '<',    '>',    '_',    0xA0,   0x85,   0xE9,   0x17F, 0x301,  0x660,  0x2003, 0x2028,
        0x2581, 0x3042, 0x4E2D, 0xAC00, 0x1100, 0x1161, 0xB2,  0x2160, 0x200B, 0xFF21, 0x1F600};
    std::string text;
    char32_t last = 'a';
    for (std::size_t left = random() % (characters_max + 1); left > 0; --left) {
        if (random() % 4 != 0) last = kOften[random() % kOften.size()];
        if (random() % 40 == 0) last = static_cast<char32_t>(random() % 0xD800);
        append_utf8(text, last);
    }
    return text;
}

}  // namespace casc::gpu::testing
