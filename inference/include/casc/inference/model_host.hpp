#pragma once
// casc/inference/model_host.hpp: the models that serve a broker: loaded, unloaded and exchanged
// while it runs, by whoever asks at a subject.
//
//   CASC_TRY(auto host, ModelHost::start({.folder = "/var/lib/casc/models",
//                                         .load = {"sections"},
//                                         .client = {.endpoints = {"inproc://casc"}}}));
//
// Requests to the subject "casc.models" are JSON, and so are their answers:
//
//   {"op": "list"}                                             {"models": [{…}, …]}
//   {"op": "load", "name": "sections", "version": "2"}         {"model": {…}}
//   {"op": "reload", "name": "sections"}                       {"model": {…}}
//   {"op": "unload", "name": "sections"}                       {"model": {…}}
//   {"op": "info", "name": "sections"}                         {"model": {…, "config", "settings"}}
//   {"op": "stats"}                                            {"models": [{…}, …]}, those loaded
//
// Without a version the newest is meant. A model that is loaded again in another version serves
// first and the old one ends then, answering what it has; when the new one cannot be loaded the old
// one goes on.

#include <casc/client/options.hpp>
#include <casc/inference/model_service.hpp>
#include <casc/types/result.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace casc::inference {

inline constexpr std::string_view kModelsSubject = "casc.models";

struct HostOptions {
    std::filesystem::path folder;
    std::vector<std::string> load{};  // at the start: "name" or "name/version"
    client::ClientOptions client{};
    // Told of what happens to models: loaded, failed and why, unloaded. On the host's thread, and,
    // when a model that is at work fails, on one of that model's.
    std::function<void(std::string_view event, const ModelName& model, const Error* why)>
        on_event{};
};

// A model that is loaded, or should be.
struct ModelMetrics {
    ModelName model;
    std::string state;    // "ready", "degraded", "failed"
    std::string backend;  // "cpu"
    double load_seconds = 0;
    std::uint64_t memory_bytes = 0;
    ServiceCounts counts;
    std::shared_ptr<const gpu::EngineMetrics> engine;  // null: it could not be loaded
};

// Thread:   metrics() any; the others one at a time, and not from on_event. Starts one of its own
// (casc-models), which loads
//           and unloads, one model at a time; requests to the host wait meanwhile.
// Lifetime: the destructor closes.
class ModelHost {
public:
    // Connects, serves its subject and begins to load; does not wait for that: a model that cannot
    // be loaded keeps nothing else from working. Fails as the client's connect() and serve() do.
    [[nodiscard]] static Result<std::unique_ptr<ModelHost>> start(HostOptions options);
    ~ModelHost();
    ModelHost(const ModelHost&) = delete;
    ModelHost& operator=(const ModelHost&) = delete;

    // Unloads all models, each of which answers what it has for a while.
    void close();
    // Since each was loaded.
    [[nodiscard]] std::vector<ModelMetrics> metrics() const;

private:
    class Impl;
    explicit ModelHost(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace casc::inference
