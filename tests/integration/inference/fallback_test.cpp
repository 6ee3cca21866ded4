// A model that does badly: others answer in its place.

#include "service_fixture.hpp"
#include "text.hpp"

#include <atomic>
#include <mutex>

using namespace casc;
using namespace casc::test;

namespace {

// Somebody who answers like a model, or fails; counts what comes.
class OtherModel {
public:
    OtherModel(client::Client& client, const std::string& subject)
        : responder_(must(client.serve({.subject = subject}))), thread_([this] { run(); }) {}
    ~OtherModel() {
        stops_ = true;
        thread_.join();
    }
    OtherModel(const OtherModel&) = delete;
    OtherModel& operator=(const OtherModel&) = delete;

    void answer_with(std::string text) {
        const std::lock_guard lock(mutex_);
        text_ = std::move(text);
    }

    std::atomic<int> asked{0};
    std::atomic<bool> fails{false};
    std::atomic<bool> is_silent{false};

private:
    void run() {
        while (!stops_) {
            const auto requests = responder_.poll(100, 10ms);
            if (!requests) continue;
            for (const client::ReceivedRequest& request : *requests)
                answer(request);
        }
    }
    void answer(const client::ReceivedRequest& request) {
        ++asked;
        if (is_silent) return;
        const json::value asked_for = json::parse(text_of(request.event.payload));
        if (fails || asked_for.as_object().contains("model"))
            return static_cast<void>(
                responder_.fail(request.id, {ErrorCode::device_failed, "mine, too"}));
        const std::lock_guard lock(mutex_);
        const std::string text = text_;
        static_cast<void>(responder_.answer(request.id, {.payload = bytes_of(text)}));
    }

    std::mutex mutex_;  // of text_
    std::string text_ =
        R"({"request_id": "mine", "status": "success", "response": {"model_used": "other",)"
        R"("result": {"text": "from the other"}, "metadata": {"backend": "its own"}}})";
    client::Responder responder_;
    std::atomic<bool> stops_{false};
    std::thread thread_;
};

struct FallbackFixture : ServiceFixture {
    // Before what the device's thread reads.
    ~FallbackFixture() {
        may_compute = true;
        may_compute.notify_all();
        service.reset();
    }

    // Owned by the test, read by the device's thread.
    std::atomic<bool> device_fails{false};
    std::atomic<bool> may_compute{true};
    std::atomic<int> steps{0};

    ServiceOptions options_with(std::vector<std::string> subjects) {
        ServiceOptions options;
        for (std::string& subject : subjects)
            options.fallback.choices.push_back({.subject = std::move(subject), .endpoint = {}});
        return options;
    }
    void serve_failing(ServiceOptions options) {
        auto backend = make_backend();
        backend->fails = [this](std::uint64_t) { return device_fails.load(); };
        serve_with(std::move(options), engine_of(std::move(backend)));
    }
    Result<json::value> call(const std::string& text,
                             std::chrono::milliseconds timeout = kPatience) {
        const auto answer = client->request("infer.fake", {.payload = bytes_of(text)}, timeout);
        if (!answer) return answer.error();
        return json::parse(answer->text());
    }
    ServiceOptions calls_with(std::vector<std::string> subjects) {
        ServiceOptions options = options_with(std::move(subjects));
        options.subject = "infer.fake";
        return options;
    }
};

std::string_view status_of(const json::value& answer) {
    return answer.at("status").as_string();
}
bool used_fallback(const json::value& answer) {
    return answer.at("response").at("metadata").at("fallback_used").as_bool();
}

}  // namespace

TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: when the device fails for good others answer the events, "
                  "each once, and the service goes on") {
    OtherModel other(*client, "infer.other");
    std::atomic<int> told{0};
    ServiceOptions options = options_with({"infer.other"});
    options.events_max = 16;
    options.on_failure = [&](const Error&) { ++told; };
    serve_failing(std::move(options));
    ask(numbered_requests(40));
    for (const auto& [id, seen] : answers(40)) {
        CHECK(status_of(seen.payload) == "success");
        CHECK_FALSE(used_fallback(seen.payload));
    }
    CHECK(other.asked == 0);
    device_fails = true;
    ask(numbered_requests(60, 40));
    const auto all = answers(100);
    CHECK(all.size() == 100);
    for (int i = 40; i < 100; ++i) {
        REQUIRE_MESSAGE(all.count(std::to_string(i)) == 1, i);
        const json::value& answer = all.find(std::to_string(i))->second.payload;
        CHECK(status_of(answer) == "degraded");
        CHECK(used_fallback(answer));
        CHECK(text_in(answer) == "from the other");
        CHECK(answer.at("response").at("metadata").at("backend").as_string() == "its own");
    }
    CHECK(service->failure()->code == ErrorCode::device_failed);
    CHECK(service->counts().fallbacks == 60);
    CHECK(told == 1);
}

TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: the chain is gone along until one answers, and not without "
                  "end") {
    OtherModel first(*client, "infer.first");
    OtherModel second(*client, "infer.second");
    first.fails = true;
    device_fails = true;
    serve_failing(calls_with({"infer.nobody", "infer.first", "infer.second"}));
    const auto answer = must(call(request_text("a", "hello", R"(, "stream": true)")));
    CHECK(status_of(answer) == "degraded");
    CHECK(answer.at("request_id").as_string() == "a");
    CHECK(first.asked == 1);
    CHECK(second.asked == 1);
    second.fails = true;
    const auto failed = call(request_text("b", "hello"));
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::device_failed);
    CHECK(contains(failed.error().detail, "infer.second"));
    CHECK(contains(failed.error().detail, "mine, too"));
    CHECK_FALSE(failed.error().fallback_available);
}

// They were refused again and again, until they were dead letters.
TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: what is no request, is late or is refused by all has an "
                  "answer, also when the device has failed for good") {
    OtherModel other(*client, "infer.other");
    device_fails = true;
    serve_failing(options_with({"infer.other"}));
    ask({request_text("good", "hello")});
    CHECK(answers(1).size() == 1);
    REQUIRE(service->failure());
    other.answer_with(R"({"status": "error", "error": {"number": 4001, "message": "never"}})");
    ask({R"({"id": "none"})", R"({"id": "late", "timeout_ms": 0, "params": {"prompt": "a"}})",
         request_text("refused", "hello")});
    const auto all = answers(4);
    REQUIRE(all.size() == 4);
    CHECK(status_of(all.find("none")->second.payload) == "error");
    CHECK(status_of(all.find("late")->second.payload) == "timeout");
    const json::value& refused = all.find("refused")->second.payload;
    CHECK(status_of(refused) == "error");
    CHECK(refused.at("error").at("number").to_number<int>() == 4001);
}

// While all circuits were open the whole topic was answered with CIRCUIT_OPEN.
TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: events wait in the topic while nobody could answer them") {
    OtherModel other(*client, "infer.other");
    other.fails = true;
    device_fails = true;
    ServiceOptions options = options_with({"infer.other"});
    options.events_max = 8;
    options.fallback.failures_max = 2;
    options.fallback.open_for = 300ms;
    serve_failing(std::move(options));
    ask(numbered_requests(100));
    REQUIRE(wait_until([&] { return other.asked >= 4; }));
    other.fails = false;
    const auto all = answers(100);
    CHECK(all.size() == 100);
    for (const auto& [id, seen] : all)
        CHECK(status_of(seen.payload) == "degraded");
}

TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: while no other one works the model itself is asked") {
    ServiceOptions options = calls_with({"infer.nobody"});
    options.fallback.failures_max = 1;
    options.fallback.latency_p99_max = 0ms;  // nothing is as fast
    serve_failing(std::move(options));
    int answered = 0;
    for (int i = 0; i < 60; ++i)
        answered += call(request_text(std::to_string(i), "hello")) ? 1 : 0;
    // One goes to nobody, whose circuit is open then.
    CHECK(answered == 59);
}

TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: one that is not there or says nothing leaves time for the "
                  "next one") {
    OtherModel silent(*client, "infer.silent");
    silent.is_silent = true;
    OtherModel other(*client, "infer.other");
    device_fails = true;
    ServiceOptions options = calls_with({"infer.elsewhere", "infer.silent", "infer.other"});
    {
        const TestBroker gone;
        options.fallback.choices[0].endpoint = gone.endpoint();
    }
    serve_failing(std::move(options));
    CHECK(text_in(must(call(request_text("a", "hello"), 6s))) == "from the other");
    CHECK(silent.asked == 1);
    CHECK(other.asked == 1);
}

TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: requests that come too late open no circuit") {
    OtherModel other(*client, "infer.other");
    serve_failing(calls_with({"infer.other"}));
    for (int i = 0; i < 20; ++i)
        CHECK_FALSE(call(R"({"timeout_ms": 0, "params": {"prompt": "hello"}})"));
    CHECK(status_of(must(call(request_text("a", "hello")))) == "success");
    CHECK(other.asked == 0);
}

TEST_CASE_FIXTURE(FallbackFixture, "inference/fallback: a place that cannot be one is refused") {
    ServiceOptions options = calls_with({"infer.other"});
    options.fallback.choices[0].endpoint = "ftp://other";
    options.client = client_options();
    const auto started = ModelService::start(options, make_engine());
    REQUIRE_FALSE(started);
    CHECK(started.error().code == ErrorCode::invalid_config);
    CHECK(contains(started.error().detail, "infer.other"));
}

// Two models that stand in for each other would ask in a circle.
TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: who is asked in another's place asks nobody else") {
    device_fails = true;
    ServiceOptions options = options_with({"infer.fake"});
    options.subject = "infer.twin";
    serve_failing(std::move(options));
    const auto twin = std::move(service);
    serve_failing(calls_with({"infer.twin"}));
    const auto answer = call(request_text("a", "hello"));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::device_failed);
    CHECK(twin->counts().calls == 1);
    CHECK(service->counts().calls == 1);
}

TEST_CASE_FIXTURE(FallbackFixture, "inference/fallback: another broker can be the second choice") {
    TestBroker elsewhere;
    client::ClientOptions there;
    there.endpoints = {elsewhere.endpoint()};
    const auto its_client = must(client::Client::connect(there));
    OtherModel other(*its_client, "infer.other");
    device_fails = true;
    ServiceOptions options = calls_with({"infer.other"});
    options.fallback.choices[0].endpoint = elsewhere.endpoint();
    serve_failing(std::move(options));
    CHECK(text_in(must(call(request_text("a", "hello")))) == "from the other");
    CHECK(other.asked == 1);
}

TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: parts are told to whoever waits for them, and half an "
                  "answer is not ended by another model") {
    OtherModel other(*client, "infer.other");
    auto backend = make_backend();
    backend->answers.ends_one_in = 0;
    // The first request's device fails in the middle of its answer, the second one's at once.
    backend->fails = [&](std::uint64_t) { return ++steps > 4; };
    serve_with(calls_with({"infer.other"}), engine_of(std::move(backend)));
    const auto ask_for_parts = [&](const std::string& id, std::string& text) {
        const std::string request = request_text(id, "hello", R"(, "stream": true)");
        auto stream =
            must(client->request_stream("infer.fake", {.payload = bytes_of(request)}, {kPatience}));
        for (;;) {
            const auto part = stream.next(kPatience);
            if (!part) return part.error().code;
            if (!*part) return ErrorCode::ok;
            const json::value value = json::parse((*part)->text());
            if (value.as_object().contains("text"))
                text += value.at("text").as_string();
            else
                CHECK((status_of(value) == "degraded" && text_in(value).empty()));
        }
    };
    std::string text;
    CHECK(ask_for_parts("a", text) == ErrorCode::device_failed);
    CHECK_FALSE(text.empty());
    CHECK(other.asked == 0);
    text.clear();
    CHECK(ask_for_parts("b", text) == ErrorCode::ok);
    CHECK(text == "from the other");
}

TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: what others have when the service ends is given back") {
    OtherModel other(*client, "infer.other");
    other.is_silent = true;
    device_fails = true;
    ServiceOptions options = options_with({"infer.other"});
    options.close_linger = 50ms;
    serve_failing(std::move(options));
    ask(numbered_requests(3));
    REQUIRE(wait_until([&] { return other.asked == 3; }));
    service->close();
    device_fails = false;
    serve();
    const auto all = answers(3);
    CHECK(all.size() == 3);
    for (const auto& [id, seen] : all)
        CHECK(status_of(seen.payload) == "success");
}

TEST_CASE_FIXTURE(FallbackFixture,
                  "inference/fallback: a full line is said with who else may answer") {
    may_compute = false;
    auto backend = make_backend();
    backend->fails = [&](std::uint64_t) {
        may_compute.wait(false);
        return false;
    };
    gpu::EngineOptions line;
    line.batches.max_batch = 8;
    line.batches.queue_capacity = 8;
    ServiceOptions options = calls_with({"infer.other"});
    serve_with(
        std::move(options),
        must(gpu::Engine::open(std::move(backend), std::make_shared<FakeTokenizer>(), line)));
    std::atomic<int> told{0};
    std::atomic<int> refused{0};
    const std::string text = request_text("a", "hello");
    for (int i = 0; i < 40; ++i)
        client->request_async("infer.fake", {.payload = bytes_of(text)}, kPatience,
                              [&](Result<client::Answer> answer) {
                                  if (!answer &&
                                      answer.error().code == ErrorCode::model_overloaded &&
                                      answer.error().fallback_available)
                                      ++refused;
                                  ++told;
                              });
    CHECK(wait_until([&] { return service->counts().calls == 40; }));
    may_compute = true;
    may_compute.notify_all();
    CHECK(wait_until([&] { return told == 40; }));
    CHECK(refused > 0);
}
