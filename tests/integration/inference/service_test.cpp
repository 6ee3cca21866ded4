// A model's service at a real broker: events are answered exactly once, calls at once.

#include "disk_filler.hpp"
#include "service_fixture.hpp"
#include "text.hpp"

#include <atomic>
#include <optional>
#include <sys/resource.h>

using namespace casc;
using namespace casc::test;

TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: a request has one answer, on its lane and with its key") {
    ask({request_text("a", "hello")}, Lane::critical, "k1");
    ask({request_text("b", "hello")}, Lane::low);
    serve();
    const auto all = answers(2);
    REQUIRE(all.size() == 2);
    const Seen& first = all.find("a")->second;
    CHECK(first.lane == Lane::critical);
    CHECK(first.key == "k1");
    CHECK(first.payload.at("status").as_string() == "success");
    CHECK(first.payload.at("response").at("model_used").as_string() == "fake");
    CHECK(all.find("b")->second.lane == Lane::low);
    // The same prompt has the same text, whoever it rides with.
    CHECK(text_in(first.payload) == text_in(all.find("b")->second.payload));
    CHECK(service->counts().answers == 2);
    CHECK(service->counts().commits >= 1);
}

TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: what is no request has an error for an answer, and others "
                  "are answered all the same") {
    std::vector<std::string> requests = numbered_requests(20);
    requests.insert(requests.begin() + 3, "nonsense");
    requests.insert(requests.begin() + 9, R"({"id": "bad", "params": {"prompt": "x", "topp": 1}})");
    requests.push_back(R"({"id": "other", "model": "gpt", "params": {"prompt": "x"}})");
    requests.push_back(request_text("long", std::string(400, 'x')));
    requests.push_back(request_text("poison", "a ! in it"));
    ask(requests);
    serve();
    const auto all = answers(requests.size());
    REQUIRE(all.size() == requests.size());
    const auto code_of = [&](const std::string& id) {
        return std::string(all.find(id)->second.payload.at("error").at("code").as_string());
    };
    CHECK(code_of("") == "INVALID_REQUEST");
    CHECK(code_of("bad") == "INVALID_REQUEST");
    CHECK(code_of("other") == "MODEL_NOT_FOUND");
    CHECK(code_of("long") == "INVALID_REQUEST");
    CHECK(code_of("poison") == "INFERENCE_FAILED");
    for (int i = 0; i < 20; ++i)
        CHECK(all.find(std::to_string(i))->second.payload.at("status").as_string() == "success");
}

TEST_CASE_FIXTURE(ServiceFixture, "inference/service: who was asked too long ago says so") {
    ask({R"({"id": "late", "timeout_ms": 1, "params": {"prompt": "x"}})",
         R"({"id": "early", "timeout_ms": 3600000, "params": {"prompt": "x", "max_tokens": 4}})"});
    std::this_thread::sleep_for(5ms);  // what the test is about: time has passed
    serve();
    const auto all = answers(2);
    REQUIRE(all.size() == 2);
    CHECK(all.find("late")->second.payload.at("status").as_string() == "timeout");
    CHECK(all.find("early")->second.payload.at("status").as_string() == "success");
}

TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: each request has exactly one answer, though the broker is "
                  "killed again and again") {
    constexpr int kRequests = 400;
    serve({.events_max = 16});
    ask(numbered_requests(kRequests / 2));
    for (int round = 0; round < 5; ++round) {
        const std::uint64_t answered = service->counts().answers;
        wait_until([&] { return service->counts().answers >= answered + 20; });
        broker.kill_hard();
        broker.restart();
    }
    ask(numbered_requests(kRequests / 2, kRequests / 2));
    const auto all = answers(kRequests);
    CHECK(all.size() == kRequests);
    for (int i = 0; i < kRequests; ++i)
        CHECK_MESSAGE(all.count(std::to_string(i)) == 1, i);
}

TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: two services of a group share the requests, and what one has "
                  "not answered when it goes the other does") {
    serve({.events_max = 8});
    auto first = std::move(service);
    serve({.events_max = 8});
    ask(numbered_requests(200));
    first->close();
    const auto all = answers(200);
    CHECK(all.size() == 200);
    for (int i = 0; i < 200; ++i)
        CHECK_MESSAGE(all.count(std::to_string(i)) == 1, i);
}

// It answered everything that waited in the topic with DEVICE_FAILED, faster than any other.
TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: when its device fails for good a service gives its requests "
                  "back and ends, and another one answers them") {
    std::atomic<int> told{0};
    auto backend = make_backend();
    backend->fails = [](std::uint64_t step) { return step > 20; };
    serve_with({.events_max = 16, .on_failure = [&](const Error&) { ++told; }},
               engine_of(std::move(backend)));
    ask(numbered_requests(100));
    REQUIRE(wait_until([&] { return service->failure().has_value(); }));
    CHECK(service->failure()->code == ErrorCode::device_failed);
    const auto failed = std::move(service);
    serve();
    const auto all = answers(100);
    CHECK(all.size() == 100);
    for (int i = 0; i < 100; ++i) {
        REQUIRE_MESSAGE(all.count(std::to_string(i)) == 1, i);
        CHECK(all.find(std::to_string(i))->second.payload.at("status").as_string() == "success");
    }
    CHECK(told == 1);
    CHECK(failed->counts().answers + service->counts().answers >= 100);
}

TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: calls of a service whose device fails say so, and the next "
                  "ones that nobody is there") {
    auto backend = make_backend();
    backend->fails = [](std::uint64_t) { return true; };
    serve_with({.subject = "infer.fake"}, engine_of(std::move(backend)));
    const auto code = [&] {
        const auto answer = client->request(
            "infer.fake", {.payload = bytes_of(request_text("c", "hello"))}, kPatience);
        return answer ? ErrorCode::ok : answer.error().code;
    };
    CHECK(code() == ErrorCode::device_failed);
    CHECK(wait_until([&] { return code() == ErrorCode::no_responders; }));
}

// They were refused, computed again, and in the end dead letters.
TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: answers for which the disk has no room are written when it "
                  "has, and computed once") {
    broker.options().settings.push_back(reserve_for_filler(broker.folder()));
    broker.restart();
    std::atomic<bool> may_compute{false};
    auto backend = make_backend();
    backend->fails = [&](std::uint64_t) {
        may_compute.wait(false);
        return false;
    };
    serve_with({.events_max = 16}, engine_of(std::move(backend)));
    create("other");
    ask(numbered_requests(40));
    CHECK(wait_until([&] { return service->counts().events == 16; }));
    std::optional<DiskFiller> filler(broker.folder());
    write_until_full("other");
    may_compute = true;
    may_compute.notify_all();
    CHECK(wait_until([&] { return service->counts().failed_commits >= 2; }));
    // All that it may have are answered, and no more are taken.
    CHECK(wait_until([&] { return service->counts().answers == 16; }));
    CHECK(service->counts().events == 16);
    filler.reset();
    const auto all = answers(40);
    CHECK(all.size() == 40);
    for (int i = 0; i < 40; ++i)
        CHECK_MESSAGE(all.count(std::to_string(i)) == 1, i);
    CHECK(service->counts().answers == 40);
}

// Those that had come and were not looked at waited for the end of its linger, as RESPONDER_LOST.
TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: no call is lost when another service takes over") {
    serve({.subject = "infer.fake"});
    std::atomic<bool> is_changing{true};
    std::atomic<int> asked{0};
    std::atomic<int> answered{0};
    std::atomic<int> lost{0};
    std::thread caller([&] {
        while (is_changing) {
            const std::string text = request_text("c", "hello");
            client->request_async(
                "infer.fake", {.payload = bytes_of(text)}, kPatience,
                [&](Result<client::Answer> answer) { ++(answer ? answered : lost); });
            // So many at a time that some always are on their way.
            ++asked;
            while (asked - answered - lost > 20)
                std::this_thread::yield();
        }
        while (answered + lost != asked)
            std::this_thread::yield();
    });
    for (int round = 0; round < 5; ++round) {
        const auto before = std::move(service);
        serve({.subject = "infer.fake"});
        while (service->counts().calls < 100)
            std::this_thread::yield();
        before->close();
    }
    is_changing = false;
    caller.join();
    CHECK(answered == asked);
    CHECK(lost == 0);
}

TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: a call is answered, and refused with its code") {
    serve({.subject = "infer.fake"});
    const auto ask_for = [&](const std::string& payload) {
        return client->request("infer.fake", {.payload = bytes_of(payload)}, kPatience);
    };
    const auto answer = must(ask_for(request_text("c", "hello")));
    const json::value payload = json::parse(text_of(answer.event().payload));
    CHECK(payload.at("request_id").as_string() == "c");
    CHECK_FALSE(text_in(payload).empty());
    const auto refused = ask_for(R"({"params": {}})");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_request);
    CHECK(contains(refused.error().detail, "'params.prompt' is missing"));
    const auto unknown = ask_for(R"({"model": "gpt", "params": {"prompt": "x"}})");
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ErrorCode::model_not_found);
    CHECK(service->counts().calls == 3);
}

TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: a stream's pieces make the text of the whole") {
    serve({.subject = "infer.fake"});
    const auto whole = must(client->request(
        "infer.fake", {.payload = bytes_of(request_text("s", "go on"))}, kPatience));
    const std::string text = text_in(json::parse(text_of(whole.event().payload)));
    auto stream = must(client->request_stream(
        "infer.fake", {.payload = bytes_of(request_text("s", "go on", R"(, "stream": true)"))}));
    std::string pieces;
    json::value last;
    for (;;) {
        const auto part = must(stream.next(kPatience));
        if (!part) break;
        last = json::parse(text_of(part->event().payload));
        if (const auto* piece = last.as_object().if_contains("text"))
            pieces += std::string(piece->as_string());
    }
    CHECK(pieces == text);
    CHECK(last.at("status").as_string() == "success");
}

TEST_CASE_FIXTURE(ServiceFixture, "inference/service: a classifier answers with labels") {
    serve({.subject = "infer.fake"}, {"admin", "games", "libs"});
    const auto answer = must(client->request(
        "infer.fake",
        {.payload = bytes_of(
             std::string(R"({"method": "classify", "params": {"prompt": "a chess program"}})"))},
        kPatience));
    const json::value payload = json::parse(text_of(answer.event().payload));
    const json::value& result = payload.at("response").at("result");
    double sum = 0;
    for (const auto& probability : result.at("probabilities").as_object())
        sum += probability.value().to_number<double>();
    CHECK(sum == doctest::Approx(1));
    CHECK(result.at("probabilities").as_object().contains(result.at("label").as_string()));
}

// It spun: the flag of the source that it has not was always set.
TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: a service that only has calls sleeps when nobody calls") {
    serve({.subject = "infer.fake"});
    const auto cpu_seconds = [] {
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    };
    const double before = cpu_seconds();
    std::this_thread::sleep_for(1s);  // what is looked at: a second of doing nothing
    CHECK(cpu_seconds() - before < 0.5);
}

TEST_CASE_FIXTURE(ServiceFixture, "inference/service: settings that cannot work are refused") {
    const auto refused = [&](ServiceOptions options) {
        options.client = client_options();
        const auto started = ModelService::start(options, make_engine());
        REQUIRE_FALSE(started);
        return started.error().code;
    };
    CHECK(refused({}) == ErrorCode::invalid_config);
    CHECK(refused({.topic = "asked"}) == ErrorCode::invalid_config);
    CHECK(refused({.topic = "asked", .results = "asked"}) == ErrorCode::invalid_config);
    CHECK(refused({.subject = "a.*"}) != ErrorCode::ok);
    CHECK(refused({.topic = "asked", .results = "nowhere"}) == ErrorCode::unknown_topic);
    fb::CreateTopicT memory;
    memory.name = "forgetful";
    memory.settings = std::make_unique<fb::TopicSettingsT>();
    memory.settings->durability = static_cast<std::uint8_t>(Durability::memory);
    must(client->call(memory));
    CHECK(refused({.topic = "asked", .results = "forgetful"}) == ErrorCode::invalid_config);
}

// It kept all answers of its commit from being written, until they were dead letters.
TEST_CASE_FIXTURE(ServiceFixture,
                  "inference/service: an answer that is too large for its topic is an error, and "
                  "the others are written") {
    fb::DeleteTopicT gone;
    gone.name = "answered";
    must(client->call(gone));
    fb::CreateTopicT small;
    small.name = "answered";
    small.settings = std::make_unique<fb::TopicSettingsT>();
    small.settings->event_bytes_max = 600;
    must(client->call(small));
    auto backend = make_backend();
    backend->answers.ends_one_in = 0;
    ask({request_text("small", "hello"),
         R"({"id": "large", "params": {"prompt": "hello", "max_tokens": 240}})",
         request_text("small, too", "hello")});
    serve_with({}, engine_of(std::move(backend)));
    const auto all = answers(3);
    REQUIRE(all.size() == 3);
    CHECK(all.find("small")->second.payload.at("status").as_string() == "success");
    CHECK(all.find("small, too")->second.payload.at("status").as_string() == "success");
    const json::value& large = all.find("large")->second.payload;
    CHECK(large.at("error").at("code").as_string() == "EVENT_TOO_LARGE");
}
