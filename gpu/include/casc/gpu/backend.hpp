#pragma once
// casc/gpu/backend.hpp: what computes a loaded model, one step of several sequences at a time.
//
// The keys and values of a sequence's tokens stay in a slot of the backend. A step takes new tokens
// of some sequences: of each a whole prompt, a part of one, or the one token that its answer has
// grown by. Who joins and who leaves between steps is the caller's business (engine.hpp).

#include <casc/gpu/model_config.hpp>
#include <casc/gpu/sampling.hpp>
#include <casc/gpu/token.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace casc::gpu {

using SlotId = std::uint32_t;

// What is asked for after the last of a sequence's tokens.
enum class Wanted : std::uint8_t {
    nothing,   // a part of a prompt, more of it is to come
    token,     // the next one
    logits,    // of all tokens; of a classifier, of all labels
    embedding  // the last token's state, of length 1
};

struct SequenceStep {
    SlotId slot = 0;                  // no two sequences of a step have the same
    std::uint32_t position = 0;       // of the first of the tokens; the slot has all before it
    std::span<const TokenId> tokens;  // at least one, all of the vocabulary
    Wanted wanted = Wanted::nothing;
    Sampling sampling{};  // of a token
    double draw = 0;      // of a token, see draw_at()
};

// One entry per sequence of the step, in its order. Memory is used again.
struct StepOutput {
    struct Row {
        TokenId token = kNoToken;
        std::span<const float> values;  // logits or embedding; until the next step
        std::optional<ErrorCode>
            failed;  // inference_failed: this sequence's numbers are not finite
    };
    std::vector<Row> rows;
    std::vector<float> memory;
};

struct BackendLimits {
    std::uint32_t slot_count = 0;
    std::uint32_t context_tokens = 0;   // of a slot
    std::uint32_t step_tokens_max = 0;  // of all sequences of a step together
};

// Thread: one at a time.
class Backend {
public:
    virtual ~Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;

    [[nodiscard]] virtual std::string_view name() const noexcept = 0;  // "cpu"
    [[nodiscard]] virtual const ModelConfig& model() const noexcept = 0;
    [[nodiscard]] virtual const BackendLimits& limits() const noexcept = 0;
    // Begins a step; within the limits, or it is our bug. A device computes it from then on, while
    // the caller does something else. When launch() returns it has read the sequences and their
    // tokens: they may go. The output may not, before finish(). What a slot has at and after the
    // position is forgotten, so that a slot is used again by beginning at 0. After a failure
    // nothing is known of the slots of this step, and there is nothing to finish. Fails with:
    // device_failed.
    [[nodiscard]] virtual Result<void> launch(std::span<const SequenceStep> sequences,
                                              StepOutput& output) = 0;
    // Waits for the step that was launched, once for each, and fills its output. After a failure
    // nothing is known of the slots of this step. Fails with: device_failed.
    [[nodiscard]] virtual Result<void> finish() = 0;
    // Whether a step is computed while nobody waits for it; otherwise finish() computes it.
    [[nodiscard]] virtual bool computes_by_itself() const noexcept = 0;
    // Both, for who has nothing else to do.
    [[nodiscard]] Result<void> step(std::span<const SequenceStep> sequences, StepOutput& output) {
        CASC_TRY_VOID(launch(sequences, output));
        return finish();
    }

protected:
    Backend() = default;
};

}  // namespace casc::gpu
