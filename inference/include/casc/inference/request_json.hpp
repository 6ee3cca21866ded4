#pragma once
// casc/inference/request_json.hpp: requests to models and their answers, as they travel in events.
//
// A request, alone or as the member "request" of an envelope whose other members are the sender's:
//
//   {"model": "phi-3-mini", "method": "generate", "priority": "high", "timeout_ms": 30000,
//    "params": {"prompt": "…", "max_tokens": 256, "temperature": 0.7, "top_p": 0.9, "top_k": 40,
//               "seed": 7, "stop": ["\n"], "stream": true}}
//
// An answer has the same "request_id" as the request had for "id", a "status" (success, error,
// timeout or degraded, which is a success of a fallback), and either "response" or "error". The
// format is that of the cross-system interface that casc took over (its sections 2.1 and B).

#include <casc/gpu/generation.hpp>
#include <casc/types/clock.hpp>
#include <casc/types/result.hpp>
#include <casc/types/vocabulary.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casc::inference {

struct AskedOfModel {
    std::string request_id;  // the envelope's or the request's own "id"; empty: it has none
    std::string model;       // empty: whichever is there
    // Without an id, and without a deadline.
    gpu::GenerateRequest request;
    std::optional<Lane> lane;                          // "priority"
    std::optional<std::chrono::milliseconds> timeout;  // "timeout_ms", from when it was asked
};

// Members that say nothing of what is computed (timestamp, source, auth, …) are passed over; a
// parameter that is not known is refused, since the answer would be another than was asked for.
// Fails with: invalid_request, with the member it is about.
[[nodiscard]] Result<AskedOfModel> parse_request(std::string_view json);
// The "id" of a text that may be no request: what an error can name. Empty: it has none.
[[nodiscard]] std::string request_id_of(std::string_view json);

// Who has answered.
struct AnsweredBy {
    std::string model;    // "phi-3-mini"
    std::string version;  // "1"
    std::string backend;  // "cpu"
    std::uint64_t memory_bytes = 0;
    std::vector<std::string> labels;  // of a classifier, in the order of Answer::values
};

// Members beside those of the interface: "model_version", "backend", "prompt_tokens",
// "first_token_ms"; "embedding", or "label" and "probabilities", in the result.
[[nodiscard]] std::string answer_json(std::string_view request_id, gpu::RequestKind kind,
                                      const gpu::Answer& answer, const AnsweredBy& by,
                                      EpochNanos now);
[[nodiscard]] std::string error_json(std::string_view request_id, const Error& error,
                                     EpochNanos now);
// The request as another model is asked it: without "model", and for one answer, not for parts.
[[nodiscard]] Result<std::string> request_for_others(std::string_view request);
// What another model answered, as the answer of a fallback: "degraded", "fallback_used", and the
// id of the request. Fails with: what the answer has for an error, inference_failed (it is none).
[[nodiscard]] Result<std::string> answer_of_fallback(std::string_view answer,
                                                     std::string_view request_id);
// Such an answer for a caller who takes parts: its text, and itself without it. Nothing: it has no
// text.
struct AnswerInParts {
    std::string text;
    std::string rest;
};
[[nodiscard]] std::optional<AnswerInParts> in_parts(std::string_view answer);
// {"text": "…"}
[[nodiscard]] std::string piece_json(std::string_view text);

}  // namespace casc::inference
