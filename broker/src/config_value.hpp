#pragma once
// config_value.hpp: one value of a setting, from text and to text. Thread: any.

#include "config_keys.hpp"

#include <string>
#include <string_view>

namespace casc::broker {

// Sets the member of `key`. Sizes are "64MiB" or a number of bytes, durations "30s" or a number of
// milliseconds, lists are split at commas. Fails with invalid_config and a sentence that says what
// is allowed; nothing is set then.
[[nodiscard]] Result<void> set_config_value(Config& config, const ConfigKey& key,
                                            std::string_view text);
// The same for the items of a list.
[[nodiscard]] Result<void> set_config_list(Config& config, const ConfigKey& key,
                                           std::vector<std::string> items);

// As set_config_value() would take it: "64MiB", "7d", "unlimited", "a:1,b:2".
[[nodiscard]] std::string config_value_text(Config config, const ConfigKey& key);
// As it stands in the TOML file: true, 16, "64MiB", ["a:1", "b:2"].
[[nodiscard]] std::string config_value_toml(Config config, const ConfigKey& key);

}  // namespace casc::broker
