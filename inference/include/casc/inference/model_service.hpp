#pragma once
// casc/inference/model_service.hpp: a model at work for a broker: answers requests that are events
// of a topic, exactly once, and requests that are calls of a subject, with one stage.
//
//   CASC_TRY(auto service, ModelService::start({.model = {"sections", "1"},
//                                               .topic = "infer", .results = "inferred",
//                                               .subject = "infer.sections"}, std::move(engine)));
//
// Of a topic it is a member of a queue group. An event's answer is an event of the results' topic,
// on the same lane and with the same key, written together with "this request is done" in one
// journal entry: whatever dies when, a request has one answer. What is computed and not yet written
// is computed again. A request that is none has an answer, too: an error.
//
// It takes no more events than its model may have in line, so that all others wait in the log, the
// most urgent first, for this service or another one of the group. Calls that find the line full
// fail with MODEL_OVERLOADED and are not kept.

#include <casc/client/options.hpp>
#include <casc/gpu/engine.hpp>
#include <casc/inference/fallback_settings.hpp>
#include <casc/types/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace casc::inference {

struct ModelName {
    std::string name;     // "phi-3-mini"
    std::string version;  // "1"
};

struct ServiceOptions {
    ModelName model{};
    std::uint64_t memory_bytes = 0;   // that it takes on its device, for the answers
    std::string topic{};              // of requests; empty: only calls
    std::string results{};            // where their answers go: another, durable topic
    std::string group = "inference";  // services of one group share the requests
    std::string subject{};            // of calls; empty: only events
    // Requests that say nothing of it themselves have so long.
    std::chrono::milliseconds timeout{30'000};
    std::size_t events_max = 128;  // requests of the topic that it has at a time
    std::size_t calls_max = 128;
    // When it closes: how long what is under way may take to be answered.
    std::chrono::milliseconds close_linger{5000};
    // Who is asked in the model's place, and when. Their answers are "degraded".
    FallbackSettings fallback{};
    // Told once, on the service's thread, when its device has failed for good: see failure(). Must
    // neither close the service nor throw.
    std::function<void(const Error&)> on_failure{};
    client::ClientOptions client{};
};

// Since it was started.
struct ServiceCounts {
    std::uint64_t events = 0;  // taken from the topic
    std::uint64_t calls = 0;
    std::uint64_t answers = 0;    // that were computed, without an error
    std::uint64_t fallbacks = 0;  // answers that somebody else gave
    std::uint64_t errors = 0;
    std::uint64_t commits = 0;  // of answers of events, each one journal entry
    std::uint64_t failed_commits = 0;
};

// Thread:   counts(), metrics() and failure() any, the others one at a time. Starts one of its own
//           (casc-service), beside that of the stage and the client's; throws std::system_error
//           when it cannot.
// Lifetime: the destructor closes.
class ModelService {
public:
    // Connects and begins. Fails with: invalid_config (no topic and no subject, a topic without
    // results, results that are the topic or not durable), unknown_topic, and as the client's
    // connect(), make_queue_consumer(), make_transactor() and serve() do.
    [[nodiscard]] static Result<std::unique_ptr<ModelService>> start(
        const ServiceOptions& options, std::unique_ptr<gpu::Engine> engine);
    ~ModelService();
    ModelService(const ModelService&) = delete;
    ModelService& operator=(const ModelService&) = delete;

    // Takes nothing new, answers what is under way for about close_linger, and gives the rest back:
    // events to the group, calls as SHUTTING_DOWN. Returns when that is done; begin_close() at
    // once, for others to close meanwhile.
    void close();
    void begin_close() noexcept;
    [[nodiscard]] ServiceCounts counts() const;
    // Of its engine; outlives the service.
    [[nodiscard]] std::shared_ptr<const gpu::EngineMetrics> metrics() const;
    // The device is of no use any more (device_failed). From then on its fallbacks are asked for
    // everything. Without any it ends by itself: its events go back to the group, for another
    // service or for the next one that is started, as often as the group's settings say, since it
    // may be because of one of them; its calls fail.
    [[nodiscard]] std::optional<Error> failure() const;

private:
    class Impl;
    explicit ModelService(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace casc::inference
