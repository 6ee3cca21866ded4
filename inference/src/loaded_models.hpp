#pragma once
// inference/src/loaded_models.hpp: the models that a host has, and how they come and go.

#include <casc/inference/model_folder.hpp>
#include <casc/inference/model_host.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace casc::inference {

// Thread: metrics() any, the others one at a time. Lifetime: refers to the options.
class LoadedModels {
public:
    explicit LoadedModels(const HostOptions& options)
        : options_(options), folder_(options.folder) {}

    // Each: the model afterwards. Fail with: model_not_found, invalid_request (load: it is loaded,
    // in this version), and as open_model() and ModelService::start() do, with whatever was loaded
    // before still at work.
    [[nodiscard]] Result<boost::json::object> load(std::string_view name, std::string_view version);
    [[nodiscard]] Result<boost::json::object> reload(std::string_view name,
                                                     std::string_view version);
    [[nodiscard]] Result<boost::json::object> unload(std::string_view name);
    // One, with what it is and how it is served, and its versions. Fails with: model_not_found.
    [[nodiscard]] Result<boost::json::object> info(const std::string& name) const;
    // Those that are loaded, those that could not be, and those that only lie there.
    [[nodiscard]] boost::json::array list() const;
    void unload_all();
    [[nodiscard]] std::vector<ModelMetrics> metrics() const;

private:
    struct Model {
        std::string version;
        ModelSettings settings;
        gpu::ModelConfig config;
        std::string backend;
        std::uint64_t memory_bytes = 0;
        double load_seconds = 0;
        std::unique_ptr<ModelService> service;  // null: it could not be loaded, and nothing was
        Error trouble{ErrorCode::ok};           // why the last try failed
    };

    [[nodiscard]] Result<boost::json::object> exchange(std::string_view name,
                                                       const std::filesystem::path& path);
    [[nodiscard]] Result<Model> open(const ModelName& name,
                                     const std::filesystem::path& path) const;
    [[nodiscard]] Result<Model> try_open(const ModelName& name,
                                         const std::filesystem::path& path) const;
    [[nodiscard]] boost::json::object describe(const std::string& name, const Model& model) const;
    // Why it ended by itself.
    [[nodiscard]] static std::optional<Error> failure_of(const Model& model);
    [[nodiscard]] static bool is_at_work(const Model& model);
    [[nodiscard]] static std::string_view state_of(const Model& model);
    void tell(std::string_view event, const ModelName& model, const Error* why = nullptr) const;

    const HostOptions& options_;
    const ModelFolder folder_;
    // Changed by its thread alone, with the mutex; read by others with it.
    std::map<std::string, Model, std::less<>> models_;
    mutable std::mutex mutex_;
};

}  // namespace casc::inference
