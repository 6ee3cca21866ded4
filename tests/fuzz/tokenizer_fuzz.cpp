// tokenizer_fuzz.cpp: a tokenizer.json from strangers.
//
// Input: the file. It is refused, or every text becomes tokens of its vocabulary, the same ones
// each time, and these become UTF-8: the text again, where the file says no more than how bytes are
// paired.

#include "fuzz_target.hpp"
#include "tokenizer/json_tokenizer.hpp"

#include <casc/gpu/text_stream.hpp>
#include <casc/types/utf8.hpp>

#include <string>

namespace {

using namespace casc;

constexpr std::string_view kTexts[] = {
    "",
    " ",
    "Hello world, it's 2026!\r\n\n  indented\t",
    "<s>hello</s><|end|> <unk>  hello",
    "e\xCC\x81t\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\x98\x80\xE2\x96\x81\xE2\x96\x81",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "half \xC3",
};

void check_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t bytes = utf8_length(text);
        CASC_ASSERT(bytes > 0, text);
        text.remove_prefix(bytes);
    }
}

// Nothing is changed before the text is cut, and nothing is found in it beforehand.
bool gives_texts_back(std::string_view json) {
    const auto file = gpu::TokenizerFile::parse(json);
    return file && file->words.byte_level && !file->normalizer.composes &&
           file->words.prefix == gpu::WordSteps::Prefix::never && file->added.empty();
}

void check_text(const gpu::Tokenizer& tokenizer, std::string_view text, gpu::SpecialTokens special,
                bool comes_back) {
    const auto tokens = tokenizer.encode(text, special);
    CASC_ASSERT(tokens.has_value() == !text.starts_with("half"), text);
    if (!tokens) return;
    for (const gpu::TokenId token : *tokens)
        CASC_ASSERT(token < tokenizer.vocabulary_size(), token, text);
    CASC_ASSERT(*tokenizer.encode(text, special) == *tokens, text);
    const std::string back = gpu::text_of(tokenizer, *tokens);
    check_utf8(back);
    if (comes_back && special == gpu::SpecialTokens::plain) CASC_ASSERT(back == text, back, text);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view json(reinterpret_cast<const char*>(data), size);
    const auto tokenizer = gpu::parse_tokenizer_json(json);
    if (!tokenizer) {
        CASC_ASSERT(tokenizer.error().code == ErrorCode::model_unusable,
                    tokenizer.error().message());
        return 0;
    }
    const bool comes_back = gives_texts_back(json);
    for (const std::string_view text : kTexts)
        for (const auto special :
             {gpu::SpecialTokens::plain, gpu::SpecialTokens::around, gpu::SpecialTokens::parsed})
            check_text(**tokenizer, text, special, comes_back);
    return 0;
}
