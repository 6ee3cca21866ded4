// Whose tokens a step computes, and how many of them.

#include "engine/step_composer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

namespace casc::gpu {
namespace {

struct ComposerFixture {
    std::deque<Sequence> sequences;
    std::vector<Sequence*> running;
    std::vector<StepPart> parts;

    void add(std::size_t tokens, std::uint32_t computed, Lane lane = Lane::normal) {
        Sequence& sequence = sequences.emplace_back();
        sequence.request.lane = lane;
        sequence.tokens.resize(tokens);
        sequence.computed = computed;
        running.push_back(&sequence);
    }
    // "0:1 2:8": the sequence and how many of its tokens.
    std::string compose(const StepBudget& budget, PromptOrder order = PromptOrder::by_lane) {
        compose_step(running, budget, order, parts);
        std::string text;
        for (const StepPart& part : parts) {
            const auto at = std::ranges::find(running, part.sequence) - running.begin();
            text += (text.empty() ? "" : " ") + std::to_string(at) + ':' +
                    std::to_string(part.token_count);
        }
        return text;
    }
};

}  // namespace

TEST_CASE("gpu/step_composer: nobody is no part") {
    ComposerFixture f;
    CHECK(f.compose({16, 4}) == "");
}

TEST_CASE("gpu/step_composer: answers that grow come first, then prompts within their share") {
    ComposerFixture f;
    f.add(10, 0);
    f.add(5, 4);
    f.add(7, 6);
    CHECK(f.compose({16, 4}) == "1:1 2:1 0:4");
    CHECK(f.compose({16, 100}) == "1:1 2:1 0:10");
    CHECK(f.compose({5, 4}) == "1:1 2:1 0:3");
    CHECK(f.compose({3, 4}) == "1:1 2:1 0:1");
}

TEST_CASE("gpu/step_composer: without answers that grow prompts have all of the step") {
    ComposerFixture f;
    f.add(10, 2);
    f.add(10, 0);
    CHECK(f.compose({16, 4}) == "0:8 1:8");
    CHECK(f.compose({6, 4}) == "0:6");
}

TEST_CASE("gpu/step_composer: urgent prompts come first, or the oldest one does") {
    ComposerFixture f;
    f.add(10, 0, Lane::low);
    f.add(10, 0, Lane::normal);
    f.add(10, 0, Lane::critical);
    f.add(10, 0, Lane::normal);
    CHECK(f.compose({25, 4}) == "2:10 1:10 3:5");
    CHECK(f.compose({25, 4}, PromptOrder::by_age) == "0:10 1:10 2:5");
}

TEST_CASE("gpu/step_composer: an answer that is computed again is as a prompt") {
    ComposerFixture f;
    f.add(5, 4);
    f.add(30, 0);  // of which some are an answer's
    CHECK(f.compose({16, 4}) == "0:1 1:4");
}

}  // namespace casc::gpu
