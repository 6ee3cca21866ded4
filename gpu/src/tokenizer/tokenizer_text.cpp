#include "tokenizer/tokenizer_text.hpp"

#include "tokenizer/characters.hpp"

#include <casc/types/units.hpp>

#include <string>

namespace casc::gpu {
namespace {

// Sixteen million tokens of the longest contexts, with four letters each; and positions in a text
// fit 32 bits, whatever a normalizer adds.
constexpr std::size_t kTextBytesMax = 64_MiB;

}  // namespace

Result<void> check_text(std::string_view text) {
    if (text.size() > kTextBytesMax)
        return Error(ErrorCode::invalid_request,
                     "the text has " + std::to_string(text.size()) + " bytes, and " +
                         std::to_string(kTextBytesMax) + " at most are made into tokens");
    if (const std::size_t at = find_not_utf8(text); at != text.npos)
        return Error(ErrorCode::invalid_request,
                     "the text is not UTF-8 at byte " + std::to_string(at));
    return {};
}

}  // namespace casc::gpu
