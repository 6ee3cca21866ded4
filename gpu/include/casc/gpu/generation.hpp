#pragma once
// casc/gpu/generation.hpp: what is asked of a model, and what it answers.
//
//   GenerateRequest request{.id = 7, .prompt = "The capital of France is", .max_tokens = 16};
//   request.deadline = now + 2s;
//   engine.submit(std::move(request), now);      // engine.hpp
//
// The same request with the same seed has the same text, whatever else the model computes at the
// time: see draw_at() in sampling.hpp.

#include <casc/gpu/model_config.hpp>
#include <casc/gpu/sampling.hpp>
#include <casc/gpu/token.hpp>
#include <casc/gpu/tokenizer.hpp>
#include <casc/gpu/waiting_request.hpp>
#include <casc/types/result.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace casc::gpu {

enum class RequestKind : std::uint8_t {
    generate,  // a text that goes on from the prompt
    embed,     // a vector of length 1 that stands for the prompt
    classify   // which of the model's labels the prompt has; of a classifier
};
[[nodiscard]] std::string_view to_string(RequestKind kind) noexcept;

struct GenerateRequest {
    RequestId id = 0;  // no two under way in a model have the same one
    RequestKind kind = RequestKind::generate;
    Lane lane = Lane::normal;
    MonoNanos deadline = kNoDeadline;      // when it is no longer worth an answer
    std::string prompt{};                  // UTF-8; or
    std::vector<TokenId> prompt_tokens{};  // as the model is to see them, with <s> and the like
    // Of generate alone:
    std::uint32_t max_tokens = 256;
    Sampling sampling{};
    std::uint64_t seed = 0;
    std::vector<std::string> stops{};  // the answer ends before the first of them
    bool streams = false;              // its text comes in pieces, as they become certain
};

enum class FinishReason : std::uint8_t {
    stop,         // the model ended its answer; of embed and classify: there it is
    stop_string,  // one of the request's was next
    length,       // max_tokens
    context,      // the model's context is full
    cancelled,
    timeout,  // the deadline came
    error
};
[[nodiscard]] std::string_view to_string(FinishReason reason) noexcept;

// From when the request was submitted.
struct AnswerTimes {
    std::chrono::nanoseconds queued{0};       // until a slot was its own; 0: it never had one
    std::chrono::nanoseconds first_token{0};  // 0: it has none
    std::chrono::nanoseconds total{0};
};

// Every request has exactly one. One that was cancelled, was too late or failed has what there was
// until then.
struct Answer {
    RequestId id = 0;
    FinishReason reason = FinishReason::error;
    Error error{ErrorCode::ok};       // of cancelled, timeout and error; else ok
    std::string text{};               // all of it; nothing when it came in pieces
    std::vector<float> values{};      // of embed: the vector; of classify: a probability per label
    std::string label{};              // of classify: the most likely one
    std::uint32_t prompt_tokens = 0;  // 0: it was refused before they were counted
    std::uint32_t answer_tokens = 0;  // that were computed, the one that ended it included
    AnswerTimes times{};
};

// The next piece of the text of a request that streams; whole characters. All of its pieces come
// before its answer.
struct TextPiece {
    RequestId id = 0;
    std::string text{};
};

using EngineOutput = std::variant<TextPiece, Answer>;

// What a request may be like at most.
inline constexpr std::uint32_t kMaxTokensMax = 1u << 24;  // no context is larger
inline constexpr std::size_t kStopsMax = 16;
inline constexpr std::size_t kStopBytesMax = 256;
inline constexpr std::size_t kPromptBytesPerToken = 256;  // of context; a token has about four

// Checks all of a request but its prompt. Thread: any. Fails with: invalid_request.
[[nodiscard]] Result<void> check_request(const GenerateRequest& request, const ModelConfig& model);

// The tokens of the request's prompt, which is taken out of it, as text or as tokens; its memory is
// not the request's any more. Checked, so that a backend with slots of `context_tokens` can compute
// them and, for generate, one more. Takes the time of tokenising: whoever submits to a busy thread
// may do it before and give tokens.
//
// Thread: any. Fails with: invalid_request (there are none, too many or both kinds, the text is no
// UTF-8, a token is not of the vocabulary).
[[nodiscard]] Result<std::vector<TokenId>> take_prompt(GenerateRequest& request,
                                                       const Tokenizer& tokenizer,
                                                       const ModelConfig& model,
                                                       std::uint32_t context_tokens);

}  // namespace casc::gpu
