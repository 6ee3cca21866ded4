// tokenizer.model: what libsentencepiece makes of texts, what our own byte pair encoding makes of
// the same vocabulary, and files that are damaged. tests/models/tokenizers/train.sh made the
// models.

#include "odd_text.hpp"
#include "rounds.hpp"
#include "tokenizer/protobuf_fields.hpp"
#include "tokenizer/replacement_table.hpp"
#include "tokenizer/sentencepiece_model.hpp"
#include "tokenizer/sentencepiece_tokenizer.hpp"
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

#if defined(CASC_SENTENCEPIECE)
constexpr bool kHasSentencePiece = true;
#else
constexpr bool kHasSentencePiece = false;
#endif

// Null: this build has no SentencePiece.
std::shared_ptr<const Tokenizer> sentencepiece_of(const std::string& model) {
    auto tokenizer = parse_sentencepiece_model(model);
    if (tokenizer) return *std::move(tokenizer);
    REQUIRE_MESSAGE(!kHasSentencePiece, tokenizer.error().detail);
    REQUIRE_MESSAGE(tokenizer.error().detail.find("not built with") != std::string::npos,
                    tokenizer.error().detail);
    MESSAGE("nothing is checked: this build has no libsentencepiece");
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
std::string varint(std::size_t value) {
    std::string out;
    for (; value >= 128; value >>= 7)
        out.push_back(static_cast<char>(value | 128));
    return out + static_cast<char>(value);
}
std::string number_field(unsigned number, unsigned value) {
    return varint(number << 3) + varint(value);
}
std::string bytes_field(unsigned number, const std::string& bytes) {
    return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string piece_field(const std::string& text, unsigned kind = 1) {
    return bytes_field(1, bytes_field(1, text) + number_field(3, kind));
}
std::string small_model(const std::string& trainer = "", const std::string& normalizer = "") {
    return piece_field("<unk>", 2) + piece_field("a") + bytes_field(2, trainer) +
           bytes_field(3, normalizer);
}

constexpr std::uint32_t kValueUnit = 1u << 31;

// A first unit, and others that no letter leads to. A text's first letter is at kLetters ^ letter.
constexpr std::uint32_t kLetters = 256;
std::vector<std::uint32_t> no_units() {
    std::vector<std::uint32_t> units(2 * kLetters, kValueUnit);
    units[0] = kLetters << 10;
    return units;
}
// That many times the letter a, each in a block of its own, and perhaps with a replacement at each.
std::vector<std::uint32_t> way_of_a(std::size_t letters, bool with_values) {
    std::vector<std::uint32_t> units(256 * (letters + 2), kValueUnit);
    units[0] = 256 << 10;
    for (std::size_t i = 1; i <= letters; ++i) {
        const auto place = static_cast<std::uint32_t>(256 * i ^ 'a');
        const auto children = static_cast<std::uint32_t>(256 * (i + 1));
        units[place] = (place ^ children) << 10 | (with_values ? 1u << 8 : 0) | 'a';
    }
    return units;
}
std::string table_of(std::vector<std::uint32_t> units, const std::string& texts) {
    std::string table;
    units.insert(units.begin(), static_cast<std::uint32_t>(units.size() * 4));
    for (const std::uint32_t unit : units)
        for (unsigned shift = 0; shift < 32; shift += 8)
            table.push_back(static_cast<char>(unit >> shift));
    return table + texts;
}
// The model with another table of replacements.
std::string with_table(const std::string& model, const std::string& table) {
    std::string changed;
    ProtobufFields fields(model);
    for (ProtobufField field; fields.next(field);)
        changed += bytes_field(
            field.number, field.number == 3 ? bytes_field(2, table) : std::string(field.bytes));
    return changed;
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
        for (const auto special : {SpecialTokens::plain, SpecialTokens::around})
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
    CHECK(tokens_of(*tokenizer, "", SpecialTokens::around) == std::vector<TokenId>{1});
}

TEST_CASE("gpu/tokenizer: the names of SentencePiece's control tokens in a text are texts") {
    const auto tokenizer = sentencepiece_of(model_file("bpe.model"));
    if (!tokenizer) return;
    for (const auto special :
         {SpecialTokens::plain, SpecialTokens::around, SpecialTokens::parsed}) {
        auto tokens = tokens_of(*tokenizer, "<s></s>", special);
        if (special != SpecialTokens::plain) tokens.erase(tokens.begin());
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
        for (std::size_t bytes = 0; bytes < model.size(); bytes += test::kFourthUnderTsan)
            REQUIRE(model_trouble(model.substr(0, bytes)) != "nothing");
        for (int round = 0; round < test::quarter_under_tsan(300); ++round) {
            std::string damaged = model;
            for (int flips = 0; flips <= round % 3; ++flips)
                damaged[random() % damaged.size()] ^= static_cast<char>(1u << random() % 8);
            const auto tokenizer = parse_sentencepiece_model(damaged);
            if (!tokenizer) {
                CHECK(tokenizer.error().code == ErrorCode::model_unusable);
                continue;
            }
            const auto tokens = (*tokenizer)->encode(odd_text(random, 30), SpecialTokens::around);
            if (!tokens) continue;
            for (const TokenId token : *tokens)
                CHECK(token < (*tokenizer)->vocabulary_size());
        }
    }
}

TEST_CASE("gpu/tokenizer: what is no tokenizer.model is refused") {
    CHECK(model_trouble(small_model()) == "nothing");
    CHECK(model_trouble("") == "tokenizer.model: it has no pieces");
    CHECK(model_trouble(bytes_field(2, "") + bytes_field(3, "")) ==
          "tokenizer.model: it has no pieces");
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
    CHECK(model_trouble(small_model(number_field(3, 4))) ==
          "tokenizer.model: trainer_spec.model_type is 4; unigram (1) and BPE (2) are supported");
    CHECK(model_trouble(small_model(number_field(3, 2))) == "nothing");
    CHECK(model_trouble(small_model(number_field(24, 1))) ==
          "tokenizer.model: trainer_spec.treat_whitespace_as_suffix is not supported");
    CHECK(with(bytes_field(2, "")) == "tokenizer.model: it has two trainer_spec");
    CHECK(with(bytes_field(3, "")) == "tokenizer.model: it has two normalizer_spec");
    CHECK(model_trouble(small_model("", number_field(5, 0))) ==
          "tokenizer.model: normalizer_spec without escape_whitespaces is not supported");
    CHECK(with(bytes_field(5, bytes_field(2, "x"))) ==
          "tokenizer.model: denormalizer_spec is not supported");
    CHECK(with(bytes_field(5, bytes_field(2, ""))) == "nothing");
}

TEST_CASE("gpu/tokenizer: a tokenizer.model cut between two of its pieces is no other model") {
    CHECK(model_trouble(piece_field("<unk>", 2) + piece_field("a")) ==
          "tokenizer.model: it is cut: trainer_spec or normalizer_spec is missing");
    CHECK(model_trouble(piece_field("<unk>", 2) + piece_field("a") + bytes_field(2, "")) ==
          "tokenizer.model: it is cut: trainer_spec or normalizer_spec is missing");
}

TEST_CASE("gpu/tokenizer: a piece of which one text would take long is refused") {
    CHECK(model_trouble(small_model() + piece_field(std::string(512, 'q'))) == "nothing");
    CHECK(model_trouble(small_model() + piece_field(std::string(513, 'q'))) ==
          "tokenizer.model: the piece 2 has more than 512 bytes");
}

TEST_CASE(
    "gpu/tokenizer: more user-defined pieces in each other than the library can are refused") {
    const auto nested = [](std::size_t count, unsigned kind) {
        std::string pieces;
        for (std::size_t i = 0; i < count; ++i) {
            pieces += piece_field(std::string(2 + i, 'q'), kind);
            pieces += piece_field(std::string(2 + i, 'q') + 'r', kind);  // neighbours, not in each
        }
        return model_trouble(small_model() + pieces);
    };
    CHECK(nested(63, 4) == "nothing");  // with the r of the last, 64
    CHECK(nested(65, 4) ==
          "tokenizer.model: more than 64 user-defined pieces begin with each other");
    CHECK(nested(100, 1) == "nothing");
}

TEST_CASE("gpu/tokenizer: texts that the library would make into tokens at once are refused") {
    CHECK(model_trouble(small_model() + bytes_field(4, "")) ==
          "tokenizer.model: self_test_data is not supported");
}

TEST_CASE("gpu/tokenizer: a field written otherwise than the library reads it is refused") {
    // Its table is the one in bytes, and the number beside it would be the one that is looked at.
    CHECK(model_trouble(small_model("", bytes_field(2, "abcd") + number_field(2, 0))) ==
          "tokenizer.model: its field 2 is not written as it should be");
    CHECK(model_trouble(piece_field("a") + number_field(2, 0) + number_field(3, 0)) ==
          "tokenizer.model: its field 2 is not written as it should be");
    CHECK(model_trouble(small_model(bytes_field(3, "x"))) ==
          "tokenizer.model: its field 3 is not written as it should be");
    CHECK(model_trouble(small_model() + bytes_field(1, bytes_field(1, "b") + number_field(2, 0))) ==
          "tokenizer.model: its field 2 is not written as it should be");
}

// ---- the table of replacements ------------------------------------------------------------------

TEST_CASE("gpu/tokenizer: a table of replacements that leads outside of itself is refused") {
    CHECK(table_trouble("") == "nothing");
    CHECK(table_trouble(table_of(no_units(), std::string(1, '\0'))) == "nothing");
    CHECK(table_trouble("abc") == "tokenizer.model: its table of replacements is cut");
    CHECK(table_trouble(table_of(no_units(), "")) ==
          "tokenizer.model: its table of replacements is cut");
    CHECK(table_trouble(table_of({}, "a")) == "tokenizer.model: its table of replacements is cut");
    CHECK(table_trouble(table_of(std::vector<std::uint32_t>(255, 0), "a")) ==
          "tokenizer.model: its table of replacements leads outside of itself");
    for (const std::uint32_t offset : {1024u << 10, 1u << 9 | 4u << 10}) {
        auto leads_away = no_units();
        leads_away[kLetters ^ 7] = offset | 7;
        CHECK(table_trouble(table_of(leads_away, "a")) ==
              "tokenizer.model: its table of replacements leads outside of itself");
    }
    CHECK(table_trouble(std::string((4 << 20) + 1, 'a')) ==
          "tokenizer.model: its table of replacements has more than 4194304 bytes");
}

TEST_CASE("gpu/tokenizer: a replacement that is not in its table is refused") {
    // The letter 7 has a text, which the unit that it leads to says the place of.
    auto with_text = no_units();
    with_text[kLetters ^ 7] = 3 << 10 | 1 << 8 | 7;
    with_text[kLetters ^ 7 ^ 3] = kValueUnit | 2;
    CHECK(table_trouble(table_of(with_text, std::string("abc\0", 4))) == "nothing");
    CHECK(table_trouble(table_of(with_text, "abc")) ==
          "tokenizer.model: a replacement has no end, or is too long");
    CHECK(table_trouble(table_of(with_text, "ab")) ==
          "tokenizer.model: a replacement lies outside of its table");
    CHECK(table_trouble(table_of(with_text, std::string(300, 'a') + '\0')) ==
          "tokenizer.model: a replacement has no end, or is too long");
}

TEST_CASE("gpu/tokenizer: a table whose first unit is a value, which is followed, is refused") {
    auto units = no_units();
    units[0] = 0xFFFFFC00;
    CHECK(table_trouble(table_of(units, "a")) ==
          "tokenizer.model: its table of replacements has no beginning");
}

TEST_CASE("gpu/tokenizer: a table that leads back into itself is refused") {
    auto units = no_units();
    units[kLetters ^ 'a'] = 'a' << 10 | 'a';  // its child by a is itself
    CHECK(table_trouble(table_of(units, "a")) ==
          "tokenizer.model: its table of replacements leads back into itself");
    // By the letter 0, to the first.
    CHECK(table_trouble(table_of(std::vector<std::uint32_t>(256, 0), "a")) ==
          "tokenizer.model: its table of replacements leads back into itself");
}

TEST_CASE("gpu/tokenizer: more replacements on one way than the library has room for are refused") {
    const std::string text("b\0", 2);
    CHECK(table_trouble(table_of(way_of_a(32, true), text)) == "nothing");
    CHECK(table_trouble(table_of(way_of_a(33, true), text)) ==
          "tokenizer.model: its table has more than 32 replacements that begin alike");
    CHECK(table_trouble(table_of(way_of_a(64, false), text)) == "nothing");
    CHECK(table_trouble(table_of(way_of_a(65, false), text)) ==
          "tokenizer.model: its table replaces more than 64 bytes at once");
}

TEST_CASE("gpu/tokenizer: a text that a table would make too large is refused beforehand") {
    auto units = no_units();
    units[kLetters ^ 'a'] = (kLetters ^ 'a' ^ 512) << 10 | 1 << 8 | 'a';
    units.resize(768, kValueUnit);
    const std::string table = table_of(units, std::string(256, ' ') + '\0');
    CHECK(*check_replacements(table) == std::size_t{256 * 3});
    CHECK(*check_replacements("") == std::size_t{3});
    const auto tokenizer = sentencepiece_of(with_table(model_file("unigram.model"), table));
    if (!tokenizer) return;
    const std::size_t most = (std::size_t{256} << 20) / (256 * 3);
    const auto refused = tokenizer->encode(std::string(most + 1, 'b'), SpecialTokens::plain);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_request);
    CHECK(refused.error().detail ==
          "tokenizer.model: the text has 349526 bytes, each of which may become 768, and "
          "268435456 at most are made into tokens");
    CHECK(tokenizer->encode("aba", SpecialTokens::plain));
}
