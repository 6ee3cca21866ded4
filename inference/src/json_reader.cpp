#include "json_reader.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace casc::inference {

namespace json = boost::json;

const json::value* JsonReader::find(std::string_view name) const {
    const json::value* const found = object_.if_contains(name);
    return found == nullptr || found->is_null() ? nullptr : found;
}

Error JsonReader::wrong(std::string_view name, std::string_view what) const {
    return {ErrorCode::invalid_request,
            "'" + path_ + std::string(name) + "' must be " + std::string(what)};
}

Result<std::optional<std::string>> JsonReader::text(std::string_view name) const {
    const json::value* const found = find(name);
    if (found == nullptr) return std::optional<std::string>();
    if (!found->is_string()) return wrong(name, "a text");
    return std::optional(std::string(found->get_string()));
}

Result<std::optional<bool>> JsonReader::flag(std::string_view name) const {
    const json::value* const found = find(name);
    if (found == nullptr) return std::optional<bool>();
    if (!found->is_bool()) return wrong(name, "true or false");
    return std::optional(found->get_bool());
}

Result<std::optional<std::uint64_t>> JsonReader::count(std::string_view name,
                                                       std::uint64_t max) const {
    const json::value* const found = find(name);
    if (found == nullptr) return std::optional<std::uint64_t>();
    boost::system::error_code not_whole;
    const auto number = found->to_number<std::uint64_t>(not_whole);
    if (not_whole || number > max)
        return wrong(name, "a whole number from 0 to " + std::to_string(max));
    return std::optional(number);
}

Result<std::optional<double>> JsonReader::number(std::string_view name) const {
    const json::value* const found = find(name);
    if (found == nullptr) return std::optional<double>();
    if (!found->is_number()) return wrong(name, "a number");
    return std::optional(found->to_number<double>());
}

Result<std::vector<std::string>> JsonReader::texts(std::string_view name) const {
    const json::value* const found = find(name);
    std::vector<std::string> all;
    if (found == nullptr) return all;
    if (found->is_string()) {
        all.emplace_back(found->get_string());
        return all;
    }
    if (!found->is_array()) return wrong(name, "a text or a list of texts");
    for (const json::value& one : found->get_array()) {
        if (!one.is_string()) return wrong(name, "a text or a list of texts");
        all.emplace_back(one.get_string());
    }
    return all;
}

Result<const json::object*> JsonReader::object(std::string_view name) const {
    const json::value* const found = find(name);
    if (found == nullptr) return static_cast<const json::object*>(nullptr);
    if (!found->is_object()) return wrong(name, "an object");
    return &found->get_object();
}

Result<void> JsonReader::has_only(std::initializer_list<std::string_view> names) const {
    for (const auto& member : object_) {
        const bool is_known =
            std::ranges::find(names, std::string_view(member.key())) != names.end();
        if (is_known || member.value().is_null()) continue;
        std::string known;
        for (const std::string_view name : names)
            known += (known.empty() ? "" : ", ") + std::string(name);
        return Error(ErrorCode::invalid_request, "'" + path_ +
                                                     std::string(member.key().substr(0, 64)) +
                                                     "' is not known; there are " + known);
    }
    return {};
}

}  // namespace casc::inference
