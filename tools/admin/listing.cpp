#include "listing.hpp"

#include <casc/types/assert.hpp>

namespace casc::admin {

json::object to_json(const Listing& listing, std::size_t row) {
    const auto& values = listing.rows[row];
    CASC_ASSERT(values.size() == listing.columns.size(), "a row has as many values as columns");
    json::object object;
    for (std::size_t i = 0; i < values.size(); ++i)
        object[listing.columns[i].key] = values[i];
    return object;
}

json::array to_json(const Listing& listing) {
    json::array array;
    for (std::size_t row = 0; row < listing.rows.size(); ++row)
        array.push_back(to_json(listing, row));
    return array;
}

json::object to_json(const Document& document) {
    json::object object;
    for (const Field& field : document.fields)
        object[field.key] = field.value;
    for (const Section& section : document.sections)
        object[section.key] = to_json(section.listing);
    return object;
}

}  // namespace casc::admin
