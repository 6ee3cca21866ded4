#include "tokenizer/sentencepiece_model.hpp"

#include "tokenizer/byte_token.hpp"
#include "tokenizer/characters.hpp"
#include "tokenizer/protobuf_fields.hpp"
#include "tokenizer/replacement_table.hpp"
#include "tokenizer/sentencepiece_refusal.hpp"
#include "tokenizer/space_mark.hpp"
#include "tokenizer/vocabulary.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace casc::gpu {
namespace {

// The library has room for as many that begin at one place of a text, and reads on behind that.
constexpr std::size_t kUserPiecesOnPathMax = 64;
// No published piece has half of it, and how long one may be bounds what a text costs.
constexpr std::size_t kPieceBytesMax = 512;

Result<void> ended_well(const ProtobufFields& fields) {
    if (fields.ended_well()) return {};
    return refuse_model_file("it is damaged, or no such file");
}

// A field that is written otherwise than the message says is none to the library, and would be one
// here.
struct KnownField {
    std::uint32_t number;
    ProtobufKind kind;
};
Result<void> check_written(const ProtobufField& field, std::initializer_list<KnownField> known) {
    const auto* const found = std::ranges::find(known, field.number, &KnownField::number);
    if (found == known.end() || found->kind == field.kind) return {};
    return refuse_model_file("its field " + std::to_string(field.number) +
                             " is not written as it should be");
}

// ---- pieces -------------------------------------------------------------------------------------

enum class PieceKind : std::uint64_t {
    normal = 1,
    unknown = 2,
    control = 3,
    user_defined = 4,
    unused = 5,
    byte = 6
};

struct ModelPiece {
    std::string_view text;
    float score = 0;
    std::uint64_t kind = static_cast<std::uint64_t>(PieceKind::normal);
};

Result<ModelPiece> read_piece(std::string_view message) {
    ProtobufFields fields(message);
    ProtobufField field;
    ModelPiece piece;
    while (fields.next(field)) {
        CASC_TRY_VOID(check_written(
            field,
            {{1, ProtobufKind::bytes}, {2, ProtobufKind::four_bytes}, {3, ProtobufKind::number}}));
        if (field.number == 1) piece.text = field.bytes;
        if (field.number == 2)
            piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
        if (field.number == 3) piece.kind = field.value;
    }
    CASC_TRY_VOID(ended_well(fields));
    return piece;
}

// What it is in a text; nothing: it cannot be.
std::optional<std::string> text_of_piece(const ModelPiece& piece) {
    switch (static_cast<PieceKind>(piece.kind)) {
        case PieceKind::normal:
        case PieceKind::user_defined:
        case PieceKind::unused:
            return with_spaces(piece.text);
        case PieceKind::unknown:
        case PieceKind::control:
            return "";
        case PieceKind::byte:
            if (const auto byte = byte_of_token(piece.text)) return std::string(1, *byte);
            break;
    }
    return std::nullopt;
}

// What is read, and what is looked at when all is there. Borrows the file's bytes.
struct Reading {
    SentencePieceModel model;
    std::vector<std::string_view> user_pieces;
    // A message in several parts is one to the library, but it would be checked part by part here.
    bool has_trainer = false;
    bool has_normalizer = false;
};

Result<void> append_piece(std::string_view message, Reading& read) {
    TokenTexts& texts = read.model.texts;
    const auto refuse_piece = [&](const std::string& why) {
        return refuse_model_file("the piece " + std::to_string(texts.size()) + ' ' + why);
    };
    CASC_TRY(const ModelPiece piece, read_piece(message));
    if (texts.size() == kVocabularyTokensMax) return refuse_piece("is one too many");
    if (piece.text.size() > kPieceBytesMax)
        return refuse_piece("has more than " + std::to_string(kPieceBytesMax) + " bytes");
    if (piece.text.empty() || piece.text.find('\0') != piece.text.npos ||
        find_not_utf8(piece.text) != piece.text.npos)
        return refuse_piece("is no text");
    if (!std::isfinite(piece.score)) return refuse_piece("has no score");
    const auto text = text_of_piece(piece);
    if (!text) return refuse_piece("is of no known kind");
    if (piece.kind == static_cast<std::uint64_t>(PieceKind::user_defined))
        read.user_pieces.push_back(piece.text);
    texts.append(*text);
    return {};
}

// Sorted, a piece stands behind all that it begins with.
Result<void> check_user_pieces(std::vector<std::string_view> pieces) {
    std::ranges::sort(pieces);
    std::vector<std::string_view> beginnings;
    for (const std::string_view piece : pieces) {
        while (!beginnings.empty() && !piece.starts_with(beginnings.back()))
            beginnings.pop_back();
        beginnings.push_back(piece);
        if (beginnings.size() > kUserPiecesOnPathMax)
            return refuse_model_file("more than " + std::to_string(kUserPiecesOnPathMax) +
                                     " user-defined pieces begin with each other");
    }
    return {};
}

// ---- how it was trained, and how texts are changed ----------------------------------------------

Result<void> check_trainer(std::string_view message) {
    constexpr std::uint64_t kUnigram = 1;
    constexpr std::uint64_t kBpe = 2;
    ProtobufFields fields(message);
    ProtobufField field;
    std::uint64_t kind = kUnigram;
    bool space_behind = false;
    while (fields.next(field)) {
        CASC_TRY_VOID(
            check_written(field, {{3, ProtobufKind::number}, {24, ProtobufKind::number}}));
        if (field.number == 3) kind = field.value;
        if (field.number == 24) space_behind = field.value != 0;
    }
    CASC_TRY_VOID(ended_well(fields));
    if (kind != kUnigram && kind != kBpe)
        return refuse_model_file("trainer_spec.model_type is " + std::to_string(kind) +
                                 "; unigram (1) and BPE (2) are supported");
    if (space_behind)
        return refuse_model_file("trainer_spec.treat_whitespace_as_suffix is not supported");
    return {};
}

Result<void> read_normalizer_spec(std::string_view message, SentencePieceModel& model) {
    ProtobufFields fields(message);
    ProtobufField field;
    std::string_view table;
    bool puts_space = true;
    bool takes_spaces = true;
    bool marks_spaces = true;
    while (fields.next(field)) {
        CASC_TRY_VOID(check_written(field, {{2, ProtobufKind::bytes},
                                            {3, ProtobufKind::number},
                                            {4, ProtobufKind::number},
                                            {5, ProtobufKind::number}}));
        if (field.number == 2) table = field.bytes;
        if (field.number == 3) puts_space = field.value != 0;
        if (field.number == 4) takes_spaces = field.value != 0;
        if (field.number == 5) marks_spaces = field.value != 0;
    }
    CASC_TRY_VOID(ended_well(fields));
    if (!marks_spaces)
        return refuse_model_file("normalizer_spec without escape_whitespaces is not supported");
    model.drops_first_space = puts_space || takes_spaces;
    CASC_TRY(model.expansion, check_replacements(table));
    return {};
}

// It changes what is decoded, which casc does itself.
Result<void> check_denormalizer(std::string_view message) {
    ProtobufFields fields(message);
    ProtobufField field;
    bool changes = false;
    while (fields.next(field)) {
        CASC_TRY_VOID(check_written(field, {{2, ProtobufKind::bytes}}));
        changes = changes || (field.number == 2 && !field.bytes.empty());
    }
    CASC_TRY_VOID(ended_well(fields));
    if (changes) return refuse_model_file("denormalizer_spec is not supported");
    return {};
}

Result<void> read_field(const ProtobufField& field, Reading& read) {
    CASC_TRY_VOID(check_written(field, {{1, ProtobufKind::bytes},
                                        {2, ProtobufKind::bytes},
                                        {3, ProtobufKind::bytes},
                                        {4, ProtobufKind::bytes},
                                        {5, ProtobufKind::bytes}}));
    switch (field.number) {
        case 1:
            return append_piece(field.bytes, read);
        case 2:
            if (std::exchange(read.has_trainer, true))
                return refuse_model_file("it has two trainer_spec");
            return check_trainer(field.bytes);
        case 3:
            if (std::exchange(read.has_normalizer, true))
                return refuse_model_file("it has two normalizer_spec");
            return read_normalizer_spec(field.bytes, read.model);
        case 4:
            // The library makes its texts into tokens while it is loaded.
            return refuse_model_file("self_test_data is not supported");
        case 5:
            return check_denormalizer(field.bytes);
        default:
            return {};
    }
}

}  // namespace

Result<SentencePieceModel> SentencePieceModel::parse(std::string_view model) {
    ProtobufFields fields(model);
    ProtobufField field;
    Reading read;
    while (fields.next(field))
        CASC_TRY_VOID(read_field(field, read));
    CASC_TRY_VOID(ended_well(fields));
    if (read.model.texts.size() == 0) return refuse_model_file("it has no pieces");
    // The pieces come first: cut between two, the file would be another model.
    if (!read.has_trainer || !read.has_normalizer)
        return refuse_model_file("it is cut: trainer_spec or normalizer_spec is missing");
    CASC_TRY_VOID(check_user_pieces(std::move(read.user_pieces)));
    return std::move(read.model);
}

}  // namespace casc::gpu
