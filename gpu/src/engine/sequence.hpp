#pragma once
// gpu/src/engine/sequence.hpp: a request in the engine, from when it was submitted until it is
// answered.

#include "engine/answer_text.hpp"

#include <casc/gpu/backend.hpp>
#include <casc/gpu/generation.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace casc::gpu {

// Thread: one at a time.
struct Sequence {
    // Fixed when it was submitted.
    GenerateRequest request;  // without its prompt and stop strings
    MonoNanos arrived;
    std::uint32_t prompt_count = 0;
    std::uint32_t place = 0;  // in the engine

    std::vector<TokenId> tokens;     // the prompt's, then the answer's that the model is to see
    std::uint32_t answer_count = 0;  // with the one that ended it
    std::optional<AnswerText> text;  // of one that generates
    std::uint32_t read_count = 0;    // so many of the answer's tokens are in the text

    // Since it has a slot.
    std::optional<SlotId> slot;
    std::uint32_t computed = 0;  // so many of the tokens the slot has
    std::uint32_t step_count = 0;
    bool began_again = false;  // after a failure of the device, and no token has come since
    MonoNanos admitted;
    MonoNanos first_token;

    // At least one: the slot's last token is never the sequence's last.
    [[nodiscard]] std::uint32_t behind() const noexcept {
        return static_cast<std::uint32_t>(tokens.size()) - computed;
    }
    void begin_again() noexcept {
        computed = 0;
        began_again = true;
    }
    // The next `count` of its tokens, as the backend wants them. Valid until a token is added.
    [[nodiscard]] SequenceStep next_step(std::uint32_t count) const;
    // Makes text of the answer's tokens that are not yet.
    void read_new_tokens();
    [[nodiscard]] AnswerTimes times(MonoNanos now) const noexcept;
};

}  // namespace casc::gpu
