#include "tokenizer/word_encoder.hpp"

#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/byte_token.hpp"
#include "tokenizer/characters.hpp"

#include <unordered_set>

namespace casc::gpu {
namespace {

Error refuse_model(const std::string& why) {
    return Error(ErrorCode::model_unusable, "tokenizer.json: model." + why);
}

std::unordered_set<TokenId> special_tokens(std::span<const AddedToken> added) {
    std::unordered_set<TokenId> special;
    for (const AddedToken& token : added)
        if (token.special) special.insert(token.token);
    return special;
}

// Nothing: no word is written so.
std::optional<std::string> written(const std::string& token, bool byte_level) {
    return byte_level ? bytes_from_alphabet(token) : token;
}

}  // namespace

Result<WordEncoder> WordEncoder::make(const TokenizerModel& model, bool byte_level,
                                      std::span<const AddedToken> added) {
    const auto special = special_tokens(added);
    std::vector<PairRule> rules;
    for (const PairRule& rule : model.rules)
        if (!special.contains(rule.merged)) rules.push_back(rule);
    WordEncoder encoder(rules);
    for (TokenId token = 0; token < model.vocabulary.size(); ++token) {
        const std::string* const text = model.vocabulary.text_of(token);
        if (text == nullptr || special.contains(token)) continue;
        const auto word = written(*text, byte_level);
        if (word && !encoder.ordinary_.add(*word, token))
            return refuse_model("vocab has the bytes of the token " + std::to_string(token) +
                                " twice");
    }
    encoder.byte_level_ = byte_level;
    encoder.falls_back_ = model.byte_fallback;
    encoder.unknown_ = model.unknown;
    encoder.fuses_unknown_ = model.fuses_unknown;
    encoder.ignores_merges_ = model.ignores_merges;
    if (!byte_level && !model.byte_fallback) {
        if (model.unknown == kNoToken)
            return refuse_model("unk_token is missing: what it has no token for would be left out");
        return encoder;
    }
    for (unsigned byte = 0; byte < 256; ++byte) {
        const auto value = static_cast<unsigned char>(byte);
        const std::string text =
            byte_level ? std::string(1, static_cast<char>(value)) : byte_token_text(value);
        encoder.bytes_[byte] = encoder.ordinary_.find(text);
        if (encoder.bytes_[byte] == kNoToken)
            return refuse_model("vocab has no token for the byte " + byte_token_text(value));
    }
    return encoder;
}

void WordEncoder::encode(std::string_view word, std::vector<TokenId>& out) const {
    if (ignores_merges_)
        if (const TokenId token = ordinary_.find(word); token != kNoToken)
            return out.push_back(token);
    const std::size_t from = out.size();
    if (byte_level_)
        append_bytes(word, out);
    else
        append_characters(word, out);
    merger_.merge(out, from);
}

void WordEncoder::append_bytes(std::string_view word, std::vector<TokenId>& out) const {
    for (const char byte : word)
        out.push_back(bytes_[static_cast<unsigned char>(byte)]);
}

void WordEncoder::append_characters(std::string_view word, std::vector<TokenId>& out) const {
    const std::size_t from = out.size();
    Character next;
    for (std::size_t at = 0; (next = character_at(word, at)).bytes > 0; at += next.bytes) {
        const std::string_view character = word.substr(at, next.bytes);
        if (const TokenId token = ordinary_.find(character); token != kNoToken)
            out.push_back(token);
        else if (falls_back_)
            append_bytes(character, out);
        else
            append_unknown(out, from);
    }
}

void WordEncoder::append_unknown(std::vector<TokenId>& out, std::size_t from) const {
    const bool goes_on = out.size() > from && out.back() == unknown_;
    if (!goes_on || !fuses_unknown_) out.push_back(unknown_);
}

}  // namespace casc::gpu
