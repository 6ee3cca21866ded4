#include "node.hpp"

#include "gpu_metrics.hpp"
#include "model_metrics.hpp"

#include <casc/broker/logging.hpp>

#include <algorithm>
#include <iterator>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace casc::broker {

namespace {

using namespace std::chrono_literals;

// How long the shard's event loop may take to answer before it counts as stuck.
constexpr milliseconds kLoopDeadline = 2s;
// What the broker opens besides its connections: journal, SST files, event descriptors.
constexpr rlim_t kDescriptorsForStorage = 1024;

// A connection is a descriptor; distributions start services with 1024 of them and allow many more.
void raise_descriptor_limit(std::uint32_t connections) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t wanted = kDescriptorsForStorage + connections;
    if (limit.rlim_cur >= wanted) return;
    log_event(LogLevel::warn, "descriptor_limit_low",
              {{"limit", limit.rlim_cur},
               {"wanted", wanted},
               {"advice", "raise it with ulimit -n or LimitNOFILE, or lower limits.connections"}});
}

// Where the models of this process find the broker; nobody else is told.
constexpr const char* kModelsEndpoint = "inproc://casc-models";

LoadedConfig with_endpoint_for_models(LoadedConfig loaded) {
    if (!loaded.config.models.folder.empty())
        loaded.config.listen.endpoints.emplace_back(kModelsEndpoint);
    return loaded;
}

void log_model_event(std::string_view event, const inference::ModelName& model, const Error* why) {
    if (why == nullptr)
        return log_event(LogLevel::info, event,
                         {{"model", model.name}, {"version", model.version}});
    log_event(LogLevel::error, event,
              {{"model", model.name},
               {"version", model.version},
               {"error", why->code},
               {"why", why->detail}});
}

void name_thread(const char* name) {
    pthread_setname_np(pthread_self(), name);
}

}  // namespace

Node::Node(SignalWaiter& signals, Options options, LoadedConfig loaded)
    : signals_(signals),
      options_(std::move(options)),
      loaded_(std::move(loaded)),
      ready_file_(options_.ready_file) {}

Node::~Node() = default;

ExitCode Node::run() {
    const Config& config = loaded_.config;
    log_event(LogLevel::info, "starting",
              {{"version", CASC_VERSION},
               {"node", config.node.id},
               {"pid", ::getpid()},
               {"data_directory", config.node.data_directory.string()},
               {"config", options_.config_file.empty() ? "none" : options_.config_file.string()}});
    if (config.listen.insecure) {
        log_event(LogLevel::warn, "insecure",
                  {{"why", "other machines may connect, and there is no authentication"}});
    }
    raise_descriptor_limit(config.limits.connections);
    if (const Result<void> started = start_http(); !started) {
        log_event(LogLevel::error, "start_failed",
                  {{"error", started.error().code}, {"why", started.error().detail}});
        return ExitCode::start_failed;
    }
    if (const auto failed = start_broker()) return *failed;
    if (const auto failed = announce()) return *failed;
    return serve();
}

Result<void> Node::start_http() {
    if (loaded_.config.listen.http.empty()) return {};
    HttpHandlers handlers;
    handlers.metrics = [this] { return metrics(); };
    handlers.live = [this] { return live(); };
    handlers.ready = [this] { return ready(); };
    handlers.version_json = R"({"name":"casc-broker","version":")" CASC_VERSION R"("})";
    CASC_TRY(http_, HttpServer::start(loaded_.config.listen.http, std::move(handlers)));
    return {};
}

// Recovery may take long, and whoever sends SIGTERM meanwhile wants to be heard. Leaving in the
// middle is what recovery is made for, so there is nothing to undo: the process just ends.
std::optional<ExitCode> Node::start_broker() {
    std::optional<Result<std::unique_ptr<Broker>>> started;
    std::thread starter([&] {
        name_thread("casc-start");
        started.emplace(Broker::start(with_endpoint_for_models(loaded_)));
        signals_.notify();
    });
    for (;;) {
        const Wakeup wakeup = signals_.wait();
        if (wakeup == Wakeup::notified) break;
        if (wakeup == Wakeup::reload_signal) {
            log_event(LogLevel::warn, "reload_refused", {{"why", "the broker is still starting"}});
            continue;
        }
        log_event(LogLevel::info, "stopped", {{"why", "asked to stop while starting"}});
        ::_exit(static_cast<int>(ExitCode::stopped));
    }
    starter.join();
    if (!*started) {
        const Error& error = started->error();
        log_event(LogLevel::error, "start_failed",
                  {{"error", error.code}, {"why", error.message()}});
        return ExitCode::start_failed;
    }
    broker_ = std::move(*started).value();
    serving_.store(broker_.get(),
                   std::memory_order_release);  // pairs with metrics(), live(), ready()
    phase_.store(Phase::serving, std::memory_order_release);
    return std::nullopt;
}

std::optional<ExitCode> Node::announce() {
    const std::string http_endpoint = http_ ? http_->endpoint() : "";
    const std::vector<std::string> endpoints = announced_endpoints();
    for (const std::string& endpoint : endpoints)
        log_event(LogLevel::info, "listening", {{"endpoint", endpoint}});
    if (http_) log_event(LogLevel::info, "listening", {{"http", http_endpoint}});
    start_models();
    if (const Result<void> written = ready_file_.write(endpoints, http_endpoint); !written) {
        log_event(LogLevel::error, "start_failed",
                  {{"error", written.error().code}, {"why", written.error().detail}});
        drain();
        static_cast<void>(
            broker_->wait());  // the start has failed already; this only leaves the data tidy
        drainer_.join();
        return ExitCode::start_failed;
    }
    notify_service_manager("READY=1");
    return std::nullopt;
}

std::vector<std::string> Node::announced_endpoints() const {
    std::vector<std::string> endpoints = broker_->endpoints();
    std::erase(endpoints, kModelsEndpoint);
    return endpoints;
}

// A broker whose models cannot be served is a broker all the same.
void Node::start_models() {
    const Config::Models& models = loaded_.config.models;
    if (models.folder.empty()) return;
    inference::HostOptions options{.folder = models.folder, .load = models.load};
    options.client.endpoints = {kModelsEndpoint};
    options.on_event = log_model_event;
    auto started = inference::ModelHost::start(std::move(options));
    if (started) {
        models_ = std::move(*started);
        gpus_ = gpu::GpuDevices::open();
        serving_models_.store(models_.get(), std::memory_order_release);  // pairs with metrics()
    } else {
        log_event(LogLevel::error, "models_failed",
                  {{"error", started.error().code}, {"why", started.error().detail}});
    }
}

ExitCode Node::serve() {
    std::optional<Result<void>> ended;
    std::thread waiter([&] {
        name_thread("casc-wait");
        ended.emplace(broker_->wait());
        signals_.notify();
    });
    for (;;) {
        const Wakeup wakeup = signals_.wait();
        if (wakeup == Wakeup::notified) break;
        const bool draining = phase_.load(std::memory_order_relaxed) == Phase::draining;
        if (wakeup == Wakeup::reload_signal) {
            if (!draining) reload();
        } else if (!draining) {
            drain();
        } else {
            // Durable events are safe without a drain: this is the crash that recovery is made for.
            log_event(LogLevel::warn, "stopped",
                      {{"why", "a second signal; the drain was not complete"}});
            ::_exit(static_cast<int>(ExitCode::interrupted));
        }
    }
    waiter.join();
    if (drainer_.joinable()) drainer_.join();
    phase_.store(Phase::stopped, std::memory_order_release);
    if (!*ended) {
        const Error& error = ended->error();
        log_event(LogLevel::error, "storage_gave_up",
                  {{"error", error.code},
                   {"why", error.message()},
                   {"advice",
                    "every acknowledged event is on disk; look at the disk, then start the broker "
                    "again"}});
        return ExitCode::storage_failed;
    }
    log_event(LogLevel::info, "stopped");
    return ExitCode::stopped;
}

void Node::drain() {
    log_event(LogLevel::info, "stop_requested", {{"advice", "a second signal stops at once"}});
    phase_.store(Phase::draining, std::memory_order_release);
    notify_service_manager("STOPPING=1");
    // Models first: what they are asked is still answered. On a thread of its own, so that main
    // hears the second signal.
    drainer_ = std::thread([this] {
        name_thread("casc-drain");
        if (models_) models_->close();
        broker_->request_drain();
    });
}

// --- reloading -----------------------------------------------------------------------------------

void Node::reload() {
    const Result<LoadedConfig> next =
        load_config(options_.config_file, environment_entries(), options_.overrides);
    if (!next) {
        log_event(LogLevel::error, "reload_refused",
                  {{"why", next.error().detail},
                   {"advice", "nothing has changed; --check-config tests a file"}});
        return;
    }
    // The broker logs what it has changed.
    const std::vector<std::string> waiting = broker_->reload(*next);
    for (const std::string& key : waiting)
        log_event(LogLevel::warn, "restart_needed", {{"setting", key}});
    if (const auto level = parse_log_level(next->config.log.level)) set_log_level(*level);
    loaded_ = *next;
    log_event(LogLevel::info, "reloaded", {{"restart_needed", waiting.size()}});
}

// --- on the control thread -----------------------------------------------------------------------

Result<std::vector<MetricFamily>> Node::metrics() const {
    std::vector<MetricFamily> families;
    if (Broker* const broker = serving_.load(std::memory_order_acquire)) {
        CASC_TRY(families, broker->metrics(kLoopDeadline));
    }
    if (const auto* const models = serving_models_.load(std::memory_order_acquire)) {
        std::vector<MetricFamily> of_models = model_metrics(models->metrics());
        std::move(of_models.begin(), of_models.end(), std::back_inserter(families));
        if (gpus_ != nullptr) {
            std::vector<MetricFamily> of_gpus = gpu_metrics(gpus_->read());
            std::move(of_gpus.begin(), of_gpus.end(), std::back_inserter(families));
        }
    }
    const bool known =
        std::any_of(families.begin(), families.end(),
                    [](const MetricFamily& family) { return family.name == "casc_build_info"; });
    if (!known) {
        families.push_back({"casc_build_info",
                            "Version of the broker; the value is always 1.",
                            "gauge",
                            {{"casc_build_info", "version=\"" CASC_VERSION "\"", 1}}});
    }
    return families;
}

std::vector<HealthCheck> Node::live() const {
    Broker* const broker = serving_.load(std::memory_order_acquire);
    // There is no loop yet while the broker recovers, and no time by which recovery must be over.
    if (broker == nullptr) return {{"event_loop", true, "recovering"}};
    if (phase_.load(std::memory_order_acquire) == Phase::stopped)
        return {{"event_loop", true, "stopped"}};
    const auto answered = broker->metrics(kLoopDeadline);
    const bool turns = answered.has_value() || answered.error().code != ErrorCode::timeout;
    return {{"event_loop", turns, turns ? "" : "the shard did not answer within 2 s"}};
}

std::vector<HealthCheck> Node::ready() const {
    const Phase phase = phase_.load(std::memory_order_acquire);
    Broker* const broker = serving_.load(std::memory_order_acquire);
    if (broker == nullptr) return {{"recovered", false, "the data folder is being recovered"}};
    std::vector<HealthCheck> checks{{"recovered", true, ""}};
    checks.push_back({"accepting", phase == Phase::serving,
                      phase == Phase::serving ? "" : "the broker is stopping"});
    std::string why;
    const bool broker_ready = broker->ready(why);
    checks.push_back({"broker", broker_ready, broker_ready ? "" : why});
    return checks;
}

}  // namespace casc::broker
