#pragma once
// config_check.hpp: what single ranges cannot say: settings that contradict each other or cannot
// work. Thread: any.

#include <casc/broker/config.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace casc::broker {

// Where each setting that is not at its default was given.
using ConfigPlaces = std::map<std::string_view, std::string>;

// One sentence per problem, with the places of the settings involved; empty when all is well.
[[nodiscard]] std::vector<std::string> check_config(const Config& config,
                                                    const ConfigPlaces& places);

}  // namespace casc::broker
