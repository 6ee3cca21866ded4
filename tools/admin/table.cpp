#include "table.hpp"

#include "values.hpp"

#include <algorithm>

namespace casc::admin {

namespace {

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kPlain = "\x1b[0m";

bool to_the_right(Style style) {
    return style != Style::text && style != Style::time_ns;
}

std::string number_text(const json::value& value, Style style) {
    const auto number = value.to_number<double>();
    switch (style) {
        case Style::bytes:
            return format_bytes(number);
        case Style::bytes_limit:
            return number < 0 ? "unlimited" : format_bytes(number);
        case Style::duration_ms:
            return format_duration(milliseconds(static_cast<std::int64_t>(number)));
        case Style::duration_limit:
            return number < 0 ? "unlimited"
                              : format_duration(milliseconds(static_cast<std::int64_t>(number)));
        case Style::count_limit:
            return number < 0 ? "unlimited" : json::serialize(value);
        case Style::time_ns:
            return number == 0 ? "never" : format_time(EpochNanos(value.to_number<std::int64_t>()));
        default:
            return json::serialize(value);
    }
}

// A terminal must not be driven by names that somebody else has chosen.
std::string without_control(std::string_view text) {
    std::string clean(text);
    std::replace_if(
        clean.begin(), clean.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return clean;
}

void pad(std::string& line, const std::string& text, std::size_t width, bool right) {
    const std::size_t own = display_width(text);
    const std::string blank(width > own ? width - own : 0, ' ');
    line += right ? blank + text : text + blank;
}

std::string trimmed(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
}

}  // namespace

std::size_t display_width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
}

std::string render_value(const json::value& value, Style style) {
    if (value.is_null()) return "-";
    if (value.is_bool()) return value.get_bool() ? "yes" : "no";
    if (value.is_number()) return number_text(value, style);
    if (value.is_string()) {
        const auto& text = value.get_string();
        return text.empty() ? "-" : without_control({text.data(), text.size()});
    }
    if (value.is_array()) {
        std::string joined;
        for (const json::value& item : value.get_array())
            joined += (joined.empty() ? "" : ", ") + render_value(item, style);
        return joined.empty() ? "-" : joined;
    }
    return json::serialize(value);
}

std::string render_table(const Listing& listing, bool color) {
    const std::size_t columns = listing.columns.size();
    std::vector<std::size_t> widths;
    for (const Column& column : listing.columns)
        widths.push_back(column.heading.size());
    std::vector<std::vector<std::string>> cells;
    for (const auto& row : listing.rows) {
        auto& texts = cells.emplace_back();
        for (std::size_t i = 0; i < columns; ++i) {
            texts.push_back(render_value(row[i], listing.columns[i].style));
            widths[i] = std::max(widths[i], display_width(texts.back()));
        }
    }
    const auto line_of = [&](const std::vector<std::string>& texts) {
        std::string line;
        for (std::size_t i = 0; i < columns; ++i) {
            if (i != 0) line += "  ";
            pad(line, texts[i], widths[i], to_the_right(listing.columns[i].style));
        }
        return trimmed(std::move(line));
    };
    std::vector<std::string> headings;
    for (const Column& column : listing.columns)
        headings.emplace_back(column.heading);
    std::string out = line_of(headings);
    if (color) {
        out.pop_back();
        out = std::string(kBold) + out + std::string(kPlain) + "\n";
    }
    for (const auto& texts : cells)
        out += line_of(texts);
    return out;
}

std::string render_document(const Document& document, bool color) {
    std::size_t width = 0;
    for (const Field& field : document.fields)
        width = std::max(width, field.heading.size());
    std::string out;
    for (const Field& field : document.fields) {
        std::string line;
        pad(line, std::string(field.heading) + ":", width + 2, false);
        out += trimmed(line + render_value(field.value, field.style));
    }
    for (const Section& section : document.sections) {
        out += "\n" + std::string(section.heading) + ":\n";
        out += section.listing.rows.empty() ? "none\n" : render_table(section.listing, color);
    }
    return out;
}

}  // namespace casc::admin
