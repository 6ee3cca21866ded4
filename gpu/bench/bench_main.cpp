// casc-gpu-bench: how fast the backends of this machine are, and how far from what bounds them. Of
// a GPU it says at the end whether what is asked of it is reached. Needs no packages; `casc-bench
// infer` measures a whole stage.
//
//   casc-gpu-bench [small|phi3-mini] [context tokens] [cpu|cuda|cuda-fp8]

#include "measurements.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

namespace casc::gpu {
namespace {

void measure(const Measured& what) {
    ModelWeights weights = need(make_random_model(what.shape, 1));
    if (!can_open(what.kind, weights)) {
        std::printf("skipped %s: this GPU does not have it\n", what.kind.name.c_str());
        return;
    }
    const auto weight_bytes = static_cast<double>(step_weight_bytes(what.kind.choice, weights));
    auto backend = open(what.kind, std::move(weights),
                        {.slot_count = kDecodedMax, .context_tokens = what.context + 1});
    std::vector<Bar> bars = measure_decoding(what, *backend, weight_bytes);
    const auto add = [&](std::vector<Bar> more) {
        bars.insert(bars.end(), more.begin(), more.end());
    };
    add(measure_first_token(what, std::move(backend)));
    add(measure_classifying(what));
    print(bars);
}

int run(int argc, char** argv) {
    const std::string_view name = argc > 1 ? argv[1] : "small";
    const auto context = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 128);
    const std::string_view only = argc > 3 ? argv[3] : "";
    RandomModelShape shape = RandomModelShape::small();
    if (name == "phi3-mini") shape = RandomModelShape::phi3_mini();
    if ((name != "small" && name != "phi3-mini") || context == 0 ||
        context >= shape.context_tokens ||
        (only != "" && only != "cpu" && only != "cuda" && only != "cuda-fp8")) {
        std::fprintf(stderr,
                     "usage: casc-gpu-bench [small|phi3-mini] [context tokens, less than %zu] "
                     "[cpu|cuda|cuda-fp8]\n",
                     shape.context_tokens);
        return 2;
    }
    for (const BackendKind& kind : backend_kinds())
        if (only.empty() || only == kind.name) measure({kind, shape, name, context});
    return 0;
}

}  // namespace
}  // namespace casc::gpu

int main(int argc, char** argv) {
    return casc::gpu::run(argc, argv);
}
