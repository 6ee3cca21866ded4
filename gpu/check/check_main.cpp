// casc-gpu-check: whether the backends of this machine compute what they should. Each is held
// against the CPU backend without any instructions of a particular processor, on models of random
// numbers, and against itself: alone and in a batch of 32, a prompt whole and in pieces, a slot new
// and used before.
//
//   casc-gpu-check            every backend that this machine has; exit code 1: something is wrong

#include "backends.hpp"

#include <casc/gpu/random_model.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace casc::gpu {
namespace {

constexpr std::uint32_t kSlots = 32;
// Of the largest logit: the order of sums differs, and the numbers have 24 bits.
constexpr float kTolerance = 1e-4f;

struct NamedShape {
    std::string name;
    RandomModelShape shape;
};

RandomModelShape shape_of(const char* kind, std::size_t heads, std::size_t kv_heads,
                          std::size_t head_size, ElementType type, bool ties) {
    RandomModelShape shape;
    shape.kind = kind;
    shape.hidden_size = heads * head_size;
    shape.inner_size = 3 * shape.hidden_size - 8;
    shape.layer_count = 3;
    shape.head_count = heads;
    shape.kv_head_count = kv_heads;
    shape.vocabulary_size = 1003;
    shape.context_tokens = 128;
    shape.ties_embeddings = ties;
    shape.type = type;
    return shape;
}

std::vector<NamedShape> shapes() {
    return {
        {"llama, grouped heads, tied, bf16", shape_of("llama", 8, 2, 32, ElementType::bf16, true)},
        {"llama, full heads, untied, f32", shape_of("llama", 4, 4, 64, ElementType::f32, false)},
        {"llama, odd sizes, bf16", shape_of("llama", 3, 1, 40, ElementType::bf16, true)},
        {"phi3, fused matrices, bf16", shape_of("phi3", 4, 4, 96, ElementType::bf16, false)}};
}

std::vector<TokenId> prompt_of(std::size_t length, TokenId first) {
    std::vector<TokenId> tokens(length);
    for (std::size_t i = 0; i < length; ++i)
        tokens[i] = static_cast<TokenId>((first + i * 37) % 1003);
    return tokens;
}

// Logits after a prompt, which comes in pieces of so many tokens.
std::vector<float> logits_after(Backend& backend, std::span<const TokenId> prompt, SlotId slot,
                                std::size_t piece) {
    StepOutput output;
    for (std::size_t at = 0; at < prompt.size(); at += piece) {
        const auto part = prompt.subspan(at, std::min(piece, prompt.size() - at));
        const bool is_last = at + part.size() == prompt.size();
        const SequenceStep step{.slot = slot,
                                .position = static_cast<std::uint32_t>(at),
                                .tokens = part,
                                .wanted = is_last ? Wanted::logits : Wanted::nothing};
        if (const auto done = backend.step({&step, 1}, output); !done) give_up(done.error());
    }
    const auto values = output.rows.at(0).values;
    return {values.begin(), values.end()};
}

// The largest difference, as a share of the largest logit; infinite where one is none.
float difference(const std::vector<float>& wanted, const std::vector<float>& found) {
    if (wanted.size() != found.size() || wanted.empty()) return INFINITY;
    float largest = 0;
    float apart = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (!std::isfinite(found[i]) || !std::isfinite(wanted[i])) return INFINITY;
        largest = std::max(largest, std::abs(wanted[i]));
        apart = std::max(apart, std::abs(wanted[i] - found[i]));
    }
    return largest > 0 ? apart / largest : INFINITY;
}

struct Growing {
    SlotId slot;
    std::vector<TokenId> tokens;
    std::uint32_t computed = 0;
};

// So many tokens more for each, all in the same steps.
void grow(Backend& backend, std::vector<Growing>& all, std::size_t count) {
    StepOutput output;
    for (std::size_t i = 0; i < count; ++i) {
        std::vector<SequenceStep> steps;
        for (const Growing& one : all)
            steps.push_back({.slot = one.slot,
                             .position = one.computed,
                             .tokens = std::span(one.tokens).subspan(one.computed),
                             .wanted = Wanted::token});
        if (const auto done = backend.step(steps, output); !done) give_up(done.error());
        for (std::size_t k = 0; k < all.size(); ++k) {
            all[k].computed = static_cast<std::uint32_t>(all[k].tokens.size());
            all[k].tokens.push_back(output.rows.at(k).token);
        }
    }
}

class Checker {
public:
    void check(bool is_good, const std::string& what) {
        std::printf("%-6s %s\n", is_good ? "ok" : "WRONG", what.c_str());
        if (!is_good) ++wrong_;
    }
    [[nodiscard]] int wrong() const { return wrong_; }

private:
    int wrong_ = 0;
};

void check_logits(Checker& checker, const std::string& name, Backend& reference, Backend& backend) {
    float worst = 0;
    for (const std::size_t length : {1, 7, 64, 100}) {
        const auto prompt = prompt_of(length, static_cast<TokenId>(length));
        worst = std::max(worst, difference(logits_after(reference, prompt, 0, length),
                                           logits_after(backend, prompt, 0, length)));
    }
    std::array<char, 80> how_far;
    std::snprintf(how_far.data(), how_far.size(), ": logits, apart by %.1e of the largest",
                  static_cast<double>(worst));
    checker.check(worst <= kTolerance, name + how_far.data());
}

void check_pieces(Checker& checker, const std::string& name, Backend& backend) {
    const auto prompt = prompt_of(61, 5);
    const auto whole = logits_after(backend, prompt, 1, prompt.size());
    bool is_same = true;
    for (const std::size_t piece : {1, 16, 60})
        is_same = is_same && logits_after(backend, prompt, 2, piece) == whole;
    checker.check(is_same, name + ": a prompt in pieces, and in a slot that was used before");
}

void check_batch(Checker& checker, const std::string& name, Backend& backend) {
    std::vector<Growing> together;
    for (SlotId slot = 0; slot < kSlots; ++slot)
        together.push_back({slot, prompt_of(1 + slot / 2, slot * 11)});
    std::vector<Growing> alone = together;
    grow(backend, together, 20);
    bool is_same = true;
    for (std::size_t i = 0; i < alone.size(); i += 5) {
        std::vector<Growing> one{alone[i]};
        grow(backend, one, 20);
        is_same = is_same && one[0].tokens == together[i].tokens;
    }
    checker.check(is_same, name + ": the same texts alone and in a batch of 32");
    // Or nothing was compared.
    const auto& first = together[0].tokens;
    checker.check(
        std::adjacent_find(first.begin(), first.end(), std::not_equal_to<>()) != first.end(),
        name + ": texts are not one token again and again");
}

int run() {
    Checker checker;
    for (const BackendKind& kind : backend_kinds()) {
        for (const NamedShape& named : shapes()) {
            const std::string name = kind.name + ", " + named.name;
            const BackendSize size{.slot_count = kSlots};
            const auto reference = need(make_cpu_backend(need(make_random_model(named.shape, 1)),
                                                         size, /*is_portable=*/true));
            const auto backend = need(kind.make(need(make_random_model(named.shape, 1)), size));
            check_logits(checker, name, *reference, *backend);
            check_pieces(checker, name, *backend);
            check_batch(checker, name, *backend);
        }
    }
    std::printf("%d wrong\n", checker.wrong());
    return checker.wrong() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace casc::gpu

int main() {
    return casc::gpu::run();
}
