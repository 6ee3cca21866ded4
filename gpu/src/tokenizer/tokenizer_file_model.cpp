// The vocabulary, the rules and the added tokens of a tokenizer.json.

#include "tokenizer/tokenizer_file.hpp"

namespace casc::gpu {
namespace {

// Longer ones are no tokens, and how long one may be bounds what a text of hostile letters costs.
constexpr std::size_t kAddedBytesMax = 512;

Result<void> refuse_unknown_options(const JsonAt& model) {
    CASC_TRY_VOID(model.check_members({"type", "dropout", "unk_token", "continuing_subword_prefix",
                                       "end_of_word_suffix", "fuse_unk", "byte_fallback",
                                       "ignore_merges", "vocab", "merges"}));
    CASC_TRY(const std::string_view type, model["type"].text());
    if (type != "BPE") return model["type"].refuse_text("BPE is supported");
    if (!model["dropout"].is_absent())
        return model["dropout"].refuse("is not supported: the same text must give the same tokens");
    for (const char* const affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
        if (model[affix].is_absent()) continue;
        CASC_TRY(const std::string_view text, model[affix].text());
        if (!text.empty()) return model[affix].refuse("is not supported");
    }
    return {};
}

Result<Vocabulary> read_vocabulary(const JsonAt& vocab) {
    CASC_TRY(const Json::Object* const members, vocab.members());
    Vocabulary vocabulary;
    for (const auto& [text, number] : *members) {
        const auto token = number.as_count();
        if (!token || *token >= kVocabularyTokensMax)
            return vocab[text].refuse("must be a whole number below " +
                                      std::to_string(kVocabularyTokensMax));
        if (!vocabulary.add(text, static_cast<TokenId>(*token)))
            return vocab[text].refuse("is a number that another token has");
    }
    return vocabulary;
}

struct PairTexts {
    std::string_view left;
    std::string_view right;
};
// "a b", as older files have it, or ["a", "b"].
std::optional<PairTexts> pair_texts(const Json& merge) {
    if (const std::string* const text = merge.as_text()) {
        const std::string_view both = *text;
        const std::size_t space = both.find(' ');
        if (space == both.npos || both.find(' ', space + 1) != both.npos) return std::nullopt;
        return PairTexts{both.substr(0, space), both.substr(space + 1)};
    }
    const Json::Array* const two = merge.as_array();
    if (two == nullptr || two->size() != 2) return std::nullopt;
    const std::string* const left = (*two)[0].as_text();
    const std::string* const right = (*two)[1].as_text();
    if (left == nullptr || right == nullptr) return std::nullopt;
    return PairTexts{*left, *right};
}

Result<std::vector<PairRule>> read_rules(const JsonAt& merges, const Vocabulary& vocabulary) {
    // Not as items(): there are hundreds of thousands, and a path for each takes longer than all
    // else.
    if (merges.is_absent()) return merges.refuse("is missing");
    const Json::Array* const array = merges.value().as_array();
    if (array == nullptr) return merges.refuse("must be a list");
    std::vector<PairRule> rules;
    std::string both;
    for (std::size_t i = 0; i < array->size(); ++i) {
        const auto refuse_rule = [&](const char* why) {
            return merges.refuse("has at " + std::to_string(i) + " " + why);
        };
        const auto texts = pair_texts((*array)[i]);
        if (!texts) return refuse_rule("what is no pair of tokens");
        both.assign(texts->left).append(texts->right);
        const PairRule rule{vocabulary.find(texts->left), vocabulary.find(texts->right),
                            vocabulary.find(both)};
        if (rule.left == kNoToken || rule.right == kNoToken || rule.merged == kNoToken)
            return refuse_rule("tokens that are not in the vocabulary");
        rules.push_back(rule);
    }
    return rules;
}

Result<AddedToken> read_added_token(const JsonAt& item) {
    CASC_TRY_VOID(item.check_members(
        {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}));
    AddedToken added;
    CASC_TRY(const std::string_view content, item["content"].text());
    if (content.empty() || content.size() > kAddedBytesMax)
        return item["content"].refuse("must have from 1 to " + std::to_string(kAddedBytesMax) +
                                      " bytes");
    added.content = content;
    CASC_TRY(const std::uint64_t id, item["id"].count(kVocabularyTokensMax - 1));
    added.token = static_cast<TokenId>(id);
    CASC_TRY(added.special, item["special"].flag(false));
    CASC_TRY(added.normalized, item["normalized"].flag(!added.special));
    CASC_TRY(added.strips_left, item["lstrip"].flag(false));
    CASC_TRY(added.strips_right, item["rstrip"].flag(false));
    CASC_TRY(const bool single_word, item["single_word"].flag(false));
    if (single_word) return item["single_word"].refuse("is not supported");
    return added;
}

}  // namespace

Result<TokenizerModel> read_bpe_model(const JsonAt& model) {
    CASC_TRY_VOID(refuse_unknown_options(model));
    TokenizerModel read;
    CASC_TRY(read.vocabulary, read_vocabulary(model["vocab"]));
    CASC_TRY(read.rules, read_rules(model["merges"], read.vocabulary));
    CASC_TRY(read.fuses_unknown, model["fuse_unk"].flag(false));
    CASC_TRY(read.byte_fallback, model["byte_fallback"].flag(false));
    CASC_TRY(read.ignores_merges, model["ignore_merges"].flag(false));
    if (!model["unk_token"].is_absent()) {
        CASC_TRY(const std::string_view unknown, model["unk_token"].text());
        read.unknown = read.vocabulary.find(unknown);
        if (read.unknown == kNoToken) return model["unk_token"].refuse("is not in the vocabulary");
    }
    return read;
}

Result<std::vector<AddedToken>> read_added_tokens(const JsonAt& list) {
    std::vector<AddedToken> tokens;
    if (list.is_absent()) return tokens;
    CASC_TRY(const std::vector<JsonAt> items, list.items());
    Vocabulary seen;
    for (const JsonAt& item : items) {
        CASC_TRY(AddedToken added, read_added_token(item));
        if (!seen.add(added.content, added.token))
            return item.refuse("is there twice, its content or its id");
        tokens.push_back(std::move(added));
    }
    return tokens;
}

}  // namespace casc::gpu
