// What a tokenizer.json does before and after the model: normalizer, pre_tokenizer, post_processor
// and decoder. Each is a step or a "Sequence" of them.

#include "tokenizer/space_mark.hpp"
#include "tokenizer/tokenizer_file.hpp"

namespace casc::gpu {
namespace {

constexpr std::string_view kNormalizers =
    "NFC, Prepend of U+2581 and Replace of a space by U+2581 are supported, each once";
constexpr std::string_view kPreTokenizers =
    "ByteLevel, Metaspace and a Sequence of Split and ByteLevel are supported";
constexpr std::string_view kDecoders =
    "ByteLevel, Metaspace and a Sequence of Replace, ByteFallback, Fuse and Strip are supported";
constexpr std::string_view kPostProcessors =
    "ByteLevel, TemplateProcessing and a Sequence of them are supported";

// The steps of a Sequence, or the one that it is.
Result<std::vector<JsonAt>> steps_of(const JsonAt& step, std::string_view list) {
    CASC_TRY(const std::string_view type, step["type"].text());
    if (type != "Sequence") return std::vector{step};
    CASC_TRY_VOID(step.check_members({"type", list}));
    return step[list].items();
}

// Whether the member is that text.
Result<bool> is_text(const JsonAt& at, std::string_view wanted) {
    CASC_TRY(const std::string_view text, at.text());
    return text == wanted;
}

Result<void> expect_text(const JsonAt& at, std::string_view wanted, std::string_view why) {
    CASC_TRY(const bool is_wanted, is_text(at, wanted));
    if (!is_wanted) return at.refuse(why);
    return {};
}

// {"type": "Replace", "pattern": {"String": from}, "content": to}
Result<void> expect_replace(const JsonAt& step, std::string_view from, std::string_view to,
                            std::string_view why) {
    CASC_TRY_VOID(step.check_members({"type", "pattern", "content"}));
    CASC_TRY_VOID(step["pattern"].check_members({"String"}));
    CASC_TRY_VOID(expect_text(step["pattern"]["String"], from, why));
    return expect_text(step["content"], to, why);
}

// ---- normalizer ---------------------------------------------------------------------------------

// Which of the three it is. The three may stand in any order: none changes what another looks at.
Result<bool NormalizerSteps::*> normalizer_step(const JsonAt& step) {
    CASC_TRY(const std::string_view type, step["type"].text());
    if (type == "NFC") {
        CASC_TRY_VOID(step.check_members({"type"}));
        return &NormalizerSteps::composes;
    }
    if (type == "Prepend") {
        CASC_TRY_VOID(step.check_members({"type", "prepend"}));
        CASC_TRY_VOID(expect_text(step["prepend"], kSpaceMark, "must be U+2581"));
        return &NormalizerSteps::marks_start;
    }
    if (type == "Replace") {
        CASC_TRY_VOID(expect_replace(step, " ", kSpaceMark, "must be a space, and U+2581 for it"));
        return &NormalizerSteps::marks_spaces;
    }
    return step["type"].refuse_text(kNormalizers);
}

}  // namespace

Result<NormalizerSteps> read_normalizer(const JsonAt& step) {
    NormalizerSteps normalizer;
    if (step.is_absent()) return normalizer;
    CASC_TRY(const std::vector<JsonAt> steps, steps_of(step, "normalizers"));
    for (const JsonAt& one : steps) {
        CASC_TRY(bool NormalizerSteps::*const kind, normalizer_step(one));
        if (normalizer.*kind) return one.refuse("is there twice");
        normalizer.*kind = true;
    }
    return normalizer;
}

// ---- pre_tokenizer ------------------------------------------------------------------------------

namespace {

Result<WordSteps> read_byte_level(const JsonAt& step) {
    CASC_TRY_VOID(step.check_members({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
    WordSteps words;
    words.byte_level = true;
    CASC_TRY(const bool adds_space, step["add_prefix_space"].flag(true));
    if (adds_space) words.prefix = WordSteps::Prefix::always;
    CASC_TRY(const bool uses_regex, step["use_regex"].flag(true));
    if (uses_regex) words.pattern = WordPattern::gpt2;
    return words;
}

// Of a pattern that every text is made of from its beginning to its end, it is the same to keep
// what matches and to cut around it.
Result<WordPattern> read_split(const JsonAt& step) {
    CASC_TRY_VOID(expect_text(step["type"], "Split", "must be Split"));
    CASC_TRY_VOID(step.check_members({"type", "pattern", "behavior", "invert"}));
    CASC_TRY_VOID(step["pattern"].check_members({"Regex"}));
    CASC_TRY(const std::string_view regex, step["pattern"]["Regex"].text());
    const auto pattern = word_pattern_of(regex);
    if (!pattern)
        return step["pattern"]["Regex"].refuse_text("those of GPT-2, Llama 3 and Qwen2 are known");
    CASC_TRY(const bool inverts, step["invert"].flag(false));
    CASC_TRY_VOID(expect_text(step["behavior"], inverts ? "Removed" : "Isolated",
                              "must be Isolated, or Removed with invert"));
    return *pattern;
}

Result<WordSteps> read_word_sequence(const JsonAt& step) {
    CASC_TRY(const std::vector<JsonAt> steps, steps_of(step, "pretokenizers"));
    if (steps.size() != 2) return step["type"].refuse_text(kPreTokenizers);
    CASC_TRY(const WordPattern pattern, read_split(steps[0]));
    CASC_TRY_VOID(expect_text(steps[1]["type"], "ByteLevel", "must be ByteLevel"));
    CASC_TRY(WordSteps words, read_byte_level(steps[1]));
    if (words.pattern) return steps[1]["use_regex"].refuse("must be false behind a Split");
    if (words.prefix != WordSteps::Prefix::never)
        return steps[1]["add_prefix_space"].refuse("must be false behind a Split");
    words.pattern = pattern;
    return words;
}

Result<WordSteps::Prefix> read_prefix(const JsonAt& step) {
    // Older files have the flag, newer ones the scheme, and some both.
    CASC_TRY(const bool adds_space, step["add_prefix_space"].flag(true));
    const JsonAt scheme = step["prepend_scheme"];
    if (scheme.is_absent())
        return adds_space ? WordSteps::Prefix::always : WordSteps::Prefix::never;
    CASC_TRY(const std::string_view text, scheme.text());
    if (!adds_space && text != "never") return scheme.refuse("contradicts add_prefix_space");
    if (text == "never") return WordSteps::Prefix::never;
    if (text == "first") return WordSteps::Prefix::first;
    if (text == "always") return WordSteps::Prefix::always;
    return scheme.refuse_text("always, first and never are known");
}

Result<WordSteps> read_metaspace(const JsonAt& step) {
    CASC_TRY_VOID(step.check_members(
        {"type", "replacement", "str_rep", "prepend_scheme", "add_prefix_space", "split"}));
    CASC_TRY_VOID(expect_text(step["replacement"], kSpaceMark, "must be U+2581"));
    WordSteps words;
    words.marks_spaces = true;
    CASC_TRY(words.prefix, read_prefix(step));
    CASC_TRY(words.splits_at_marks, step["split"].flag(true));
    return words;
}

}  // namespace

Result<WordSteps> read_pre_tokenizer(const JsonAt& step) {
    if (step.is_absent()) return WordSteps{};
    CASC_TRY(const std::string_view type, step["type"].text());
    if (type == "ByteLevel") return read_byte_level(step);
    if (type == "Metaspace") return read_metaspace(step);
    if (type == "Sequence") return read_word_sequence(step);
    return step["type"].refuse_text(kPreTokenizers);
}

// ---- decoder ------------------------------------------------------------------------------------

namespace {

// Replace, ByteFallback, Fuse and perhaps Strip, as they are written for Llama 2, Mistral and
// Phi-3.
Result<DecoderSteps> read_decoder_sequence(const JsonAt& step) {
    CASC_TRY(const std::vector<JsonAt> steps, steps_of(step, "decoders"));
    if (steps.size() != 3 && steps.size() != 4) return step["type"].refuse_text(kDecoders);
    CASC_TRY_VOID(expect_text(steps[0]["type"], "Replace", "must be Replace"));
    CASC_TRY_VOID(expect_replace(steps[0], kSpaceMark, " ", "must be U+2581, and a space for it"));
    CASC_TRY_VOID(expect_text(steps[1]["type"], "ByteFallback", "must be ByteFallback"));
    CASC_TRY_VOID(steps[1].check_members({"type"}));
    CASC_TRY_VOID(expect_text(steps[2]["type"], "Fuse", "must be Fuse"));
    CASC_TRY_VOID(steps[2].check_members({"type"}));
    DecoderSteps decoder{.marks_are_spaces = true, .joins_bytes = true};
    if (steps.size() == 3) return decoder;
    const JsonAt& strip = steps[3];
    CASC_TRY_VOID(strip.check_members({"type", "content", "start", "stop"}));
    CASC_TRY_VOID(expect_text(strip["type"], "Strip", "must be Strip"));
    CASC_TRY_VOID(expect_text(strip["content"], " ", "must be a space"));
    CASC_TRY_VOID(strip["stop"].count(0));
    CASC_TRY(const std::uint64_t start, strip["start"].count(1));
    decoder.drops_first_space = start == 1;
    return decoder;
}

}  // namespace

Result<DecoderSteps> read_decoder(const JsonAt& step) {
    CASC_TRY(const std::string_view type, step["type"].text());
    if (type == "ByteLevel") {
        CASC_TRY_VOID(
            step.check_members({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
        return DecoderSteps{.byte_level = true};
    }
    if (type == "Metaspace") {
        CASC_TRY(const WordSteps words, read_metaspace(step));
        return DecoderSteps{.marks_are_spaces = true,
                            .drops_first_space = words.prefix != WordSteps::Prefix::never};
    }
    if (type == "Sequence") return read_decoder_sequence(step);
    return step["type"].refuse_text(kDecoders);
}

// ---- post_processor -----------------------------------------------------------------------------

namespace {

// Of the pieces of a template, of the tokens of each, and of the tokens on each side of a text.
// Published ones have three, one and two; all of a file's would be as many as its bytes squared.
constexpr std::size_t kTemplateMax = 16;

Result<std::vector<JsonAt>> few_items(const JsonAt& list) {
    const Json::Array* const items = list.is_absent() ? nullptr : list.value().as_array();
    if (items != nullptr && items->size() > kTemplateMax)
        return list.refuse("has more than " + std::to_string(kTemplateMax));
    return list.items();
}

// {"id": "<s>", "ids": [1], "tokens": ["<s>"]}
Result<std::vector<TokenId>> template_tokens(const JsonAt& token, const TokenizerFile& file) {
    CASC_TRY_VOID(token.check_members({"id", "ids", "tokens"}));
    CASC_TRY(const std::vector<JsonAt> ids, few_items(token["ids"]));
    std::vector<TokenId> tokens;
    for (const JsonAt& id : ids) {
        CASC_TRY(const std::uint64_t number, id.count(kVocabularyTokensMax - 1));
        tokens.push_back(static_cast<TokenId>(number));
        if (!file.has(tokens.back())) return id.refuse("is not in the vocabulary");
    }
    return tokens;
}

// Of the piece of a template: the text itself, or tokens before or behind it.
Result<void> read_template_piece(const JsonAt& piece, const JsonAt& tokens, TokenizerFile& file,
                                 bool& is_behind) {
    if (const JsonAt sequence = piece["Sequence"]; !sequence.is_absent()) {
        CASC_TRY_VOID(piece.check_members({"Sequence"}));
        CASC_TRY_VOID(expect_text(sequence["id"], "A", "must be A"));
        if (is_behind) return sequence.refuse("is there twice");
        is_behind = true;
        return {};
    }
    CASC_TRY_VOID(piece.check_members({"SpecialToken"}));
    CASC_TRY(const std::string_view name, piece["SpecialToken"]["id"].text());
    CASC_TRY(const std::vector<TokenId> found, template_tokens(tokens[name], file));
    std::vector<TokenId>& place = is_behind ? file.behind : file.before;
    if (place.size() + found.size() > kTemplateMax)
        return piece.refuse("has, with those beside it, more than " + std::to_string(kTemplateMax) +
                            " tokens");
    place.insert(place.end(), found.begin(), found.end());
    return {};
}

Result<void> read_template(const JsonAt& step, TokenizerFile& file) {
    CASC_TRY_VOID(step.check_members({"type", "single", "pair", "special_tokens"}));
    if (!file.before.empty() || !file.behind.empty()) return step.refuse("is the second template");
    CASC_TRY(const std::vector<JsonAt> pieces, few_items(step["single"]));
    bool is_behind = false;
    for (const JsonAt& piece : pieces)
        CASC_TRY_VOID(read_template_piece(piece, step["special_tokens"], file, is_behind));
    if (!is_behind) return step["single"].refuse("has no place for the text");
    return {};
}

}  // namespace

Result<void> read_post_processor(const JsonAt& step, TokenizerFile& file) {
    if (step.is_absent()) return {};
    CASC_TRY(const std::vector<JsonAt> steps, steps_of(step, "processors"));
    for (const JsonAt& one : steps) {
        CASC_TRY(const std::string_view type, one["type"].text());
        if (type == "ByteLevel")
            continue;  // it changes where tokens are said to be, and none of them
        if (type != "TemplateProcessing") return one["type"].refuse_text(kPostProcessors);
        CASC_TRY_VOID(read_template(one, file));
    }
    return {};
}

}  // namespace casc::gpu
