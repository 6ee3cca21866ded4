#include "parsed_json.hpp"

#include <boost/json.hpp>

namespace casc::inference {

namespace json = boost::json;

Result<json::object> parse_object(std::string_view text, std::string_view what) {
    json::parse_options options;
    options.max_depth = 16;
    boost::system::error_code malformed;
    json::value value = json::parse(text, malformed, {}, options);
    if (malformed)
        return Error(ErrorCode::invalid_request,
                     std::string(what) + " is no JSON: " + malformed.message());
    if (!value.is_object())
        return Error(ErrorCode::invalid_request, std::string(what) + " is JSON, but no object");
    return std::move(value.get_object());
}

const json::object& request_object(const json::object& all) {
    const json::value* const inner = all.if_contains("request");
    return inner != nullptr && inner->is_object() ? inner->get_object() : all;
}

}  // namespace casc::inference
