#pragma once
// tools/admin/json_text.hpp: JSON as text, over several lines for people who read it, on one for
// programs.

#include <boost/json.hpp>

#include <string>

namespace casc::admin {

namespace json = boost::json;

// Two spaces per level; empty objects and arrays stay on their line. No newline at the end.
[[nodiscard]] std::string pretty_json(const json::value& value);
[[nodiscard]] std::string compact_json(const json::value& value);

// A figure that the broker sends as a double: whole numbers stay whole (Boost would write 3 as
// 3E0), what JSON has no number for is null.
[[nodiscard]] json::value json_number(double number);

}  // namespace casc::admin
