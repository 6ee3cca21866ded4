// Requests to all responders of a subject, and answers in parts, over the wire.

#include "request_peer.hpp"

#include <map>

using namespace casc;
using namespace casc::test;

TEST_CASE_FIXTURE(RequestFixture,
                  "broker/request: all responders are asked, and each has its own result") {
    RequestPeer anna(broker);
    RequestPeer bert(broker);
    RequestPeer carl(broker);
    RequestPeer client(broker);
    std::map<std::uint64_t, std::string> names{
        {anna.serve("s"), "anna"}, {bert.serve("s"), "bert"}, {carl.serve("s"), "carl"}};
    const auto id = client.send(RequestPeer::to_all("s"), batch_of({"all"}));
    const auto of_anna = anna.hear_call();
    CHECK(of_anna.text == "all");
    anna.answer(of_anna.call.call, "A");
    Heard part = client.hear_part();
    CHECK(part.part.request == id);
    CHECK(names.at(part.part.responder) == "anna");
    CHECK(part.text == "A");
    CHECK_FALSE(part.part.more);
    bert.fail(bert.hear_call().call.call, ErrorCode::responder_failed, "no");
    part = client.hear_part();
    CHECK(names.at(part.part.responder) == "bert");
    CHECK(part.part.error == static_cast<std::uint16_t>(ErrorCode::responder_failed));
    CHECK(part.part.message == "no");
    carl.hear_call();
    carl.raw.abort();
    part = client.hear_part();
    CHECK(names.at(part.part.responder) == "carl");
    CHECK(part.part.error == static_cast<std::uint16_t>(ErrorCode::responder_lost));
    const Heard reply = client.hear();
    CHECK(reply.correlation == id);
    CHECK(reply.reply.responders == 3);
    CHECK(reply.reply.answers == 1);
    CHECK(reply.reply.failures == 2);
    CHECK(client.has_silence());
    CHECK(figure("casc_service_requests_under_way") == 0);
}

TEST_CASE_FIXTURE(RequestFixture, "broker/request: with a quorum the rest is not waited for") {
    RequestPeer anna(broker);
    RequestPeer bert(broker);
    RequestPeer client(broker);
    anna.serve("s");
    bert.serve("s", 1);
    client.send(RequestPeer::to_all("s", 1), batch_of({"a"}));
    const auto of_bert = bert.hear_call();
    anna.answer(anna.hear_call().call.call, "A");
    CHECK(client.hear_part().text == "A");
    CHECK(client.hear().reply.answers == 1);
    Heard cancelled = bert.hear();
    CHECK(cancelled.cancelled.call == of_bert.call.call);
    CHECK(cancelled.cancelled.why == static_cast<std::uint16_t>(ErrorCode::cancelled));
    bert.answer(of_bert.call.call, "late");
    CHECK(bert.has_silence());
    CHECK(client.has_silence());

    // Who has no room says so at once.
    client.ask("s", "for anna");
    client.ask("s", "for bert");
    bert.hear_call();
    const auto id = client.send(RequestPeer::to_all("s", 0, 50), batch_of({"b"}));
    const Heard full = client.hear_part();
    CHECK(full.part.error == static_cast<std::uint16_t>(ErrorCode::overloaded));
    // And when the time is over there is what there is.
    const Heard reply = client.hear();
    CHECK(reply.correlation == id);
    CHECK(reply.kind == wire::FrameKind::response);
    CHECK(reply.reply.answers == 0);
    CHECK(reply.reply.failures == 1);
    CHECK(reply.reply.responders == 2);
}

TEST_CASE_FIXTURE(RequestFixture, "broker/request: a reply in parts, as far as there is credit") {
    RequestPeer server(broker);
    RequestPeer client(broker);
    const auto responder = server.serve("s");
    auto request = RequestPeer::request_of("s");
    request.credit_bytes = 150;
    auto id = client.send(request, batch_of({"count"}));
    auto call = server.hear_call().call;
    CHECK(call.credit_bytes == 150);
    server.answer(call.call, "one", /*more=*/true);
    Heard part = client.hear_part();
    CHECK(part.part.request == id);
    CHECK(part.part.responder == responder);
    CHECK(part.part.more);
    CHECK(part.text == "one");
    client.grant(id, responder, 1000);
    const Heard credit = server.hear();
    CHECK(credit.credit.call == call.call);
    CHECK(credit.credit.bytes == 1000);
    server.answer(call.call, "two", /*more=*/true);
    CHECK(client.hear_part().text == "two");
    server.answer(call.call, "end");
    const Heard last = client.hear();
    CHECK(last.correlation == id);
    CHECK(last.text == "end");

    // One part may go beyond the credit, the next one not.
    id = client.send(request, batch_of({"count"}));
    call = server.hear_call().call;
    server.answer(call.call, "one", /*more=*/true);
    server.answer(call.call, "two", /*more=*/true);
    server.answer(call.call, "three", /*more=*/true);
    CHECK(client.hear_part().text == "one");
    CHECK(client.hear_part().text == "two");
    CHECK(client.hear().error == ErrorCode::overloaded);
    CHECK(server.hear().cancelled.why == static_cast<std::uint16_t>(ErrorCode::overloaded));

    // Who takes no parts gets none.
    client.ask("s", "count");
    call = server.hear_call().call;
    server.answer(call.call, "one", /*more=*/true);
    CHECK(client.hear().error == ErrorCode::not_supported);
    CHECK(server.hear().cancelled.call == call.call);
    CHECK(figure("casc_service_parts_total") == 4);
}

TEST_CASE_FIXTURE(RequestFixture,
                  "broker/request: a requester that does not read bounds the broker's memory") {
    broker.options().settings = {"requests.unread_bytes_max=2MiB"};
    broker.restart();
    RequestPeer server(broker);
    RequestPeer client(broker);
    server.serve("s");
    auto request = RequestPeer::request_of("s");
    request.credit_bytes = 1 << 30;
    client.send(request, batch_of({"flood"}));
    const auto call = server.hear_call().call.call;
    // What neither the broker nor the sockets hold is refused long before the credit is used up.
    const std::string large(500'000, 'x');
    for (int i = 0; i < 100; ++i)
        server.answer(call, large, /*more=*/true);
    const Heard cancelled = server.hear();
    CHECK(cancelled.cancelled.call == call);
    CHECK(cancelled.cancelled.why == static_cast<std::uint16_t>(ErrorCode::overloaded));
    Heard heard = client.hear();
    int parts = 0;
    for (; heard.api == wire::Api::reply_part; heard = client.hear())
        ++parts;
    CHECK(parts < 100);
    CHECK(heard.error == ErrorCode::overloaded);
}
