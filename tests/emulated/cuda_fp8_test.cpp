// Weights of 8 bits on an emulated device: near to what the same weights come to as they are, and
// nobody's numbers are others' business.

#include "cuda_fixture.hpp"

#include <casc/gpu/open_backend.hpp>
#include <casc/gpu/random_model.hpp>

using namespace casc;
using namespace casc::gpu;

namespace {

RandomModelShape shape_of(ElementType type) {
    RandomModelShape shape;
    shape.hidden_size = 192;
    shape.inner_size = 208;
    shape.layer_count = 3;
    shape.head_count = 3;
    shape.kv_head_count = 1;
    shape.vocabulary_size = 203;
    shape.context_tokens = 160;
    shape.ties_embeddings = false;
    shape.type = type;
    return shape;
}

std::unique_ptr<CudaBackend> fp8_of(const RandomModelShape& shape, std::uint32_t slots = 1) {
    return cuda_of(required(make_random_model(shape, 1), "model"),
                   {.slot_count = slots, .has_8_bit_weights = true});
}

struct Both {
    std::unique_ptr<CudaBackend> exact;  // of 16 bits
    std::unique_ptr<CudaBackend> fp8;
};
Both both_of(std::size_t layers) {
    RandomModelShape shape = shape_of(ElementType::bf16);
    shape.layer_count = layers;
    return {cuda_of(required(make_random_model(shape, 1), "model")), fp8_of(shape)};
}

float length_of(const Numbers& numbers) {
    float squares = 0;
    for (const float number : numbers)
        squares += number * number;
    return std::sqrt(squares);
}

// 1: they point to the same side, whatever their lengths; 0: they have nothing to do with each
// other.
float likeness(const Numbers& a, const Numbers& b) {
    REQUIRE(a.size() == b.size());
    float both = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        both += a[i] * b[i];
    return both / (length_of(a) * length_of(b));
}

}  // namespace

TEST_CASE("emulated/cuda_fp8: a token that sees itself alone is very near") {
    std::mt19937 random(6);
    for (const std::size_t layers : {1, 2, 3}) {
        CAPTURE(layers);
        const auto [exact, fp8] = both_of(layers);
        for (int i = 0; i < 10; ++i) {
            const Tokens token = random_text(1, random);
            const Numbers is = values_of(*fp8, 0, 0, token);
            const Numbers was = values_of(*exact, 0, 0, token);
            CHECK(likeness(is, was) > 0.97f);
            CHECK(length_of(is) == doctest::Approx(length_of(was)).epsilon(0.05));
        }
    }
}

TEST_CASE("emulated/cuda_fp8: layer by layer it is near to what is computed with 16 bits") {
    std::mt19937 random(7);
    const Tokens text = random_text(150, random);
    for (const std::size_t layers : {1, 2, 3}) {
        CAPTURE(layers);
        const auto [exact, fp8] = both_of(layers);
        // Prompts in pieces, and lone tokens.
        std::size_t at = 0;
        for (const std::size_t piece : {17, 1, 60, 1, 71}) {
            const auto part = std::span(text).subspan(at, piece);
            for (const Wanted wanted : {Wanted::embedding, Wanted::logits}) {
                const Numbers is = values_of(*fp8, 0, at, part, wanted);
                const Numbers was = values_of(*exact, 0, at, part, wanted);
                CAPTURE(at);
                CAPTURE(likeness(is, was));
                // What attention prefers changes with the smallest error, and more so among many.
                CHECK(likeness(is, was) > (at < 78 ? 0.9f : 0.7f));
                CHECK(is != was);  // or they are no 8 bits
            }
            at += piece;
        }
    }
}

TEST_CASE("emulated/cuda_fp8: numbers are the same to the bit alone and among others") {
    const RandomModelShape shape = shape_of(ElementType::bf16);
    std::mt19937 random(8);
    std::vector<Tokens> texts;
    for (std::size_t i = 0; i < 7; ++i)
        texts.push_back(random_text(1 + 5 * i, random));
    const auto together = fp8_of(shape, 7);
    std::vector<SequenceStep> steps;
    for (SlotId slot = 0; slot < texts.size(); ++slot)
        steps.push_back({.slot = slot, .tokens = texts[slot], .wanted = Wanted::logits});
    StepOutput output;
    REQUIRE(together->step(steps, output));
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto values = output.rows[i].values;
        CHECK(values_of(*fp8_of(shape), 0, 0, texts[i]) == Numbers(values.begin(), values.end()));
    }
}

// More numbers than a block keeps in its registers.
TEST_CASE("emulated/cuda_fp8: states of more than 4096 numbers") {
    RandomModelShape shape = shape_of(ElementType::bf16);
    shape.hidden_size = 4608;
    shape.head_count = 36;
    shape.kv_head_count = 1;
    shape.inner_size = 16;
    shape.layer_count = 2;
    std::mt19937 random(10);
    const Tokens text = random_text(3, random);
    const auto exact = cuda_of(required(make_random_model(shape, 1), "model"));
    CHECK(likeness(values_of(*fp8_of(shape), 0, 0, text), values_of(*exact, 0, 0, text)) > 0.98f);
}

TEST_CASE("emulated/cuda_fp8: numbers that are none stay with their sequence") {
    RandomModelShape shape = shape_of(ElementType::bf16);
    shape.poisons_last_token = true;
    std::mt19937 random(9);
    check_poison_stays(*fp8_of(shape, 3), random_text(20, random));
}

TEST_CASE("emulated/cuda_fp8: older devices, other types and odd sizes are refused") {
    const auto code_of = [](const RandomModelShape& shape) {
        const auto backend = CudaBackend::make(required(make_random_model(shape, 1), "model"),
                                               {.has_8_bit_weights = true, .tunes = false});
        return backend ? ErrorCode::ok : backend.error().code;
    };
    const auto can = [](const RandomModelShape& shape) {
        return CudaBackend::can_compute(required(make_random_model(shape, 1), "model"), 0, true);
    };
    emulated_cuda::reset();
    const RandomModelShape shape = shape_of(ElementType::bf16);
    CHECK(code_of(shape) == ErrorCode::ok);
    CHECK(can(shape));
    for (const ElementType type : {ElementType::f16, ElementType::f32}) {
        CHECK(code_of(shape_of(type)) == ErrorCode::not_supported);
        CHECK_FALSE(can(shape_of(type)));
    }
    RandomModelShape odd = shape;
    odd.inner_size = 200;
    CHECK(code_of(odd) == ErrorCode::not_supported);
    CHECK_FALSE(can(odd));
    emulated_cuda::set_capability(8, 6);
    CHECK(code_of(shape) == ErrorCode::not_supported);
    CHECK_FALSE(can(shape));
    emulated_cuda::set_capability(8, 9);
    CHECK(code_of(shape) == ErrorCode::ok);
    emulated_cuda::reset();
}

TEST_CASE("emulated/cuda_fp8: its layers need half of the memory, and a step reads half of them") {
    const auto bytes_needed = [](bool has_8_bits) {
        const auto refused =
            CudaBackend::make(required(make_random_model(RandomModelShape::small(), 1), "model"),
                              {.context_tokens = 16,
                               .step_tokens_max = 16,
                               .memory_max_bytes = 1,
                               .has_8_bit_weights = has_8_bits,
                               .tunes = false});
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::model_too_large);
        const std::string& why = refused.error().detail;
        return std::stoull(why.substr(why.find_first_of("0123456789")));
    };
    emulated_cuda::reset(std::size_t{4} << 30);
    const auto weights = required(make_random_model(RandomModelShape::small(), 1), "model");
    const std::size_t own = step_weight_bytes(BackendChoice::cuda, weights);
    const std::size_t fp8 = step_weight_bytes(BackendChoice::cuda_fp8, weights);
    CHECK(own == weights.bytes());  // it is tied
    CHECK(own - fp8 == (weights.bytes() - weights.embedding().bytes()) / 2);
    CHECK(bytes_needed(false) > bytes_needed(true));
    const auto saved = (bytes_needed(false) - bytes_needed(true)) << 20;
    CHECK(saved > (own - fp8) * 9 / 10);
    emulated_cuda::reset();
}

TEST_CASE("emulated/cuda_fp8: whoever asks for it by name gets it, and the processor has none") {
    const RandomModelShape shape = shape_of(ElementType::bf16);
    std::mt19937 random(11);
    const Tokens text = random_text(9, random);
    const auto values_by_name = [&](std::string_view name) {
        const auto choice = backend_choice_of(name);
        REQUIRE(choice);
        emulated_cuda::reset();
        const auto backend = required(
            open_backend(*choice, required(make_random_model(shape, 1), "model"), {}), "backend");
        return values_of(*backend, 0, 0, text);
    };
    CHECK(values_by_name("cuda-fp8") == values_of(*fp8_of(shape), 0, 0, text));
    const auto own = cuda_of(required(make_random_model(shape, 1), "model"));
    CHECK(values_by_name("cuda") == values_of(*own, 0, 0, text));
    CHECK(values_by_name("auto") == values_of(*own, 0, 0, text));
    CHECK(values_by_name("cpu") != values_of(*own, 0, 0, text));
    CHECK_FALSE(backend_choice_of("cuda-fp4"));
}

TEST_CASE("emulated/cuda_fp8: whatever call fails, making it fails and leaves nothing behind") {
    emulated_cuda::reset();
    const auto before = emulated_cuda::counts();
    RandomModelShape shape = shape_of(ElementType::bf16);
    shape.layer_count = 1;
    std::uint64_t failed = 0;
    for (std::uint64_t at = 0;; ++at) {
        emulated_cuda::reset();
        emulated_cuda::fail_after(at, cudaErrorIllegalAddress, at % 2 == 1);
        const auto backend = CudaBackend::make(required(make_random_model(shape, 1), "model"),
                                               {.has_8_bit_weights = true, .tunes = false});
        emulated_cuda::reset();
        if (backend) break;
        ++failed;
        CHECK(emulated_cuda::counts().allocations == before.allocations);
        CHECK(emulated_cuda::counts().handles == before.handles);
    }
    CHECK(failed > 30);
}
