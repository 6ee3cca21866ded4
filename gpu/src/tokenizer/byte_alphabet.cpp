#include "tokenizer/byte_alphabet.hpp"

#include "tokenizer/characters.hpp"

namespace casc::gpu {
namespace {

constexpr unsigned kCodes = 256 + 68;

constexpr bool is_seen(unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

// By code; -1: not of the alphabet.
constexpr std::array<int, kCodes> kBytes = [] {
    std::array<int, kCodes> bytes{};
    bytes.fill(-1);
    unsigned next = 256;
    for (unsigned byte = 0; byte < 256; ++byte)
        bytes[is_seen(byte) ? byte : next++] = static_cast<int>(byte);
    return bytes;
}();

}  // namespace

std::optional<std::string> bytes_from_alphabet(std::string_view token) {
    std::string bytes;
    Character next;
    for (std::size_t at = 0; (next = character_at(token, at)).bytes > 0; at += next.bytes) {
        if (next.code >= kCodes || kBytes[next.code] < 0) return std::nullopt;
        bytes.push_back(static_cast<char>(kBytes[next.code]));
    }
    return bytes;
}

}  // namespace casc::gpu
