#pragma once
// rope.hpp: rotary embeddings, which tell a model where a token is: each pair of numbers (i and
// i + head_size / 2) of a query or key is turned by an angle that is the position times the pair's
// frequency. "RoFormer", arxiv.org/abs/2104.09864; what is done for long contexts is as in Hugging
// Face's modeling_rope_utils.

#include <casc/gpu/model_config.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace casc::gpu {

struct RopeTable {
    std::vector<double> frequencies;  // radians for each position, of head_size / 2 pairs
    float amplitude = 1;              // of longrope: queries and keys grow by it

    // The cosine and sine for each pair, one after the other: head_size numbers.
    void turns_at(std::size_t position, std::span<float> turns) const;
};

// Which of its lists longrope uses is decided by how long a sequence is, prompt and answer so far;
// and for all its tokens, the earlier ones, too. The others have one table for all lengths.
struct Rope {
    RopeTable usual;
    RopeTable beyond;  // longrope's for sequences longer than `usual_tokens`
    std::size_t usual_tokens = 0;

    [[nodiscard]] static Rope of(const ModelConfig& config);
    [[nodiscard]] bool is_beyond(std::size_t sequence_tokens) const noexcept {
        return sequence_tokens > usual_tokens;
    }
    [[nodiscard]] const RopeTable& table(bool is_beyond) const noexcept {
        return is_beyond ? beyond : usual;
    }
};

// Turns one head by what turns_at() has said.
void turn_head(std::span<float> head, std::span<const float> turns) noexcept;

}  // namespace casc::gpu
