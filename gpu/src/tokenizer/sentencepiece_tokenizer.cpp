#include "tokenizer/sentencepiece_tokenizer.hpp"

#if defined(CASC_SENTENCEPIECE)

#include "tokenizer/sentencepiece_model.hpp"
#include "tokenizer/tokenizer_text.hpp"

#include <casc/types/units.hpp>

#include <exception>
#include <sentencepiece_processor.h>
#include <string>

namespace casc::gpu {
namespace {

// Of a text as the library changes it first. It remembers eight bytes for each of them.
constexpr std::size_t kExpandedBytesMax = 256_MiB;

// Thread: any; the library's encoding changes nothing.
class SentencePieceTokenizer final : public Tokenizer {
public:
    explicit SentencePieceTokenizer(SentencePieceModel model) : model_(std::move(model)) {}

    Result<void> load(std::string_view serialized) {
        const auto status = processor_.LoadFromSerializedProto(serialized);
        if (status.ok()) return {};
        return Error(ErrorCode::model_unusable, "tokenizer.model: " + status.ToString());
    }
    Result<std::vector<TokenId>> encode(std::string_view text,
                                        SpecialTokens special) const override {
        CASC_TRY_VOID(check_text(text));
        CASC_TRY_VOID(check_expanded(text));
        try {
            return encode_checked(text, special);
        } catch (const std::exception& thrown) {
            return refuse_text(thrown.what());
        }
    }
    std::string_view bytes_of(TokenId token) const noexcept override { return model_.texts[token]; }
    std::size_t vocabulary_size() const noexcept override { return model_.texts.size(); }
    bool drops_first_space() const noexcept override { return model_.drops_first_space; }

private:
    static Error refuse_text(const std::string& why) {
        return Error(ErrorCode::invalid_request, "tokenizer.model: " + why);
    }
    Result<void> check_expanded(std::string_view text) const {
        if (text.size() <= kExpandedBytesMax / model_.expansion) return {};
        return refuse_text("the text has " + std::to_string(text.size()) +
                           " bytes, each of which may become " + std::to_string(model_.expansion) +
                           ", and " + std::to_string(kExpandedBytesMax) +
                           " at most are made into tokens");
    }
    Result<std::vector<TokenId>> encode_checked(std::string_view text,
                                                SpecialTokens special) const {
        std::vector<int> pieces;
        if (const auto status = processor_.Encode(text, &pieces); !status.ok())
            return refuse_text(status.ToString());
        std::vector<TokenId> tokens;
        tokens.reserve(pieces.size() + 1);
        if (special != SpecialTokens::plain && processor_.bos_id() >= 0)
            tokens.push_back(static_cast<TokenId>(processor_.bos_id()));
        tokens.insert(tokens.end(), pieces.begin(), pieces.end());
        return tokens;
    }

    const SentencePieceModel model_;
    sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> parse_sentencepiece_model(std::string_view serialized) {
    CASC_TRY(SentencePieceModel model, SentencePieceModel::parse(serialized));
    try {
        auto tokenizer = std::make_shared<SentencePieceTokenizer>(std::move(model));
        CASC_TRY_VOID(tokenizer->load(serialized));
        return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
    } catch (const std::exception& thrown) {
        return Error(ErrorCode::model_unusable, std::string("tokenizer.model: ") + thrown.what());
    }
}

}  // namespace casc::gpu

#else

namespace casc::gpu {

Result<std::shared_ptr<const Tokenizer>> parse_sentencepiece_model(std::string_view) {
    return Error(ErrorCode::model_unusable,
                 "tokenizer.model: this casc was not built with SentencePiece");
}

}  // namespace casc::gpu

#endif
