#pragma once
// inference/src/parsed_json.hpp: the JSON of requests and answers, before anybody looks inside.

#include <casc/types/result.hpp>

#include <boost/json/object.hpp>

#include <string_view>

namespace casc::inference {

// Fails with: invalid_request, about `what`.
[[nodiscard]] Result<boost::json::object> parse_object(std::string_view text,
                                                       std::string_view what);
// The request's own object, inside its envelope or without one.
[[nodiscard]] const boost::json::object& request_object(const boost::json::object& all);

}  // namespace casc::inference
