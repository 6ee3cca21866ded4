#include <casc/inference/model_settings.hpp>

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::inference;
using namespace std::chrono_literals;

namespace {

std::string complaint_about(const char* toml) {
    const auto settings = parse_settings(toml, "casc-model.toml");
    if (settings) return "nothing";
    CHECK(settings.error().code == ErrorCode::invalid_config);
    return settings.error().detail;
}

bool complains(const char* toml, const char* of) {
    return complaint_about(toml).find(of) != std::string::npos;
}

}  // namespace

TEST_CASE("inference/settings: an empty file changes nothing") {
    const auto settings = parse_settings("", "casc-model.toml");
    REQUIRE(settings);
    CHECK(settings->batches.max_batch == 32);
    CHECK(settings->fallback.choices.empty());
    CHECK(settings->fallback.error_rate_max == 0.1);
    CHECK(settings->fallback.latency_p99_max == 5000ms);
    CHECK(settings->fallback.failures_max == 5);
    CHECK(settings->fallback.open_for == 60'000ms);
}

TEST_CASE("inference/settings: fallbacks keep their order, and have conditions") {
    const auto settings = parse_settings(R"(
subject = "infer.mine"
fallback_error_rate = 0.25
fallback_latency_p99_ms = 800
fallback_failures = 3
fallback_open_ms = 1000
[[fallback]]
subject = "infer.small"
[[fallback]]
subject = "infer.big"
endpoint = "tcp://other:7070"
)",
                                         "casc-model.toml");
    REQUIRE(settings);
    const FallbackSettings& fallback = settings->fallback;
    REQUIRE(fallback.choices.size() == 2);
    CHECK(fallback.choices[0].subject == "infer.small");
    CHECK(fallback.choices[0].endpoint.empty());
    CHECK(fallback.choices[1].subject == "infer.big");
    CHECK(fallback.choices[1].endpoint == "tcp://other:7070");
    CHECK(fallback.error_rate_max == 0.25);
    CHECK(fallback.latency_p99_max == 800ms);
    CHECK(fallback.failures_max == 3);
    CHECK(fallback.open_for == 1000ms);
    CHECK(parse_settings("fallback_error_rate = 1", "casc-model.toml")->fallback.error_rate_max ==
          1.0);
}

TEST_CASE("inference/settings: what is wrong is named with its line") {
    CHECK(complains("\nmax_batches = 3", "casc-model.toml:2: 'max_batches' is not known"));
    CHECK(complains("max_batch = 0", "'max_batch' must be a whole number"));
    CHECK(complains("topic = \"a\"", "go together"));
    CHECK(complains("backend = \"abacus\"",
                    "there is no backend 'abacus'; there are auto, cpu, cuda and cuda-fp8"));
    CHECK(complains("device = -1", "device"));
    CHECK(complains("fallback = \"infer.small\"", "[[fallback]]"));
    CHECK(complains("fallback = [1]", "[[fallback]]"));
    CHECK(complains("[[fallback]]\nsubjct = \"a\"", "casc-model.toml:2: 'subjct' is not known"));
    CHECK(complains("[[fallback]]\nendpoint = \"tcp://a:1\"", "needs a 'subject'"));
    CHECK(complains("[[fallback]]\nsubject = 7", "a text in quotes"));
    CHECK(complains("fallback_error_rate = 1.5", "a number from 0 to 1"));
    CHECK(complains("fallback_error_rate = nan", "a number from 0 to 1"));
    CHECK(complains("fallback_failures = 0", "'fallback_failures'"));
    CHECK(complains("max_batch = ", "casc-model.toml:1"));
}
