#include "service_loop.hpp"

#include <casc/client/client.hpp>
#include <casc/inference/model_service.hpp>

#include <pthread.h>
#include <thread>

namespace casc::inference {
namespace {

Result<void> check(const ServiceOptions& options) {
    const auto bad = [](std::string what) {
        return Error(ErrorCode::invalid_config, std::move(what));
    };
    if (options.topic.empty() && options.subject.empty())
        return bad("a model's service needs a topic or a subject, or nobody can ask it");
    if (!options.topic.empty() && options.results.empty())
        return bad("where do answers to events of '" + options.topic +
                   "' go? Name a topic for the results");
    if (!options.topic.empty() && options.results == options.topic)
        return bad("'" + options.topic + "' cannot be the topic of its own answers");
    for (const FallbackChoice& choice : options.fallback.choices) {
        if (choice.subject.empty()) return bad("a fallback without a subject");
        if (choice.endpoint.empty() && choice.subject == options.subject)
            return bad("'" + choice.subject + "' cannot be its own fallback");
        if (choice.endpoint.empty()) continue;
        if (const auto checked = client::check_endpoint(choice.endpoint); !checked)
            return bad("fallback '" + choice.subject + "': " + checked.error().detail);
    }
    if (options.events_max == 0 || options.calls_max == 0)
        return bad("a service that takes no requests");
    return {};
}

}  // namespace

class ModelService::Impl {
public:
    Impl(std::unique_ptr<client::Client> client, std::unique_ptr<ServiceLoop> loop)
        : client_(std::move(client)), loop_(std::move(loop)), thread_([this] {
              ::pthread_setname_np(pthread_self(), "casc-service");
              loop_->run();
          }) {}
    ~Impl() { close(); }

    void close() {
        if (!thread_.joinable()) return;
        loop_->stop();
        thread_.join();
    }
    void begin_close() noexcept { loop_->stop(); }
    [[nodiscard]] ServiceCounts counts() const { return loop_->counts(); }
    [[nodiscard]] std::shared_ptr<const gpu::EngineMetrics> metrics() const {
        return loop_->metrics();
    }
    [[nodiscard]] std::optional<Error> failure() const { return loop_->failure(); }

private:
    // The loop refers to the client.
    const std::unique_ptr<client::Client> client_;
    const std::unique_ptr<ServiceLoop> loop_;
    std::thread thread_;
};

ModelService::ModelService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ModelService::~ModelService() = default;

Result<std::unique_ptr<ModelService>> ModelService::start(const ServiceOptions& options,
                                                          std::unique_ptr<gpu::Engine> engine) {
    CASC_TRY_VOID(check(options));
    client::ClientOptions connecting = options.client;
    connecting.client_id = "casc-inference " + options.model.name;
    CASC_TRY(auto client, client::Client::connect(connecting));
    CASC_TRY(auto loop, ServiceLoop::make(options, *client, std::move(engine)));
    return std::unique_ptr<ModelService>(
        new ModelService(std::make_unique<Impl>(std::move(client), std::move(loop))));
}

void ModelService::close() {
    impl_->close();
}

void ModelService::begin_close() noexcept {
    impl_->begin_close();
}

std::optional<Error> ModelService::failure() const {
    return impl_->failure();
}

std::shared_ptr<const gpu::EngineMetrics> ModelService::metrics() const {
    return impl_->metrics();
}

ServiceCounts ModelService::counts() const {
    return impl_->counts();
}

}  // namespace casc::inference
