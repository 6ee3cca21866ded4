#pragma once
// tools/admin/model_host_call.hpp: asking the host of a broker's models
// (casc/inference/model_host.hpp), and members of what it says that may not be there.

#include "json_text.hpp"
#include "listing.hpp"
#include "session.hpp"
#include "values.hpp"

#include <string_view>

namespace casc::admin {

// Thread: as the session. Fails with: no_responders (the broker serves no models), what the host
// says, malformed_message.
[[nodiscard]] Result<json::object> ask_host(Session& session, json::object request,
                                            milliseconds patience);
// The member "model" or "models" of its answer.
[[nodiscard]] Result<json::object> ask_host_for_model(Session& session, json::object request,
                                                      milliseconds patience);
[[nodiscard]] Result<json::array> ask_host_for_models(Session& session, json::object request,
                                                      milliseconds patience);

// null where there is none. A path is of names with dots between them.
[[nodiscard]] json::value value_of(const json::object& object, std::string_view path);
// The value, if there is one, as a field of that key.
void add_value(Document& document, const json::object& object, std::string_view path,
               std::string_view heading, Style style = Style::text);
// The same as a number, rounded to thousandths; 0 where there is none.
[[nodiscard]] double number_of(const json::object& object, std::string_view path);

}  // namespace casc::admin
