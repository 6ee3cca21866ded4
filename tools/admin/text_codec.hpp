#pragma once
// tools/admin/text_codec.hpp: bytes as text: base64, hex, and whether they are text already.
// Thread: any (free functions).

#include <casc/types/result.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace casc::admin {

[[nodiscard]] std::string to_base64(std::string_view bytes);
// Fails with invalid_request.
[[nodiscard]] Result<std::string> from_base64(std::string_view text);
[[nodiscard]] std::string to_hex(std::string_view bytes);
// 32 digits of hex, with or without the dashes of a UUID. Fails with invalid_request.
[[nodiscard]] Result<std::array<std::byte, 16>> parse_message_id(std::string_view text);
// Well-formed UTF-8: no overlong forms, no surrogates.
[[nodiscard]] bool is_utf8(std::string_view bytes) noexcept;

// As it is when it is text, else in base64 with "base64:" before it.
[[nodiscard]] std::string printable(std::string_view bytes);

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline std::span<const std::byte> as_bytes_of(std::string_view text) noexcept {
    return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace casc::admin
