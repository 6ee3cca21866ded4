#pragma once
// tools/admin/listing.hpp: what a command has found out, before anybody decides how it is printed.
//
// Values are raw (bytes, nanoseconds, counts): JSON shows them as they are, a table by their style.
// Thread: any (values).

#include <boost/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace casc::admin {

namespace json = boost::json;

enum class Style : std::uint8_t {
    text,
    count,
    bytes,
    duration_ms,
    time_ns,         // 0: never
    count_limit,     // a negative number: unlimited
    bytes_limit,     // the same
    duration_limit,  // the same, in milliseconds
};

struct Column {
    std::string_view key;      // in JSON: snake_case, with the unit last
    std::string_view heading;  // in tables
    Style style = Style::text;
};

// Rows of the same kind.
struct Listing {
    std::vector<Column> columns;
    std::vector<std::vector<json::value>> rows;  // as many values as columns

    void add(std::vector<json::value> row) { rows.push_back(std::move(row)); }
};

struct Field {
    std::string_view key;
    std::string_view heading;
    Style style;
    json::value value;
};

// A part of a document that is a list of its own.
struct Section {
    std::string_view key;
    std::string_view heading;
    Listing listing;
};

// One thing, described.
struct Document {
    std::vector<Field> fields;
    std::vector<Section> sections;

    void add(std::string_view key, std::string_view heading, json::value value,
             Style style = Style::text) {
        fields.push_back({key, heading, style, std::move(value)});
    }
};

[[nodiscard]] json::object to_json(const Listing& listing, std::size_t row);
[[nodiscard]] json::array to_json(const Listing& listing);
[[nodiscard]] json::object to_json(const Document& document);

}  // namespace casc::admin
