// sentencepiece_fuzz.cpp: a tokenizer.model from strangers, which libsentencepiece is given once it
// was looked at.
//
// Input: the file. It is refused, or texts become tokens of its vocabulary, the same ones each
// time, or are refused. The library is not compiled with a sanitizer: what is found is a crash of
// it, or what takes long.

#include "fuzz_target.hpp"
#include "tokenizer/sentencepiece_tokenizer.hpp"

#include <string>

namespace {

using namespace casc;

constexpr std::string_view kTexts[] = {
    "",
    " ",
    "Hello world, it's 2026!\r\n\n  indented\t",
    "<s>hello</s><|end|> <unk>  hello",
    "e\xCC\x81t\xC3\xA9 \xEF\xBC\xA1\xE2\x80\x8B\xE2\x80\xA6 "
    "\xF0\x9F\x98\x80\xE2\x96\x81\xE2\x96\x81",
    "half \xC3",
};

void check_text(const gpu::Tokenizer& tokenizer, std::string_view text,
                gpu::SpecialTokens special) {
    const auto tokens = tokenizer.encode(text, special);
    if (!tokens) {
        CASC_ASSERT(tokens.error().code == ErrorCode::invalid_request, tokens.error().message());
        return;
    }
    CASC_ASSERT(!text.starts_with("half"), text);
    for (const gpu::TokenId token : *tokens) {
        CASC_ASSERT(token < tokenizer.vocabulary_size(), token, text);
        fuzz::touch(tokenizer.bytes_of(token));
    }
    CASC_ASSERT(*tokenizer.encode(text, special) == *tokens, text);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto tokenizer =
        gpu::parse_sentencepiece_model({reinterpret_cast<const char*>(data), size});
    if (!tokenizer) {
        CASC_ASSERT(tokenizer.error().code == ErrorCode::model_unusable,
                    tokenizer.error().message());
        return 0;
    }
    for (const auto special : {gpu::SpecialTokens::plain, gpu::SpecialTokens::around}) {
        for (const std::string_view text : kTexts)
            check_text(**tokenizer, text, special);
        // Of one letter, and of the letter 0: what tables and pieces are followed by furthest.
        for (const char letter : {'a', 'q', '\0'})
            check_text(**tokenizer, std::string(512, letter), special);
    }
    return 0;
}
