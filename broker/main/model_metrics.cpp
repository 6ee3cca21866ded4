#include "model_metrics.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace casc::broker {
namespace {

using gpu::EngineMetrics;
using inference::ModelMetrics;

constexpr double kNanosPerSecond = 1e9;

// Names of models, lanes and the like need no escapes.
std::string label(std::string_view name, std::string_view value) {
    return std::string(name) + "=\"" + std::string(value) + '"';
}

std::string shortest(double value) {
    std::string text = std::to_string(value);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
}

// All families, each with the samples of one model after the other.
class Families {
public:
    // Of those that are loaded.
    explicit Families(const std::vector<ModelMetrics>& models) {
        for (const ModelMetrics& model : models)
            if (model.engine) models_.push_back(model);
    }

    // `read` gives a number of a model.
    template <class Read>
    void add(const char* type, const std::string& name, std::string help, Read&& read) {
        MetricFamily family{name, std::move(help), type, {}};
        for (const ModelMetrics& model : models_)
            family.samples.push_back(
                {name, label("model", model.model.name), static_cast<double>(read(model))});
        all_.push_back(std::move(family));
    }
    // One number for each of `names`; `read` gives that of one of them.
    template <class Names, class Read>
    void add_by(const char* type, const std::string& name, std::string help,
                std::string_view label_name, const Names& names, Read&& read) {
        MetricFamily family{name, std::move(help), type, {}};
        for (const ModelMetrics& model : models_)
            for (std::size_t i = 0; i < std::size(names); ++i)
                family.samples.push_back(
                    {name, label("model", model.model.name) + ',' + label(label_name, names[i]),
                     static_cast<double>(read(*model.engine, i))});
        all_.push_back(std::move(family));
    }
    template <class Read>
    void add_histogram(const std::string& name, std::string help, double unit, Read&& read) {
        MetricFamily family{name, std::move(help), "histogram", {}};
        for (const ModelMetrics& model : models_)
            add_buckets(family, label("model", model.model.name), unit, read(*model.engine));
        all_.push_back(std::move(family));
    }
    template <class Names, class Read>
    void add_histograms_by(const std::string& name, std::string help, double unit,
                           std::string_view label_name, const Names& names, Read&& read) {
        MetricFamily family{name, std::move(help), "histogram", {}};
        for (const ModelMetrics& model : models_)
            for (std::size_t i = 0; i < std::size(names); ++i)
                add_buckets(family,
                            label("model", model.model.name) + ',' + label(label_name, names[i]),
                            unit, read(*model.engine, i));
        all_.push_back(std::move(family));
    }
    void add_info(const std::vector<ModelMetrics>& models) {
        MetricFamily family{"casc_infer_model_loaded_info",
                            "A model that is loaded, or should be; the value is always 1.",
                            "gauge",
                            {}};
        for (const ModelMetrics& model : models)
            family.samples.push_back(
                {family.name,
                 label("model", model.model.name) + ',' + label("version", model.model.version) +
                     ',' + label("backend", model.backend) + ',' + label("state", model.state),
                 1});
        all_.push_back(std::move(family));
    }
    [[nodiscard]] std::vector<MetricFamily> take() { return std::move(all_); }

private:
    // Buckets are cumulative; the last one, +Inf, is the count.
    template <class Distribution>
    static void add_buckets(MetricFamily& family, const std::string& labels, double unit,
                            const Distribution& values) {
        std::uint64_t count = 0;
        const auto& limits = values.limits();
        for (std::size_t i = 0; i < limits.size(); ++i) {
            count += values.count_in(i);
            family.samples.push_back(
                {family.name + "_bucket",
                 labels + ',' + label("le", shortest(static_cast<double>(limits[i]) / unit)),
                 static_cast<double>(count)});
        }
        count += values.count_in(limits.size());
        family.samples.push_back({family.name + "_bucket", labels + ',' + label("le", "+Inf"),
                                  static_cast<double>(count)});
        family.samples.push_back(
            {family.name + "_sum", labels, static_cast<double>(values.sum()) / unit});
        family.samples.push_back({family.name + "_count", labels, static_cast<double>(count)});
    }

    std::vector<ModelMetrics> models_;
    std::vector<MetricFamily> all_;
};

void add_requests(Families& families) {
    families.add_by("counter", "casc_infer_requests_total",
                    "Requests that the model's line has taken or refused and that have ended, by "
                    "how they did.",
                    "outcome", gpu::kOutcomeNames,
                    [](const EngineMetrics& m, std::size_t i) { return m.outcomes[i].value(); });
    families.add("counter", "casc_infer_errors_total",
                 "Requests that had an error for an answer or were given back, whatever for.",
                 [](const ModelMetrics& m) { return m.counts.errors; });
    families.add("counter", "casc_infer_fallbacks_total",
                 "Answers that somebody else gave in the model's place.",
                 [](const ModelMetrics& m) { return m.counts.fallbacks; });
    families.add("counter", "casc_infer_commits_total", "Journal entries with answers of events.",
                 [](const ModelMetrics& m) { return m.counts.commits; });
    families.add("counter", "casc_infer_failed_commits_total",
                 "Answers of events that could not be written at once.",
                 [](const ModelMetrics& m) { return m.counts.failed_commits; });
    families.add_histograms_by(
        "casc_infer_queue_seconds", "Time until a request had a slot.", kNanosPerSecond, "lane",
        kLaneNames, [](const EngineMetrics& m, std::size_t i) -> auto& { return m.queued[i]; });
    families.add_histogram(
        "casc_infer_request_seconds", "Time from when the stage had a request to its answer.",
        kNanosPerSecond, [](const EngineMetrics& m) -> auto& { return m.request; });
    families.add_histogram(
        "casc_infer_ttft_seconds", "Time to the first token of an answer.", kNanosPerSecond,
        [](const EngineMetrics& m) -> auto& { return m.first_token; });
    families.add_histogram(
        "casc_infer_tpot_seconds", "Time per token after the first one.", kNanosPerSecond,
        [](const EngineMetrics& m) -> auto& { return m.per_token; });
    families.add_by("gauge", "casc_infer_waiting_requests", "Requests in line.", "lane", kLaneNames,
                    [](const EngineMetrics& m, std::size_t i) { return m.waiting[i].value(); });
}

void add_steps(Families& families) {
    static constexpr std::array<std::string_view, 2> kTypes{"input", "output"};
    static constexpr std::array<std::string_view, 2> kPhases{"prefill", "decode"};
    std::array<std::string_view, gpu::kFireReasons.size()> reasons;
    std::ranges::transform(gpu::kFireReasons, reasons.begin(),
                           [](gpu::FireReason reason) { return to_string(reason); });

    families.add("counter", "casc_infer_executions_total", "Steps of the device.",
                 [](const ModelMetrics& m) { return m.engine->steps.value(); });
    families.add("counter", "casc_infer_failed_executions_total", "Steps that failed.",
                 [](const ModelMetrics& m) { return m.engine->failed_steps.value(); });
    families.add_histogram(
        "casc_infer_batch_size", "Requests of a step.", 1,
        [](const EngineMetrics& m) -> auto& { return m.batch_size; });
    families.add_histogram(
        "casc_infer_batch_wait_seconds",
        "How long the first request of a batch for an idle device had waited for the others.",
        kNanosPerSecond, [](const EngineMetrics& m) -> auto& { return m.batch_wait; });
    families.add_by("counter", "casc_infer_fire_reason_total",
                    "Batches for an idle device, by why they left.", "reason", reasons,
                    [](const EngineMetrics& m, std::size_t i) { return m.fired[i].value(); });
    families.add("counter", "casc_infer_joined_total",
                 "Requests that joined others whose answers were growing.",
                 [](const ModelMetrics& m) { return m.engine->joined.value(); });
    families.add_histograms_by(
        "casc_infer_compute_seconds", "Time of a step, by whether it had parts of prompts.",
        kNanosPerSecond, "phase", kPhases, [](const EngineMetrics& m, std::size_t i) -> auto& {
            return i == 0 ? m.prompt_step : m.decode_step;
        });
    families.add_by("counter", "casc_infer_tokens_total",
                    "Tokens of prompts (input) and answers (output) that were computed.", "type",
                    kTypes, [](const EngineMetrics& m, std::size_t i) {
                        return i == 0 ? m.prompt_tokens.value() : m.answer_tokens.value();
                    });
    families.add("gauge", "casc_infer_running_slots", "Slots that requests have.",
                 [](const ModelMetrics& m) { return m.engine->running.value(); });
    families.add("gauge", "casc_infer_slots", "Slots that there are.",
                 [](const ModelMetrics& m) { return m.engine->slots; });
    families.add("gauge", "casc_infer_kv_cache_usage_ratio",
                 "Tokens that have keys and values, of those that there is room for.",
                 [](const ModelMetrics& m) {
                     return static_cast<double>(m.engine->cached_tokens.value()) /
                            static_cast<double>(m.engine->cache_tokens);
                 });
}

}  // namespace

std::vector<MetricFamily> model_metrics(const std::vector<ModelMetrics>& models) {
    if (models.empty()) return {};
    Families families(models);
    families.add_info(models);
    families.add("gauge", "casc_infer_model_load_seconds", "How long loading it took.",
                 [](const ModelMetrics& m) { return m.load_seconds; });
    families.add("gauge", "casc_infer_model_memory_bytes", "Of its weights.",
                 [](const ModelMetrics& m) { return m.memory_bytes; });
    add_requests(families);
    add_steps(families);
    return families.take();
}

}  // namespace casc::broker
