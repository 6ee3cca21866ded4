// What a request and its answer look like when another model than the one that was asked answers.

#include "json_reader.hpp"
#include "parsed_json.hpp"

#include <casc/inference/request_json.hpp>

#include <boost/json.hpp>

#include <utility>

namespace casc::inference {
namespace {

namespace json = boost::json;

// What a message says beyond the code and its sentence, which Error::message() puts before it.
std::string detail_in(std::string message, ErrorCode code) {
    const std::string known = Error(code).message();
    if (message.compare(0, known.size(), known) != 0) return message;
    message.erase(0, known.size());
    return message.compare(0, 2, ": ") == 0 ? message.substr(2) : message;
}

// The error that an answer has in place of a response.
Error error_in(const JsonReader& answer) {
    const auto object = answer.object("error");
    if (!object || *object == nullptr)
        return {ErrorCode::inference_failed, "its answer has neither a response nor an error"};
    const JsonReader error(**object, "error.");
    const auto number = error.count("number", 65'535);
    const auto message = error.text("message");
    const auto retry_after = error.count("retry_after_ms", ~std::uint32_t{0});
    const bool is_known = number && *number && **number != 0;
    const auto code = is_known ? static_cast<ErrorCode>(**number) : ErrorCode::inference_failed;
    return {code, message && *message ? detail_in(**message, code) : std::string(),
            retry_after ? static_cast<std::uint32_t>(retry_after->value_or(0)) : 0};
}

// Whoever asked has done nothing wrong.
Error nonsense(const Error& why) {
    return {ErrorCode::inference_failed, why.detail};
}

}  // namespace

Result<std::string> request_for_others(std::string_view request) {
    CASC_TRY(json::object all, parse_object(request, "the request"));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): it is a part of `all`, which is ours
    auto& inner = const_cast<json::object&>(request_object(all));
    inner.erase("model");
    if (json::value* const params = inner.if_contains("params"); params && params->is_object())
        params->get_object().erase("stream");
    return json::serialize(all);
}

Result<std::string> answer_of_fallback(std::string_view answer, std::string_view request_id) {
    auto parsed = parse_object(answer, "its answer");
    if (!parsed) return nonsense(parsed.error());
    json::object& all = *parsed;
    const JsonReader reader(all, "");
    const auto response = reader.object("response");
    if (!response) return nonsense(response.error());
    const auto status = reader.text("status");
    if (!status) return nonsense(status.error());
    const bool is_good = *status == "success" || *status == "degraded";
    if (!is_good || *response == nullptr) return error_in(reader);
    json::object shown = **response;
    json::value& metadata = shown["metadata"];
    if (!metadata.is_object()) metadata.emplace_object();
    metadata.get_object()["fallback_used"] = true;
    all["response"] = std::move(shown);
    all["status"] = "degraded";
    all["error"] = nullptr;
    all["request_id"] = nullptr;
    if (!request_id.empty()) all["request_id"] = request_id;
    return json::serialize(all);
}

std::optional<AnswerInParts> in_parts(std::string_view answer) {
    auto all = parse_object(answer, "the answer");
    if (!all) return {};
    boost::system::error_code none;
    json::value whole(std::move(*all));
    json::value* const text = whole.find_pointer("/response/result/text", none);
    if (text == nullptr || !text->is_string() || text->get_string().empty()) return {};
    AnswerInParts parts{.text = std::string(text->get_string()), .rest = {}};
    text->get_string().clear();
    parts.rest = json::serialize(whole);
    return parts;
}

}  // namespace casc::inference
