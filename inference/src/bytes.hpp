#pragma once
// inference/src/bytes.hpp: texts as the bytes of an event, and back.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace casc::inference {

inline std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}
inline std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace casc::inference
