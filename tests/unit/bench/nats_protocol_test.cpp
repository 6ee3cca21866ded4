#include "nats_protocol.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using namespace casc::bench::compare;

TEST_CASE("bench/nats: what a client publishes and subscribes to") {
    std::string out;
    append_subscribe(out, "a.*", 3);
    append_publish(out, "a.b", "", "hi");
    append_publish(out, "a.b", "inbox", "");
    CHECK(out == "SUB a.* 3\r\nPUB a.b 2\r\nhi\r\nPUB a.b inbox 0\r\n\r\n");
}

TEST_CASE("bench/nats: a message has a subject, perhaps a reply, and as many bytes as it says") {
    std::string_view rest = "MSG a.b 1 4\r\na\r\nb\r\nMSG a.b 1 inbox 0\r\n\r\nPING\r\n";
    const auto first = take_frame(rest);
    REQUIRE(first);
    CHECK(first->subject == "a.b");
    CHECK(first->reply.empty());
    CHECK(first->payload == "a\r\nb");
    const auto second = take_frame(rest);
    REQUIRE(second);
    CHECK(second->reply == "inbox");
    CHECK(second->payload.empty());
    CHECK(take_frame(rest)->kind == NatsKind::ping);
    CHECK(rest.empty());
}

TEST_CASE("bench/nats: headers stand before the payload, and say what the server itself says") {
    std::string_view rest =
        "HMSG a 1 reply 31 33\r\nNATS/1.0 100 Idle Heartbeat\r\n\r\nhi\r\n"
        "HMSG a 1 16 16\r\nNATS/1.0 404\r\n\r\n\r\n";
    const auto heartbeat = take_frame(rest);
    REQUIRE(heartbeat);
    CHECK(heartbeat->reply == "reply");
    CHECK(status_of(*heartbeat) == 100);
    CHECK(heartbeat->payload == "hi");
    const auto end = take_frame(rest);
    REQUIRE(end);
    CHECK(status_of(*end) == 404);
    CHECK(end->payload.empty());
    CHECK(rest.empty());
}

TEST_CASE("bench/nats: a message without headers is nobody's word but the sender's") {
    std::string_view rest = "MSG a 1 12\r\nNATS/1.0 404\r\n";
    CHECK(status_of(*take_frame(rest)) == 0);
}

TEST_CASE("bench/nats: a frame that is not whole is left where it is") {
    for (const std::string_view part :
         {"", "PIN", "PING\r", "MSG a 1 2\r\n", "MSG a 1 2\r\nhi", "HMSG a 1 4 6\r\nabcd"}) {
        std::string_view rest = part;
        CHECK_FALSE(take_frame(rest));
        CHECK(rest == part);
    }
}

TEST_CASE("bench/nats: what is not the protocol is refused") {
    for (const std::string_view foreign :
         {"HTTP/1.1 400\r\n", "MSG a\r\n", "MSG a 1 two\r\n", "HMSG a 1 9 2\r\n", "PING\n"}) {
        std::string_view rest = foreign;
        CHECK_THROWS_AS(static_cast<void>(take_frame(rest)), std::runtime_error);
    }
}

TEST_CASE("bench/nats: errors and greetings keep their text") {
    std::string_view rest = "INFO {\"version\":\"2\"}\r\n-ERR 'Slow Consumer'\r\n+OK\r\n";
    CHECK(take_frame(rest)->text == "{\"version\":\"2\"}");
    const auto error = take_frame(rest);
    CHECK(error->kind == NatsKind::error);
    CHECK(error->text == " 'Slow Consumer'");
    CHECK(take_frame(rest)->kind == NatsKind::ok);
}
