#pragma once
// logging_json_text.hpp: strings as JSON has them. Thread: any.

#include <string>
#include <string_view>

namespace casc::broker {

// `text` in double quotes, valid JSON whatever the bytes are: what is not UTF-8 becomes U+FFFD.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace casc::broker
