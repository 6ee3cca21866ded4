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
