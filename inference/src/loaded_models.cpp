#include "loaded_models.hpp"

#include "model_json.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <chrono>
#include <exception>

namespace casc::inference {
namespace {

namespace json = boost::json;

std::string subject_of(std::string_view name, const ModelSettings& settings) {
    return settings.subject.empty() ? "infer." + std::string(name) : settings.subject;
}

json::array array_of(const std::vector<FallbackChoice>& choices) {
    json::array all;
    for (const FallbackChoice& choice : choices)
        all.push_back(json::object{{"subject", choice.subject}, {"endpoint", choice.endpoint}});
    return all;
}

json::object object_of(const ServiceCounts& counts) {
    return {{"events", counts.events},
            {"calls", counts.calls},
            {"answers", counts.answers},
            {"fallbacks", counts.fallbacks},
            {"errors", counts.errors},
            {"commits", counts.commits},
            {"failed_commits", counts.failed_commits}};
}

}  // namespace

std::optional<Error> LoadedModels::failure_of(const Model& model) {
    return model.service ? model.service->failure() : std::nullopt;
}

std::string_view LoadedModels::state_of(const Model& model) {
    if (is_at_work(model)) return "ready";
    // Others answer in its place.
    return model.service && !model.settings.fallback.choices.empty() ? "degraded" : "failed";
}

bool LoadedModels::is_at_work(const Model& model) {
    return model.service && !failure_of(model);
}

Result<json::object> LoadedModels::load(std::string_view name, std::string_view version) {
    CASC_TRY(const auto path, folder_.find(name, version));
    const auto found = models_.find(name);
    if (found != models_.end() && is_at_work(found->second) &&
        found->second.version == path.filename().string())
        return Error(ErrorCode::invalid_request,
                     "'" + std::string(name) + "' is loaded in version '" + found->second.version +
                         "'; reload reads it again");
    return exchange(name, path);
}

Result<json::object> LoadedModels::reload(std::string_view name, std::string_view version) {
    const auto found = models_.find(name);
    if (found == models_.end())
        return Error(ErrorCode::model_not_found, "'" + std::string(name) + "' is not loaded");
    CASC_TRY(const auto path, folder_.find(name, version));
    return exchange(name, path);
}

Result<json::object> LoadedModels::exchange(std::string_view name,
                                            const std::filesystem::path& path) {
    const ModelName model{std::string(name), path.filename().string()};
    auto opened = open(model, path);
    if (!opened) {
        tell("model_failed", model, &opened.error());
        const std::lock_guard lock(mutex_);
        Model& kept = models_[model.name];
        if (!kept.service) kept.version = model.version;
        kept.trouble = opened.error();
        return opened.error();
    }
    // The new one is at work already; the old one ends when it goes.
    {
        const std::lock_guard lock(mutex_);
        std::swap(models_[model.name], *opened);
    }
    tell("model_loaded", model);
    return describe(model.name, models_[model.name]);
}

// A machine that has no more threads or memory says so by exceptions; the models that are at work
// must not suffer.
Result<LoadedModels::Model> LoadedModels::open(const ModelName& name,
                                               const std::filesystem::path& path) const {
    try {
        return try_open(name, path);
    } catch (const std::exception& failure) {
        return Error(ErrorCode::device_failed, failure.what());
    }
}

Result<LoadedModels::Model> LoadedModels::try_open(const ModelName& name,
                                                   const std::filesystem::path& path) const {
    const auto began = std::chrono::steady_clock::now();
    CASC_TRY(OpenedModel opened, open_model(path));
    Model model{.version = name.version,
                .settings = opened.settings,
                .config = opened.engine->backend().model(),
                .backend = std::string(opened.engine->backend().name()),
                .memory_bytes = opened.memory_bytes,
                .load_seconds = 0,
                .service = nullptr,
                .trouble = Error(ErrorCode::ok)};
    ServiceOptions options;
    options.model = name;
    options.memory_bytes = opened.memory_bytes;
    options.topic = opened.settings.topic;
    options.results = opened.settings.results;
    options.group =
        opened.settings.group.empty() ? "inference." + name.name : opened.settings.group;
    options.subject = subject_of(name.name, opened.settings);
    options.timeout = opened.settings.timeout;
    // So many that the next batch is there when one ends, and no more: the others wait in the log.
    // The line has room for all of them on one lane, beside the calls.
    const std::size_t room = std::max<std::size_t>(2, opened.settings.batches.queue_capacity);
    options.events_max = std::min(4 * opened.settings.batches.max_batch, room / 2);
    options.calls_max = room - options.events_max;
    options.fallback = opened.settings.fallback;
    options.client = options_.client;
    options.on_failure = [this, name](const Error& why) { tell("model_failed", name, &why); };
    CASC_TRY(model.service, ModelService::start(options, std::move(opened.engine)));
    model.load_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    return model;
}

Result<json::object> LoadedModels::unload(std::string_view name) {
    const auto found = models_.find(name);
    if (found == models_.end())
        return Error(ErrorCode::model_not_found, "'" + std::string(name) + "' is not loaded");
    const std::string owned(name);
    std::unique_lock lock(mutex_);
    Model gone = std::move(found->second);
    models_.erase(found);
    lock.unlock();
    if (gone.service) gone.service->close();
    json::object described = describe(owned, gone);
    described["state"] = "unloaded";
    tell("model_unloaded", {owned, gone.version});
    return described;
}

void LoadedModels::unload_all() {
    // All at the same time.
    for (auto& [name, model] : models_)
        if (model.service) model.service->begin_close();
    while (!models_.empty())
        static_cast<void>(unload(std::string(models_.begin()->first)));
}

json::object LoadedModels::describe(const std::string& name, const Model& model) const {
    json::object object{{"name", name}, {"version", model.version}, {"state", state_of(model)}};
    if (model.service) {
        object["subject"] = subject_of(name, model.settings);
        object["topic"] = model.settings.topic;
        object["results"] = model.settings.results;
        object["backend"] = model.backend;
        object["memory_bytes"] = model.memory_bytes;
        object["load_seconds"] = model.load_seconds;
        object["max_batch"] = model.settings.batches.max_batch;
        object["fallbacks"] = array_of(model.settings.fallback.choices);
        object["counts"] = object_of(model.service->counts());
    }
    if (model.trouble.code != ErrorCode::ok)
        object["trouble"] = model.trouble.message();
    else if (const auto failure = failure_of(model))
        object["trouble"] = failure->message();
    return object;
}

Result<json::object> LoadedModels::info(const std::string& name) const {
    const auto found = models_.find(name);
    json::object object;
    if (found == models_.end()) {
        CASC_TRY(const auto path, folder_.find(name, {}));
        object = {{"name", name}, {"version", path.filename().string()}, {"state", "unloaded"}};
    } else {
        object = describe(name, found->second);
        if (found->second.service) {
            object["config"] = object_of(found->second.config);
            object["settings"] = object_of(found->second.settings);
        }
    }
    object["versions"] = json::value_from(folder_.versions(name));
    return object;
}

json::array LoadedModels::list() const {
    json::array all;
    for (const auto& [name, model] : models_)
        all.push_back(describe(name, model));
    for (const std::string& name : folder_.names()) {
        const auto versions = folder_.versions(name);
        if (models_.contains(name) || versions.empty()) continue;
        all.push_back(
            json::object{{"name", name}, {"version", versions.back()}, {"state", "unloaded"}});
    }
    return all;
}

std::vector<ModelMetrics> LoadedModels::metrics() const {
    std::vector<ModelMetrics> all;
    const std::lock_guard lock(mutex_);
    for (const auto& [name, model] : models_) {
        ModelMetrics& metrics = all.emplace_back();
        metrics.model = {name, model.version};
        metrics.state = state_of(model);
        metrics.backend = model.backend;
        metrics.load_seconds = model.load_seconds;
        metrics.memory_bytes = model.memory_bytes;
        if (!model.service) continue;
        metrics.counts = model.service->counts();
        metrics.engine = model.service->metrics();
    }
    return all;
}

void LoadedModels::tell(std::string_view event, const ModelName& model, const Error* why) const {
    if (options_.on_event) options_.on_event(event, model, why);
}

}  // namespace casc::inference
