#include "json_reader.hpp"
#include "parsed_json.hpp"

#include <casc/inference/request_json.hpp>
#include <casc/types/utf8.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <utility>

namespace casc::inference {
namespace {

namespace json = boost::json;
using gpu::GenerateRequest;
using gpu::RequestKind;

constexpr std::uint64_t kTimeoutMsMax = 24ull * 3600 * 1000;
// An answer repeats it, and must fit where its request did.
constexpr std::size_t kIdBytesMax = 256;

// What an error repeats of a request.
std::string shown(const std::string& text) {
    constexpr std::size_t kShownBytesMax = 64;
    return text.size() <= kShownBytesMax ? "'" + text + "'"
                                         : "a text of " + std::to_string(text.size()) + " bytes";
}

Result<RequestKind> kind_of(const std::string& method) {
    for (const RequestKind kind :
         {RequestKind::generate, RequestKind::embed, RequestKind::classify}) {
        if (to_string(kind) == method) return kind;
    }
    return Error(ErrorCode::invalid_request, "there is no method " + shown(method) +
                                                 "; there are generate, embed and classify");
}

Result<std::optional<Lane>> lane_of(const std::optional<std::string>& priority) {
    if (!priority) return std::optional<Lane>();
    const auto found = std::ranges::find(kLaneNames, *priority);
    if (found == kLaneNames.end())
        return Error(ErrorCode::unknown_lane, shown(*priority) +
                                                  " is no priority; there are critical, high, "
                                                  "normal and low");
    return std::optional(kLanes[static_cast<std::size_t>(found - kLaneNames.begin())]);
}

Result<void> read_sampling(const JsonReader& params, GenerateRequest& request) {
    CASC_TRY(const auto temperature, params.number("temperature"));
    CASC_TRY(const auto top_p, params.number("top_p"));
    CASC_TRY(const auto top_k, params.count("top_k", ~std::uint32_t{0}));
    CASC_TRY(const auto seed, params.count("seed"));
    if (temperature) request.sampling.temperature = static_cast<float>(*temperature);
    if (top_p) request.sampling.top_p = static_cast<float>(*top_p);
    if (top_k) request.sampling.top_k = static_cast<std::uint32_t>(*top_k);
    if (seed) request.seed = *seed;
    return request.sampling.check();
}

Result<void> read_generation(const JsonReader& params, GenerateRequest& request) {
    CASC_TRY_VOID(params.has_only(
        {"prompt", "max_tokens", "temperature", "top_p", "top_k", "seed", "stop", "stream"}));
    CASC_TRY(const auto max_tokens, params.count("max_tokens", gpu::kMaxTokensMax));
    CASC_TRY(const auto streams, params.flag("stream"));
    CASC_TRY(request.stops, params.texts("stop"));
    if (max_tokens) request.max_tokens = static_cast<std::uint32_t>(*max_tokens);
    request.streams = streams.value_or(false);
    return read_sampling(params, request);
}

Result<void> read_params(const json::object& object, GenerateRequest& request) {
    const JsonReader params(object, "params.");
    CASC_TRY(auto prompt, params.text("prompt"));
    if (!prompt) return Error(ErrorCode::invalid_request, "'params.prompt' is missing");
    request.prompt = std::move(*prompt);
    if (request.kind == RequestKind::generate) return read_generation(params, request);
    return params.has_only({"prompt"});
}

// ---- answers ---------------------------------------------------------------------------------

std::string time_text(EpochNanos now) {
    constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
    const std::time_t seconds = now.value() / kNanosPerSecond;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[40];
    const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    const auto millis = static_cast<int>(now.value() % kNanosPerSecond / 1'000'000);
    std::snprintf(text + size, sizeof text - size, ".%03dZ", millis);
    return text;
}

double millis(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

json::object head_of(std::string_view request_id, std::string_view status, EpochNanos now) {
    json::object head{{"request_id", nullptr}, {"timestamp", time_text(now)}, {"status", status}};
    if (!request_id.empty()) head["request_id"] = request_id;
    return head;
}

json::array numbers(const std::vector<float>& values) {
    json::array all;
    all.insert(all.end(), values.begin(), values.end());
    return all;
}

json::object probabilities_of(const gpu::Answer& answer, const AnsweredBy& by) {
    json::object all;
    const std::size_t count = std::min(answer.values.size(), by.labels.size());
    for (std::size_t i = 0; i < count; ++i)
        all[by.labels[i]] = answer.values[i];
    return all;
}

json::object result_of(RequestKind kind, const gpu::Answer& answer, const AnsweredBy& by) {
    if (kind == RequestKind::embed) return {{"embedding", numbers(answer.values)}};
    if (kind == RequestKind::classify)
        return {{"label", answer.label}, {"probabilities", probabilities_of(answer, by)}};
    return {{"text", answer.text},
            {"tokens_generated", answer.answer_tokens},
            {"finish_reason", to_string(answer.reason)}};
}

json::object metadata_of(const gpu::Answer& answer, const AnsweredBy& by) {
    constexpr double kMegabyte = 1e6;
    return {{"gpu_memory_used_mb", static_cast<double>(by.memory_bytes) / kMegabyte},
            {"queue_time_ms", millis(answer.times.queued)},
            {"first_token_ms", millis(answer.times.first_token)},
            {"prompt_tokens", answer.prompt_tokens},
            {"backend", by.backend},
            {"model_version", by.version},
            {"fallback_used", false}};
}

}  // namespace

Result<AskedOfModel> parse_request(std::string_view text) {
    CASC_TRY(const json::object all, parse_object(text, "the request"));
    const json::object& inner = request_object(all);
    const JsonReader reader(inner, &inner == &all ? "" : "request.");
    AskedOfModel asked;
    CASC_TRY(auto own_id, reader.text("id"));
    CASC_TRY(auto outer_id, JsonReader(all, "").text("id"));
    asked.request_id = outer_id ? *outer_id : own_id.value_or("");
    if (asked.request_id.size() > kIdBytesMax)
        return Error(ErrorCode::invalid_request, "'id' has more than 256 bytes");
    CASC_TRY(const auto model, reader.text("model"));
    asked.model = model.value_or("");
    CASC_TRY(const auto method, reader.text("method"));
    CASC_TRY(asked.request.kind, kind_of(method.value_or("generate")));
    CASC_TRY(const auto priority, reader.text("priority"));
    CASC_TRY(asked.lane, lane_of(priority));
    CASC_TRY(const auto timeout_ms, reader.count("timeout_ms", kTimeoutMsMax));
    if (timeout_ms) asked.timeout = std::chrono::milliseconds(*timeout_ms);
    CASC_TRY(const json::object* const params, reader.object("params"));
    if (params == nullptr)
        return Error(ErrorCode::invalid_request, "'params' is missing: it has the prompt");
    CASC_TRY_VOID(read_params(*params, asked.request));
    return asked;
}

std::string request_id_of(std::string_view text) {
    const auto all = parse_object(text, "the request");
    if (!all) return {};
    for (const json::object* object : {&*all, &request_object(*all)}) {
        const json::value* const id = object->if_contains("id");
        if (id != nullptr && id->is_string() && id->get_string().size() <= kIdBytesMax)
            return std::string(id->get_string());
    }
    return {};
}

std::string answer_json(std::string_view request_id, RequestKind kind, const gpu::Answer& answer,
                        const AnsweredBy& by, EpochNanos now) {
    json::object all = head_of(request_id, "success", now);
    all["response"] = {{"model_used", by.model},
                       {"inference_time_ms", millis(answer.times.total)},
                       {"result", result_of(kind, answer, by)},
                       {"metadata", metadata_of(answer, by)}};
    all["error"] = nullptr;
    return json::serialize(all);
}

std::string error_json(std::string_view request_id, const Error& error, EpochNanos now) {
    const bool is_late = error.code == ErrorCode::timeout;
    json::object all = head_of(request_id, is_late ? "timeout" : "error", now);
    const ErrorInfo info = error_info(error.code);
    json::object object{{"code", info.name},
                        {"number", static_cast<std::uint64_t>(error.code)},
                        {"message", error.message()},
                        {"retryable", info.retryable},
                        {"fallback_available", error.fallback_available}};
    if (error.retry_after_ms != 0) object["retry_after_ms"] = error.retry_after_ms;
    all["response"] = nullptr;
    all["error"] = std::move(object);
    return json::serialize(all);
}

std::string piece_json(std::string_view text) {
    return json::serialize(json::object{{"text", text}});
}

}  // namespace casc::inference
