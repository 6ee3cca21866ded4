#include "text.hpp"

#include <casc/inference/request_json.hpp>

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <string>

using namespace casc;
using namespace casc::inference;
using casc::test::contains;
using gpu::RequestKind;
namespace json = boost::json;

namespace {

AskedOfModel asked_by(std::string_view text) {
    auto asked = parse_request(text);
    REQUIRE_MESSAGE(asked, asked.error().message());
    return std::move(*asked);
}

Error refused(std::string_view text, ErrorCode code = ErrorCode::invalid_request) {
    const auto asked = parse_request(text);
    REQUIRE_FALSE(asked);
    CHECK(asked.error().code == code);
    return asked.error();
}

// 2026-11-30T07:00:00.250Z
constexpr EpochNanos kNow{1'796'022'000'250'000'000};

const AnsweredBy kModel{.model = "sections",
                        .version = "2",
                        .backend = "cpu",
                        .memory_bytes = 3'500'000,
                        .labels = {"admin", "games"}};

}  // namespace

TEST_CASE("inference/request_json: a request in the envelope of the cross-system interface") {
    const AskedOfModel asked = asked_by(R"({
        "id": "7f", "timestamp": "2025-07-30T12:00:00Z", "source": {"system": "pc2"},
        "request": {"type": "inference", "model": "phi-3-mini", "method": "generate",
            "params": {"prompt": "Go on:", "max_tokens": 2048, "temperature": 0.7, "top_p": 0.9,
                       "top_k": 40, "seed": 18446744073709551615, "stop": "\n", "stream": true},
            "priority": "high", "timeout_ms": 30000},
        "auth": {"token": "t"}})");
    CHECK(asked.request_id == "7f");
    CHECK(asked.model == "phi-3-mini");
    CHECK(asked.lane == Lane::high);
    CHECK(asked.timeout == std::chrono::seconds(30));
    CHECK(asked.request.kind == RequestKind::generate);
    CHECK(asked.request.prompt == "Go on:");
    CHECK(asked.request.max_tokens == 2048);
    CHECK(asked.request.sampling.temperature == doctest::Approx(0.7));
    CHECK(asked.request.sampling.top_p == doctest::Approx(0.9));
    CHECK(asked.request.sampling.top_k == 40);
    CHECK(asked.request.seed == 18446744073709551615ull);
    CHECK(asked.request.stops == std::vector<std::string>{"\n"});
    CHECK(asked.request.streams);
}

TEST_CASE("inference/request_json: a request without an envelope, and what it does not say") {
    const AskedOfModel asked = asked_by(R"({"id": "a", "params": {"prompt": "x"}})");
    CHECK(asked.request_id == "a");
    CHECK(asked.model.empty());
    CHECK(asked.request.kind == RequestKind::generate);
    CHECK_FALSE(asked.lane);
    CHECK_FALSE(asked.timeout);
    CHECK(asked.request.sampling.temperature == 0);
    CHECK(asked.request.max_tokens == gpu::GenerateRequest().max_tokens);
    CHECK_FALSE(asked.request.streams);
    CHECK(asked_by(R"({"method": "classify", "params": {"prompt": "x"}})").request.kind ==
          RequestKind::classify);
    CHECK(
        asked_by(R"({"method": "embed", "params": {"prompt": "x", "stop": null}})").request.kind ==
        RequestKind::embed);
}

TEST_CASE("inference/request_json: what is wrong is refused by its name") {
    CHECK(contains(refused("").detail, "no JSON"));
    CHECK(contains(refused("[1]").detail, "no object"));
    CHECK(contains(refused(R"({"params": {"prompt": "\ud800"}})").detail, "no JSON"));
    CHECK(contains(refused("{\"params\": {\"prompt\": \"\xff\"}}").detail, "no JSON"));
    CHECK(contains(refused("{}").detail, "'params' is missing"));
    CHECK(contains(refused(R"({"params": {}})").detail, "'params.prompt' is missing"));
    CHECK(contains(refused(R"({"params": {"prompt": 7}})").detail, "'params.prompt'"));
    CHECK(contains(refused(R"({"method": "dream", "params": {"prompt": "x"}})").detail, "dream"));
    CHECK(contains(refused(R"({"timeout_ms": -1, "params": {"prompt": "x"}})").detail,
                   "'timeout_ms'"));
    CHECK(contains(refused(R"({"params": {"prompt": "x", "max_tokens": 1.5}})").detail,
                   "'params.max_tokens'"));
    CHECK(contains(refused(R"({"params": {"prompt": "x", "max_token": 5}})").detail,
                   "'params.max_token' is not known"));
    CHECK(contains(refused(R"({"params": {"prompt": "x", "stop": [1]}})").detail, "'params.stop'"));
    CHECK(contains(refused(R"({"request": {"params": {"prompt": "x", "seed": "7"}}})").detail,
                   "'params.seed'"));
    CHECK(contains(refused(R"({"method": "embed", "params": {"prompt": "x", "seed": 7}})").detail,
                   "'params.seed' is not known"));
    (void)refused(R"({"params": {"prompt": "x", "temperature": -1}})");
    (void)refused(R"({"params": {"prompt": "x", "top_p": 1.5}})");
    (void)refused(R"({"priority": "urgent", "params": {"prompt": "x"}})", ErrorCode::unknown_lane);
    CHECK(contains(refused(std::string(100, '[')).detail, "no JSON"));
}

TEST_CASE("inference/request_json: a request that is refused can still be named in its answer") {
    CHECK(request_id_of(R"({"id": "7f", "request": 5})") == "7f");
    CHECK(request_id_of(R"({"request": {"id": "8"}})") == "8");
    CHECK(request_id_of(R"({"id": 7})").empty());
    CHECK(request_id_of("nonsense").empty());
}

TEST_CASE("inference/request_json: an answer has what the interface says, and who gave it") {
    gpu::Answer answer;
    answer.reason = gpu::FinishReason::length;
    answer.text = "and \"so\" on";
    answer.prompt_tokens = 5;
    answer.answer_tokens = 3;
    answer.times = {.queued = std::chrono::microseconds(1500),
                    .first_token = std::chrono::milliseconds(4),
                    .total = std::chrono::milliseconds(10)};
    const json::value all =
        json::parse(answer_json("7f", RequestKind::generate, answer, kModel, kNow));
    CHECK(all.at("request_id").as_string() == "7f");
    CHECK(all.at("timestamp").as_string() == "2026-11-30T07:00:00.250Z");
    CHECK(all.at("status").as_string() == "success");
    CHECK(all.at("error").is_null());
    const json::value& response = all.at("response");
    CHECK(response.at("model_used").as_string() == "sections");
    CHECK(response.at("inference_time_ms").as_double() == doctest::Approx(10));
    CHECK(response.at("result").at("text").as_string() == answer.text);
    CHECK(response.at("result").at("tokens_generated").to_number<int>() == 3);
    CHECK(response.at("result").at("finish_reason").as_string() == "length");
    CHECK(response.at("metadata").at("queue_time_ms").as_double() == doctest::Approx(1.5));
    CHECK(response.at("metadata").at("gpu_memory_used_mb").as_double() == doctest::Approx(3.5));
    CHECK(response.at("metadata").at("fallback_used").as_bool() == false);
    CHECK(response.at("metadata").at("model_version").as_string() == "2");
    const json::value second =
        json::parse(answer_json("", RequestKind::generate, answer, kModel, kNow));
    CHECK(second.at("request_id").is_null());
}

TEST_CASE("inference/request_json: vectors and labels") {
    gpu::Answer answer;
    answer.values = {0.25, 0.75};
    answer.label = "games";
    const json::value classified =
        json::parse(answer_json("1", RequestKind::classify, answer, kModel, kNow));
    const json::value& result = classified.at("response").at("result");
    CHECK(result.at("label").as_string() == "games");
    CHECK(result.at("probabilities").at("admin").as_double() == doctest::Approx(0.25));
    const json::value embedded =
        json::parse(answer_json("1", RequestKind::embed, answer, kModel, kNow));
    CHECK(embedded.at("response").at("result").at("embedding").as_array().size() == 2);
}

TEST_CASE("inference/request_json: an error has its code, its number and what to do") {
    Error full(ErrorCode::model_overloaded, "1024 wait", 5000);
    full.fallback_available = true;
    const json::value busy = json::parse(error_json("7f", full, kNow));
    CHECK(busy.at("status").as_string() == "error");
    CHECK(busy.at("response").is_null());
    CHECK(busy.at("error").at("code").as_string() == "MODEL_OVERLOADED");
    CHECK(busy.at("error").at("number").to_number<int>() == 3002);
    CHECK(busy.at("error").at("retry_after_ms").to_number<int>() == 5000);
    CHECK(busy.at("error").at("fallback_available").as_bool());
    CHECK(contains(std::string(busy.at("error").at("message").as_string()), "1024 wait"));
    const json::value late = json::parse(error_json("7f", {ErrorCode::timeout, ""}, kNow));
    CHECK(late.at("status").as_string() == "timeout");
    CHECK_FALSE(late.at("error").as_object().contains("retry_after_ms"));
}
