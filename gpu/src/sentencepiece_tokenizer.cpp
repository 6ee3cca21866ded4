#include "sentencepiece_tokenizer.hpp"

#if defined(CASC_SENTENCEPIECE)

#include "sentencepiece_model.hpp"
#include "tokenizer_text.hpp"

#include <exception>
#include <sentencepiece_processor.h>

namespace casc::gpu {
namespace {

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
        std::vector<int> pieces;
        if (const auto status = processor_.Encode(text, &pieces); !status.ok())
            return Error(ErrorCode::invalid_request, "tokenizer.model: " + status.ToString());
        std::vector<TokenId> tokens;
        tokens.reserve(pieces.size() + 1);
        if (special == SpecialTokens::added && processor_.bos_id() >= 0)
            tokens.push_back(static_cast<TokenId>(processor_.bos_id()));
        tokens.insert(tokens.end(), pieces.begin(), pieces.end());
        return tokens;
    }
    std::string_view bytes_of(TokenId token) const noexcept override { return model_.texts[token]; }
    std::size_t vocabulary_size() const noexcept override { return model_.texts.size(); }
    bool drops_first_space() const noexcept override { return model_.drops_first_space; }

private:
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
