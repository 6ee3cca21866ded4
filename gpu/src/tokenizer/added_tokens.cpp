#include "tokenizer/added_tokens.hpp"

#include "tokenizer/characters.hpp"

#include <algorithm>

namespace casc::gpu {
namespace {

// Before the spaces that end at `end`, at `from` at the earliest.
std::size_t before_spaces(std::string_view text, std::size_t from, std::size_t end) noexcept {
    while (end > from) {
        std::size_t begin = end - 1;
        while (begin > from && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
            --begin;
        if (!is_space(character_at(text, begin).code)) break;
        end = begin;
    }
    return end;
}

std::size_t behind_spaces(std::string_view text, std::size_t at) noexcept {
    Character next;
    while ((next = character_at(text, at)).bytes > 0 && is_space(next.code))
        at += next.bytes;
    return at;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<Spelled> spelled) : spelled_(std::move(spelled)) {
    std::ranges::sort(spelled_, {}, &Spelled::text);
    for (const Spelled& one : spelled_)
        begins_[static_cast<unsigned char>(one.text.front())] = true;
}

// All that begin with the first bytes of the text are neighbours; each byte more leaves fewer.
const AddedTokenFinder::Spelled* AddedTokenFinder::longest_at(
    std::string_view text) const noexcept {
    const Spelled* longest = nullptr;
    auto from = spelled_.begin();
    auto to = spelled_.end();
    for (std::size_t i = 0; i < text.size() && from != to; ++i) {
        const auto byte_of = [i](const Spelled& one) {
            return i < one.text.size() ? int{static_cast<unsigned char>(one.text[i])} : -1;
        };
        const int byte = static_cast<unsigned char>(text[i]);
        from = std::lower_bound(
            from, to, byte, [&](const Spelled& one, int wanted) { return byte_of(one) < wanted; });
        to = std::upper_bound(
            from, to, byte, [&](int wanted, const Spelled& one) { return wanted < byte_of(one); });
        if (from != to && from->text.size() == i + 1) longest = &*from;
    }
    return longest;
}

std::optional<AddedTokenFinder::Found> AddedTokenFinder::find(std::string_view text,
                                                              std::size_t from,
                                                              SpecialTokens special) const {
    for (std::size_t at = from; at < text.size();) {
        const Spelled* const found =
            begins_[static_cast<unsigned char>(text[at])] ? longest_at(text.substr(at)) : nullptr;
        if (found == nullptr) {
            ++at;
            continue;
        }
        const std::size_t end = at + found->text.size();
        const AddedToken& token = found->token;
        if (token.special && special != SpecialTokens::parsed) {
            at = end;
            continue;
        }
        return Found{token.strips_left ? before_spaces(text, from, at) : at,
                     token.strips_right ? behind_spaces(text, end) : end, token.token};
    }
    return std::nullopt;
}

}  // namespace casc::gpu
