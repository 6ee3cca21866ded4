#include "lone_stage.hpp"
#include "measurements.hpp"
#include "times.hpp"

#include <cstdio>
#include <utility>

namespace casc::gpu {
namespace {

constexpr double kOverBackend = 1.2;

}  // namespace

std::vector<Bar> measure_first_token(const Measured& what, std::unique_ptr<Backend> backend) {
    const std::vector<TokenId> prompt(what.context, 7);
    StepOutput output;
    const double alone = median_seconds([&] {
        compute_prompt(*backend, 0, prompt, backend->limits().step_tokens_max, Wanted::token,
                       output);
    });
    LoneStage stage(std::move(backend));
    const double through_rings = median_seconds([&] {
        stage.push({.prompt_tokens = prompt, .max_tokens = 1});
        stage.wait_for_answer();
    });
    std::printf("first token of %u: %.3f ms, of which the backend %.3f ms\n", what.context,
                through_rings * 1e3, alone * 1e3);
    return {{"the first token through the rings, of the backend's time", through_rings / alone,
             kOverBackend, false}};
}

}  // namespace casc::gpu
