#pragma once
// slot_book.hpp: what the slots of a backend have, whatever computes it.

#include "model/rope.hpp"
#include "new_token.hpp"

#include <casc/gpu/backend.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace casc::gpu {

// Thread: one at a time. Lifetime: borrows the model and its rope.
class SlotBook {
public:
    // That it takes up.
    [[nodiscard]] static unsigned __int128 bytes(const ModelConfig& model,
                                                 const BackendLimits& limits);
    SlotBook(const ModelConfig& model, const BackendLimits& limits, const Rope& rope);

    // That a step is within what Backend::step() asks for; it is our bug if not.
    void check(std::span<const SequenceStep> sequences);
    // How many of the slot's tokens, from its beginning, must be computed once more before the
    // sequence's, since longrope has another table for its length with them; mostly none.
    [[nodiscard]] std::uint32_t outdated(const SequenceStep& sequence) const noexcept;
    // The slot has the sequence's tokens from now on.
    void enter(const SequenceStep& sequence);
    // Appends the sequence's tokens, which were entered; of a slot, those at [first, last).
    void append_new(const SequenceStep& sequence, std::vector<NewToken>& tokens) const;
    void append_again(SlotId slot, std::uint32_t first, std::uint32_t last,
                      std::vector<NewToken>& tokens) const;

private:
    struct Slot {
        std::uint32_t tokens = 0;  // that it has
        bool is_beyond = false;    // by which of longrope's tables they were computed
    };

    // Fixed after construction.
    const ModelConfig& model_;
    const BackendLimits limits_;
    const Rope& rope_;
    // Of each slot.
    std::vector<Slot> slots_;
    std::vector<TokenId> remembered_;        // of longrope: context_tokens of each slot
    std::vector<std::uint64_t> last_steps_;  // in which a slot was last used
    std::uint64_t step_ = 0;
};

}  // namespace casc::gpu
