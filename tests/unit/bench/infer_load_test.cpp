#include "infer_load.hpp"

#include <doctest/doctest.h>

#include <array>
#include <set>

using namespace casc;
using namespace casc::bench;

namespace {

InferPlan a_plan() {
    InferPlan plan;
    plan.requests_per_second = 1000;
    plan.duration = std::chrono::seconds(4);
    plan.deadline = std::chrono::seconds(30);
    plan.prompt_tokens = {3, 9};
    plan.answer_tokens = {1, 5};
    plan.vocabulary_size = 50;
    return plan;
}

}  // namespace

TEST_CASE(
    "bench/infer_load: requests come in order, as often as is asked for, each with its own id") {
    const auto requests = planned_requests(a_plan(), 1);
    // Four thousand, give or take six times what is usual.
    CHECK(requests.size() > 3600);
    CHECK(requests.size() < 4400);
    std::set<gpu::RequestId> ids;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const gpu::GenerateRequest& request = requests[i].request;
        ids.insert(request.id);
        if (i > 0) CHECK(requests[i].at >= requests[i - 1].at);
        CHECK(requests[i].at < std::chrono::seconds(4));
        CHECK((request.prompt_tokens.size() >= 3 && request.prompt_tokens.size() <= 9));
        CHECK((request.max_tokens >= 1 && request.max_tokens <= 5));
        for (const gpu::TokenId token : request.prompt_tokens)
            CHECK(token < 50);
    }
    CHECK(ids.size() == requests.size());
    CHECK(*ids.begin() == 1);
}

TEST_CASE("bench/infer_load: lanes are mixed, the normal one most of all") {
    std::array<std::size_t, kLaneCount> counts{};
    const auto requests = planned_requests(a_plan(), 1);
    for (const PlannedRequest& planned : requests)
        ++counts[static_cast<std::size_t>(planned.request.lane)];
    const auto share = [&](Lane lane) {
        return static_cast<double>(counts[static_cast<std::size_t>(lane)]) /
               static_cast<double>(requests.size());
    };
    CHECK(share(Lane::critical) == doctest::Approx(0.1).epsilon(0.2));
    CHECK(share(Lane::high) == doctest::Approx(0.2).epsilon(0.2));
    CHECK(share(Lane::normal) == doctest::Approx(0.5).epsilon(0.1));
    CHECK(share(Lane::low) == doctest::Approx(0.2).epsilon(0.2));
}

TEST_CASE("bench/infer_load: the same seed asks the same") {
    const auto first = planned_requests(a_plan(), 7);
    const auto again = planned_requests(a_plan(), 7);
    const auto other = planned_requests(a_plan(), 8);
    REQUIRE(first.size() == again.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
        CHECK(first[i].at == again[i].at);
        CHECK(first[i].request.prompt_tokens == again[i].request.prompt_tokens);
    }
    CHECK(other[0].at != first[0].at);
}
