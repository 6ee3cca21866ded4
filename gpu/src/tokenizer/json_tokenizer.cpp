#include "tokenizer/json_tokenizer.hpp"

#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/byte_token.hpp"
#include "tokenizer/space_mark.hpp"
#include "tokenizer/text_steps.hpp"
#include "tokenizer/tokenizer_text.hpp"

#include <algorithm>
#include <unordered_map>

namespace casc::gpu {
namespace {

// ---- what the file says, in the shape in which it is used ---------------------------------------

// Those that are looked for behind the normalizer are looked for as it would write them.
AddedTokenFinder finder_of(const TokenizerFile& file, bool behind_normalizer) {
    std::vector<AddedTokenFinder::Spelled> spelled;
    for (const AddedToken& added : file.added)
        if (added.normalized == behind_normalizer)
            spelled.push_back(
                {behind_normalizer ? normalized(file.normalizer, added.content) : added.content,
                 added});
    return AddedTokenFinder(std::move(spelled));
}

// Two that only the normalizer makes one would each be found now and then.
Result<void> check_spelled(const TokenizerFile& file) {
    std::vector<std::string> spelled;
    for (const AddedToken& added : file.added)
        if (added.normalized) spelled.push_back(normalized(file.normalizer, added.content));
    std::ranges::sort(spelled);
    const auto twice = std::ranges::adjacent_find(spelled);
    if (twice == spelled.end()) return {};
    return Error(ErrorCode::model_unusable,
                 "tokenizer.json: added_tokens has two that the normalizer makes '" + *twice + "'");
}

// What a token of the model's vocabulary is in a text.
std::string decoded(const std::string& token, const DecoderSteps& decoder) {
    if (decoder.byte_level) return bytes_from_alphabet(token).value_or(token);
    if (decoder.joins_bytes)
        if (const auto byte = byte_of_token(token)) return {*byte};
    return decoder.marks_are_spaces ? with_spaces(token) : token;
}

// A special token is nothing in a text. Others that were added to bytes are written as they are,
// unless the model's vocabulary has them, too: what they are most often made of is bytes.
std::string decoded(const AddedToken& added, bool in_vocabulary, const DecoderSteps& decoder) {
    if (added.special) return {};
    return decoder.byte_level && !in_vocabulary ? added.content : decoded(added.content, decoder);
}

TokenTexts texts_of(const TokenizerFile& file) {
    std::unordered_map<TokenId, const AddedToken*> added;
    std::size_t size = file.model.vocabulary.size();
    for (const AddedToken& token : file.added) {
        added.emplace(token.token, &token);
        size = std::max(size, std::size_t{token.token} + 1);
    }
    TokenTexts texts;
    for (TokenId token = 0; token < size; ++token) {
        const std::string* const text = file.model.vocabulary.text_of(token);
        if (const auto found = added.find(token); found != added.end())
            texts.append(decoded(*found->second, text != nullptr, file.decoder));
        else
            texts.append(text == nullptr ? std::string() : decoded(*text, file.decoder));
    }
    return texts;
}

// Calls `on_text(part, begin)` for what is between added tokens, and appends those.
template <class OnText>
void between_added(const AddedTokenFinder& finder, std::string_view text, SpecialTokens special,
                   std::vector<TokenId>& out, OnText on_text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto found = finder.find(text, at, special);
        const std::size_t end = found ? found->begin : text.size();
        if (end > at) on_text(text.substr(at, end - at), at);
        if (!found) return;
        out.push_back(found->token);
        at = found->end;
    }
}

}  // namespace

JsonTokenizer::JsonTokenizer(const TokenizerFile& file, WordEncoder encoder)
    : normalizer_(file.normalizer),
      words_(file.words),
      drops_first_space_(file.decoder.drops_first_space),
      encoder_(std::move(encoder)),
      raw_added_(finder_of(file, false)),
      normalized_added_(finder_of(file, true)),
      before_(file.before),
      behind_(file.behind),
      texts_(texts_of(file)) {}

Result<std::shared_ptr<const Tokenizer>> parse_tokenizer_json(std::string_view json) {
    CASC_TRY(const TokenizerFile file, TokenizerFile::parse(json));
    CASC_TRY_VOID(check_spelled(file));
    CASC_TRY(WordEncoder encoder, WordEncoder::make(file.model, file.words.byte_level, file.added));
    return std::shared_ptr<const Tokenizer>(
        std::make_shared<JsonTokenizer>(file, std::move(encoder)));
}

// ---- text to tokens -----------------------------------------------------------------------------

Result<std::vector<TokenId>> JsonTokenizer::encode(std::string_view text,
                                                   SpecialTokens special) const {
    CASC_TRY_VOID(check_text(text));
    Tokens out;
    if (special != SpecialTokens::plain) out = before_;
    append_raw(text, special, out);
    if (special != SpecialTokens::plain) out.insert(out.end(), behind_.begin(), behind_.end());
    return out;
}

void JsonTokenizer::append_raw(std::string_view text, SpecialTokens special, Tokens& out) const {
    between_added(raw_added_, text, special, out, [&](std::string_view part, std::size_t begin) {
        append_normalized(normalized(normalizer_, part), begin == 0, special, out);
    });
}

void JsonTokenizer::append_normalized(std::string_view text, bool at_start, SpecialTokens special,
                                      Tokens& out) const {
    between_added(normalized_added_, text, special, out,
                  [&](std::string_view part, std::size_t begin) {
                      append_words(prepared(words_, part, at_start && begin == 0), out);
                  });
}

void JsonTokenizer::append_words(std::string_view part, Tokens& out) const {
    while (!part.empty()) {
        const std::size_t bytes = first_word_bytes(words_, part);
        encoder_.encode(part.substr(0, bytes), out);
        part.remove_prefix(bytes);
    }
}

}  // namespace casc::gpu
