#pragma once
// inference/src/model_json.hpp: what a model is and how it is served.

#include <casc/gpu/model_config.hpp>
#include <casc/inference/model_settings.hpp>

#include <boost/json/object.hpp>

namespace casc::inference {

[[nodiscard]] boost::json::object object_of(const gpu::ModelConfig& config);
[[nodiscard]] boost::json::object object_of(const ModelSettings& settings);

}  // namespace casc::inference
