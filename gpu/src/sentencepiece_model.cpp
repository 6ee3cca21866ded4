#include "sentencepiece_model.hpp"

#include "byte_token.hpp"
#include "characters.hpp"
#include "protobuf_fields.hpp"
#include "space_mark.hpp"
#include "vocabulary.hpp"

#include <bit>
#include <cmath>
#include <optional>
#include <utility>

namespace casc::gpu {
namespace {

Error refuse_model_file(const std::string& why) {
    return Error(ErrorCode::model_unusable, "tokenizer.model: " + why);
}

Result<void> ended_well(const ProtobufFields& fields) {
    if (fields.ended_well()) return {};
    return refuse_model_file("it is damaged, or no such file");
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

Result<void> append_piece(std::string_view message, TokenTexts& texts) {
    const auto refuse_piece = [&](const char* why) {
        return refuse_model_file("the piece " + std::to_string(texts.size()) + ' ' + why);
    };
    CASC_TRY(const ModelPiece piece, read_piece(message));
    if (texts.size() == kVocabularyTokensMax) return refuse_piece("is one too many");
    if (piece.text.empty() || piece.text.find('\0') != piece.text.npos ||
        find_not_utf8(piece.text) != piece.text.npos)
        return refuse_piece("is no text");
    if (!std::isfinite(piece.score)) return refuse_piece("has no score");
    const auto text = text_of_piece(piece);
    if (!text) return refuse_piece("is of no known kind");
    texts.append(*text);
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
        if (field.number == 2) table = field.bytes;
        if (field.number == 3) puts_space = field.value != 0;
        if (field.number == 4) takes_spaces = field.value != 0;
        if (field.number == 5) marks_spaces = field.value != 0;
    }
    CASC_TRY_VOID(ended_well(fields));
    if (!marks_spaces)
        return refuse_model_file("normalizer_spec without escape_whitespaces is not supported");
    model.drops_first_space = puts_space || takes_spaces;
    return check_replacements(table);
}

// It changes what is decoded, which casc does itself.
Result<void> check_denormalizer(std::string_view message) {
    ProtobufFields fields(message);
    ProtobufField field;
    bool changes = false;
    while (fields.next(field))
        changes = changes || (field.number == 2 && !field.bytes.empty());
    CASC_TRY_VOID(ended_well(fields));
    if (changes) return refuse_model_file("denormalizer_spec is not supported");
    return {};
}

Result<void> read_field(const ProtobufField& field, SentencePieceModel& model) {
    switch (field.number) {
        case 1:
            return append_piece(field.bytes, model.texts);
        case 2:
            return check_trainer(field.bytes);
        case 3:
            return read_normalizer_spec(field.bytes, model);
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
    SentencePieceModel read{.texts = {}, .drops_first_space = true};
    // A message in several parts is one to the library, but it would be checked part by part here.
    bool has_trainer = false;
    bool has_normalizer = false;
    while (fields.next(field)) {
        if (field.number == 2 && std::exchange(has_trainer, true))
            return refuse_model_file("it has two trainer_spec");
        if (field.number == 3 && std::exchange(has_normalizer, true))
            return refuse_model_file("it has two normalizer_spec");
        CASC_TRY_VOID(read_field(field, read));
    }
    CASC_TRY_VOID(ended_well(fields));
    if (read.texts.size() == 0) return refuse_model_file("it has no pieces");
    return read;
}

// ---- the table of replacements ------------------------------------------------------------------

namespace {

// The longest of NFKC has 33; a table of longer ones would make a small text a large one.
constexpr std::size_t kReplacementBytesMax = 256;

std::uint32_t little_endian_u32(std::string_view bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i)
        value |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << 8 * i;
    return value;
}

// One entry of the double array.
struct TrieUnit {
    std::uint32_t bits;
    [[nodiscard]] bool is_value() const noexcept { return bits >> 31 != 0; }
    [[nodiscard]] bool has_value() const noexcept { return (bits >> 8 & 1) != 0; }
    [[nodiscard]] std::uint32_t value() const noexcept { return bits & 0x7FFF'FFFF; }
    // To its children, of which the one by the letter c is at (place ^ offset ^ c).
    [[nodiscard]] std::uint32_t offset() const noexcept {
        return bits >> 10 << ((bits >> 9 & 1) != 0 ? 8 : 0);
    }
};

Result<void> check_replacement(std::string_view texts, std::uint32_t at) {
    if (at >= texts.size()) return refuse_model_file("a replacement lies outside of its table");
    const std::size_t end = texts.find('\0', at);
    if (end == texts.npos || end - at > kReplacementBytesMax)
        return refuse_model_file("a replacement has no end, or is too long");
    return {};
}

}  // namespace

Result<void> check_replacements(std::string_view table) {
    if (table.empty()) return {};
    constexpr std::size_t kUnitBytes = sizeof(std::uint32_t);
    if (table.size() < kUnitBytes) return refuse_model_file("its table of replacements is cut");
    const std::size_t trie_bytes = little_endian_u32(table);
    table.remove_prefix(kUnitBytes);
    if (trie_bytes >= table.size() || trie_bytes % kUnitBytes != 0 || trie_bytes == 0)
        return refuse_model_file("its table of replacements is cut");
    const std::string_view texts = table.substr(trie_bytes);
    const std::size_t count = trie_bytes / kUnitBytes;
    const auto unit_at = [&](std::size_t i) {
        return TrieUnit{little_endian_u32(table.substr(i * kUnitBytes, kUnitBytes))};
    };
    for (std::size_t i = 0; i < count; ++i) {
        const TrieUnit unit = unit_at(i);
        if (unit.is_value()) continue;
        const std::size_t children = i ^ unit.offset();
        if ((children | 0xFF) >= count)
            return refuse_model_file("its table of replacements leads outside of itself");
        if (unit.has_value()) CASC_TRY_VOID(check_replacement(texts, unit_at(children).value()));
    }
    return {};
}

}  // namespace casc::gpu
