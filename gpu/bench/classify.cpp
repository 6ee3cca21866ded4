#include "lone_stage.hpp"
#include "measurements.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

namespace casc::gpu {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kSlots = 32;
constexpr std::size_t kUnderWay = 8 * kSlots;
constexpr std::size_t kTextsMin = 8;
constexpr double kShareOfLimit = 80;
// What a step copies to the device (docs/gpu.md).
constexpr double kBytesOfToken = 16;
constexpr double kBytesOfText = 24;

// Multiplications and additions of a token: with the layers' matrices, and with the keys and values
// of those before it, which are half of the text on average.
double operations_of_token(const ModelConfig& model, std::uint32_t text_tokens) {
    const auto hidden = static_cast<double>(model.hidden_size);
    const auto queries = static_cast<double>(model.query_size());
    const double matrices = hidden * (2 * queries + 2 * static_cast<double>(model.kv_size()) +
                                      3 * static_cast<double>(model.inner_size));
    return static_cast<double>(model.layer_count) *
           (2 * matrices + 4 * queries * (text_tokens + 1) / 2);
}

// Of numbers drawn at random: with one token again and again all rows of a product are the same,
// for which a device needs less power.
std::vector<TokenId> random_text(std::uint32_t tokens, std::size_t vocabulary,
                                 std::mt19937& random) {
    std::uniform_int_distribution<TokenId> token(0, static_cast<TokenId>(vocabulary - 1));
    std::vector<TokenId> text(tokens);
    std::ranges::generate(text, [&] { return token(random); });
    return text;
}

// Texts a second, over two seconds and some texts at least.
double texts_per_second(LoneStage& stage, std::uint32_t tokens, std::size_t vocabulary) {
    std::mt19937 random(1);
    const auto answer = [&](std::size_t least, std::chrono::seconds for_at_least) {
        const auto began = Clock::now();
        std::size_t answered = 0;
        for (; answered < least || Clock::now() - began < for_at_least; ++answered) {
            while (stage.under_way() < kUnderWay)
                stage.push({.kind = RequestKind::classify,
                            .prompt_tokens = random_text(tokens, vocabulary, random)});
            stage.wait_for_answer();
        }
        return static_cast<double>(answered) /
               std::chrono::duration<double>(Clock::now() - began).count();
    };
    // Until there is a line, and the first batch, which comes at once, is read.
    static_cast<void>(answer(kSlots, std::chrono::seconds(0)));
    return answer(kTextsMin, std::chrono::seconds(2));
}

}  // namespace

std::vector<Bar> measure_classifying(const Measured& what) {
    RandomModelShape shape = what.shape;
    shape.label_count = 16;
    auto backend = open(what.kind, need(make_random_model(shape, 1)),
                        {.slot_count = kSlots, .context_tokens = what.context + 1});
    const double operations = operations_of_token(backend->model(), what.context);
    LoneStage stage(std::move(backend));
    const double texts = texts_per_second(stage, what.context, shape.vocabulary_size);
    const double tokens = texts * what.context;
    std::printf("classified: %.1f texts of %u tokens a second, %.0f tokens, %.2f Tflop/s", texts,
                what.context, tokens, tokens * operations / 1e12);
    if (!is_on_gpu(what.kind.choice)) {
        std::printf("\n");
        return {};
    }
    const ElementType type = what.kind.has_8_bits() ? ElementType::f8_e4m3 : shape.type;
    const double arithmetic = need(CudaBackend::measure_products(0, type));
    const double copies = need(CudaBackend::measure_bandwidth(0)).host_to_device;
    const double computed_at_most = arithmetic / operations;
    const double copied_at_most = copies / (kBytesOfToken + kBytesOfText / what.context);
    std::printf("; one product %.0f Tflop/s: %.0f tokens; host to device %.1f GB/s: %.0f tokens\n",
                arithmetic / 1e12, computed_at_most, copies / 1e9, copied_at_most);
    return {{"classified, of what arithmetic or copies allow",
             100 * tokens / std::min(computed_at_most, copied_at_most), kShareOfLimit, true, "%"}};
}

}  // namespace casc::gpu
