#include "text_codec.hpp"

#include <algorithm>
#include <cstdint>

namespace casc::admin {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// What may follow the first byte of a UTF-8 sequence: how many bytes, and the bounds of the next
// one (which is where overlong forms, surrogates and numbers beyond Unicode show).
struct Sequence {
    std::size_t more;
    unsigned char low;
    unsigned char high;
};

Sequence sequence_of(unsigned char lead) {
    if (lead < 0x80) return {0, 0x80, 0xBF};
    if (lead >= 0xC2 && lead <= 0xDF) return {1, 0x80, 0xBF};
    if (lead == 0xE0) return {2, 0xA0, 0xBF};
    if (lead == 0xED) return {2, 0x80, 0x9F};
    if (lead >= 0xE1 && lead <= 0xEF) return {2, 0x80, 0xBF};
    if (lead == 0xF0) return {3, 0x90, 0xBF};
    if (lead >= 0xF1 && lead <= 0xF3) return {3, 0x80, 0xBF};
    if (lead == 0xF4) return {3, 0x80, 0x8F};
    return {0, 1, 0};  // never good
}

}  // namespace

std::string to_base64(std::string_view bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t bits = 0;
        for (std::size_t j = 0; j < 3; ++j)
            bits = bits << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
        for (std::size_t j = 0; j < 4; ++j)
            text += j <= count ? kAlphabet[bits >> (18 - 6 * j) & 63] : '=';
    }
    return text;
}

Result<std::string> from_base64(std::string_view text) {
    const Error bad(ErrorCode::invalid_request,
                    "'" + std::string(text.substr(0, 40)) + "' is not base64");
    if (text.size() % 4 != 0) return bad;
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 4) {
        std::uint32_t bits = 0;
        std::size_t padding = 0;
        for (std::size_t j = 0; j < 4; ++j) {
            const std::size_t value = kAlphabet.find(text[i + j]);
            const bool pad = text[i + j] == '=' && i + 4 == text.size() && j >= 2;
            if ((value == kAlphabet.npos && !pad) || (padding != 0 && !pad)) return bad;
            if (pad) ++padding;
            bits = bits << 6 | (pad ? 0u : static_cast<std::uint32_t>(value));
        }
        for (std::size_t j = 0; j < 3 - padding; ++j)
            bytes += static_cast<char>(bits >> (16 - 8 * j) & 0xFF);
    }
    return bytes;
}

std::string to_hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

bool is_utf8(std::string_view bytes) noexcept {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        Sequence sequence = sequence_of(static_cast<unsigned char>(bytes[i]));
        if (sequence.low > sequence.high || bytes.size() - i - 1 < sequence.more) return false;
        for (; sequence.more > 0; --sequence.more) {
            const auto next = static_cast<unsigned char>(bytes[++i]);
            if (next < sequence.low || next > sequence.high) return false;
            sequence.low = 0x80;
            sequence.high = 0xBF;
        }
    }
    return true;
}

std::string printable(std::string_view bytes) {
    return is_utf8(bytes) ? std::string(bytes) : "base64:" + to_base64(bytes);
}

Result<std::array<std::byte, 16>> parse_message_id(std::string_view text) {
    std::array<std::byte, 16> id{};
    std::size_t digits = 0;
    for (const char c : text) {
        if (c == '-') continue;
        const bool is_digit = c >= '0' && c <= '9';
        const bool is_lower = c >= 'a' && c <= 'f';
        const bool is_upper = c >= 'A' && c <= 'F';
        if ((!is_digit && !is_lower && !is_upper) || digits == 2 * id.size()) break;
        const int value = is_digit ? c - '0' : (is_lower ? c - 'a' : c - 'A') + 10;
        std::byte& byte = id[digits++ / 2];
        byte = byte << 4 | std::byte(static_cast<unsigned char>(value));
    }
    const auto dashes = static_cast<std::size_t>(std::count(text.begin(), text.end(), '-'));
    if (digits == 2 * id.size() && digits + dashes == text.size() && id != decltype(id){})
        return id;
    return Error(
        ErrorCode::invalid_request,
        "'" + std::string(text) + "' is no message id: 32 digits of hex, not all 0, or a UUID");
}

}  // namespace casc::admin
