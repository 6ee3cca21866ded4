#include "tokenizer/tokenizer_file.hpp"

#include <algorithm>

namespace casc::gpu {
namespace {

constexpr std::string_view kFileName = "tokenizer.json";
// A token is one value, and its rule three if it is a list of two; published files have up to two
// million.
constexpr Json::Limits kFileLimits{.depth_max = 16, .values_max = std::size_t{1} << 22};

// A token that is in the vocabulary, too, is the same one there.
Result<void> check_added(const JsonAt& list, const TokenizerFile& file) {
    const Vocabulary& vocabulary = file.model.vocabulary;
    for (std::size_t i = 0; i < file.added.size(); ++i) {
        const AddedToken& added = file.added[i];
        const TokenId there = vocabulary.find(added.content);
        const std::string* const text = vocabulary.text_of(added.token);
        if ((there != kNoToken && there != added.token) ||
            (text != nullptr && *text != added.content))
            return list.refuse("disagrees with model.vocab about the token " +
                               std::to_string(added.token));
    }
    return {};
}

// The steps are of one kind: bytes as GPT-2 writes them, or marks for spaces.
Result<void> check_steps(const JsonAt& root, const TokenizerFile& file) {
    const bool byte_level = file.words.byte_level;
    if (byte_level != file.decoder.byte_level)
        return root["decoder"].refuse("undoes something else than pre_tokenizer does");
    if (byte_level && (file.normalizer.marks_start || file.normalizer.marks_spaces))
        return root["normalizer"].refuse("marks spaces for a pre_tokenizer of bytes");
    if (!byte_level && file.model.byte_fallback && !file.decoder.joins_bytes)
        return root["decoder"].refuse("needs ByteFallback, as the model has byte_fallback");
    if (file.normalizer.marks_start && file.words.prefix != WordSteps::Prefix::never)
        return root["normalizer"].refuse("marks the beginning, and so does pre_tokenizer");
    return {};
}

Result<void> check_head(const JsonAt& root) {
    CASC_TRY_VOID(
        root.check_members({"version", "truncation", "padding", "added_tokens", "normalizer",
                            "pre_tokenizer", "post_processor", "decoder", "model"}));
    CASC_TRY(const std::string_view version, root["version"].text());
    if (version != "1.0") return root["version"].refuse_text("1.0 is supported");
    // A prompt is never cut without saying so.
    for (const char* const name : {"truncation", "padding"})
        if (!root[name].is_absent()) return root[name].refuse("must be null");
    return {};
}

}  // namespace

bool TokenizerFile::has(TokenId token) const noexcept {
    return model.vocabulary.text_of(token) != nullptr ||
           std::ranges::find(added, token, &AddedToken::token) != added.end();
}

Result<TokenizerFile> TokenizerFile::parse(std::string_view json) {
    const auto parsed = Json::parse(json, kFileLimits);
    if (!parsed)
        return Error(ErrorCode::model_unusable,
                     std::string(kFileName) + ": " + parsed.error().detail);
    const JsonAt root(kFileName, *parsed);
    CASC_TRY_VOID(check_head(root));
    TokenizerFile file;
    CASC_TRY(file.normalizer, read_normalizer(root["normalizer"]));
    CASC_TRY(file.words, read_pre_tokenizer(root["pre_tokenizer"]));
    CASC_TRY(file.decoder, read_decoder(root["decoder"]));
    CASC_TRY(file.model, read_bpe_model(root["model"]));
    CASC_TRY(file.added, read_added_tokens(root["added_tokens"]));
    CASC_TRY_VOID(check_added(root["added_tokens"], file));
    CASC_TRY_VOID(check_steps(root, file));
    CASC_TRY_VOID(read_post_processor(root["post_processor"], file));
    return file;
}

}  // namespace casc::gpu
