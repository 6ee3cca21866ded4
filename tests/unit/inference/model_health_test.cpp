#include "model_health.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::inference;
using namespace std::chrono_literals;

namespace {

// A model under a clock of its own.
struct Model {
    explicit Model(const FallbackSettings& settings = {}) : health(settings) {}

    // Whether it was asked, and then came to `outcome` after `took`.
    bool ask(ErrorCode outcome, std::chrono::milliseconds took = 10ms) {
        const auto asked = health.ask(now);
        now += took;
        if (asked) health.record(*asked, outcome, now);
        return asked.has_value();
    }
    int asked_of(int count, ErrorCode outcome, std::chrono::milliseconds took = 10ms) {
        int asked = 0;
        for (int i = 0; i < count; ++i)
            asked += ask(outcome, took) ? 1 : 0;
        return asked;
    }

    ModelHealth health;
    ModelHealth::Time now{};
};

}  // namespace

TEST_CASE("inference/health: a model that is well is asked") {
    Model model;
    CHECK(model.asked_of(300, ErrorCode::ok) == 300);
}

TEST_CASE(
    "inference/health: after five failures in a row nobody asks it for a minute, then a few") {
    Model model;
    CHECK(model.asked_of(20, ErrorCode::device_failed) == 5);
    model.now += 59s;
    CHECK_FALSE(model.ask(ErrorCode::ok));
    model.now += 61s;
    CHECK(model.asked_of(10, ErrorCode::ok) == 10);
}

TEST_CASE("inference/health: more than a tenth of errors is too much, a tenth is not") {
    for (const int good : {9, 8}) {
        Model model;
        bool is_asked = true;
        for (int round = 0; round < 10; ++round) {
            is_asked = is_asked && model.asked_of(good, ErrorCode::ok) == good;
            is_asked = is_asked && model.ask(ErrorCode::inference_failed);
        }
        CHECK(is_asked == (good == 9));
    }
}

TEST_CASE("inference/health: answers that take too long are as bad as none") {
    Model model({.latency_p99_max = 100ms});
    CHECK(model.asked_of(20, ErrorCode::ok, 100ms) == 20);
    CHECK(model.ask(ErrorCode::ok, 101ms));
    CHECK_FALSE(model.ask(ErrorCode::ok));
    // What nobody hears of any more is forgotten.
    model.now += 61s;
    CHECK(model.ask(ErrorCode::ok));
}

TEST_CASE("inference/health: what is wrong with a request says nothing of the model") {
    Model model;
    for (const ErrorCode code : {ErrorCode::invalid_request, ErrorCode::cancelled,
                                 ErrorCode::shutting_down, ErrorCode::event_too_large})
        CHECK(model.asked_of(50, code) == 50);
}

TEST_CASE("inference/health: a full line does not open the circuit, and counts as an error") {
    Model model;
    CHECK(model.asked_of(19, ErrorCode::model_overloaded) == 19);
    CHECK(model.ask(ErrorCode::model_overloaded));
    CHECK_FALSE(model.ask(ErrorCode::ok));
}

TEST_CASE("inference/health: so few are tried at a time after failures, and each is told of") {
    Model model;
    CHECK(model.asked_of(20, ErrorCode::device_failed) == 5);
    model.now += 61s;
    std::vector<ModelHealth::Asked> under_way;
    while (const auto asked = model.health.ask(model.now))
        under_way.push_back(*asked);
    CHECK(under_way.size() == 3);
    // Nobody knows what would have become of them; there is room for others.
    for (const ModelHealth::Asked& asked : under_way)
        model.health.record(asked, ErrorCode::cancelled, model.now);
    CHECK(model.asked_of(10, ErrorCode::ok) == 10);
}

TEST_CASE("inference/health: who had no time says nothing of the model, who had it does") {
    Model model;
    CHECK(model.asked_of(50, ErrorCode::timeout, 100ms) == 50);
    CHECK(model.asked_of(8, ErrorCode::timeout, 6s) == 5);
}

TEST_CASE("inference/health: when there is nobody else the model is asked, and heard") {
    Model model({.latency_p99_max = 100ms});
    CHECK(model.asked_of(21, ErrorCode::ok, 200ms) < 21);
    for (int i = 0; i < 200; ++i) {
        const auto asked = model.health.ask_anyway(model.now);
        model.now += 1ms;
        model.health.record(asked, ErrorCode::ok, model.now);
    }
    CHECK(model.ask(ErrorCode::ok));
}

TEST_CASE("inference/health: a model that was given up is never asked again") {
    Model model;
    model.health.give_up();
    CHECK_FALSE(model.ask(ErrorCode::ok));
    model.now += 10min;
    CHECK_FALSE(model.ask(ErrorCode::ok));
}
