// Request and reply through the client library.

#include "broker_verbs.hpp"
#include "sanitizers.hpp"

#include <casc/client/resilient_requester.hpp>

#include <atomic>
#include <csignal>
#include <map>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace casc;
using namespace casc::test;

namespace {

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}
std::string text_of_request(const client::ReceivedRequest& request) {
    const auto payload = request.event.payload;
    return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

// A responder on a thread and a connection of its own.
class Server {
public:
    using Handle = std::function<void(client::Responder&, const client::ReceivedRequest&)>;

    Server(const TestBroker& broker, const std::string& subject, Handle handle,
           std::uint32_t open_max = 100)
        : client_(connect(broker)),
          responder_(must(client_->serve({.subject = subject,
                                          .open_max = open_max,
                                          .on_cancelled =
                                              [this](client::CallId, ErrorCode why) {
                                                  cancelled_ = why;
                                                  ++cancellations_;
                                              }}))),
          thread_([this, handle = std::move(handle)] {
              while (!stopping_) {
                  const auto requests = responder_.poll(10, 5ms);
                  if (!requests) continue;
                  for (const auto& request : *requests) {
                      ++handled_;  // before whoever has its answer can ask
                      handle(responder_, request);
                  }
              }
          }) {}
    ~Server() {
        stopping_ = true;
        thread_.join();
    }

    [[nodiscard]] int handled() const { return handled_; }
    [[nodiscard]] int cancellations() const { return cancellations_; }
    [[nodiscard]] ErrorCode cancelled() const { return cancelled_; }

private:
    std::atomic<bool> stopping_{false};
    std::atomic<int> handled_{0};
    std::atomic<int> cancellations_{0};
    std::atomic<ErrorCode> cancelled_{ErrorCode::ok};
    std::unique_ptr<client::Client> client_;
    client::Responder responder_;
    std::thread thread_;
};

void echo(client::Responder& responder, const client::ReceivedRequest& request) {
    static_cast<void>(responder.answer(request.id, {.payload = request.event.payload}));
}
void keep_silent(client::Responder&, const client::ReceivedRequest&) {}

struct ClientFixture {
    TestBroker broker;
    std::unique_ptr<client::Client> client = connect(broker);

    template <class Condition>
    static void wait_for(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (!condition()) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            std::this_thread::sleep_for(1ms);
        }
    }
};

}  // namespace

TEST_CASE_FIXTURE(ClientFixture, "client/request: everything an event has travels both ways") {
    Server server(broker, "s", [](client::Responder& responder, const client::ReceivedRequest& r) {
        const std::array headers{wire::HeaderInput{"seen", "yes"}};
        client::Event answer{.payload = r.event.payload, .lane = r.event.lane, .headers = headers};
        answer.type = r.event.type;
        answer.correlation_id = r.event.correlation_id;
        answer.source = "server";
        CHECK(r.event.key);
        CHECK_FALSE(r.takes_parts);
        CHECK(r.deadline > std::chrono::steady_clock::now());
        static_cast<void>(responder.answer(r.id, answer));
    });
    client::Event event{.payload = bytes("hello"), .key = bytes("k"), .lane = Lane::high};
    event.type = "greeting";
    event.correlation_id = "c-7";
    const auto answer = client->request("s", event);
    REQUIRE_MESSAGE(answer, answer.error().message());
    CHECK(answer->text() == "hello");
    CHECK(answer->event().lane == Lane::high);
    CHECK(answer->event().type == "greeting");
    CHECK(answer->event().correlation_id == "c-7");
    CHECK(answer->event().source == "server");
    wire::HeaderCursor headers(answer->event().headers);
    std::string_view name, value;
    REQUIRE(headers.next(name, value));
    CHECK(value == "yes");
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/request: a responder that has stopped answers what it has, and the next "
                  "one is asked") {
    const auto first_client = connect(broker);
    auto first = must(first_client->serve({.subject = "s"}));
    std::atomic<int> answered{0};
    const auto ask = [&](std::string_view text) {
        client->request_async("s", {.payload = bytes(text)}, kPatience,
                              [&](Result<client::Answer> answer) {
                                  if (answer && answer->text() == "done") ++answered;
                              });
    };
    ask("one");
    std::vector<client::CallId> held;
    while (held.empty())
        for (const auto& request : must(first.poll(1, 100ms)))
            held.push_back(request.id);
    ask("two");  // to the first one, too: nobody else is there
    wait_for([&] {
        const auto services = must(client->call(fb::ListServicesT{})).services;
        return services.size() == 1 && services[0]->open == 2;
    });
    Server second(broker, "s", [](client::Responder& responder, const auto& request) {
        static_cast<void>(responder.answer(request.id, {.payload = bytes("done")}));
    });
    must(first.stop());
    must(first.stop());
    for (int i = 0; i < 10; ++i)
        ask("more");
    wait_for([&] { return answered == 10; });
    CHECK(second.handled() == 10);
    must(first.answer(held.front(), {.payload = bytes("done")}));
    // What had come before it stopped is there, and nothing else.
    const auto left = must(first.poll(10, kPatience));
    REQUIRE(left.size() == 1);
    CHECK(text_of_request(left[0]) == "two");
    must(first.answer(left[0].id, {.payload = bytes("done")}));
    first.flush();
    wait_for([&] { return answered == 12; });
    must(first.close());
}

TEST_CASE_FIXTURE(
    ClientFixture,
    "client/request: many threads ask over one client, and each gets its own answer") {
    Server server(broker, "s", echo, 7);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 500; ++i) {
                const std::string text = std::to_string(t) + ":" + std::to_string(i);
                const auto answer = client->request("s", {.payload = bytes(text)});
                if (!answer || answer->text() != text) ++wrong;
            }
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(wrong == 0);
    CHECK(server.handled() == 2000);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/request: without waiting, from callbacks, too, and cancelled") {
    Server server(broker, "s", echo);
    std::atomic<int> answers{0};
    // Each answer asks for the next.
    std::function<void(int)> ask = [&](int left) {
        client->request_async("s", {.payload = bytes("x")}, {},
                              [&, left](const Result<client::Answer>& answer) {
                                  if (answer && answer->text() == "x") ++answers;
                                  if (left > 1) ask(left - 1);
                              });
    };
    ask(100);
    wait_for([&] { return answers == 100; });

    Server silent(broker, "silent", keep_silent);
    std::atomic<ErrorCode> outcome{ErrorCode::ok};
    const auto id = client->request_async(
        "silent", {.payload = bytes("x")}, {},
        [&](const Result<client::Answer>& answer) { outcome = code_of(answer); });
    wait_for([&] { return silent.handled() == 1; });
    client->cancel(id);
    wait_for([&] { return outcome == ErrorCode::cancelled; });
    wait_for([&] { return silent.cancellations() == 1; });
    CHECK(silent.cancelled() == ErrorCode::cancelled);
    client->cancel(id);  // of no use, and no harm
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/request: errors are those of the responder and of the way") {
    CHECK(code_of(client->request("s", {})) == ErrorCode::no_responders);
    CHECK(code_of(client->request("not a name", {})) == ErrorCode::invalid_request);
    CHECK(code_of(client->request("", {})) == ErrorCode::invalid_request);
    Server server(broker, "s", [](client::Responder& responder, const client::ReceivedRequest& r) {
        if (text_of_request(r) == "silence") return;
        Error why(ErrorCode::model_overloaded, "three are before you", 250);
        why.fallback_available = true;
        CHECK(responder.fail(r.id, why));
        CHECK(code_of(responder.fail(r.id, ErrorCode::responder_failed)) == ErrorCode::call_ended);
        CHECK(code_of(responder.answer(r.id, {})) == ErrorCode::call_ended);
        CHECK_FALSE(responder.is_open(r.id));
    });
    const auto failed = client->request("s", {});
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::model_overloaded);
    CHECK(failed.error().detail == "three are before you");
    CHECK(failed.error().retry_after_ms == 250);
    CHECK(failed.error().fallback_available);
    const auto began = std::chrono::steady_clock::now();
    CHECK(code_of(client->request("s", {.payload = bytes("silence")}, 30ms)) == ErrorCode::timeout);
    CHECK(std::chrono::steady_clock::now() - began >= 30ms);
    wait_for([&] { return server.cancellations() == 1; });
    CHECK(server.cancelled() == ErrorCode::timeout);
    const std::string large(2 << 20, 'x');
    CHECK(code_of(client->request("s", {.payload = bytes(large)})) == ErrorCode::event_too_large);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/request: answers may come from another thread than the polling one") {
    std::mutex mutex;
    std::vector<client::CallId> calls;
    client::Responder* responder = nullptr;
    Server server(broker, "s", [&](client::Responder& r, const client::ReceivedRequest& request) {
        const std::lock_guard lock(mutex);
        responder = &r;
        calls.push_back(request.id);
    });
    std::atomic<int> answers{0};
    for (int i = 0; i < 20; ++i)
        client->request_async("s", {.payload = bytes("x")}, {},
                              [&](const Result<client::Answer>& answer) {
                                  if (answer) ++answers;
                              });
    wait_for([&] {
        const std::lock_guard lock(mutex);
        return calls.size() == 20;
    });
    CHECK(answers == 0);
    std::thread worker([&] {
        const std::lock_guard lock(mutex);
        for (const auto call : calls)
            CHECK(responder->answer(call, {.payload = bytes("y")}));
    });
    worker.join();
    wait_for([&] { return answers == 20; });
}

#if !CASC_THREAD_SANITIZER  // which knows no threads in the child of a process with threads
TEST_CASE_FIXTURE(ClientFixture,
                  "client/request: a responder whose process is killed fails its requests at once, "
                  "and another one takes over") {
    const auto serve_in_child = [&] {
        const pid_t child = ::fork();
        if (child != 0) return child;
        auto own = connect(broker);
        auto responder = must(own->serve({.subject = "s"}));
        for (;;)
            for (const auto& request : *responder.poll(1, 1s))
                if (text_of_request(request) != "hang") echo(responder, request);
    };
    const pid_t child = serve_in_child();
    wait_for([&] { return code_of(client->request("s", {})) == ErrorCode::ok; });
    std::atomic<ErrorCode> outcome{ErrorCode::ok};
    client->request_async("s", {.payload = bytes("hang")}, {},
                          [&](const Result<client::Answer>& answer) { outcome = code_of(answer); });
    CHECK(client->request("s", {.payload = bytes("behind it")})->text() == "behind it");
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    wait_for([&] { return outcome != ErrorCode::ok; });
    CHECK(outcome == ErrorCode::responder_lost);
    Server server(broker, "s", echo);
    CHECK(client->request("s", {.payload = bytes("x")})->text() == "x");
}
#endif

TEST_CASE_FIXTURE(ClientFixture,
                  "client/request: a responder serves again when the broker is back") {
    Server server(broker, "s", echo);
    CHECK(client->request("s", {.payload = bytes("a")})->text() == "a");
    broker.kill_hard();
    broker.start();
    wait_for([&] {
        const auto answer = client->request("s", {.payload = bytes("b")});
        return answer && answer->text() == "b";
    });
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/request: closing a responder fails what it has not answered") {
    auto own = connect(broker);
    std::optional<client::Responder> responder(must(own->serve({.subject = "s"})));
    std::atomic<ErrorCode> outcome{ErrorCode::ok};
    client->request_async("s", {}, {},
                          [&](const Result<client::Answer>& answer) { outcome = code_of(answer); });
    std::size_t got = 0;
    while (got == 0)
        got = must(responder->poll(1, 1s)).size();
    CHECK(responder->open_count() == 1);
    responder.reset();
    wait_for([&] { return outcome == ErrorCode::responder_lost; });
    CHECK(code_of(client->request("s", {})) == ErrorCode::no_responders);
}

// ---- from all, and in parts ---------------------------------------------------------------------

TEST_CASE_FIXTURE(ClientFixture,
                  "client/gather: each responder's result, with a quorum or a time") {
    Server anna(broker, "s", echo);
    Server bert(broker, "s", [](client::Responder& responder, const client::ReceivedRequest& r) {
        static_cast<void>(responder.fail(r.id, {ErrorCode::responder_failed, "no"}));
    });
    auto all = must(client->gather("s", {.payload = bytes("x")}));
    CHECK(all.responders == 2);
    CHECK(all.answers == 1);
    CHECK(all.failures == 1);
    CHECK_FALSE(all.has_quorum);
    REQUIRE(all.results.size() == 2);
    CHECK(all.results[0].responder != all.results[1].responder);
    std::set<ErrorCode> codes{code_of(all.results[0].answer), code_of(all.results[1].answer)};
    CHECK(codes == std::set<ErrorCode>{ErrorCode::ok, ErrorCode::responder_failed});

    Server silent(broker, "s", keep_silent);
    all = must(client->gather("s", {.payload = bytes("x")}, {.quorum = 1}));
    CHECK(all.has_quorum);
    CHECK(all.answers == 1);
    all = must(client->gather("s", {.payload = bytes("x")}, {.timeout = 30ms}));
    CHECK(all.responders == 3);
    CHECK(all.answers == 1);
    CHECK(all.failures == 1);
    CHECK(code_of(client->gather("s", {}, {.quorum = 4})) == ErrorCode::no_responders);
    CHECK(code_of(client->gather("nobody", {})) == ErrorCode::no_responders);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/stream: a long answer in parts, with little credit, in order") {
    Server server(broker, "s", [](client::Responder& responder, const client::ReceivedRequest& r) {
        CHECK(r.takes_parts);
        for (int i = 0; i < 300; ++i) {
            const std::string text = std::to_string(i);
            const auto said = responder.part(r.id, {.payload = bytes(text)});
            if (!said) return;
        }
        static_cast<void>(responder.answer(r.id, {.payload = bytes("end")}));
    });
    auto stream = must(client->request_stream("s", {}, {.credit_bytes = 500}));
    for (int i = 0; i < 300; ++i) {
        const auto part = must(stream.next(10s));
        REQUIRE(part);
        CHECK(part->text() == std::to_string(i));
    }
    CHECK(must(stream.next(10s))->text() == "end");
    CHECK(stream.ended());
    CHECK_FALSE(must(stream.next(10s)));

    // A requester that loses interest, and one that takes no parts.
    {
        auto left = must(client->request_stream("s", {}, {.credit_bytes = 500}));
        CHECK(must(left.next(10s))->text() == "0");
    }
    wait_for([&] { return server.cancellations() == 1; });
    CHECK(server.cancelled() == ErrorCode::cancelled);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/stream: who takes no parts gets none, and the responder is told") {
    std::atomic<ErrorCode> said{ErrorCode::ok};
    Server server(broker, "s", [&](client::Responder& responder, const client::ReceivedRequest& r) {
        said = code_of(responder.part(r.id, {.payload = bytes("part")}));
        echo(responder, r);
    });
    CHECK(client->request("s", {.payload = bytes("x")})->text() == "x");
    CHECK(said == ErrorCode::not_supported);
}

TEST_CASE_FIXTURE(
    ClientFixture,
    "client/resilience: with a real broker the second choice answers while the first is broken") {
    Server first(
        broker, "first", [](client::Responder& responder, const client::ReceivedRequest& r) {
            static_cast<void>(responder.fail(r.id, {ErrorCode::internal_error, "out of order"}));
        });
    Server second(broker, "second", echo);
    client::ResilientRequester requester(
        *client, {.subject = "first", .second_subject = "second", .retry = {.attempts_max = 1}});
    for (int i = 0; i < 5; ++i)
        CHECK(code_of(requester.request({.payload = bytes("x")}, 10s)) ==
              ErrorCode::internal_error);
    CHECK(requester.request({.payload = bytes("x")}, 10s)->text() == "x");
    CHECK(requester.breaker().state(std::chrono::steady_clock::now()) ==
          client::CircuitState::open);
    CHECK(second.handled() == 1);
}
