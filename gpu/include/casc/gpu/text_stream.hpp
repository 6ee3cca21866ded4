#pragma once
// casc/gpu/text_stream.hpp: tokens to text, one at a time.
//
//   TextStream text(*tokenizer);
//   for (…) send(text.push(token));   // whole characters only
//   send(text.finish());

#include <casc/gpu/token.hpp>
#include <casc/gpu/tokenizer.hpp>

#include <span>
#include <string>

namespace casc::gpu {

// What it gives out is UTF-8, piece by piece and together. A character may come in several tokens:
// its first bytes are held back until the last is there. Bytes that can become no character any
// more are U+FFFD: one for as many as could have begun the same character (Unicode 15, 3.9, "U+FFFD
// Substitution of Maximal Subparts").
//
// Thread:   one at a time.
// Lifetime: borrows the tokeniser.
class TextStream {
public:
    // Where its text begins: an answer goes on where the prompt ends, and the space before its
    // first word is part of it; before the first word of a whole text the tokeniser may have put
    // one.
    enum class Begins : std::uint8_t { behind_prompt, text };

    explicit TextStream(const Tokenizer& tokenizer, Begins begins = Begins::behind_prompt)
        : tokenizer_(tokenizer),
          drops_space_(begins == Begins::text && tokenizer.drops_first_space()) {}

    // What is certain of the text, and was not before; often nothing.
    [[nodiscard]] std::string push(TokenId token);
    // What was held back, which becomes no character now. The stream is as new then, but for the
    // space that it may drop.
    [[nodiscard]] std::string finish();

private:
    const Tokenizer& tokenizer_;
    bool drops_space_;
    std::string held_;  // three bytes at most, between calls
};

// The text of whole texts' tokens. Thread: any.
[[nodiscard]] std::string text_of(const Tokenizer& tokenizer, std::span<const TokenId> tokens);

}  // namespace casc::gpu
