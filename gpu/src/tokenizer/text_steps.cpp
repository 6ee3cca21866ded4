#include "tokenizer/text_steps.hpp"

#include "tokenizer/composed_text.hpp"
#include "tokenizer/space_mark.hpp"

#include <algorithm>

namespace casc::gpu {
namespace {

bool wants_prefix(const WordSteps& steps, bool at_start) noexcept {
    return steps.prefix == WordSteps::Prefix::always ||
           (steps.prefix == WordSteps::Prefix::first && at_start);
}

}  // namespace

std::string normalized(const NormalizerSteps& steps, std::string_view text) {
    std::string out = steps.composes ? composed_text(text) : std::string(text);
    if (steps.marks_spaces) out = with_marks(out);
    if (steps.marks_start && !out.empty()) out.insert(0, kSpaceMark);
    return out;
}

std::string prepared(const WordSteps& steps, std::string_view part, bool at_start) {
    std::string out = steps.marks_spaces ? with_marks(part) : std::string(part);
    const std::string_view prefix = steps.byte_level ? std::string_view(" ") : kSpaceMark;
    if (wants_prefix(steps, at_start) && !out.empty() && !out.starts_with(prefix))
        out.insert(0, prefix);
    return out;
}

std::size_t first_word_bytes(const WordSteps& steps, std::string_view part) noexcept {
    if (steps.pattern) return first_word_bytes(*steps.pattern, part);
    if (!steps.splits_at_marks || part.empty()) return part.size();
    return std::min(part.find(kSpaceMark, 1), part.size());
}

}  // namespace casc::gpu
