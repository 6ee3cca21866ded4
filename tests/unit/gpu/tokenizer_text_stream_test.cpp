// Tokens to text, piece by piece.

#include <casc/gpu/text_stream.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace casc;
using namespace casc::gpu;

namespace {

// A token for each byte, whose number it has; 256 is special, 257 is " a", 258 a whole character
// and a part of the next.
class ByteTokens final : public Tokenizer {
public:
    explicit ByteTokens(bool drops) : drops_(drops) {
        for (unsigned byte = 0; byte < 256; ++byte)
            texts_.emplace_back(1, static_cast<char>(byte));
        texts_.insert(texts_.end(), {"", " a", "é\xE2\x82"});
    }
    Result<std::vector<TokenId>> encode(std::string_view, SpecialTokens) const override {
        return ErrorCode::internal_error;
    }
    std::string_view bytes_of(TokenId token) const noexcept override {
        return token < texts_.size() ? std::string_view(texts_[token]) : "";
    }
    std::size_t vocabulary_size() const noexcept override { return texts_.size(); }
    bool drops_first_space() const noexcept override { return drops_; }

private:
    bool drops_;
    std::vector<std::string> texts_;
};

std::vector<TokenId> byte_tokens(std::string_view bytes) {
    std::vector<TokenId> tokens;
    for (const char byte : bytes)
        tokens.push_back(static_cast<unsigned char>(byte));
    return tokens;
}

const ByteTokens kPlain(false);
const ByteTokens kDrops(true);

}  // namespace

TEST_CASE("gpu/tokenizer: a character is handed out when its last byte is there") {
    TextStream stream(kPlain);
    CHECK(stream.push('a') == "a");
    CHECK(stream.push(0xE2) == "");
    CHECK(stream.push(0x82) == "");
    CHECK(stream.push(0xAC) == "€");
    CHECK(stream.push(258) == "é");
    CHECK(stream.push(0xAC) == "€");
    CHECK(stream.push(0xF0) == "");
    CHECK(stream.push(256) == "");       // a special token changes nothing
    CHECK(stream.push(kNoToken) == "");  // nor does one that is not there
    CHECK(stream.push(0x9F) == "");
    CHECK(stream.push(0x98) == "");
    CHECK(stream.push(0x80) == "😀");
    CHECK(stream.finish() == "");
}

TEST_CASE("gpu/tokenizer: what becomes no character is replaced, once for each beginning") {
    const auto text = [](std::string_view bytes) { return text_of(kPlain, byte_tokens(bytes)); };
    CHECK(text("\x80") == "\uFFFD");
    CHECK(text("\xFF\xFE") == "\uFFFD\uFFFD");
    CHECK(text("\xE2\x82") == "\uFFFD");
    CHECK(text("\xE2\x82"
               "a") == "\uFFFDa");
    CHECK(text("\xE2\xE2\x82\xAC") == "\uFFFD€");
    CHECK(text("\xC0\x80") == "\uFFFD\uFFFD");
    CHECK(text("\xE0\x80\x80") == "\uFFFD\uFFFD\uFFFD");
    CHECK(text("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD");
    CHECK(text("\xF4\x90\x80\x80") == "\uFFFD\uFFFD\uFFFD\uFFFD");
    // The example of the Unicode Standard (table 3-8).
    CHECK(text("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64") ==
          "a\uFFFD\uFFFD\uFFFD"
          "b\uFFFD"
          "c\uFFFD\uFFFD"
          "d");
}

TEST_CASE("gpu/tokenizer: finish hands out what was held, and begins anew") {
    TextStream stream(kPlain);
    CHECK(stream.push(0xF0) == "");
    CHECK(stream.push(0x9F) == "");
    CHECK(stream.finish() == "\uFFFD");
    CHECK(stream.finish() == "");
    CHECK(stream.push('b') == "b");
}

TEST_CASE("gpu/tokenizer: pieces together are the text of the bytes together") {
    // All there are of two bytes, with a letter behind, in one token after the other.
    for (unsigned first = 0; first < 256; ++first)
        for (unsigned second = 0; second < 256; ++second) {
            const std::string bytes{static_cast<char>(first), static_cast<char>(second), 'z'};
            const std::string text = text_of(kPlain, byte_tokens(bytes));
            const bool is_same = text == bytes;
            const bool is_replaced = text.find("\uFFFD") != text.npos;
            REQUIRE(is_same != is_replaced);
            REQUIRE(text.ends_with('z'));
        }
}

TEST_CASE("gpu/tokenizer: the space that was put before a whole text goes, and no other") {
    const auto text = [](const ByteTokens& tokenizer, std::vector<TokenId> tokens,
                         TextStream::Begins begins) {
        TextStream stream(tokenizer, begins);
        std::string out;
        for (const TokenId token : tokens)
            out += stream.push(token);
        return out + stream.finish();
    };
    using Begins = TextStream::Begins;
    CHECK(text(kDrops, {256, 257, 257}, Begins::text) == "a a");
    CHECK(text(kDrops, {256, 257, 257}, Begins::behind_prompt) == " a a");
    CHECK(text(kPlain, {257, 257}, Begins::text) == " a a");
    CHECK(text(kDrops, {' ', ' ', 'b'}, Begins::text) == " b");
    CHECK(text(kDrops, {'b', 257}, Begins::text) == "b a");
    CHECK(TextStream(kDrops).push(257) == " a");  // an answer goes on where the prompt ends
}
