#include <casc/gpu/generation.hpp>
#include <casc/types/utf8.hpp>

#include <algorithm>
#include <array>

namespace casc::gpu {
namespace {

Error refuse_request(const std::string& why) {
    return Error(ErrorCode::invalid_request, why);
}

bool has_only_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

Result<void> check_stops(const std::vector<std::string>& stops) {
    if (stops.size() > kStopsMax)
        return refuse_request(std::to_string(stops.size()) + " stop strings, and at most " +
                              std::to_string(kStopsMax) + " are looked for");
    for (const std::string& stop : stops) {
        if (stop.empty()) return refuse_request("a stop string is empty");
        if (stop.size() > kStopBytesMax)
            return refuse_request("a stop string has " + std::to_string(stop.size()) +
                                  " bytes, and at most " + std::to_string(kStopBytesMax) +
                                  " are looked for");
        if (!has_only_utf8(stop)) return refuse_request("a stop string is not UTF-8");
    }
    return {};
}

Result<void> check_kind(RequestKind kind, const ModelConfig& model) {
    if (kind == RequestKind::classify && !model.classifies())
        return refuse_request("the model has no labels: it generates, and does not classify");
    if (kind == RequestKind::generate && model.classifies())
        return refuse_request("the model classifies, and does not generate");
    return {};
}

// Before a text is tokenised that cannot fit whatever its tokens are.
Result<void> check_prompt_bytes(std::string_view prompt, std::uint32_t context_tokens) {
    const std::size_t bytes_max = kPromptBytesPerToken * context_tokens;
    if (prompt.size() > bytes_max)
        return refuse_request("the prompt has " + std::to_string(prompt.size()) +
                              " bytes, more than " + std::to_string(bytes_max) +
                              " for a context of " + std::to_string(context_tokens) + " tokens");
    if (!has_only_utf8(prompt)) return refuse_request("the prompt is not UTF-8");
    return {};
}

Result<void> check_prompt(const std::vector<TokenId>& tokens, RequestKind kind,
                          const ModelConfig& model, std::uint32_t context_tokens) {
    if (tokens.empty()) return refuse_request("the prompt is empty");
    const std::size_t answer = kind == RequestKind::generate ? 1 : 0;
    if (tokens.size() + answer > context_tokens)
        return refuse_request("the prompt has " + std::to_string(tokens.size()) +
                              " tokens, and the context has " + std::to_string(context_tokens) +
                              (answer != 0 ? " for it and its answer" : ""));
    const auto unknown =
        std::ranges::find_if(tokens, [&](TokenId token) { return token >= model.vocabulary_size; });
    if (unknown != tokens.end())
        return refuse_request("token " + std::to_string(*unknown) +
                              " of the prompt is beyond the " +
                              std::to_string(model.vocabulary_size) + " of the vocabulary");
    return {};
}

}  // namespace

std::string_view to_string(RequestKind kind) noexcept {
    constexpr std::array<std::string_view, 3> names{"generate", "embed", "classify"};
    return names[static_cast<std::size_t>(kind)];
}

std::string_view to_string(FinishReason reason) noexcept {
    constexpr std::array<std::string_view, 7> names{"stop",      "stop_string", "length", "context",
                                                    "cancelled", "timeout",     "error"};
    return names[static_cast<std::size_t>(reason)];
}

Result<void> check_request(const GenerateRequest& request, const ModelConfig& model) {
    if (static_cast<std::size_t>(request.lane) >= kLaneCount)
        return Error(ErrorCode::unknown_lane, std::to_string(static_cast<unsigned>(request.lane)));
    if (request.kind > RequestKind::classify) return refuse_request("the kind is not known");
    CASC_TRY_VOID(check_kind(request.kind, model));
    if (request.kind != RequestKind::generate) return {};
    if (request.max_tokens == 0 || request.max_tokens > kMaxTokensMax)
        return refuse_request("max_tokens is " + std::to_string(request.max_tokens) +
                              ", and must be 1 to " + std::to_string(kMaxTokensMax));
    CASC_TRY_VOID(request.sampling.check());
    return check_stops(request.stops);
}

Result<std::vector<TokenId>> take_prompt(GenerateRequest& request, const Tokenizer& tokenizer,
                                         const ModelConfig& model, std::uint32_t context_tokens) {
    if (!request.prompt.empty() && !request.prompt_tokens.empty())
        return refuse_request("the prompt is given twice, as a text and as tokens");
    std::vector<TokenId> tokens = std::move(request.prompt_tokens);
    const std::string text = std::move(request.prompt);
    if (!text.empty()) {
        CASC_TRY_VOID(check_prompt_bytes(text, context_tokens));
        CASC_TRY(tokens, tokenizer.encode(text, SpecialTokens::around));
    }
    CASC_TRY_VOID(check_prompt(tokens, request.kind, model, context_tokens));
    return tokens;
}

}  // namespace casc::gpu
