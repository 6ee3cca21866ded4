// casc-admin model and infer, against a broker with a small model of random numbers.

#include "admin_run.hpp"
#include "text.hpp"
#include "tiny_model.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace casc;
using namespace casc::test;

namespace {

struct ModelFixture {
    ModelsFolder models;
    AdminFixture admin;

    ModelFixture() : admin(options_for(models)) {}

    static TestBrokerOptions options_for(const ModelsFolder& models) {
        TestBrokerOptions options;
        options.settings = {"models.folder=" + models.path().string()};
        return options;
    }
};

}  // namespace

TEST_CASE_FIXTURE(ModelFixture, "admin/model: a model is loaded, asked and unloaded") {
    models.add("tiny", "1", "llama");
    models.add("judge", "1", "classifier");
    CHECK(admin.json({"model", "ls"}).as_array().size() == 2);
    CHECK(admin.json({"model", "load", "tiny"}).at("state").as_string() == "ready");
    CHECK(admin.json({"model", "load", "judge"}).at("version").as_string() == "1");
    const auto answer =
        admin.json({"infer", "generate", "tiny", "hello", "--max-tokens", "5", "--seed", "3"});
    CHECK(answer.at("response").at("result").at("tokens_generated").to_number<int>() <= 5);
    const AdminRun text = admin.run({"infer", "generate", "tiny", "--max-tokens", "5"}, "hello");
    CHECK(text.code == 0);
    const AdminRun streamed =
        admin.run({"infer", "generate", "tiny", "--max-tokens", "5", "--stream"}, "hello");
    CHECK(streamed.code == 0);
    CHECK(streamed.out == text.out);
    const auto judged = admin.json({"infer", "classify", "judge", "hello"});
    CHECK(judged.at("response").at("result").as_object().contains("label"));
    CHECK(admin.json({"model", "unload", "tiny"}).at("state").as_string() == "unloaded");
    CHECK(contains(admin.run({"infer", "generate", "tiny", "hello"}).err, "NO_RESPONDERS"));
}

TEST_CASE_FIXTURE(ModelFixture, "admin/model: info says what a model is, loaded or not") {
    models.add("tiny", "1", "llama", "max_batch = 5\n[[fallback]]\nsubject = \"infer.other\"\n");
    CHECK(admin.json({"model", "info", "tiny"}).at("state").as_string() == "unloaded");
    admin.json({"model", "load", "tiny"});
    const auto info = admin.json({"model", "info", "tiny"});
    CHECK(info.at("config").at("kind").as_string() == "llama");
    CHECK(info.at("settings").at("max_batch").to_number<int>() == 5);
    CHECK(info.at("versions").as_array().size() == 1);
    const AdminRun text = admin.run({"model", "info", "tiny"});
    CHECK(contains(text.out, "infer.other"));
    CHECK(contains(admin.run({"model", "info", "nothing"}).err, "MODEL_NOT_FOUND"));
}

TEST_CASE_FIXTURE(ModelFixture, "admin/model: bench asks as often as it says, and stats count it") {
    models.add("tiny", "1", "llama");
    models.add("judge", "1", "classifier");
    admin.json({"model", "load", "tiny"});
    admin.json({"model", "load", "judge"});
    const auto run = admin.json({"model", "bench", "tiny", "--requests", "30", "--in-flight", "4",
                                 "--max-tokens", "6", "--prompt", "hello"});
    CHECK(run.at("requests").to_number<int>() == 30);
    CHECK(run.at("errors").to_number<int>() == 0);
    CHECK(run.at("requests_per_second").to_number<double>() > 0);
    CHECK(run.at("request_ms_p99").to_number<double>() >=
          run.at("request_ms_p50").to_number<double>());
    const double batch = run.at("batch_mean").to_number<double>();
    CHECK((batch >= 1 && batch <= 4));
    const auto all = admin.json({"infer", "stats"});
    CHECK(all.as_array().size() == 2);
    const auto stats = admin.json({"infer", "stats", "tiny"}).at(0);
    CHECK(stats.at("requests").at("ok").to_number<int>() == 30);
    CHECK(stats.at("lanes").at("normal").at("queue_ms").at("count").to_number<int>() == 30);
    CHECK(contains(admin.run({"infer", "stats"}).out, "judge"));
    CHECK(contains(admin.run({"infer", "stats", "tiny"}).out, "WHY BATCHES LEFT"));
    CHECK(contains(admin.run({"infer", "stats", "nothing"}).err, "MODEL_NOT_FOUND"));
    const auto judged = admin.json({"model", "bench", "judge", "--method", "classify", "--requests",
                                    "3", "--prompt", "hello"});
    CHECK(judged.at("errors").to_number<int>() == 0);
    const AdminRun refused = admin.run({"model", "bench", "judge", "--requests", "3"});
    CHECK(refused.code != 0);
    CHECK(contains(refused.err, "INVALID_REQUEST"));
}

TEST_CASE_FIXTURE(ModelFixture, "admin/model: what cannot be done says why") {
    const AdminRun missing = admin.run({"model", "load", "tiny"});
    CHECK(missing.code != 0);
    CHECK(contains(missing.err, "MODEL_NOT_FOUND"));
    models.add("tiny", "1", "llama");
    CHECK(admin.run({"model", "load", "tiny"}).code == 0);
    const AdminRun refused = admin.run({"infer", "classify", "tiny", "hello"});
    CHECK(refused.code != 0);
    CHECK(contains(refused.err, "INVALID_REQUEST"));
}

TEST_CASE_FIXTURE(AdminFixture, "admin/model: a broker without models says where they would be") {
    const AdminRun run = this->run({"model", "ls"});
    CHECK(run.code != 0);
    CHECK(contains(run.err, "models.folder"));
}
