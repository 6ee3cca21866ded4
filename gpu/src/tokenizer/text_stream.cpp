#include <casc/gpu/text_stream.hpp>
#include <casc/types/utf8.hpp>

#include <string_view>
#include <utility>

namespace casc::gpu {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Whether there are bytes which make a character of these. If there are any, some that are all
// alike do: what may follow is bounded from below or from above, and never from both sides.
bool may_become_character(std::string_view bytes) {
    for (const char filler : {'\x80', '\xBF'})
        if (utf8_length(std::string(bytes) + std::string(3, filler)) > bytes.size()) return true;
    return false;
}

// How many bytes at the beginning of `text`, where there is no character, could have begun one.
std::size_t begun_bytes(std::string_view text) {
    std::size_t bytes = 0;
    while (bytes < text.size() && may_become_character(text.substr(0, bytes + 1)))
        ++bytes;
    return bytes;
}

// Moves from `held` what is certain.
std::string take_certain(std::string& held) {
    std::string certain;
    std::string_view rest = held;
    while (!rest.empty()) {
        std::size_t bytes = utf8_length(rest);
        if (bytes > 0) {
            certain.append(rest.substr(0, bytes));
        } else {
            bytes = begun_bytes(rest);
            if (bytes == rest.size()) break;
            certain.append(kReplacement);
            if (bytes == 0) bytes = 1;
        }
        rest.remove_prefix(bytes);
    }
    held.erase(0, held.size() - rest.size());
    return certain;
}

}  // namespace

std::string TextStream::push(TokenId token) {
    std::string_view bytes = tokenizer_.bytes_of(token);
    if (bytes.empty()) return {};
    if (std::exchange(drops_space_, false) && bytes.front() == ' ') bytes.remove_prefix(1);
    held_.append(bytes);
    return take_certain(held_);
}

std::string TextStream::finish() {
    return std::exchange(held_, {}).empty() ? std::string() : std::string(kReplacement);
}

std::string text_of(const Tokenizer& tokenizer, std::span<const TokenId> tokens) {
    TextStream stream(tokenizer, TextStream::Begins::text);
    std::string text;
    for (const TokenId token : tokens)
        text += stream.push(token);
    return text + stream.finish();
}

}  // namespace casc::gpu
