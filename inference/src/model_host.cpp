#include "bytes.hpp"
#include "json_reader.hpp"
#include "loaded_models.hpp"
#include "metrics_json.hpp"

#include <casc/client/client.hpp>
#include <casc/inference/model_host.hpp>

#include <boost/json.hpp>

#include <atomic>
#include <pthread.h>
#include <thread>
#include <utility>

namespace casc::inference {
namespace {

namespace json = boost::json;

// How soon close() is seen.
constexpr std::chrono::milliseconds kPoll{50};

std::pair<std::string, std::string> name_and_version(const std::string& text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos) return {text, {}};
    return {text.substr(0, slash), text.substr(slash + 1)};
}

}  // namespace

class ModelHost::Impl {
public:
    Impl(HostOptions options, std::unique_ptr<client::Client> client, client::Responder responder)
        : options_(std::move(options)),
          client_(std::move(client)),
          responder_(std::move(responder)),
          models_(options_),
          thread_([this] {
              ::pthread_setname_np(::pthread_self(), "casc-models");
              run();
          }) {}
    ~Impl() { close(); }

    void close() {
        if (!thread_.joinable()) return;
        stops_.store(true, std::memory_order_relaxed);
        thread_.join();
    }

    [[nodiscard]] std::vector<ModelMetrics> metrics() const { return models_.metrics(); }

private:
    void run() {
        for (const std::string& model : options_.load) {
            if (stops_.load(std::memory_order_relaxed)) break;
            const auto [name, version] = name_and_version(model);
            const auto loaded = models_.load(name, version);
            // What is not even there, nobody has been told of.
            if (!loaded && loaded.error().code == ErrorCode::model_not_found && options_.on_event)
                options_.on_event("model_failed", {name, version}, &loaded.error());
        }
        while (!stops_.load(std::memory_order_relaxed))
            serve();
        static_cast<void>(responder_.close());
        models_.unload_all();
    }

    void serve() {
        const auto requests = responder_.poll(16, kPoll);
        if (!requests) return;  // it serves again by itself
        for (const client::ReceivedRequest& request : *requests) {
            // It has waited behind a model that was being loaded, and whoever asked has gone.
            if (request.deadline <= std::chrono::steady_clock::now()) continue;
            const auto answer = answer_to(text_of(request.event.payload));
            if (!answer) {
                static_cast<void>(responder_.fail(request.id, answer.error()));
                continue;
            }
            const std::string text = json::serialize(*answer);
            static_cast<void>(responder_.answer(request.id, {.payload = bytes_of(text)}));
        }
    }

    Result<json::object> answer_to(std::string_view text) {
        boost::system::error_code malformed;
        const json::value value = json::parse(text, malformed);
        if (malformed || !value.is_object())
            return Error(ErrorCode::invalid_request, "the request is no JSON object");
        const JsonReader reader(value.get_object(), "");
        CASC_TRY(const auto op, reader.text("op"));
        CASC_TRY(const auto name, reader.text("name"));
        CASC_TRY(const auto version, reader.text("version"));
        return carry_out(op.value_or(""), name.value_or(""), version.value_or(""));
    }

    Result<json::object> carry_out(const std::string& op, const std::string& name,
                                   const std::string& version) {
        if (op == "list") return json::object{{"models", models_.list()}};
        if (op == "load") return as_model(models_.load(name, version));
        if (op == "reload") return as_model(models_.reload(name, version));
        if (op == "unload") return as_model(models_.unload(name));
        if (op == "info") return as_model(models_.info(name));
        if (op == "stats") return stats(name);
        return Error(
            ErrorCode::invalid_request,
            "there is no op '" + op + "'; there are list, load, reload, unload, info and stats");
    }

    // Of one, or of all.
    [[nodiscard]] Result<json::object> stats(const std::string& name) const {
        json::array all;
        for (const ModelMetrics& model : models_.metrics())
            if (model.engine && (name.empty() || model.model.name == name))
                all.push_back(stats_of(model));
        if (all.empty() && !name.empty())
            return Error(ErrorCode::model_not_found, "'" + name + "' is not loaded");
        return json::object{{"models", std::move(all)}};
    }

    static Result<json::object> as_model(Result<json::object> model) {
        if (!model) return model;
        return json::object{{"model", std::move(*model)}};
    }

    const HostOptions options_;
    // The responder's connection.
    const std::unique_ptr<client::Client> client_;
    // Owned by the host's thread.
    client::Responder responder_;
    LoadedModels models_;
    std::atomic<bool> stops_{false};
    std::thread thread_;
};

ModelHost::ModelHost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ModelHost::~ModelHost() = default;

Result<std::unique_ptr<ModelHost>> ModelHost::start(HostOptions options) {
    client::ClientOptions connecting = options.client;
    connecting.client_id = "casc-models";
    CASC_TRY(auto client, client::Client::connect(connecting));
    CASC_TRY(auto responder, client->serve({.subject = std::string(kModelsSubject)}));
    return std::unique_ptr<ModelHost>(new ModelHost(
        std::make_unique<Impl>(std::move(options), std::move(client), std::move(responder))));
}

std::vector<ModelMetrics> ModelHost::metrics() const {
    return impl_->metrics();
}

void ModelHost::close() {
    impl_->close();
}

}  // namespace casc::inference
