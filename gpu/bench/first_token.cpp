#include "lone_stage.hpp"
#include "measurements.hpp"
#include "times.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace casc::gpu {
namespace {

constexpr double kOverBackend = 1.2;

// Of a prompt, in as many steps as it takes.
double backend_seconds(Backend& backend, const std::vector<TokenId>& prompt) {
    const std::size_t most = backend.limits().step_tokens_max;
    StepOutput output;
    return median_seconds([&] {
        for (std::size_t at = 0; at < prompt.size(); at += most) {
            const std::size_t count = std::min(most, prompt.size() - at);
            const SequenceStep step{
                .position = static_cast<std::uint32_t>(at),
                .tokens = std::span(prompt).subspan(at, count),
                .wanted = at + count == prompt.size() ? Wanted::token : Wanted::nothing};
            if (const auto done = backend.step({&step, 1}, output); !done) give_up(done.error());
        }
    });
}

}  // namespace

std::vector<Bar> measure_first_token(const Measured& what, std::unique_ptr<Backend> backend) {
    const std::vector<TokenId> prompt(what.context, 7);
    const double alone = backend_seconds(*backend, prompt);
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
