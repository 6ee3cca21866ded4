#pragma once
// gpu/src/engine/answer_text.hpp: the text that an answer's tokens add up to, as far as it is
// certain.

#include <casc/gpu/stop_matcher.hpp>
#include <casc/gpu/text_stream.hpp>
#include <casc/gpu/tokenizer.hpp>

#include <string>
#include <utility>
#include <vector>

namespace casc::gpu {

// Thread:   one at a time.
// Lifetime: borrows the tokeniser, which must outlive it.
class AnswerText {
public:
    AnswerText(const Tokenizer& tokenizer, const std::vector<std::string>& stops)
        : characters_(tokenizer), stops_(stops) {}

    void push(TokenId token) { certain_ += stops_.push(characters_.push(token)); }
    // Nothing more comes: what was held back is certain, unless a stop string was found.
    void finish() {
        certain_ += stops_.push(characters_.finish());
        certain_ += stops_.finish();
    }
    // What has become certain since it was last taken.
    [[nodiscard]] std::string take() { return std::exchange(certain_, {}); }
    [[nodiscard]] bool stopped() const noexcept { return stops_.matched(); }

private:
    TextStream characters_;
    StopMatcher stops_;
    std::string certain_;
};

}  // namespace casc::gpu
