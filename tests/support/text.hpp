#pragma once
// What tests ask of a text.

#include <string_view>

namespace casc::test {

[[nodiscard]] inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
}

}  // namespace casc::test
