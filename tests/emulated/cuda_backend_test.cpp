// The CUDA backend on an emulated device: what it computes, against what numpy has computed and
// against the CPU backend. That the kernels do the same on a GPU is for casc-gpu-check.

#include "cuda_fixture.hpp"

#include <casc/gpu/random_model.hpp>
#include <casc/gpu/sampling.hpp>

using namespace casc;
using namespace casc::gpu;

namespace {

struct NamedModel {
    std::string name;
    float tolerance;  // of logits up to 7, or 33 where the head is tied
};
// What is multiplied is rounded to the type of the weights: bf16 has 8 bits, f16 has 11.
const std::vector<NamedModel> kModels = {{"llama", 1e-4f},         {"llama-grouped-tied", 0.4f},
                                         {"llama-linear", 0.1f},   {"llama-llama3", 1e-4f},
                                         {"mistral-window", 0.1f}, {"phi3", 0.02f},
                                         {"phi3-longrope", 1e-4f}};

}  // namespace

TEST_CASE("emulated/cuda_backend: logits and embeddings are numpy's, whole and token by token") {
    for (const NamedModel& model : kModels) {
        CAPTURE(model.name);
        const ModelReference reference(model.name);
        const Tokens text = reference.tokens("tokens");
        const auto logits = reference.rows("logits");
        const auto embeddings = reference.rows("embeddings");
        const auto backend = cuda_of_model(model.name, {.slot_count = 2, .step_tokens_max = 40});
        for (std::size_t i = 0; i < text.size(); ++i) {
            CAPTURE(i);
            const auto alone = values_of(*backend, 0, i, std::span(text).subspan(i, 1));
            CHECK(farthest(alone, logits[i]) < model.tolerance);
            if (i % 5 != 3) continue;
            const auto prefix = std::span(text).first(i + 1);
            CHECK(farthest(values_of(*backend, 1, 0, prefix), logits[i]) < model.tolerance);
            CHECK(farthest(values_of(*backend, 1, 0, prefix, Wanted::embedding), embeddings[i]) <
                  model.tolerance);
        }
    }
}

TEST_CASE("emulated/cuda_backend: weights of 16 bits, and heads that leave lanes over") {
    for (const std::size_t head_size : {40, 64, 96, 128})
        for (const ElementType type : {ElementType::bf16, ElementType::f16, ElementType::f32}) {
            if (type == ElementType::f16 && head_size != 64) continue;  // between the two
            CAPTURE(head_size);
            RandomModelShape shape;
            shape.hidden_size = 3 * head_size;
            shape.inner_size = 2 * shape.hidden_size - 8;
            shape.layer_count = 1;
            shape.head_count = 3;
            shape.kv_head_count = head_size == 64 ? 3 : 1;
            shape.vocabulary_size = 203;
            shape.context_tokens = 160;
            shape.type = type;
            std::mt19937 random(5);
            const Tokens text = random_text(150, random);
            const auto cpu = required(
                CpuBackend::make(required(make_random_model(shape, 1), "model"), {}), "cpu");
            const auto cuda = cuda_of(required(make_random_model(shape, 1), "model"));
            const Numbers wanted = values_of(*cpu, 0, 0, text);
            const float most = *std::ranges::max_element(wanted);
            const float tolerance = most * (type == ElementType::f32   ? 1e-4f
                                            : type == ElementType::f16 ? 5e-3f
                                                                       : 4e-2f);
            // Pieces that begin and end within tiles of keys and queries, and lone tokens.
            std::size_t at = 0;
            Numbers found;
            for (const std::size_t piece : {17, 1, 1, 60, 2, 50, 18, 1}) {
                found = values_of(*cuda, 0, at, std::span(text).subspan(at, piece));
                at += piece;
            }
            REQUIRE(at == text.size());
            CHECK(farthest(found, wanted) < tolerance);
        }
}

TEST_CASE("emulated/cuda_backend: a window that begins within splits and tiles, or between them") {
    for (const std::size_t window : {64, 70, 129})
        for (const ElementType type : {ElementType::bf16, ElementType::f32}) {
            CAPTURE(window);
            RandomModelShape shape;
            shape.kind = "phi3";
            shape.hidden_size = 64;
            shape.inner_size = 96;
            shape.layer_count = 1;
            shape.head_count = 2;
            shape.kv_head_count = 1;
            shape.vocabulary_size = 203;
            shape.context_tokens = 300;
            shape.ties_embeddings = false;
            shape.window_tokens = window;
            shape.type = type;
            std::mt19937 random(6);
            const Tokens text = random_text(280, random);
            const auto cpu = required(
                CpuBackend::make(required(make_random_model(shape, 1), "model"), {}), "cpu");
            const auto cuda = cuda_of(required(make_random_model(shape, 1), "model"));
            std::size_t at = 0;
            for (const std::size_t piece : {100, 1, 60, 1, 117, 1}) {
                const auto part = std::span(text).subspan(at, piece);
                const Numbers wanted = values_of(*cpu, 0, at, part);
                const float most = *std::ranges::max_element(wanted);
                at += piece;
                CAPTURE(at);
                CHECK(farthest(values_of(*cuda, 0, at - piece, part), wanted) <
                      most * (type == ElementType::f32 ? 1e-4f : 0.1f));
            }
            // Or the window made no difference.
            shape.window_tokens = 0;
            const auto all = required(
                CpuBackend::make(required(make_random_model(shape, 1), "model"), {}), "cpu");
            const Numbers without = values_of(*all, 0, 0, text);
            const Numbers with = values_of(*cpu, 0, 0, text);
            CHECK(farthest(without, with) > *std::ranges::max_element(with) * 0.1f);
        }
}

TEST_CASE("emulated/cuda_backend: of the ways to multiply the fastest is taken") {
    emulated_cuda::reset();
    const auto backend = required(
        CudaBackend::make(weights_of_model("llama"), {.slot_count = 40, .step_tokens_max = 64}),
        "cuda");
    const Tokens text = ModelReference("llama").tokens("tokens");
    for (const std::size_t sequences : {1, 3, 32, 33, 40}) {
        CAPTURE(sequences);
        const auto before = emulated_cuda::counts().slow_products;
        const Tokens next = next_tokens(*backend, std::vector<Tokens>(sequences, Tokens{text[0]}));
        CHECK(emulated_cuda::counts().slow_products == before);
        CHECK(std::ranges::count(next, next[0]) == static_cast<std::ptrdiff_t>(sequences));
    }
}

TEST_CASE("emulated/cuda_backend: the most likely tokens are the reference's, among others") {
    for (const std::string name : {"llama", "mistral-window", "phi3-longrope"}) {
        CAPTURE(name);
        const ModelReference reference(name);
        const Tokens wanted = reference.tokens("greedy");
        const auto backend = cuda_of_model(name, {.slot_count = 11});
        std::vector<Tokens> texts(11, reference.tokens("prompt"));
        put_prompts(*backend, texts);
        for (const TokenId token : wanted) {
            const Tokens next = next_tokens(*backend, texts);
            for (std::size_t i = 0; i < texts.size(); ++i) {
                CHECK(next[i] == token);
                texts[i].push_back(next[i]);
            }
        }
    }
}

TEST_CASE("emulated/cuda_backend: one graph for each number of sequences and length") {
    const auto backend = cuda_of_model("llama", {.slot_count = 11});
    std::mt19937 random(1);
    const auto graphs_after = [&](std::size_t sequences, std::size_t length, int steps) {
        std::vector<Tokens> texts;
        for (std::size_t i = 0; i < sequences; ++i)
            texts.push_back(random_text(length, random));
        put_prompts(*backend, texts);
        const auto before = backend->counts().graph_launches;
        for (int i = 0; i < steps; ++i) {
            const Tokens next = next_tokens(*backend, texts);
            for (std::size_t k = 0; k < texts.size(); ++k)
                texts[k].push_back(next[k]);
        }
        CHECK(backend->counts().graph_launches == before + static_cast<std::uint64_t>(steps));
        return backend->counts().graphs;
    };
    CHECK(graphs_after(3, 5, 4) == 1);
    CHECK(graphs_after(4, 9, 3) == 1);   // also four
    CHECK(graphs_after(5, 9, 3) == 2);   // eight
    CHECK(graphs_after(9, 20, 2) == 3);  // sixteen
    CHECK(graphs_after(3, 31, 3) == 4);  // four, and beyond 32 tokens of 32 bits at the third step
    CHECK(graphs_after(3, 40, 2) == 4);
}

TEST_CASE("emulated/cuda_backend: of graphs 64 are kept, and the oldest is made anew") {
    RandomModelShape shape;
    shape.hidden_size = 16;
    shape.inner_size = 16;
    shape.layer_count = 1;
    shape.head_count = 2;
    shape.kv_head_count = 1;
    shape.vocabulary_size = 101;
    shape.context_tokens = 300;
    shape.type = ElementType::f32;
    const auto backend =
        cuda_of(required(make_random_model(shape, 1), "model"), {.slot_count = 33});
    std::mt19937 random(4);
    const Tokens text = random_text(300, random);
    const auto fill = [&] {
        values_of(*backend, 0, 0, std::span(text).first(150), Wanted::nothing);
        values_of(*backend, 0, 150, std::span(text).last(150), Wanted::nothing);
    };
    fill();
    // So many sequences, of which the first has so many tokens.
    const auto graphs_after = [&](std::size_t sequences, std::size_t length) {
        std::vector<SequenceStep> steps;
        for (SlotId slot = 0; slot < sequences; ++slot) {
            const std::size_t position = slot == 0 ? length - 1 : 0;
            steps.push_back({.slot = slot,
                             .position = static_cast<std::uint32_t>(position),
                             .tokens = std::span(text).subspan(position, 1),
                             .wanted = Wanted::token});
        }
        StepOutput output;
        REQUIRE(backend->step(steps, output));
        return backend->counts().graphs;
    };
    std::uint64_t graphs = 0;
    // From the longest on: what is behind a position is forgotten.
    for (std::size_t splits = 9; splits > 0; --splits)
        for (const std::size_t sequences : {1, 2, 4, 8, 16, 24, 32, 33})
            graphs = graphs_after(sequences, 32 * splits - 3);
    CHECK(graphs == 72);
    CHECK(graphs_after(33, 29) == 72);
    CHECK(graphs_after(1, 29) == 72);  // has been among the last 64
    fill();
    CHECK(graphs_after(1, 285) == 73);  // has not
}

TEST_CASE("emulated/cuda_backend: a graph for more than there are computes the same") {
    const auto backend = cuda_of_model("llama", {.slot_count = 16});
    std::mt19937 random(2);
    std::vector<Tokens> texts;
    for (std::size_t i = 0; i < 16; ++i)
        texts.push_back(random_text(3 + i, random));
    std::vector<Tokens> alone = texts;
    put_prompts(*backend, texts);
    // The largest graph has been used with all its places before it is with some.
    for (const std::size_t count : {16, 13, 9, 6, 3, 1}) {
        const std::vector<Tokens> some(texts.begin(),
                                       texts.begin() + static_cast<std::ptrdiff_t>(count));
        const Tokens next = next_tokens(*backend, some);
        for (std::size_t i = 0; i < count; ++i)
            texts[i].push_back(next[i]);
    }
    for (std::size_t i = 0; i < 16; ++i) {
        CAPTURE(i);
        const auto fresh = cuda_of_model("llama");
        while (alone[i].size() < texts[i].size()) {
            const Numbers logits = values_of(*fresh, 0, 0, alone[i]);
            alone[i].push_back(sample(logits, {}, 0));
        }
        CHECK(alone[i] == texts[i]);
    }
}

TEST_CASE("emulated/cuda_backend: it draws what sample() draws from the same logits") {
    const auto backend = cuda_of_model("llama", {.slot_count = 2});
    std::mt19937 random(3);
    std::uniform_real_distribution<double> draw(0, 1);
    const std::vector<Sampling> settings = {
        {},
        {.temperature = 1},
        {.temperature = 0.3f, .top_k = 5},
        {.temperature = 2.5f, .top_p = 0.4f},
        {.temperature = 1.2f, .top_p = 0.9f, .top_k = 40},
        {.temperature = 100, .top_p = 0.01f},
        {.temperature = 0.01f, .top_p = 0.99f, .top_k = 2},
        {.temperature = 1, .top_k = 1},
        {.temperature = 1, .top_k = 1'000'000},
    };
    int different = 0;
    for (int round = 0; round < 12; ++round) {
        const Tokens text = random_text(6, random);
        const Numbers logits = values_of(*backend, 0, 0, text);
        values_of(*backend, 1, 0, std::span(text).first(5), Wanted::nothing);
        for (const Sampling& sampling : settings) {
            const double at = round == 0 ? 0.0 : round == 1 ? 0x1.fffffffffffffp-1 : draw(random);
            const SequenceStep step{.slot = 1,
                                    .position = 5,
                                    .tokens = std::span(text).last(1),
                                    .wanted = Wanted::token,
                                    .sampling = sampling,
                                    .draw = at};
            StepOutput output;
            REQUIRE(backend->step({&step, 1}, output));
            CHECK(output.rows.at(0).token == sample(logits, sampling, at));
            different += output.rows[0].token != sample(logits, {}, 0);
        }
    }
    CHECK(different > 20);  // or nothing was drawn
}

TEST_CASE("emulated/cuda_backend: everybody gets what he wants of one step") {
    const auto backend = cuda_of_model("llama", {.slot_count = 6});
    const Tokens text = ModelReference("llama").tokens("tokens");
    const std::vector<Wanted> wanted = {Wanted::embedding, Wanted::logits, Wanted::nothing,
                                        Wanted::token,     Wanted::token,  Wanted::embedding};
    const std::vector<std::size_t> counts = {2, 3, 18, 5, 1, 1};
    std::vector<SequenceStep> steps;
    for (SlotId slot = 0; slot < 6; ++slot)
        steps.push_back(
            {.slot = slot, .tokens = std::span(text).first(counts[slot]), .wanted = wanted[slot]});
    StepOutput output;
    REQUIRE(backend->step(steps, output));
    const auto numbers = [&](std::size_t row) {
        return Numbers(output.rows[row].values.begin(), output.rows[row].values.end());
    };
    const std::vector<Numbers> given{numbers(0), numbers(1), numbers(2),
                                     numbers(3), numbers(4), numbers(5)};
    const Tokens tokens{output.rows[3].token, output.rows[4].token};
    const auto alone = [&](std::size_t count, Wanted want) {
        return values_of(*backend, 0, 0, std::span(text).first(count), want);
    };
    CHECK(farthest(given[0], alone(2, Wanted::embedding)) < 1e-6f);
    CHECK(farthest(given[1], alone(3, Wanted::logits)) < 1e-4f);
    CHECK(given[2].empty());
    CHECK(given[3].empty());
    CHECK(tokens[0] == sample(alone(5, Wanted::logits), {}, 0));
    CHECK(tokens[1] == sample(alone(1, Wanted::logits), {}, 0));
    CHECK(farthest(given[5], alone(1, Wanted::embedding)) < 1e-6f);
}

TEST_CASE("emulated/cuda_backend: one wants a token and another one logits, of a token each") {
    const auto backend = cuda_of_model("llama", {.slot_count = 2});
    const Tokens text = ModelReference("llama").tokens("tokens");
    const Numbers first = values_of(*backend, 0, 0, std::span(text).first(1));
    const Numbers second = values_of(*backend, 0, 0, std::span(text).subspan(1, 1));
    const std::vector<SequenceStep> steps = {
        {.slot = 0, .tokens = std::span(text).first(1), .wanted = Wanted::token},
        {.slot = 1, .tokens = std::span(text).subspan(1, 1), .wanted = Wanted::logits}};
    StepOutput output;
    REQUIRE(backend->step(steps, output));
    CHECK(output.rows[0].token == sample(first, {}, 0));
    CHECK(std::ranges::equal(output.rows[1].values, second));
}

TEST_CASE("emulated/cuda_backend: numbers that are none fail their sequence, and no other") {
    // Of 32 bits, of 16 with tensor cores, and with a window.
    for (const char* const name : {"llama", "phi3", "mistral-window"}) {
        CAPTURE(name);
        const Tokens text = ModelReference(name).tokens("tokens");
        check_poison_stays(*cuda_of_model(name, {.slot_count = 3}), std::span(text).first(9));
    }
}

TEST_CASE("emulated/cuda_backend: a classifier gives a number for each of its classes") {
    const ModelReference reference("classifier");
    const Tokens text = reference.tokens("tokens");
    const auto backend = cuda_of_model("classifier", {.slot_count = 3});
    for (std::size_t i = 0; i < text.size(); i += 3)
        CHECK(farthest(values_of(*backend, 2, 0, std::span(text).first(i + 1)),
                       reference.rows("logits")[i]) < 0.04f);
}
