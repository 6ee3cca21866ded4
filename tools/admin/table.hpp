#pragma once
// tools/admin/table.hpp: listings and documents as text for people.
// Thread: any (free functions).

#include "listing.hpp"

#include <string>

namespace casc::admin {

// Headings in bold when `color`; numbers to the right. A listing without rows is its headings.
[[nodiscard]] std::string render_table(const Listing& listing, bool color);
[[nodiscard]] std::string render_document(const Document& document, bool color);

// One value as a table shows it.
[[nodiscard]] std::string render_value(const json::value& value, Style style);

// How wide `text` is on a terminal: one column per code point.
[[nodiscard]] std::size_t display_width(std::string_view text);

}  // namespace casc::admin
