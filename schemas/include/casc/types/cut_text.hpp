#pragma once
// casc/types/cut_text.hpp: as much of a text as fits.

#include <cstddef>
#include <string_view>

namespace casc {

// At most `bytes_max` bytes of a text, without half a character at its end when it is UTF-8.
[[nodiscard]] constexpr std::string_view cut_text(std::string_view text,
                                                  std::size_t bytes_max) noexcept {
    if (text.size() <= bytes_max) return text;
    // Behind the last byte that is not inside of a character; a character has three such at most.
    std::size_t end = bytes_max;
    for (int i = 0; i < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; ++i)
        --end;
    return text.substr(0, end);
}

}  // namespace casc
