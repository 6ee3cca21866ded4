#include "tokenizer/replacement_table.hpp"

#include "tokenizer/sentencepiece_refusal.hpp"
#include "tokenizer/space_mark.hpp"

#include <casc/types/units.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace casc::gpu {
namespace {

// The largest of a published model (NFKC, and letters in one case) has 0.3 MB.
constexpr std::size_t kTableBytesMax = 4_MiB;
// The longest of NFKC has 33; a table of longer ones would make a small text a large one.
constexpr std::size_t kReplacementBytesMax = 256;
// What is replaced is a character with its marks. The library begins anew at each character of a
// text, so this bounds what a text costs.
constexpr unsigned kReplacedBytesMax = 64;
// For how many it has room (Normalizer::kMaxTrieResultsSize); it reads on behind that.
constexpr unsigned kValuesOnPathMax = 32;

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
    [[nodiscard]] bool is_by(std::uint32_t letter) const noexcept {
        return (bits & 0x8000'00FF) == letter;
    }
    [[nodiscard]] bool has_value() const noexcept { return (bits >> 8 & 1) != 0; }
    [[nodiscard]] std::uint32_t value() const noexcept { return bits & 0x7FFF'FFFF; }
    // To its children, of which the one by the letter c is at (place ^ offset ^ c).
    [[nodiscard]] std::size_t offset() const noexcept {
        return std::size_t{bits >> 10} << ((bits >> 9 & 1) != 0 ? 8 : 0);
    }
};

// Goes through all that a text can lead to, each unit once.
class TableWalk {
public:
    TableWalk(std::string_view units, std::string_view texts)
        : units_(units), texts_(texts), seen_(units.size() / sizeof(std::uint32_t)) {}

    Result<std::size_t> expansion() {
        // The library follows the root's offset whatever else its bits say.
        if (unit_at(0).is_value())
            return refuse_model_file("its table of replacements has no beginning");
        seen_[0] = true;
        CASC_TRY_VOID(enter(0, 0, 0));
        while (!open_.empty()) {
            const Node node = open_.back();
            open_.pop_back();
            CASC_TRY_VOID(enter_children(node));
        }
        return expansion_;
    }

private:
    struct Node {
        std::size_t children;
        unsigned depth;   // letters that lead here
        unsigned values;  // of the units that were passed
    };

    [[nodiscard]] TrieUnit unit_at(std::size_t i) const {
        return {little_endian_u32(units_.substr(i * sizeof(std::uint32_t)))};
    }

    Result<void> enter_children(const Node& node) {
        for (std::uint32_t letter = 0; letter < 256; ++letter) {
            const std::size_t place = node.children ^ letter;
            if (!unit_at(place).is_by(letter)) continue;
            if (seen_[place])
                return refuse_model_file("its table of replacements leads back into itself");
            seen_[place] = true;
            CASC_TRY_VOID(enter(place, node.depth + 1, node.values));
        }
        return {};
    }

    Result<void> enter(std::size_t place, unsigned depth, unsigned values) {
        const TrieUnit unit = unit_at(place);
        const std::size_t children = place ^ unit.offset();
        if ((children | 0xFF) >= seen_.size())
            return refuse_model_file("its table of replacements leads outside of itself");
        if (depth > kReplacedBytesMax)
            return refuse_model_file("its table replaces more than " +
                                     std::to_string(kReplacedBytesMax) + " bytes at once");
        if (unit.has_value() && depth > 0) {
            if (++values > kValuesOnPathMax)
                return refuse_model_file("its table has more than " +
                                         std::to_string(kValuesOnPathMax) +
                                         " replacements that begin alike");
            CASC_TRY_VOID(take_replacement(unit_at(children).value(), depth));
        }
        open_.push_back({children, depth, values});
        return {};
    }

    Result<void> take_replacement(std::size_t at, unsigned replaced_bytes) {
        if (at >= texts_.size())
            return refuse_model_file("a replacement lies outside of its table");
        const std::string_view rest = texts_.substr(at, kReplacementBytesMax + 1);
        const std::size_t end = rest.find('\0');
        if (end == rest.npos) return refuse_model_file("a replacement has no end, or is too long");
        const auto spaces = static_cast<std::size_t>(std::ranges::count(rest.substr(0, end), ' '));
        const std::size_t bytes = end + spaces * (kSpaceMark.size() - 1);
        expansion_ = std::max(expansion_, (bytes + replaced_bytes - 1) / replaced_bytes);
        return {};
    }

    const std::string_view units_;
    const std::string_view texts_;
    std::vector<bool> seen_;
    std::vector<Node> open_;
    std::size_t expansion_ = kSpaceMark.size();
};

}  // namespace

Result<std::size_t> check_replacements(std::string_view table) {
    if (table.empty()) return kSpaceMark.size();
    constexpr std::size_t kUnitBytes = sizeof(std::uint32_t);
    if (table.size() > kTableBytesMax)
        return refuse_model_file("its table of replacements has more than " +
                                 std::to_string(kTableBytesMax) + " bytes");
    if (table.size() < kUnitBytes) return refuse_model_file("its table of replacements is cut");
    const std::size_t trie_bytes = little_endian_u32(table);
    table.remove_prefix(kUnitBytes);
    if (trie_bytes >= table.size() || trie_bytes % kUnitBytes != 0 || trie_bytes == 0)
        return refuse_model_file("its table of replacements is cut");
    return TableWalk(table.substr(0, trie_bytes), table.substr(trie_bytes)).expansion();
}

}  // namespace casc::gpu
