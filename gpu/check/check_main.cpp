// casc-gpu-check: whether the backends of this machine compute what they should. Each is held
// against the CPU backend without any instructions of a particular processor, on models of random
// numbers, and against itself: alone and in a batch of 32, a prompt whole and in pieces, a slot new
// and used before, a context to its end, a window, longrope on both sides of its length, embeddings
// and labels, drawn tokens against logits, numbers that are none.
//
//   casc-gpu-check [BACKEND] [untuned]    every backend that this machine has, or one; exit code 1:
//                             something is wrong, 3: there is no such backend here. Untuned:
//                             without trying ways to multiply, of which there are thousands
//   casc-gpu-check logits BACKEND FOLDER TOKEN...    the logits behind these tokens, one a line

#include "backends.hpp"

#include <casc/gpu/random_model.hpp>
#include <casc/gpu/sampling.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu {
namespace {

constexpr std::uint32_t kSlots = 32;
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

// Its whole context is computed: small for that.
RandomModelShape long_shape(ElementType type) {
    RandomModelShape shape = shape_of("llama", 2, 1, 64, type, true);
    shape.layer_count = 2;
    shape.context_tokens = 4096;
    return shape;
}

RandomModelShape windowed(std::size_t head_size, std::size_t window, ElementType type) {
    RandomModelShape shape = shape_of("phi3", 4, 2, head_size, type, false);
    shape.window_tokens = window;
    return shape;
}

// More heads that share keys than are multiplied at once, and more inner numbers than a block
// gates.
RandomModelShape shared_keys(ElementType type) {
    RandomModelShape shape = shape_of("llama", 20, 1, 24, type, true);
    shape.inner_size = 2200;
    return shape;
}

RandomModelShape longrope(ElementType type) {
    RandomModelShape shape = shape_of("phi3", 4, 2, 64, type, false);
    shape.original_context_tokens = 40;
    return shape;
}

std::vector<NamedShape> shapes() {
    return {
        {"llama, grouped heads, tied, bf16", shape_of("llama", 8, 2, 32, ElementType::bf16, true)},
        {"llama, full heads, untied, f32", shape_of("llama", 4, 4, 64, ElementType::f32, false)},
        {"llama, heads of 40, bf16", shape_of("llama", 3, 1, 40, ElementType::bf16, true)},
        {"llama, heads of 128, f16", shape_of("llama", 4, 2, 128, ElementType::f16, false)},
        {"phi3, fused matrices, bf16", shape_of("phi3", 4, 4, 96, ElementType::bf16, false)},
        {"llama, 20 heads that share keys, bf16", shared_keys(ElementType::bf16)},
        {"phi3, a window of 24, bf16", windowed(64, 24, ElementType::bf16)},
        {"phi3, a window of 70, heads of 72, f16", windowed(72, 70, ElementType::f16)},
        {"phi3, longrope beyond 40, f32", longrope(ElementType::f32)}};
}

std::vector<TokenId> prompt_of(std::size_t length, TokenId first) {
    std::vector<TokenId> tokens(length);
    for (std::size_t i = 0; i < length; ++i)
        tokens[i] = static_cast<TokenId>((first + i * 37) % 1002);
    return tokens;
}

// Nothing further can be looked at.
[[noreturn]] void stop_wrong() {
    std::printf("WRONG  what was computed are no numbers\n");
    std::exit(1);
}

// What is wanted after a prompt, which comes in pieces of so many tokens.
std::vector<float> values_after(Backend& backend, std::span<const TokenId> prompt, SlotId slot,
                                std::size_t piece, Wanted wanted) {
    StepOutput output;
    compute_prompt(backend, slot, prompt, piece, wanted, output);
    if (output.rows.at(0).failed) stop_wrong();
    const auto values = output.rows.at(0).values;
    return {values.begin(), values.end()};
}
std::vector<float> logits_after(Backend& backend, std::span<const TokenId> prompt, SlotId slot,
                                std::size_t piece) {
    return values_after(backend, prompt, slot, piece, Wanted::logits);
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
            if (output.rows.at(k).failed) stop_wrong();
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

// A backend, what it is held against, and how it is called.
struct Case {
    Checker& checker;
    std::string name;
    const BackendKind& kind;
    float tolerance;
    Backend& reference;
    Backend& backend;

    void check(bool is_good, const std::string& what) const {
        checker.check(is_good, name + ": " + what);
    }
    void check_apart(float apart, const std::string& what) const {
        std::array<char, 60> how_far;
        std::snprintf(how_far.data(), how_far.size(), ", apart by %.1e of the largest",
                      static_cast<double>(apart));
        check(apart <= tolerance, what + how_far.data());
    }
};

// Of prompts that are held against the reference.
std::vector<std::size_t> lengths_for(const BackendKind& kind) {
    if (kind.has_8_bits()) return {1};
    return {1, 7, 64, 100};
}

void check_logits(const Case& is) {
    float worst = 0;
    for (const std::size_t length : lengths_for(is.kind)) {
        const auto prompt = prompt_of(length, static_cast<TokenId>(length));
        worst = std::max(worst, difference(logits_after(is.reference, prompt, 0, length),
                                           logits_after(is.backend, prompt, 0, length)));
    }
    is.check_apart(worst, "logits");
}

void check_pieces(const Case& is) {
    const auto prompt = prompt_of(61, 5);
    const auto whole = logits_after(is.backend, prompt, 1, prompt.size());
    float worst = 0;
    for (const std::size_t piece : {1, 16, 60})
        worst = std::max(worst, difference(whole, logits_after(is.backend, prompt, 2, piece)));
    is.check_apart(worst, "a prompt in pieces, and in a slot that was used before");
    if (is.kind.is_exact) is.check(worst == 0, "the same to the bit");
}

// How far the least likely of a text's tokens is from the most likely one, when all of them should
// be the most likely.
float doubt(Backend& backend, const Growing& grown, std::size_t prompt) {
    float worst = 0;
    for (std::size_t at = prompt; at < grown.tokens.size(); ++at) {
        const auto logits =
            logits_after(backend, std::span(grown.tokens).first(at), grown.slot, at);
        const float most = *std::ranges::max_element(logits);
        worst = std::max(worst, (most - logits[grown.tokens[at]]) / std::abs(most));
    }
    return worst;
}

void check_batch(const Case& is) {
    constexpr std::size_t kGrowth = 20;
    std::vector<Growing> together;
    for (SlotId slot = 0; slot < kSlots; ++slot)
        together.push_back({slot, prompt_of(1 + slot / 2, slot * 11)});
    const std::vector<Growing> alone = together;
    grow(is.backend, together, kGrowth);
    float worst = 0;
    for (std::size_t i = 0; i < alone.size(); i += 5)
        worst = std::max(worst, doubt(is.backend, together[i], alone[i].tokens.size()));
    is.check_apart(worst, "texts of a batch of 32 are the most likely ones alone");
    if (is.kind.is_exact) is.check(worst == 0, "they are the same texts");
    // Or nothing was compared.
    const auto& first = together[0].tokens;
    is.check(std::adjacent_find(first.begin(), first.end(), std::not_equal_to<>()) != first.end(),
             "texts are not one token again and again");
}

void check_drawing(const Case& is) {
    const auto prompt = prompt_of(9, 3);
    const auto logits = logits_after(is.backend, prompt, 3, prompt.size() - 1);
    bool is_same = true;
    for (const Sampling& sampling :
         {Sampling{}, Sampling{.temperature = 1}, Sampling{.temperature = 0.7f, .top_k = 20},
          Sampling{.temperature = 1.5f, .top_p = 0.6f},
          Sampling{.temperature = 1, .top_p = 0.9f, .top_k = 100}})
        for (const double draw : {0.0, 0.1, 0.5, 0.77, 0.999999}) {
            StepOutput output;
            const SequenceStep step{.slot = 3,
                                    .position = static_cast<std::uint32_t>(prompt.size() - 1),
                                    .tokens = std::span(prompt).last(1),
                                    .wanted = Wanted::token,
                                    .sampling = sampling,
                                    .draw = draw};
            if (const auto done = is.backend.step({&step, 1}, output); !done) give_up(done.error());
            is_same = is_same && output.rows.at(0).token == sample(logits, sampling, draw);
        }
    is.check(is_same, "tokens are drawn as from its logits");
}

void check_poison(const Case& is) {
    const auto healthy = prompt_of(20, 7);
    auto poisoned = healthy;
    poisoned[11] = static_cast<TokenId>(is.backend.model().vocabulary_size - 1);
    const auto before = logits_after(is.backend, healthy, 4, healthy.size());
    StepOutput output;
    const std::array<SequenceStep, 2> steps{
        SequenceStep{.slot = 4, .tokens = healthy, .wanted = Wanted::logits},
        SequenceStep{.slot = 5, .tokens = poisoned, .wanted = Wanted::token}};
    if (const auto done = is.backend.step(steps, output); !done) give_up(done.error());
    const auto& row = output.rows.at(0);
    is.check(output.rows.at(1).failed == ErrorCode::inference_failed && !row.failed,
             "numbers that are none fail their sequence alone");
    is.check_apart(difference(before, {row.values.begin(), row.values.end()}), "the one beside it");
    is.check_apart(difference(before, logits_after(is.backend, healthy, 5, healthy.size())),
                   "nor do they stay in the slot");
}

// What a layer leaves behind is the embedding of the model that ends with it: it has the same
// numbers up to there.
void check_layers(Checker& checker, const BackendKind& kind, const NamedShape& named) {
    for (std::size_t layers = 1; layers <= named.shape.layer_count; ++layers) {
        RandomModelShape shape = named.shape;
        shape.layer_count = layers;
        const auto reference = open_reference(need(make_random_model(shape, 1)), {});
        const auto backend = open(kind, need(make_random_model(shape, 1)), {});
        float worst = 0;
        for (const std::size_t length : lengths_for(kind)) {
            const auto prompt = prompt_of(length, static_cast<TokenId>(length));
            worst = std::max(
                worst, difference(values_after(*reference, prompt, 0, length, Wanted::embedding),
                                  values_after(*backend, prompt, 0, length, Wanted::embedding)));
        }
        Case{checker, kind.name + ", " + named.name, kind, kind.tolerance(shape.type), *reference,
             *backend}
            .check_apart(worst, "embeddings behind layer " + std::to_string(layers));
    }
}

void check_shape(Checker& checker, const BackendKind& kind, const NamedShape& named) {
    const BackendOptions options{.slot_count = kSlots};
    const auto reference = open_reference(need(make_random_model(named.shape, 1)), options);
    const auto backend = open(kind, need(make_random_model(named.shape, 1)), options);
    const Case is{checker,    kind.name + ", " + named.name,
                  kind,       kind.tolerance(named.shape.type),
                  *reference, *backend};
    check_logits(is);
    check_pieces(is);
    check_batch(is);
    check_drawing(is);
}

void check_classifier(Checker& checker, const BackendKind& kind, ElementType type) {
    RandomModelShape shape = shape_of("llama", 4, 2, 64, type, true);
    shape.label_count = 5;
    const auto reference = open_reference(need(make_random_model(shape, 1)), {});
    const auto backend = open(kind, need(make_random_model(shape, 1)), {});
    const Case is{checker,    kind.name + ", a classifier, " + std::string(to_string(type)),
                  kind,       kind.tolerance(type),
                  *reference, *backend};
    check_logits(is);
    is.check(logits_after(is.backend, prompt_of(9, 1), 0, 9).size() == shape.label_count,
             "a number for each label");
}

// Apart: what is computed above would come upon the poisoned token.
void check_poisoned(Checker& checker, const BackendKind& kind, ElementType type) {
    RandomModelShape shape = shape_of("llama", 4, 2, 64, type, false);
    shape.poisons_last_token = true;
    const BackendOptions options{.slot_count = kSlots};
    const auto reference = open_reference(need(make_random_model(shape, 1)), options);
    const auto backend = open(kind, need(make_random_model(shape, 1)), options);
    check_poison({checker, kind.name + ", poisoned, " + std::string(to_string(type)), kind,
                  kind.tolerance(type), *reference, *backend});
}

void check_context(Checker& checker, const BackendKind& kind, ElementType type) {
    if (kind.has_8_bits()) return;
    const RandomModelShape shape = long_shape(type);
    const auto reference = open_reference(need(make_random_model(shape, 1)), {});
    const auto backend = open(kind, need(make_random_model(shape, 1)), {});
    const Case is{checker,    kind.name + ", a long context, " + std::string(to_string(type)),
                  kind,       kind.tolerance(type),
                  *reference, *backend};
    const auto prompt = prompt_of(shape.context_tokens, 1);
    constexpr std::size_t kPiece = 500;
    const auto wanted = logits_after(is.reference, prompt, 0, kPiece);
    is.check_apart(difference(wanted, logits_after(is.backend, prompt, 0, kPiece)),
                   "logits behind all of it");
    // Its last token alone sees as much.
    const auto before = std::span(prompt).first(prompt.size() - 1);
    logits_after(is.backend, before, 0, kPiece);
    StepOutput output;
    const SequenceStep last{.position = static_cast<std::uint32_t>(before.size()),
                            .tokens = std::span(prompt).last(1),
                            .wanted = Wanted::logits};
    if (const auto done = is.backend.step({&last, 1}, output); !done) give_up(done.error());
    const auto values = output.rows.at(0).values;
    is.check_apart(
        difference(logits_after(is.reference, prompt, 0, kPiece), {values.begin(), values.end()}),
        "logits of its last token alone");
}

// For tools/compare_with_transformers.py: the logits behind some tokens.
int print_logits(std::string_view backend, const char* folder, std::span<char* const> words) {
    const auto choice = backend_choice_of(backend);
    std::vector<TokenId> tokens;
    for (const char* word : words)
        tokens.push_back(static_cast<TokenId>(std::strtoul(word, nullptr, 10)));
    if (!choice || tokens.empty()) {
        std::fprintf(stderr,
                     "usage: casc-gpu-check logits cpu|cuda|cuda-fp8 <model folder> <token>...\n");
        return 2;
    }
    const auto opened = need(open_backend(*choice, need(ModelWeights::open(folder)), {}));
    for (const float logit : logits_after(*opened, tokens, 0, tokens.size()))
        std::printf("%.9g\n", static_cast<double>(logit));
    return 0;
}

// Of all kinds of backends, or the one that is named.
int run(std::string_view only, bool tunes) {
    Checker checker;
    bool is_there = false;
    for (BackendKind kind : backend_kinds()) {
        if (!only.empty() && only != kind.name) continue;
        is_there = true;
        kind.tunes = tunes;
        const auto can = [&](const RandomModelShape& shape, const std::string& name) {
            if (can_open(kind, need(make_random_model(shape, 1)))) return true;
            std::printf("skipped %s, %s\n", kind.name.c_str(), name.c_str());
            return false;
        };
        for (const NamedShape& named : shapes()) {
            if (!can(named.shape, named.name)) continue;
            check_layers(checker, kind, named);
            check_shape(checker, kind, named);
        }
        for (const ElementType type : {ElementType::bf16, ElementType::f32}) {
            if (!can(long_shape(type), std::string(to_string(type)))) continue;
            check_classifier(checker, kind, type);
            check_poisoned(checker, kind, type);
            check_context(checker, kind, type);
        }
    }
    if (!is_there) return 3;
    std::printf("%d wrong\n", checker.wrong());
    return checker.wrong() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace casc::gpu

int main(int argc, char** argv) {
    if (argc >= 4 && std::string_view(argv[1]) == "logits")
        return casc::gpu::print_logits(argv[2], argv[3], std::span(argv, argc).subspan(4));
    const auto words = std::span(argv, static_cast<std::size_t>(argc)).subspan(1);
    const bool tunes = words.empty() || std::string_view(words.back()) != "untuned";
    const auto names = tunes ? words : words.first(words.size() - 1);
    const std::string_view only = names.empty() ? "" : names[0];
    const auto choice = casc::gpu::backend_choice_of(only);
    if (names.size() > 1 ||
        (!only.empty() && (!choice || *choice == casc::gpu::BackendChoice::automatic))) {
        std::fprintf(stderr, "usage: casc-gpu-check [cpu|cuda|cuda-fp8] [untuned]\n");
        return 2;
    }
    return casc::gpu::run(only, tunes);
}
