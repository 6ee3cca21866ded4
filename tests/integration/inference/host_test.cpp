// A broker with models: loaded, asked, exchanged and unloaded while it runs.

#include "metrics_page.hpp"
#include "raw_connection.hpp"
#include "test_broker.hpp"
#include "text.hpp"
#include "tiny_model.hpp"

#include <casc/client/client.hpp>

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

TestBrokerOptions broker_with(const ModelsFolder& models, const std::string& load) {
    TestBrokerOptions options;
    options.settings = {"models.folder=" + models.path().string()};
    if (!load.empty()) options.settings.push_back("models.load=" + load);
    return options;
}

// A broker, and somebody who asks it.
struct Asker {
    TestBroker broker;
    std::unique_ptr<client::Client> client;

    explicit Asker(TestBrokerOptions options) : broker(std::move(options)) {
        client::ClientOptions connecting;
        connecting.endpoints = {broker.endpoint()};
        auto connected = client::Client::connect(connecting);
        REQUIRE(connected);
        client = std::move(*connected);
    }
    [[nodiscard]] Result<json::value> ask(const std::string& subject,
                                          const std::string& text) const {
        const auto answer = client->request(subject, {.payload = std::as_bytes(std::span(text))},
                                            TestBroker::kPatience);
        if (!answer) return answer.error();
        return json::parse(answer->text());
    }
    [[nodiscard]] Result<json::value> host(const std::string& op, const std::string& name = {},
                                           const std::string& version = {}) const {
        json::object request{{"op", op}};
        if (!name.empty()) request["name"] = name;
        if (!version.empty()) request["version"] = version;
        return ask("casc.models", json::serialize(request));
    }
    // The model in the list of all; null: it is not there.
    [[nodiscard]] json::value listed(const std::string& name) const {
        const auto all = host("list");
        REQUIRE(all);
        for (const json::value& model : all->at("models").as_array())
            if (model.at("name").as_string() == name) return model;
        return nullptr;
    }
    [[nodiscard]] std::string state_of(const std::string& name) const {
        const json::value model = listed(name);
        return model.is_null() ? "" : std::string(model.at("state").as_string());
    }
    // The host serves before it loads.
    void wait_for(const std::string& name, const std::string& state) const {
        const auto until = std::chrono::steady_clock::now() + TestBroker::kPatience;
        for (std::string seen;
             seen != state && seen != "failed" && std::chrono::steady_clock::now() < until;
             seen = state_of(name))
            std::this_thread::sleep_for(1ms);
        REQUIRE_MESSAGE(state_of(name) == state, json::serialize(listed(name)));
    }
    [[nodiscard]] Result<json::value> generate(const std::string& name) const {
        return ask("infer." + name,
                   R"({"id": "1", "params": {"prompt": "hello", "max_tokens": 8}})");
    }
    [[nodiscard]] std::string version_that_answers(const std::string& name) const {
        const auto answer = generate(name);
        REQUIRE_MESSAGE(answer, answer.error().message());
        return std::string(answer->at("response").at("metadata").at("model_version").as_string());
    }
};

}  // namespace

TEST_CASE("inference/host: a model that is named at the start answers, on the processor") {
    const ModelsFolder models;
    models.add("tiny", "1", "llama");
    models.add("other", "1", "phi3");
    const Asker asker(broker_with(models, "tiny"));
    asker.wait_for("tiny", "ready");
    const auto answer = asker.generate("tiny");
    REQUIRE_MESSAGE(answer, answer.error().message());
    CHECK(answer->at("status").as_string() == "success");
    CHECK(answer->at("response").at("metadata").at("backend").as_string() == "cpu");
    CHECK(answer->at("response").at("metadata").at("prompt_tokens").to_number<int>() == 6);
    CHECK(answer->at("response").at("result").at("tokens_generated").to_number<int>() > 0);
    CHECK(asker.state_of("other") == "unloaded");
    CHECK(asker.generate("other").error().code == ErrorCode::no_responders);
    const json::value tiny = asker.listed("tiny");
    CHECK(tiny.at("counts").at("answers").to_number<int>() == 1);
    CHECK(tiny.at("memory_bytes").to_number<int>() > 0);
}

TEST_CASE("inference/host: a classifier has labels, an embedding has length one") {
    const ModelsFolder models;
    models.add("judge", "1", "classifier");
    models.add("tiny", "1", "llama");
    const Asker asker(broker_with(models, "judge,tiny"));
    asker.wait_for("tiny", "ready");
    const auto judged =
        asker.ask("infer.judge", R"({"method": "classify", "params": {"prompt": "hello"}})");
    REQUIRE_MESSAGE(judged, judged.error().message());
    const json::value& result = judged->at("response").at("result");
    CHECK(result.at("probabilities").as_object().contains(result.at("label").as_string()));
    const auto embedded =
        asker.ask("infer.tiny", R"({"method": "embed", "params": {"prompt": "hello"}})");
    REQUIRE_MESSAGE(embedded, embedded.error().message());
    double length = 0;
    for (const json::value& one : embedded->at("response").at("result").at("embedding").as_array())
        length += one.to_number<double>() * one.to_number<double>();
    CHECK(length == doctest::Approx(1).epsilon(1e-4));
}

TEST_CASE(
    "inference/host: a version is exchanged for another one, and a failed try changes nothing") {
    const ModelsFolder models;
    models.add("tiny", "1", "llama");
    const Asker asker(broker_with(models, "tiny"));
    asker.wait_for("tiny", "ready");
    models.add("tiny", "2", "llama-linear");
    REQUIRE(asker.host("load", "tiny"));
    CHECK(asker.version_that_answers("tiny") == "2");
    CHECK(asker.host("load", "tiny", "2").error().code == ErrorCode::invalid_request);
    models.add("tiny", "3", "llama");
    ModelsFolder::write(models.path() / "tiny/3/model.safetensors", "nonsense");
    const auto failed = asker.host("reload", "tiny");
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::model_unusable);
    CHECK(asker.version_that_answers("tiny") == "2");
    CHECK(asker.state_of("tiny") == "ready");
    CHECK(contains(std::string(asker.listed("tiny").at("trouble").as_string()), "MODEL_UNUSABLE"));
    REQUIRE(asker.host("reload", "tiny", "1"));
    CHECK(asker.version_that_answers("tiny") == "1");
    REQUIRE(asker.host("unload", "tiny"));
    CHECK(asker.generate("tiny").error().code == ErrorCode::no_responders);
    CHECK(asker.state_of("tiny") == "unloaded");
}

TEST_CASE("inference/host: what cannot be loaded says why, and the broker is none the worse") {
    const ModelsFolder models;
    models.add("tiny", "1", "llama");
    models.add("bad", "1", "llama", "max_bath = 3\n");
    models.add("large", "1", "llama", "memory_max_bytes = 1000\n");
    const Asker asker(broker_with(models, "missing,bad,large,tiny"));
    asker.wait_for("tiny", "ready");
    CHECK(asker.state_of("bad") == "failed");
    CHECK(contains(std::string(asker.listed("bad").at("trouble").as_string()),
                   "casc-model.toml:1: 'max_bath' is not known"));
    CHECK(
        contains(std::string(asker.listed("large").at("trouble").as_string()), "MODEL_TOO_LARGE"));
    CHECK(asker.generate("tiny"));
    CHECK(asker.host("load", "missing").error().code == ErrorCode::model_not_found);
    CHECK(asker.host("load", "../tiny").error().code == ErrorCode::model_not_found);
    CHECK(asker.host("load", "tiny", "7").error().code == ErrorCode::model_not_found);
    CHECK(asker.host("dance").error().code == ErrorCode::invalid_request);
    CHECK(asker.ask("casc.models", "nonsense").error().code == ErrorCode::invalid_request);
}

TEST_CASE("inference/host: a model that must be on a GPU is refused where there is none") {
    const ModelsFolder models;
    models.add("tiny", "1", "llama", "backend = \"auto\"\n");
    models.add("fast", "1", "llama", "backend = \"cuda\"\n");
    const Asker asker(broker_with(models, "fast,tiny"));
    asker.wait_for("tiny", "ready");
    CHECK(asker.state_of("fast") == "failed");
    const std::string trouble(asker.listed("fast").at("trouble").as_string());
    CAPTURE(trouble);
    // Built without CUDA, or with it.
    CHECK((contains(trouble, "NOT_SUPPORTED") || contains(trouble, "DEVICE_FAILED")));
    CHECK(contains(trouble, "CUDA"));
    CHECK(asker.listed("tiny").at("backend").as_string() == "cpu");
    CHECK(asker.generate("tiny"));
}

TEST_CASE("inference/host: a broker that is told to stop lets its models answer first") {
    const ModelsFolder models;
    models.add("tiny", "1", "llama");
    Asker asker(broker_with(models, "tiny"));
    asker.wait_for("tiny", "ready");
    CHECK(asker.generate("tiny"));
    CHECK(asker.broker.terminate() == 0);
}

TEST_CASE("inference/host: fallbacks are those of the model's settings, and nobody is his own") {
    const ModelsFolder models;
    models.add("tiny", "1", "llama", "[[fallback]]\nsubject = \"infer.other\"\n");
    models.add("vain", "1", "llama", "[[fallback]]\nsubject = \"infer.vain\"\n");
    const Asker asker(broker_with(models, "vain,tiny"));
    asker.wait_for("tiny", "ready");
    const json::value fallbacks = asker.listed("tiny").at("fallbacks");
    REQUIRE(fallbacks.as_array().size() == 1);
    CHECK(fallbacks.at(0).at("subject").as_string() == "infer.other");
    CHECK(asker.state_of("vain") == "failed");
    CHECK(contains(json::serialize(asker.listed("vain")), "cannot be its own fallback"));
}

TEST_CASE("inference/host: /metrics has what models did, by the names that alerts go by") {
    const ModelsFolder models;
    models.add("tiny", "1", "llama");
    models.add("judge", "1", "classifier");
    TestBrokerOptions options = broker_with(models, "judge,tiny");
    options.environment["LD_LIBRARY_PATH"] = CASC_FAKE_NVML_FOLDER;  // a machine with two GPUs
    const Asker asker(std::move(options));
    asker.wait_for("tiny", "ready");
    for (int i = 0; i < 3; ++i)
        REQUIRE(asker.generate("tiny"));
    CHECK_FALSE(asker.ask("infer.tiny", R"({"params": {"prompt": ""}})"));
    const std::string page = http_get(asker.broker.http_endpoint(), "/metrics");
    check_families(page);
    CHECK(contains(page, R"(casc_infer_requests_total{model="tiny",outcome="ok"} 3)"));
    CHECK(contains(page, R"(casc_infer_requests_total{model="tiny",outcome="error"} 1)"));
    CHECK(contains(page, R"(casc_infer_requests_total{model="judge",outcome="ok"} 0)"));
    CHECK(contains(page, R"(casc_infer_tokens_total{model="tiny",type="input"} 18)"));
    CHECK(contains(page, R"(casc_infer_queue_seconds_count{model="tiny",lane="normal"} 3)"));
    CHECK(contains(page, R"(casc_infer_ttft_seconds_bucket{model="tiny",le="+Inf"} 3)"));
    CHECK(contains(page, R"(casc_infer_request_seconds_bucket{model="tiny",le="0.00025"} )"));
    CHECK(contains(
        page,
        R"(casc_infer_model_loaded_info{model="tiny",version="1",backend="cpu",state="ready"} 1)"));
    CHECK(contains(page, R"(casc_gpu_memory_used_bytes{device="0",name="Fake H200"} 600)"));
    CHECK(contains(page, R"(casc_gpu_memory_used_bytes{device="1",name="Fake \"old\" one"} 0)"));
    CHECK(contains(page, R"(casc_gpu_power_watts{device="0",name="Fake H200"} 412.5)"));
    CHECK_FALSE(contains(page, R"(casc_gpu_power_watts{device="1")"));
    const std::filesystem::path source(CASC_SOURCE_DIR);
    for (const char* file : {"ops/prometheus/inference_alerts.yml", "ops/grafana/inference.json"})
        check_metrics_named_in(source / file, page);
    REQUIRE(asker.host("unload", "tiny"));
    CHECK_FALSE(contains(http_get(asker.broker.http_endpoint(), "/metrics"), R"(model="tiny")"));
}
