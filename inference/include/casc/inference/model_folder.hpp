#pragma once
// casc/inference/model_folder.hpp: where models lie, <folder>/<name>/<version>/, and one of them
// opened: config.json, safetensors, a tokeniser, and casc-model.toml.

#include <casc/gpu/engine.hpp>
#include <casc/inference/model_settings.hpp>
#include <casc/types/result.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace casc::inference {

// A folder with models. Thread: any.
class ModelFolder {
public:
    explicit ModelFolder(std::filesystem::path path) : path_(std::move(path)) {}

    // Of all models that are there, by name.
    [[nodiscard]] std::vector<std::string> names() const;
    // Of one, oldest first: numbers by their size, then texts. Empty: there is no such model.
    [[nodiscard]] std::vector<std::string> versions(std::string_view name) const;
    // Where a version lies; an empty one is the newest. Fails with: model_not_found (also for names
    // that would lead elsewhere).
    [[nodiscard]] Result<std::filesystem::path> find(std::string_view name,
                                                     std::string_view version) const;

private:
    std::filesystem::path path_;
};

struct OpenedModel {
    ModelSettings settings;
    std::unique_ptr<gpu::Engine> engine;
    std::uint64_t memory_bytes = 0;  // of its weights
};

// Reads, checks and warms up: a first step has gone through all of the model, so that its numbers
// are in memory and are numbers. Fails with: model_unusable, model_too_large, invalid_config,
// inference_failed, device_failed.
[[nodiscard]] Result<OpenedModel> open_model(const std::filesystem::path& folder);

}  // namespace casc::inference
