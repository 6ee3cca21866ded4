#include "slot_book.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>
#include <utility>

namespace casc::gpu {
namespace {

bool is_longrope(const ModelConfig& model) {
    return model.rope.kind == RopeScaling::Kind::longrope;
}

}  // namespace

unsigned __int128 SlotBook::bytes(const ModelConfig& model, const BackendLimits& limits) {
    using Wide = unsigned __int128;
    const Wide slots = limits.slot_count;
    const Wide remembered =
        is_longrope(model) ? slots * limits.context_tokens * sizeof(TokenId) : 0;
    return remembered + slots * (sizeof(Slot) + sizeof(step_));
}

SlotBook::SlotBook(const ModelConfig& model, const BackendLimits& limits, const Rope& rope)
    : model_(model),
      limits_(limits),
      rope_(rope),
      slots_(limits.slot_count),
      remembered_(is_longrope(model) ? std::size_t{limits.slot_count} * limits.context_tokens : 0),
      last_steps_(limits.slot_count) {}

void SlotBook::check(std::span<const SequenceStep> sequences) {
    ++step_;
    std::size_t tokens = 0;
    for (const SequenceStep& sequence : sequences) {
        CASC_ASSERT(sequence.slot < limits_.slot_count, sequence.slot);
        CASC_ASSERT(std::exchange(last_steps_[sequence.slot], step_) != step_, sequence.slot);
        CASC_ASSERT(!sequence.tokens.empty(), sequence.slot);
        CASC_ASSERT(sequence.position <= slots_[sequence.slot].tokens, sequence.slot,
                    sequence.position, slots_[sequence.slot].tokens);
        CASC_ASSERT(sequence.tokens.size() <= limits_.context_tokens - sequence.position,
                    sequence.slot, sequence.position, sequence.tokens.size());
        CASC_ASSERT(sequence.wanted != Wanted::token || !model_.classifies(), sequence.slot);
        for (const TokenId token : sequence.tokens)
            CASC_ASSERT(token < model_.vocabulary_size, token);
        tokens += sequence.tokens.size();
    }
    CASC_ASSERT(tokens <= limits_.step_tokens_max, tokens);
}

std::uint32_t SlotBook::outdated(const SequenceStep& sequence) const noexcept {
    const bool is_beyond = rope_.is_beyond(sequence.position + sequence.tokens.size());
    return slots_[sequence.slot].is_beyond != is_beyond ? sequence.position : 0;
}

void SlotBook::enter(const SequenceStep& sequence) {
    const std::size_t length = sequence.position + sequence.tokens.size();
    slots_[sequence.slot] = {static_cast<std::uint32_t>(length), rope_.is_beyond(length)};
    if (remembered_.empty()) return;
    const std::size_t at = sequence.slot * std::size_t{limits_.context_tokens} + sequence.position;
    std::ranges::copy(sequence.tokens, remembered_.begin() + static_cast<std::ptrdiff_t>(at));
}

void SlotBook::append_new(const SequenceStep& sequence, std::vector<NewToken>& tokens) const {
    std::uint32_t position = sequence.position;
    for (const TokenId token : sequence.tokens)
        tokens.push_back({token, sequence.slot, position++, slots_[sequence.slot].is_beyond});
}

void SlotBook::append_again(SlotId slot, std::uint32_t first, std::uint32_t last,
                            std::vector<NewToken>& tokens) const {
    const std::size_t begin = std::size_t{slot} * limits_.context_tokens;
    for (std::uint32_t position = first; position < last; ++position)
        tokens.push_back({remembered_[begin + position], slot, position, slots_[slot].is_beyond});
}

}  // namespace casc::gpu
