// Request and reply over the wire: who is asked, who answers, and what happens when one of them
// goes.

#include "request_peer.hpp"

#include <csignal>
#include <map>
#include <set>

using namespace casc;
using namespace casc::test;

namespace {

struct FewFixture : RequestFixture {
    FewFixture() {
        broker.options().settings = {"requests.waiting_max=3", "requests.waiting_bytes_max=1KiB",
                                     "requests.under_way_max=6", "delivery.starvation_bound=3"};
        broker.restart();
    }
};

}  // namespace

TEST_CASE_FIXTURE(RequestFixture,
                  "broker/request: a request goes to a responder and its answer comes back") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    const auto responder = server.serve("sum");
    const auto id = client.ask("sum", "1+1");
    const Heard call = server.hear_call();
    CHECK(call.text == "1+1");
    CHECK(call.call.serve_id == 1);
    CHECK(call.call.remaining_ms <= 60'000);
    CHECK(call.call.remaining_ms > 30'000);
    server.answer(call.call.call, "2");
    const Heard answer = client.hear();
    CHECK(answer.kind == wire::FrameKind::response);
    CHECK(answer.correlation == id);
    CHECK(answer.text == "2");
    CHECK(answer.reply.responder == responder);
    CHECK(figure("casc_service_requests_total") == 1);
    CHECK(figure("casc_service_requests_under_way") == 0);
}

TEST_CASE_FIXTURE(RequestFixture, "broker/request: without a responder the answer is no, at once") {
    RequestPeer client(broker);
    client.ask("nobody", "?");
    CHECK(client.hear().error == ErrorCode::no_responders);
    {
        RequestPeer server(broker);
        server.serve("nobody");
    }
    wait_for("casc_responders", 0);
    client.ask("nobody", "?");
    CHECK(client.hear().error == ErrorCode::no_responders);
    CHECK(figure("casc_services") == 0);
    CHECK(figure("casc_service_no_responders_total") == 2);
}

TEST_CASE_FIXTURE(RequestFixture, "broker/request: a responder may say no") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    server.serve("s");
    client.ask("s", "?");
    server.fail(server.hear_call().call.call, ErrorCode::model_overloaded, "three are before you");
    const Heard no = client.hear();
    CHECK(no.error == ErrorCode::model_overloaded);
    CHECK(no.message == "three are before you");
}

TEST_CASE_FIXTURE(RequestFixture, "broker/request: who has the least open is asked next") {
    RequestPeer anna(broker);
    RequestPeer bert(broker);
    RequestPeer client(broker);
    anna.serve("s");
    bert.serve("s");
    for (int i = 0; i < 6; ++i)
        client.ask("s", std::to_string(i));
    std::vector<std::uint64_t> of_anna;
    for (int i = 0; i < 3; ++i)
        of_anna.push_back(anna.hear_call().call.call);
    for (int i = 0; i < 3; ++i)
        bert.hear_call();
    CHECK(anna.has_silence());
    CHECK(bert.has_silence());
    for (const auto call : of_anna)
        anna.answer(call, "done");
    for (int i = 0; i < 3; ++i)
        CHECK(client.hear().text == "done");
    // Bert still has his three.
    for (int i = 0; i < 3; ++i)
        client.ask("s", "again");
    for (int i = 0; i < 3; ++i)
        CHECK(anna.hear_call().text == "again");
    CHECK(bert.has_silence());
}

TEST_CASE_FIXTURE(
    RequestFixture,
    "broker/request: beyond its bound a responder gets nothing until it has answered") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    server.serve("s", 2);
    for (const char* text : {"a", "b", "c"})
        client.ask("s", text);
    const auto first = server.hear_call();
    CHECK(first.text == "a");
    CHECK(server.hear_call().text == "b");
    CHECK(server.has_silence());
    CHECK(figure("casc_service_requests_waiting") == 1);
    server.answer(first.call.call, "A");
    CHECK(server.hear_call().text == "c");
    CHECK(client.hear().text == "A");
    CHECK(figure("casc_service_requests_waiting") == 0);
    CHECK(figure("casc_service_waiting_bytes") == 0);
}

TEST_CASE_FIXTURE(FewFixture,
                  "broker/request: who waits is served by lane, and the low ones are not starved") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    server.serve("s", 1);
    client.ask("s", "first");
    auto call = server.hear_call();
    client.ask("s", "low", Lane::low);
    client.ask("s", "normal");
    client.ask("s", "critical", Lane::critical);
    CHECK(client.has_silence());
    std::vector<std::string> order;
    for (int i = 0; i < 3; ++i) {
        server.answer(call.call.call, "ok");
        call = server.hear_call();
        order.push_back(call.text);
    }
    CHECK(order == std::vector<std::string>{"critical", "normal", "low"});
    for (int i = 0; i < 3; ++i)
        CHECK(client.hear().text == "ok");

    // One in three goes to a lane that is passed over.
    client.ask("s", "low", Lane::low);
    order.clear();
    for (int i = 0; i < 4; ++i) {
        client.ask("s", "critical", Lane::critical);
        CHECK(client.has_silence());
        server.answer(call.call.call, "ok");
        CHECK(client.hear().text == "ok");
        call = server.hear_call();
        order.push_back(call.text);
    }
    CHECK(order == std::vector<std::string>{"critical", "critical", "low", "critical"});
}

TEST_CASE_FIXTURE(FewFixture,
                  "broker/request: what waits is bounded, by number, by bytes, and in all") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    server.serve("s", 1);
    client.ask("s", "open");
    server.hear_call();
    const auto large = client.ask("s", std::string(2000, 'x'));
    Heard refused = client.hear();
    CHECK(refused.correlation == large);
    CHECK(refused.error == ErrorCode::overloaded);
    CHECK(refused.message.find("waiting_bytes_max") != std::string::npos);
    for (int i = 0; i < 3; ++i)
        client.ask("s", "waits");
    client.ask("s", "too many");
    refused = client.hear();
    CHECK(refused.error == ErrorCode::overloaded);
    CHECK(refused.message.find("waiting_max") != std::string::npos);
    server.serve("other", 100, 2);
    client.ask("other", "five");
    client.ask("other", "six");
    client.ask("other", "seven");
    refused = client.hear();
    CHECK(refused.error == ErrorCode::overloaded);
    CHECK(refused.message.find("under_way_max") != std::string::npos);
    CHECK(figure("casc_service_overloaded_total") == 3);
    CHECK(figure("casc_service_requests_under_way") == 6);
}

TEST_CASE_FIXTURE(RequestFixture, "broker/request: a deadline ends a request on both sides") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    server.serve("s", 1);
    client.send(RequestPeer::request_of("s", 50), batch_of({"a"}));
    client.send(RequestPeer::request_of("s", 50), batch_of({"waits"}));
    const auto began = std::chrono::steady_clock::now();
    const Heard call = server.hear_call();
    CHECK(call.call.remaining_ms <= 50);
    CHECK(client.hear().error == ErrorCode::timeout);
    CHECK(client.hear().error == ErrorCode::timeout);
    CHECK(std::chrono::steady_clock::now() - began >= 49ms);
    Heard cancelled = server.hear();
    CHECK(cancelled.cancelled.call == call.call.call);
    CHECK(cancelled.cancelled.why == static_cast<std::uint16_t>(ErrorCode::timeout));
    // The one that waited may have been handed over for the rest of its time, and taken back.
    CHECK(server.hear_all().size() % 2 == 0);
    server.answer(call.call.call, "too late");
    CHECK(server.has_silence());
    CHECK(client.has_silence());
    CHECK(figure("casc_service_answers_ignored_total") == 1);
    CHECK(figure("casc_service_timeouts_total") == 2);
    CHECK(figure("casc_service_requests_under_way") == 0);
}

TEST_CASE_FIXTURE(RequestFixture,
                  "broker/request: a requester that cancels or goes is not worked for") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    server.serve("s", 2);
    const auto id = client.ask("s", "a");
    const auto call = server.hear_call();
    client.cancel(id);
    client.cancel(id);
    client.cancel(77);
    CHECK(client.hear().error == ErrorCode::cancelled);
    CHECK(client.has_silence());
    Heard cancelled = server.hear();
    CHECK(cancelled.cancelled.call == call.call.call);
    CHECK(cancelled.cancelled.why == static_cast<std::uint16_t>(ErrorCode::cancelled));

    RequestPeer other(broker);
    for (int i = 0; i < 3; ++i)
        other.ask("s", "b");
    const auto first = server.hear_call();
    const auto second = server.hear_call();
    CHECK(other.has_silence());
    other.raw.abort();
    std::set<std::uint64_t> ended;
    for (int i = 0; i < 2; ++i) {
        cancelled = server.hear();
        CHECK(cancelled.cancelled.why == static_cast<std::uint16_t>(ErrorCode::connection_closed));
        ended.insert(cancelled.cancelled.call);
    }
    CHECK(ended == std::set<std::uint64_t>{first.call.call, second.call.call});
    CHECK(server.has_silence());
    CHECK(figure("casc_service_requests_under_way") == 0);
    CHECK(figure("casc_service_requests_waiting") == 0);
}

TEST_CASE_FIXTURE(
    RequestFixture,
    "broker/request: a responder that dies fails what it has, and the others serve what waits") {
    auto anna = std::make_unique<RequestPeer>(broker);
    RequestPeer client(broker);
    anna->serve("s", 1);
    const auto lost = client.ask("s", "a");
    anna->hear_call();
    RequestPeer bert(broker);
    bert.serve("s", 1);
    client.ask("s", "b");
    const auto call = bert.hear_call();
    client.ask("s", "c");
    CHECK(client.has_silence());
    anna->raw.abort();
    const Heard failed = client.hear();
    CHECK(failed.correlation == lost);
    CHECK(failed.error == ErrorCode::responder_lost);
    CHECK(error_info(failed.error).retryable);
    bert.answer(call.call.call, "B");
    CHECK(client.hear().text == "B");
    const auto next = bert.hear_call();
    CHECK(next.text == "c");
    // And with the last one those who wait.
    client.ask("s", "d");
    CHECK(client.has_silence());
    bert.raw.abort();
    std::set<ErrorCode> errors{client.hear().error, client.hear().error};
    CHECK(errors == std::set<ErrorCode>{ErrorCode::responder_lost, ErrorCode::no_responders});
    CHECK(figure("casc_service_responders_lost_total") == 2);
}

TEST_CASE_FIXTURE(RequestFixture,
                  "broker/request: late, double and foreign answers are ignored and counted") {
    RequestPeer server(broker);
    RequestPeer thief(broker);
    RequestPeer client(broker);
    server.serve("s");
    thief.serve("other");
    client.ask("s", "?");
    const auto call = server.hear_call().call.call;
    thief.answer(call, "stolen");
    thief.answer(0, "of nothing");
    thief.answer(~0ull, "of nothing");
    CHECK(thief.has_silence());
    CHECK(client.has_silence());
    server.answer(call, "first");
    server.answer(call, "second");
    CHECK(server.has_silence());
    CHECK(client.hear().text == "first");
    CHECK(client.has_silence());
    CHECK(figure("casc_service_answers_ignored_total") == 4);
}

TEST_CASE_FIXTURE(RequestFixture,
                  "broker/request: who stops serving answers what it has and gets nothing new") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    server.serve("s", 1);
    client.ask("s", "a");
    const auto call = server.hear_call();
    client.ask("s", "b");
    CHECK(client.has_silence());
    fb::StopServingT stop;
    stop.serve_id = 1;
    must(server.raw.call(stop));
    CHECK(client.hear().error == ErrorCode::no_responders);  // b
    client.ask("s", "c");
    CHECK(client.hear().error == ErrorCode::no_responders);
    CHECK(code_of(server.raw.call(stop)) == ErrorCode::unknown_subscription);
    CHECK(code_of(server.try_serve("t", 1, 1)) == ErrorCode::already_subscribed);
    server.answer(call.call.call, "A");
    CHECK(client.hear().text == "A");
    server.serve("s", 1, 1);
    client.ask("s", "d");
    CHECK(server.hear_call().text == "d");
}

TEST_CASE_FIXTURE(
    RequestFixture,
    "broker/request: nonsense has an error with a number, and the connection goes on") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    CHECK(code_of(server.try_serve(".hidden")) == ErrorCode::invalid_request);
    CHECK(code_of(server.try_serve("s", 0)) == ErrorCode::invalid_request);
    CHECK(code_of(server.try_serve("s", ~0u)) == ErrorCode::invalid_request);
    server.serve("s");
    CHECK(code_of(server.try_serve("s")) == ErrorCode::already_subscribed);
    const auto refused = [&](const fb::RequestT& request, std::span<const std::byte> batch) {
        client.send(request, batch);
        return client.hear().error;
    };
    const auto good = RequestPeer::request_of("s");
    auto bad = good;
    CHECK(refused(good, {}) == ErrorCode::batch_malformed);
    CHECK(refused(good, batch_of({"two", "events"})) == ErrorCode::invalid_request);
    CHECK(refused(good, batch_of({std::string(1'200'000, 'x')})) == ErrorCode::event_too_large);
    auto corrupt = batch_of({"x"});
    corrupt[corrupt.size() - 8] ^= std::byte{1};
    CHECK(refused(good, corrupt) == ErrorCode::batch_corrupt);
    bad.timeout_ms = 0;
    CHECK(refused(bad, batch_of({"x"})) == ErrorCode::invalid_request);
    bad.timeout_ms = ~0u;
    CHECK(refused(bad, batch_of({"x"})) == ErrorCode::invalid_request);
    bad = good;
    bad.mode = 2;
    CHECK(refused(bad, batch_of({"x"})) == ErrorCode::invalid_request);
    CHECK(refused(RequestPeer::request_of("a b"), batch_of({"x"})) == ErrorCode::invalid_request);
    bad = RequestPeer::to_all("s", 2);
    CHECK(refused(bad, batch_of({"x"})) == ErrorCode::no_responders);
    // The same correlation id twice.
    REQUIRE(client.raw.send(request_bytes(good, 5, batch_of({"x"}))));
    REQUIRE(client.raw.send(request_bytes(good, 5, batch_of({"y"}))));
    CHECK(client.hear().error == ErrorCode::invalid_request);
    // An answer that is none: the requester hears of it, too.
    const auto call = server.hear_call().call.call;
    fb::AnswerT answer;
    answer.call = call;
    server.say(wire::Api::answer, answer, corrupt);
    CHECK(server.hear().error == ErrorCode::batch_corrupt);
    CHECK(server.hear().cancelled.call == call);
    const Heard failed = client.hear();
    CHECK(failed.correlation == 5);
    CHECK(failed.error == ErrorCode::responder_failed);
    CHECK(client.has_silence());
    CHECK(figure("casc_service_requests_under_way") == 0);
}

TEST_CASE_FIXTURE(RequestFixture, "broker/request: who serves what can be listed") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    for (std::uint32_t i = 1; i <= 3; ++i)
        server.serve("math." + std::to_string(i), 1, i);
    server.serve("other", 1, 4);
    client.ask("math.2", "a");
    client.ask("math.2", "b");
    CHECK(client.has_silence());
    fb::ListServicesT list;
    list.prefix = "math.";
    list.limit = 2;
    auto reply = must(client.raw.call(list));
    REQUIRE(reply.services.size() == 2);
    CHECK(reply.more);
    CHECK(reply.services[1]->subject == "math.2");
    CHECK(reply.services[1]->responders == 1);
    CHECK(reply.services[1]->open == 1);
    CHECK(reply.services[1]->waiting == 1);
    CHECK(reply.services[1]->served == 1);
    list.after = "math.2";
    reply = must(client.raw.call(list));
    REQUIRE(reply.services.size() == 1);
    CHECK(reply.services[0]->subject == "math.3");
    CHECK_FALSE(reply.more);
}

TEST_CASE_FIXTURE(RequestFixture, "broker/request: a broker that stops says so to those who wait") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    server.serve("s", 1);
    client.ask("s", "a");
    server.hear_call();
    client.ask("s", "b");
    CHECK(client.has_silence());
    broker.signal(SIGTERM);
    CHECK(client.hear().error == ErrorCode::shutting_down);
    CHECK(client.hear().error == ErrorCode::shutting_down);
    CHECK(broker.wait_exit() == ExitStatus{0, 0});
}
