// The `infer` workload: a model under requests that come when they come, served in three ways: one
// at a time, in batches that begin when the one before has ended, and in batches that requests join
// and leave at every token (which is what casc does). The limit is reading all weights once a step.

#include "describe_times.hpp"
#include "host.hpp"
#include "infer_load.hpp"
#include "need.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "scratch_folder.hpp"
#include "workload.hpp"

#include <casc/gpu/byte_tokenizer.hpp>
#include <casc/gpu/cpu_backend.hpp>
#include <casc/gpu/cuda_backend.hpp>
#include <casc/gpu/open_backend.hpp>
#include <casc/gpu/read_bandwidth.hpp>
#include <casc/types/clock.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace casc::bench {
namespace {

namespace json = boost::json;

constexpr std::size_t kBatchMax = 32;
// As many as one at a time cannot answer.
constexpr double kOverload = 2.5;

struct Way {
    std::string_view key;
    std::string_view heading;
    std::size_t batch_max;
    bool joins_running;
};
constexpr std::array<Way, 3> kWays{{{"one_at_a_time", "one at a time", 1, false},
                                    {"batches", "batches", kBatchMax, false},
                                    {"continuous", "continuous batches", kBatchMax, true}}};

struct ServedModel {
    std::filesystem::path folder;
    gpu::BackendChoice backend = gpu::BackendChoice::cpu;
    std::size_t threads = std::max(1u, std::thread::hardware_concurrency());

    [[nodiscard]] std::unique_ptr<gpu::Backend> open(std::size_t slots) const {
        gpu::BackendOptions options;
        options.threads = threads;
        options.slot_count = static_cast<std::uint32_t>(slots);
        auto weights = need(gpu::ModelWeights::open(folder), "the model");
        options.context_tokens =
            static_cast<std::uint32_t>(std::min<std::size_t>(weights.config().context_tokens, 640));
        return need(gpu::open_backend(backend, std::move(weights), options), "the backend");
    }
};

// What the weights are read from, and how fast.
class WeightMemory {
public:
    WeightMemory(const ServedModel& model, std::size_t weight_bytes) : model_(model) {
        if (gpu::is_on_gpu(model.backend)) return;
        // More than caches hold, and not more than a small machine has.
        bytes_.assign(
            std::clamp<std::size_t>(weight_bytes, std::size_t{256} << 20, std::size_t{1} << 30),
            std::byte{1});
    }
    [[nodiscard]] std::string name() const {
        if (gpu::is_on_gpu(model_.backend))
            return "reading all weights once a step, as fast as the device copies";
        return "reading all weights once a step, " + std::to_string(model_.threads) + " threads";
    }
    [[nodiscard]] double bytes_per_second() const {
        if (!gpu::is_on_gpu(model_.backend)) return gpu::read_bandwidth(bytes_, model_.threads);
        return need(gpu::CudaBackend::measure_bandwidth(0), "the device's speed").device;
    }

private:
    const ServedModel& model_;
    std::vector<std::byte> bytes_;
};

// Nanoseconds of a step that computes one token for one request; the best of some.
double lone_step_nanos(gpu::Backend& backend) {
    constexpr std::array<gpu::TokenId, 1> kToken{1};
    gpu::StepOutput output;
    std::int64_t best = std::numeric_limits<std::int64_t>::max();
    for (std::uint32_t position = 0; position < 24; ++position) {
        const gpu::SequenceStep step{
            .position = position, .tokens = kToken, .wanted = gpu::Wanted::token};
        const MonoNanos began = mono_now();
        if (const auto done = backend.step({&step, 1}, output); !done)
            throw std::runtime_error(done.error().message());
        best = std::min(best, (mono_now() - began).value());
    }
    return static_cast<double>(best);
}

struct ReadLimit {
    double bytes_per_second = 0;
    double weight_bytes = 0;
};

double share_of(const ReadLimit& limits, const gpu::EngineMetrics& metrics) {
    const auto steps = static_cast<double>(metrics.decode_step.count());
    const double seconds = static_cast<double>(metrics.decode_step.sum()) / 1e9;
    return seconds > 0 ? steps * limits.weight_bytes / seconds / limits.bytes_per_second : 0;
}

template <std::size_t N>
json::object histogram_of(const gpu::Distribution<N>& values) {
    json::object all;
    for (std::size_t i = 0; i < N; ++i)
        if (values.count_in(i) != 0)
            all["up_to_" + std::to_string(values.limits()[i])] = values.count_in(i);
    if (values.count_in(N) != 0) all["more"] = values.count_in(N);
    return all;
}

json::object reasons_of(const gpu::EngineMetrics& metrics) {
    json::object all{{"joined", metrics.joined.value()}};
    for (const gpu::FireReason reason : gpu::kFireReasons)
        all[to_string(reason)] = metrics.of(reason).value();
    return all;
}

json::object describe_outcome(const InferOutcome& outcome, const ReadLimit& limits) {
    const gpu::EngineMetrics& metrics = *outcome.metrics;
    json::object lanes;
    for (const Lane lane : kLanes)
        lanes[to_string(lane)] = describe(outcome.request[static_cast<std::size_t>(lane)]);
    return {{"asked", outcome.asked},
            {"answered", outcome.answered},
            {"late", outcome.late},
            {"rejected", outcome.rejected},
            {"failed", outcome.failed},
            {"seconds", outcome.seconds},
            {"requests_per_second", static_cast<double>(outcome.answered) / outcome.seconds},
            {"tokens_per_second", static_cast<double>(outcome.answer_tokens) / outcome.seconds},
            {"first_token_us", describe(outcome.first_token)},
            {"per_token_us", describe(outcome.per_token)},
            {"request_us_by_lane", std::move(lanes)},
            {"batch_mean", metrics.batch_mean()},
            {"batch_sizes", histogram_of(metrics.batch_size)},
            {"fire_reasons", reasons_of(metrics)},
            {"share_of_read_bandwidth", share_of(limits, metrics)}};
}

std::string format_nanos(const Histogram& times, double percent) {
    return format_duration(
        std::chrono::nanoseconds(static_cast<std::int64_t>(times.percentile(percent))));
}

std::string row_of(const Way& way, const InferOutcome& outcome, const ReadLimit& limits) {
    const auto& critical = outcome.request[static_cast<std::size_t>(Lane::critical)];
    const auto& low = outcome.request[static_cast<std::size_t>(Lane::low)];
    std::array<char, 320> line;
    std::snprintf(
        line.data(), line.size(), "%-19.*s %8.2f %9.1f %10s %10s %10s %10s %10s %6.1f %5.2f\n",
        static_cast<int>(way.heading.size()), way.heading.data(),
        static_cast<double>(outcome.answered) / outcome.seconds,
        static_cast<double>(outcome.answer_tokens) / outcome.seconds,
        format_nanos(outcome.first_token, 50).c_str(),
        format_nanos(outcome.first_token, 99).c_str(), format_nanos(outcome.per_token, 50).c_str(),
        format_nanos(critical, 99).c_str(), format_nanos(low, 99).c_str(),
        outcome.metrics->batch_mean(), share_of(limits, *outcome.metrics));
    return line.data();
}

std::string heading() {
    std::array<char, 320> line;
    std::snprintf(line.data(), line.size(), "%-19s %8s %9s %10s %10s %10s %10s %10s %6s %5s\n", "",
                  "req/s", "tokens/s", "first p50", "first p99", "per token", "crit. p99",
                  "low p99", "batch", "limit");
    return line.data();
}

InferOutcome serve(const Way& way, const ServedModel& model, const InferPlan& plan,
                   const std::vector<PlannedRequest>& requests) {
    auto backend = model.open(way.batch_max);
    // Until its memory is in memory.
    static_cast<void>(lone_step_nanos(*backend));
    gpu::EngineOptions options;
    options.batches.max_batch = way.batch_max;
    options.batches.queue_capacity = 4096;
    options.joins_running = way.joins_running;
    const auto tokenizer = std::make_shared<gpu::ByteTokenizer>(backend->model().vocabulary_size);
    auto engine = need(gpu::Engine::open(std::move(backend), tokenizer, options), "the engine");
    Progress progress(std::string(way.heading));
    return load_stage(std::move(engine), plan, requests, [&](std::uint64_t answered) {
        progress.show(static_cast<double>(answered) / static_cast<double>(requests.size()));
    });
}

// Between what stays for prompts and answers of half a context.
void fit_to_context(InferPlan& plan, std::size_t context) {
    const auto half = static_cast<std::uint32_t>(context / 2);
    for (std::uint32_t* const limit : {&plan.prompt_tokens[0], &plan.prompt_tokens[1],
                                       &plan.answer_tokens[0], &plan.answer_tokens[1]})
        *limit = std::clamp(*limit, 1u, std::max(half, 2u) - 1);
}

// The folder that was given, or `scratch` with a model of random numbers.
std::filesystem::path model_folder(const Options& options, const ScratchFolder& scratch) {
    if (!options.model_folder.empty()) return options.model_folder;
    const auto written = gpu::write_random_model(gpu::RandomModelShape::small(), 1, scratch.path());
    if (!written) throw std::runtime_error(written.error().message());
    return scratch.path();
}

InferPlan plan_of(const Options& options, gpu::Backend& backend) {
    InferPlan plan;
    plan.vocabulary_size = static_cast<std::uint32_t>(backend.model().vocabulary_size);
    plan.duration = options.duration.value_or(std::chrono::seconds(10));
    plan.deadline = std::chrono::seconds(30);
    fit_to_context(plan, backend.limits().context_tokens);
    const double answer_mean = (plan.answer_tokens[0] + plan.answer_tokens[1]) / 2.0;
    const double alone = 1e9 / (lone_step_nanos(backend) * answer_mean);
    plan.requests_per_second =
        options.rate ? static_cast<double>(*options.rate) : kOverload * alone;
    return plan;
}

// The kind of processor, or the GPU's name.
std::string device_of(const gpu::Backend& backend) {
    if (const auto* const cpu = dynamic_cast<const gpu::CpuBackend*>(&backend))
        return std::string(cpu->kernels());
    return std::string(dynamic_cast<const gpu::CudaBackend&>(backend).device_name());
}

json::object parameters_of(const Options& options, const ServedModel& model,
                           const gpu::Backend& backend, const InferPlan& plan,
                           const ReadLimit& limits) {
    return {{"model", options.model_folder.empty() ? "random, 110 million numbers" : "given"},
            {"kind", backend.model().kind},
            {"weight_bytes", static_cast<std::uint64_t>(limits.weight_bytes)},
            {"backend", options.backend},
            {"device", device_of(backend)},
            {"threads", model.threads},
            {"requests_per_second", plan.requests_per_second},
            {"duration_ns", plan.duration.count()},
            {"prompt_tokens", json::array{plan.prompt_tokens[0], plan.prompt_tokens[1]}},
            {"answer_tokens", json::array{plan.answer_tokens[0], plan.answer_tokens[1]}},
            {"lanes", "1 critical, 2 high, 5 normal, 2 low"},
            {"seed", options.seed}};
}

void fill_in(Report& report, const std::vector<InferOutcome>& outcomes, const ReadLimit& limits) {
    report.table = heading();
    for (std::size_t i = 0; i < kWays.size(); ++i) {
        report.details[kWays[i].key] = describe_outcome(outcomes[i], limits);
        report.table += row_of(kWays[i], outcomes[i], limits);
        report.error_count += outcomes[i].failed;
        if (!outcomes[i].trouble.empty()) report.details["trouble"] = outcomes[i].trouble;
    }
    const InferOutcome& best = outcomes.back();
    report.events_per_second = static_cast<double>(best.answered) / best.seconds;
    for (const Histogram& times : best.request)
        report.latency_ns.merge(times);
    report.limit.bytes_per_second = limits.bytes_per_second;
    report.share_of_limit = share_of(limits, *best.metrics);
    report.rss_bytes_max = own_rss_bytes_max();
    report.cpu_seconds.client = own_cpu_seconds();
}

void run_infer(const Options& options, Report& report) {
    const ScratchFolder scratch(options.data_folder);
    const ServedModel model{.folder = model_folder(options, scratch),
                            .backend = gpu::backend_choice_of(options.backend).value()};
    const std::size_t weight_bytes = gpu::step_weight_bytes(
        model.backend, need(gpu::ModelWeights::open(model.folder), "the model"));
    ReadLimit limits{.weight_bytes = static_cast<double>(weight_bytes)};
    auto backend = model.open(1);
    const InferPlan plan = plan_of(options, *backend);
    report.parameters = parameters_of(options, model, *backend, plan, limits);
    backend.reset();  // a device may have no room for two
    const WeightMemory memory(model, weight_bytes);
    report.limit.name = memory.name();
    print_banner(report);

    const auto requests = planned_requests(plan, options.seed);
    if (requests.empty())
        throw std::runtime_error("no request comes at that --rate and --duration");
    limits.bytes_per_second = memory.bytes_per_second();
    std::vector<InferOutcome> outcomes;
    for (const Way& way : kWays)
        outcomes.push_back(serve(way, model, plan, requests));
    // Before and after: the machine may have changed.
    limits.bytes_per_second = std::max(limits.bytes_per_second, memory.bytes_per_second());
    fill_in(report, outcomes, limits);
}

constexpr std::array<std::string_view, 6> kInferFlags{"--rate",    "--duration", "--model",
                                                      "--backend", "--seed",     "--data-dir"};

}  // namespace

extern const Workload kInferWorkload;
const Workload kInferWorkload{
    "infer",
    "How fast does a model answer, one at a time and in batches, and how far is it from "
    "the speed of memory?",
    kInferFlags, run_infer};

}  // namespace casc::bench
