#pragma once
// tools/admin/suggestion.hpp: what somebody probably meant to type.
// Thread: any (free functions).

#include <string>
#include <string_view>
#include <vector>

namespace casc::admin {

// How many letters to add, remove, replace or swap with their neighbour to get from `a` to `b`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of `known`, empty when none is near enough to be worth a question.
[[nodiscard]] std::string nearest(std::string_view typed, const std::vector<std::string>& known);

}  // namespace casc::admin
