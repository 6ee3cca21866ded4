// tokenizer.model: what libsentencepiece makes of texts, what our own byte pair encoding makes of
// the same vocabulary, and files that are damaged. tests/models/tokenizers/train.sh made the
// models.

#include "odd_text.hpp"
#include "protobuf_fields.hpp"
#include "sentencepiece_model.hpp"
#include "sentencepiece_tokenizer.hpp"
#include "tokenizer_json.hpp"

#include <algorithm>
#include <bit>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

using namespace casc;
using namespace casc::gpu;
using namespace casc::gpu::testing;

namespace {

std::string model_file(const std::string& name) {
    std::ifstream in(std::string(CASC_SOURCE_DIR) + "/tests/models/tokenizers/" + name,
                     std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
}

// Null: this build has no SentencePiece.
std::shared_ptr<const Tokenizer> sentencepiece_of(const std::string& model) {
    auto tokenizer = parse_sentencepiece_model(model);
    if (tokenizer) return *std::move(tokenizer);
    REQUIRE_MESSAGE(tokenizer.error().detail.find("not built with") != std::string::npos,
                    tokenizer.error().detail);
    return nullptr;
}

struct ScoredPiece {
    std::string text;
    float score = 0;
};
std::vector<ScoredPiece> pieces_of(const std::string& model) {
    std::vector<ScoredPiece> pieces;
    ProtobufFields fields(model);
    for (ProtobufField field; fields.next(field);) {
        if (field.number != 1) continue;
        ProtobufFields parts(field.bytes);
        pieces.emplace_back();
        for (ProtobufField part; parts.next(part);) {
            if (part.number == 1) pieces.back().text = part.bytes;
            if (part.number == 2)
                pieces.back().score = std::bit_cast<float>(static_cast<std::uint32_t>(part.value));
        }
    }
    return pieces;
}

// The tokenizer.json that Hugging Face's converter writes for such a model: a rule for each way to
// make a piece of two others, in the order of the pieces' scores.
TokenizerJson converted(const std::string& model) {
    TokenizerJson json = marks_json();
    json.tokens.clear();
    json.merges.clear();
    const std::vector<ScoredPiece> pieces = pieces_of(model);
    std::map<std::string, bool> known;
    for (const ScoredPiece& piece : pieces) {
        json.tokens.push_back(piece.text);
        known[piece.text] = true;
    }
    std::vector<ScoredPiece> by_score = pieces;
    std::ranges::stable_sort(by_score, std::ranges::greater(), &ScoredPiece::score);
    for (const ScoredPiece& piece : by_score)
        for (std::size_t cut = 1; cut < piece.text.size(); ++cut)
            if (known.contains(piece.text.substr(0, cut)) && known.contains(piece.text.substr(cut)))
                json.merges.push_back(piece.text.substr(0, cut) + " " + piece.text.substr(cut));
    return json;
}

std::string model_trouble(const std::string& model) {
    const auto read = SentencePieceModel::parse(model);
    if (read) return "nothing";
    CHECK(read.error().code == ErrorCode::model_unusable);
    return read.error().detail;
}

// A field of a message: a number, or bytes.
std::string number_field(unsigned number, unsigned value) {
    return {static_cast<char>(number << 3), static_cast<char>(value)};
}
std::string bytes_field(unsigned number, const std::string& bytes) {
    REQUIRE(bytes.size() < 128);
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}
std::string piece_field(const std::string& text, unsigned kind = 1) {
    return bytes_field(1, bytes_field(1, text) + number_field(3, kind));
}
std::string small_model() {
    return piece_field("<unk>", 2) + piece_field("a");
}

std::string table_of(std::vector<std::uint32_t> units, const std::string& texts) {
    std::string table;
    units.insert(units.begin(), static_cast<std::uint32_t>(units.size() * 4));
    for (const std::uint32_t unit : units)
        for (unsigned shift = 0; shift < 32; shift += 8)
            table.push_back(static_cast<char>(unit >> shift));
    return table + texts;
}
std::string table_trouble(const std::string& table) {
    const auto checked = check_replacements(table);
    return checked ? "nothing" : checked.error().detail;
}

}  // namespace

// ---- what it makes of texts ---------------------------------------------------------------------

TEST_CASE("gpu/tokenizer: SentencePiece's pairs are what ours are of the same vocabulary") {
    const std::string model = model_file("bpe.model");
    const auto theirs = sentencepiece_of(model);
    if (!theirs) return;
    const auto ours = tokenizer_of(converted(model).text());
    CHECK(theirs->vocabulary_size() == 900);
    CHECK(ours->vocabulary_size() == theirs->vocabulary_size());
    for (TokenId token = 0; token < 900; ++token)
        CHECK(ours->bytes_of(token) == theirs->bytes_of(token));
    std::mt19937 random(9);
    for (int round = 0; round < 3000; ++round) {
        const std::string text = odd_text(random, 50);
        for (const auto special : {SpecialTokens::plain, SpecialTokens::added})
            CHECK(tokens_of(*ours, text, special) == tokens_of(*theirs, text, special));
    }
}

TEST_CASE(
    "gpu/tokenizer: a document is the same tokens to SentencePiece and to us, and comes back") {
    const std::string model = model_file("bpe.model");
    const auto theirs = sentencepiece_of(model);
    if (!theirs) return;
    const auto ours = tokenizer_of(converted(model).text());
    std::ifstream in(std::string(CASC_SOURCE_DIR) + "/docs/ARCHITECTURE.md", std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    const auto tokens = tokens_of(*theirs, text);
    CHECK(tokens_of(*ours, text) == tokens);
    CHECK(tokens.size() < text.size() / 2);
    CHECK(text_of(*theirs, tokens) == text);
}

TEST_CASE("gpu/tokenizer: a model of the other kind changes texts by its table") {
    const auto tokenizer = sentencepiece_of(model_file("unigram.model"));
    if (!tokenizer) return;
    const auto round_trip = [&](std::string_view text) {
        return text_of(*tokenizer, tokens_of(*tokenizer, text));
    };
    CHECK(round_trip("the broker  keeps events") == "the broker keeps events");
    CHECK(round_trip("\xEF\xBC\xA1 event\xE2\x80\x8B of a log\xE2\x80\xA6") ==
          "A event of a log...");
    CHECK(tokens_of(*tokenizer, "", SpecialTokens::added) == std::vector<TokenId>{1});
}

TEST_CASE("gpu/tokenizer: the names of SentencePiece's control tokens in a text are texts") {
    const auto tokenizer = sentencepiece_of(model_file("bpe.model"));
    if (!tokenizer) return;
    for (const auto special : {SpecialTokens::plain, SpecialTokens::added}) {
        auto tokens = tokens_of(*tokenizer, "<s></s>", special);
        if (special == SpecialTokens::added) tokens.erase(tokens.begin());
        CHECK(std::ranges::none_of(tokens, [](TokenId token) { return token < 3; }));
        CHECK(text_of(*tokenizer, tokens) == "<s></s>");
    }
    const auto refused = tokenizer->encode("\xFF", SpecialTokens::plain);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_request);
}

// ---- files that are damaged ---------------------------------------------------------------------

TEST_CASE("gpu/tokenizer: a damaged tokenizer.model is refused, or does what it says") {
    std::mt19937 random(13);
    for (const char* name : {"bpe.model", "unigram.model"}) {
        const std::string model = model_file(name);
        REQUIRE(model_trouble(model) == "nothing");
        for (std::size_t bytes = 0; bytes < model.size(); bytes += 101)
            static_cast<void>(parse_sentencepiece_model(model.substr(0, bytes)));
        for (int round = 0; round < 300; ++round) {
            std::string damaged = model;
            for (int flips = 0; flips <= round % 3; ++flips)
                damaged[random() % damaged.size()] ^= static_cast<char>(1u << random() % 8);
            const auto tokenizer = parse_sentencepiece_model(damaged);
            if (!tokenizer) {
                CHECK(tokenizer.error().code == ErrorCode::model_unusable);
                continue;
            }
            const auto tokens = (*tokenizer)->encode(odd_text(random, 30), SpecialTokens::added);
            if (!tokens) continue;
            for (const TokenId token : *tokens)
                CHECK(token < (*tokenizer)->vocabulary_size());
        }
    }
}

TEST_CASE("gpu/tokenizer: what is no tokenizer.model is refused") {
    CHECK(model_trouble(small_model()) == "nothing");
    CHECK(model_trouble("") == "tokenizer.model: it has no pieces");
    CHECK(model_trouble("{}") == "tokenizer.model: it is damaged, or no such file");
    CHECK(model_trouble(small_model() + "\x0A\x7F") ==
          "tokenizer.model: it is damaged, or no such file");
    for (const char* tail : {"\x08", "\x0D\x01\x02", "\x09\x01", "\x0B", "\x0F", "\x08\xFF\xFF"})
        CHECK(model_trouble(small_model() + tail) ==
              "tokenizer.model: it is damaged, or no such file");
    CHECK(model_trouble(small_model() + std::string(11, '\xFF')) ==
          "tokenizer.model: it is damaged, or no such file");
}

TEST_CASE("gpu/tokenizer: pieces that are no texts, or of no known kind, are refused") {
    CHECK(model_trouble(small_model() + piece_field("")) ==
          "tokenizer.model: the piece 2 is no text");
    CHECK(model_trouble(small_model() + piece_field(std::string("a\0b", 3))) ==
          "tokenizer.model: the piece 2 is no text");
    CHECK(model_trouble(small_model() + piece_field("\xFF")) ==
          "tokenizer.model: the piece 2 is no text");
    CHECK(model_trouble(small_model() + piece_field("b", 7)) ==
          "tokenizer.model: the piece 2 is of no known kind");
    CHECK(model_trouble(small_model() + piece_field("b", 6)) ==
          "tokenizer.model: the piece 2 is of no known kind");
    CHECK(model_trouble(small_model() + piece_field("<0x0A>", 6)) == "nothing");
    const std::string not_a_number("\x15\x00\x00\xC0\x7F", 5);
    CHECK(model_trouble(small_model() + bytes_field(1, bytes_field(1, "b") + not_a_number)) ==
          "tokenizer.model: the piece 2 has no score");
}

TEST_CASE("gpu/tokenizer: models that ask for something else are refused") {
    const auto with = [](const std::string& field) { return model_trouble(small_model() + field); };
    CHECK(with(bytes_field(2, number_field(3, 4))) ==
          "tokenizer.model: trainer_spec.model_type is 4; unigram (1) and BPE (2) are supported");
    CHECK(with(bytes_field(2, number_field(3, 2))) == "nothing");
    CHECK(with(bytes_field(2, "") + bytes_field(2, "")) ==
          "tokenizer.model: it has two trainer_spec");
    CHECK(with(bytes_field(3, "") + bytes_field(3, "")) ==
          "tokenizer.model: it has two normalizer_spec");
    CHECK(with(bytes_field(3, number_field(5, 0))) ==
          "tokenizer.model: normalizer_spec without escape_whitespaces is not supported");
    CHECK(with(bytes_field(5, bytes_field(2, "x"))) ==
          "tokenizer.model: denormalizer_spec is not supported");
    CHECK(with(bytes_field(5, bytes_field(2, ""))) == "nothing");
}

TEST_CASE("gpu/tokenizer: a table of replacements that leads outside of itself is refused") {
    const std::vector<std::uint32_t> empty(256, 0);
    CHECK(table_trouble("") == "nothing");
    CHECK(table_trouble(table_of(empty, std::string(1, '\0'))) == "nothing");
    CHECK(table_trouble("abc") == "tokenizer.model: its table of replacements is cut");
    CHECK(table_trouble(table_of(empty, "")) ==
          "tokenizer.model: its table of replacements is cut");
    CHECK(table_trouble(table_of({}, "a")) == "tokenizer.model: its table of replacements is cut");
    CHECK(table_trouble(table_of(std::vector<std::uint32_t>(255, 0), "a")) ==
          "tokenizer.model: its table of replacements leads outside of itself");
    auto leads_away = empty;
    leads_away[7] = 1 << 10 << 8;
    CHECK(table_trouble(table_of(leads_away, "a")) ==
          "tokenizer.model: its table of replacements leads outside of itself");
    leads_away[7] = 1 << 9 | 1 << 10;
    CHECK(table_trouble(table_of(leads_away, "a")) ==
          "tokenizer.model: its table of replacements leads outside of itself");
    // The unit 7 has a text, which the unit it leads to (7 ^ 3) says the place of.
    auto with_text = empty;
    with_text[7] = 3 << 10 | 1 << 8;
    with_text[7 ^ 3] = 1u << 31 | 2;
    CHECK(table_trouble(table_of(with_text, std::string("abc\0", 4))) == "nothing");
    CHECK(table_trouble(table_of(with_text, "abc")) ==
          "tokenizer.model: a replacement has no end, or is too long");
    CHECK(table_trouble(table_of(with_text, "ab")) ==
          "tokenizer.model: a replacement lies outside of its table");
    CHECK(table_trouble(table_of(with_text, std::string(300, 'a') + '\0')) ==
          "tokenizer.model: a replacement has no end, or is too long");
}
