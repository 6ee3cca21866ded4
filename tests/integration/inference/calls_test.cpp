// Calls of a model, and callers that are slow, go away, or lose their broker.

#include "service_fixture.hpp"
#include "text.hpp"

#include <atomic>

using namespace casc;
using namespace casc::test;

namespace {

struct CallFixture : ServiceFixture {
    // Answers of `steps` tokens, each of which takes until `may_step` says so.
    void serve_calls(ServiceOptions options = {}) {
        auto backend = make_backend();
        backend->answers.ends_one_in = 0;
        backend->fails = [this](std::uint64_t) {
            may_step.wait(false);
            return false;
        };
        options.subject = "infer.fake";
        serve_with(std::move(options), engine_of(std::move(backend)));
    }
    ~CallFixture() {
        go_on();
        service.reset();
    }
    void go_on() {
        may_step = true;
        may_step.notify_all();
    }
    [[nodiscard]] std::uint64_t ended(gpu::Outcome outcome) const {
        return service->metrics()->outcomes[static_cast<std::size_t>(outcome)].value();
    }
    [[nodiscard]] std::string long_request(const std::string& id, const std::string& more = {}) {
        return R"({"id": ")" + id + R"(", "params": {"prompt": "hello", "max_tokens": 200)" + more +
               "}}";
    }

    // Owned by the test, read by the device's thread.
    std::atomic<bool> may_step{true};
};

}  // namespace

TEST_CASE_FIXTURE(CallFixture,
                  "inference/calls: who does not take the parts of his answer loses it, and nobody "
                  "else waits for him") {
    serve_calls();
    const std::string slow = long_request("slow", R"(, "stream": true)");
    auto stream = must(client->request_stream("infer.fake", {.payload = bytes_of(slow)},
                                              {.timeout = kPatience, .credit_bytes = 64}));
    // He reads nothing; the others have theirs.
    for (int i = 0; i < 20; ++i) {
        const std::string id = std::to_string(i);
        const std::string text = request_text(id, "prompt " + id);
        const auto answer =
            must(client->request("infer.fake", {.payload = bytes_of(text)}, kPatience));
        CHECK(json::parse(answer.text()).at("request_id").as_string() == id);
    }
    // It may have been computed to its end before the service sees that its parts are not taken.
    CHECK(
        wait_until([&] { return ended(gpu::Outcome::cancelled) + ended(gpu::Outcome::ok) == 21; }));
    CHECK(wait_until([&] { return service->counts().errors == 1; }));
    CHECK(wait_until([&] { return service->metrics()->running.value() == 0; }));
    ErrorCode end = ErrorCode::ok;
    while (end == ErrorCode::ok) {
        const auto part = stream.next(kPatience);
        REQUIRE((!part || *part));
        if (!part) end = part.error().code;
    }
    CHECK(end == ErrorCode::overloaded);
}

TEST_CASE_FIXTURE(CallFixture,
                  "inference/calls: a call that is cancelled leaves the batch, the others stay") {
    may_step = false;
    serve_calls();
    std::atomic<int> answered{0};
    std::atomic<int> cancelled{0};
    std::vector<client::RequestId> calls;
    std::vector<std::string> texts;
    for (int i = 0; i < 4; ++i)
        texts.push_back(long_request(std::to_string(i)));
    for (const std::string& text : texts)
        calls.push_back(client->request_async("infer.fake", {.payload = bytes_of(text)}, kPatience,
                                              [&](Result<client::Answer> answer) {
                                                  if (answer) ++answered;
                                                  if (!answer &&
                                                      answer.error().code == ErrorCode::cancelled)
                                                      ++cancelled;
                                              }));
    REQUIRE(wait_until([&] { return service->counts().calls == 4; }));
    client->cancel(calls[0]);
    client->cancel(calls[2]);
    CHECK(wait_until([&] { return cancelled == 2; }));
    go_on();
    CHECK(wait_until([&] { return answered == 2; }));
    // Whether the stage hears of it before they are computed to their ends is a race; that it does
    // is not, and no slot stays theirs.
    CHECK(wait_until([&] { return service->metrics()->running.value() == 0; }));
    CHECK(
        wait_until([&] { return ended(gpu::Outcome::cancelled) + ended(gpu::Outcome::ok) == 4; }));
    const std::string after = request_text("after", "hello");
    must(client->request("infer.fake", {.payload = bytes_of(after)}, kPatience));
}

TEST_CASE_FIXTURE(CallFixture, "inference/calls: a caller that goes away takes its calls along") {
    may_step = false;
    serve_calls();
    {
        const auto other = connect();
        const std::string text = long_request("gone");
        other->request_async("infer.fake", {.payload = bytes_of(text)}, kPatience,
                             [](const Result<client::Answer>&) {});
        REQUIRE(wait_until([&] { return service->counts().calls == 1; }));
    }
    go_on();
    CHECK(
        wait_until([&] { return ended(gpu::Outcome::cancelled) + ended(gpu::Outcome::ok) == 1; }));
    CHECK(wait_until([&] { return service->metrics()->running.value() == 0; }));
}

// The numbers of calls begin anew with the broker.
TEST_CASE_FIXTURE(
    CallFixture,
    "inference/calls: a broker that is killed loses the calls that were under way, and "
    "no answer goes to another call") {
    serve_calls();
    std::atomic<bool> stops{false};
    std::atomic<int> right{0};
    std::atomic<int> wrong{0};
    std::atomic<int> lost{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller)
        callers.emplace_back([&, caller] {
            for (int i = 0; !stops; ++i) {
                const std::string id = std::to_string(caller) + '-' + std::to_string(i);
                const std::string text = request_text(id, "prompt " + id);
                const auto answer =
                    client->request("infer.fake", {.payload = bytes_of(text)}, 2000ms);
                if (!answer) {
                    ++lost;
                } else if (json::parse(answer->text()).at("request_id").as_string() == id) {
                    ++right;
                } else {
                    ++wrong;
                }
            }
        });
    for (int round = 0; round < 3; ++round) {
        const int before = right;
        CHECK(wait_until([&] { return right >= before + 50; }));
        broker.kill_hard();
        broker.restart();
    }
    const int before = right;
    CHECK(wait_until([&] { return right >= before + 50; }));
    stops = true;
    for (std::thread& caller : callers)
        caller.join();
    CHECK(wrong == 0);
    CHECK_FALSE(service->failure());
}
