// Nonsense on the port of a real broker: each kind gets a numbered error or a clean end, leaves a
// line in the log, and harms no other connection.

#include "raw_connection.hpp"
#include "test_broker.hpp"

#include <casc/wire/batch_builder.hpp>
#include <casc/wire/crc32c.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <random>

using namespace casc;
using namespace casc::test;
using namespace std::string_view_literals;
namespace fb = casc::wire::fb;

namespace {

// Five verbs: attack, greeted, check_unharmed, error_of, header.
struct BadInputFixture {
    TestBroker broker;
    RawConnection bystander{broker.endpoint()};

    BadInputFixture() { bystander.hello(); }
    ~BadInputFixture() {
        try {
            check_unharmed();
        } catch (const std::exception& e) {
            ADD_FAIL_CHECK_AT(__FILE__, __LINE__, e.what());
        }
    }

    void check_unharmed() {
        const auto answer = bystander.call(fb::PingT{});
        CHECK_MESSAGE(answer.has_value(), (answer ? "" : answer.error().message()));
        RawConnection newcomer(broker.endpoint());
        CHECK(newcomer.hello().version == wire::kProtocolVersion);
    }

    // Sends `bytes` on a fresh connection; what the broker says before it hangs up.
    ErrorCode attack(std::span<const std::byte> bytes, bool greet) {
        RawConnection attacker(broker.endpoint());
        if (greet) attacker.hello();
        attacker.send(bytes);
        attacker.finish_sending();
        const auto frame = attacker.receive();
        if (!frame) return ErrorCode::ok;
        CHECK(attacker.closed_by_peer());
        return frame->error;
    }
    ErrorCode attack(std::string_view text) {
        return attack(std::as_bytes(std::span(text)), false);
    }
};

std::vector<std::byte> ping(std::uint32_t correlation = 7) {
    return request_bytes(fb::PingT{}, correlation);
}

// A ping whose header `change` has altered, with or without a matching checksum.
template <class Change>
std::vector<std::byte> altered_ping(Change change, bool seal = true) {
    std::vector<std::byte> bytes = ping();
    wire::FrameHeader header;
    std::memcpy(static_cast<void*>(&header), bytes.data(), sizeof header);
    change(header);
    std::memcpy(bytes.data(), &header, sizeof header);
    if (seal) {
        const auto body = std::span<const std::byte>(bytes).subspan(
            sizeof header, std::min<std::size_t>(header.body_bytes, bytes.size() - sizeof header));
        header.crc = wire::crc32c(body, wire::crc32c(std::span<const std::byte>(bytes).first(20)));
        std::memcpy(bytes.data(), &header, sizeof header);
    }
    return bytes;
}

std::vector<std::byte> random_bytes(unsigned seed, std::size_t count) {
    std::mt19937 random(seed);
    std::vector<std::byte> bytes(count);
    for (std::byte& byte : bytes)
        byte = static_cast<std::byte>(random());
    return bytes;
}

}  // namespace

TEST_CASE_FIXTURE(BadInputFixture,
                  "broker/bad input: other protocols on the port are told that this is casc") {
    CHECK(attack("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") == ErrorCode::bad_magic);
    CHECK(attack("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello"sv) ==
          ErrorCode::bad_magic);
    CHECK(attack("SSH-2.0-OpenSSH_9.2\r\n") == ErrorCode::bad_magic);
    CHECK(attack("*1\r\n$4\r\nPING\r\n") == ErrorCode::bad_magic);
    CHECK(attack(std::string(4096, '\0')) == ErrorCode::bad_magic);
    CHECK(broker.wait_for_log("BAD_MAGIC", 5));
}

TEST_CASE_FIXTURE(BadInputFixture,
                  "broker/bad input: random bytes end a connection, not the broker") {
    for (unsigned seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        std::vector<std::byte> bytes = random_bytes(seed, 8192);
        if (seed % 2 == 0) {  // past the first check, so that lengths and kinds are looked at too
            bytes[4] = std::byte{wire::kFrameMagic};
            bytes[5] = std::byte{wire::kProtocolVersion};
        }
        CHECK(attack(bytes, seed % 3 == 0) != ErrorCode::ok);
    }
}

TEST_CASE_FIXTURE(BadInputFixture,
                  "broker/bad input: a frame beyond the limit is refused by its header alone") {
    const std::uint32_t limit = bystander.hello().frame_bytes_max;
    const auto one_more = altered_ping([&](auto& header) { header.frame_bytes = limit + 8; });
    CHECK(attack(one_more, true) == ErrorCode::frame_too_large);
    const auto huge = altered_ping([](auto& header) { header.frame_bytes = 0xFFFFFFF8; });
    CHECK(attack(huge, true) == ErrorCode::frame_too_large);
    CHECK(attack(huge, false) == ErrorCode::frame_too_large);
    CHECK(broker.wait_for_log("FRAME_TOO_LARGE", 3));
}

TEST_CASE_FIXTURE(
    BadInputFixture,
    "broker/bad input: a wrong version, checksum, length or kind has its own number") {
    CHECK(attack(altered_ping([](auto& header) { header.version = 99; }), true) ==
          ErrorCode::unsupported_version);
    CHECK(attack(altered_ping([](auto& header) { header.correlation_id ^= 1; }, false), true) ==
          ErrorCode::frame_corrupt);
    CHECK(attack(altered_ping([](auto& header) { header.frame_bytes -= 4; }), true) ==
          ErrorCode::malformed_message);
    CHECK(attack(altered_ping([](auto& header) { header.body_bytes = 4096; }), true) ==
          ErrorCode::malformed_message);
    CHECK(attack(altered_ping([](auto& header) { header.kind = wire::FrameKind{77}; }), true) ==
          ErrorCode::malformed_message);
    std::vector<std::byte> bent = ping();
    bent.back() ^= std::byte{1};
    const ErrorCode code = attack(bent, true);
    CHECK((code == ErrorCode::frame_corrupt || code == ErrorCode::malformed_message ||
           code == ErrorCode::ok));
}

TEST_CASE_FIXTURE(
    BadInputFixture,
    "broker/bad input: a flipped bit anywhere in a hello never brings the broker down") {
    const fb::HelloT hello = [] {
        fb::HelloT h;
        h.version_min = h.version_max = wire::kProtocolVersion;
        h.client_id = "bits";
        return h;
    }();
    const std::vector<std::byte> good = request_bytes(hello, 1);
    for (std::size_t byte = 0; byte < good.size(); ++byte) {
        CAPTURE(byte);
        std::vector<std::byte> bent = good;
        bent[byte] ^= std::byte{0x40};
        RawConnection attacker(broker.endpoint());
        attacker.send(bent);
        attacker.finish_sending();
        const auto frame = attacker.receive();
        // Nothing: the frame claims to be longer than what came. Bytes of padding are covered by no
        // checksum.
        const bool padding =
            byte >= wire::kFrameHeaderBytes && frame && frame->error == ErrorCode::ok;
        CHECK((!frame || frame->error != ErrorCode::ok || padding));
    }
}

TEST_CASE_FIXTURE(BadInputFixture, "broker/bad input: the first frame must be a hello") {
    CHECK(attack(ping(), false) == ErrorCode::handshake_required);
}

TEST_CASE_FIXTURE(BadInputFixture,
                  "broker/bad input: a hello that fails verification is refused by number") {
    const std::vector<std::byte> body = random_bytes(1, 64);
    RawConnection attacker(broker.endpoint());
    attacker.send(frame_bytes(wire::FrameKind::request, wire::Api::hello, 5, body));
    const auto frame = attacker.receive();
    REQUIRE(frame.has_value());
    CHECK(frame->error == ErrorCode::malformed_message);
    CHECK(frame->header.correlation_id == 5);
    // It has not been greeted by that.
    attacker.send(ping());
    const auto next = attacker.receive();
    CHECK((!next || next->error == ErrorCode::handshake_required));
}

TEST_CASE_FIXTURE(BadInputFixture, "broker/bad input: versions that do not overlap are refused") {
    RawConnection attacker(broker.endpoint());
    fb::HelloT hello;
    hello.version_min = 200;
    hello.version_max = 201;
    const auto answer = attacker.call(hello);
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().code == ErrorCode::unsupported_version);
    CHECK(attacker.closed_by_peer());
}

TEST_CASE_FIXTURE(BadInputFixture,
                  "broker/bad input: an unknown api is answered, and the connection goes on") {
    for (const std::uint16_t api : {std::uint16_t{0}, std::uint16_t{99}, std::uint16_t{0xFFFF}}) {
        CAPTURE(api);
        bystander.send(frame_bytes(wire::FrameKind::request, static_cast<wire::Api>(api), 3, {}));
        const auto frame = bystander.receive();
        REQUIRE(frame.has_value());
        CHECK(frame->error == ErrorCode::unknown_api);
        CHECK(frame->header.correlation_id == 3);
    }
}

TEST_CASE_FIXTURE(BadInputFixture,
                  "broker/bad input: frames that only a broker sends are refused") {
    for (const wire::FrameKind kind :
         {wire::FrameKind::response, wire::FrameKind::error, wire::FrameKind::push}) {
        bystander.send(frame_bytes(kind, wire::Api::ping, 3, {}));
        const auto frame = bystander.receive();
        REQUIRE(frame.has_value());
        CHECK(frame->error == ErrorCode::invalid_request);
    }
}

TEST_CASE_FIXTURE(BadInputFixture,
                  "broker/bad input: a body that is no message is refused for every api") {
    // All apis that carry a body of their own, each with bodies that no verifier accepts.
    for (const int api :
         {10, 11, 12, 14, 15, 20, 21, 30, 31, 32, 33, 34, 40, 41, 42, 43, 44, 46, 47, 48, 62}) {
        for (const std::size_t bytes : {std::size_t{0}, std::size_t{3}, std::size_t{200}}) {
            CAPTURE(api);
            CAPTURE(bytes);
            const std::vector<std::byte> body(bytes, std::byte{0xFF});
            RawConnection attacker(broker.endpoint());
            attacker.hello();
            attacker.send(
                frame_bytes(wire::FrameKind::request, static_cast<wire::Api>(api), 11, body));
            const auto frame = attacker.receive();
            REQUIRE(frame.has_value());
            CHECK(frame->error == ErrorCode::malformed_message);
            CHECK(frame->header.correlation_id == 11);
        }
    }
}

TEST_CASE_FIXTURE(BadInputFixture,
                  "broker/bad input: a truncated frame is dropped with its connection") {
    const std::vector<std::byte> whole = ping();
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
        CAPTURE(bytes);
        CHECK(attack(std::span(whole).first(bytes), true) == ErrorCode::ok);
    }
    RawConnection rude(broker.endpoint());
    rude.hello();
    rude.send(std::span(whole).first(10));
    rude.abort();
}

TEST_CASE_FIXTURE(BadInputFixture,
                  "broker/bad input: one byte at a time is as good as all at once") {
    RawConnection slow(broker.endpoint());
    fb::HelloT hello;
    hello.version_min = hello.version_max = wire::kProtocolVersion;
    std::vector<std::byte> bytes = request_bytes(hello, 1);
    const std::vector<std::byte> second = ping(2);
    bytes.insert(bytes.end(), second.begin(), second.end());
    for (const std::byte& byte : bytes)
        slow.send(std::span(&byte, 1));
    REQUIRE(slow.receive()->header.correlation_id == 1);
    const auto answer = slow.receive();
    REQUIRE(answer.has_value());
    CHECK(answer->header.correlation_id == 2);
    CHECK(answer->error == ErrorCode::ok);
}

TEST_CASE_FIXTURE(BadInputFixture,
                  "broker/bad input: many requests in one write are all answered, in order") {
    constexpr std::uint32_t kCount = 2000;
    std::vector<std::byte> bytes;
    for (std::uint32_t i = 1; i <= kCount; ++i) {
        const std::vector<std::byte> one = ping(i);
        bytes.insert(bytes.end(), one.begin(), one.end());
    }
    bystander.send(bytes);
    for (std::uint32_t i = 1; i <= kCount; ++i) {
        const auto frame = bystander.receive();
        REQUIRE(frame.has_value());
        REQUIRE(frame->header.correlation_id == i);
    }
}

TEST_CASE(
    "broker/bad input: a client that never reads its answers costs bounded memory and nobody "
    "else's time") {
    TestBroker broker;
    RawConnection bystander(broker.endpoint());
    bystander.hello();
    const std::uint64_t before = broker.resident_bytes();
    // Each answer names every setting: some KiB for a request of 32 bytes. 60 000 of them are
    // hundreds of MiB.
    RawConnection greedy(broker.endpoint());
    greedy.hello();
    std::vector<std::byte> requests;
    for (std::uint32_t i = 0; i < 60'000; ++i) {
        const std::vector<std::byte> one = request_bytes(fb::NodeConfigT{}, i);
        requests.insert(requests.end(), one.begin(), one.end());
    }
    greedy.send(std::span(requests).first(256 * 1024));  // what surely fits the socket buffers
    REQUIRE(bystander.call(fb::PingT{}).has_value());
    CHECK(broker.resident_bytes() < before + (64u << 20));
    greedy.abort();
    CHECK(bystander.call(fb::PingT{}).has_value());
}

TEST_CASE(
    "broker/bad input: one connection too many is told so, and there is room again when one "
    "leaves") {
    TestBroker broker({.settings = {"limits.connections=2"}});
    RawConnection first(broker.endpoint());
    first.hello();
    {
        RawConnection second(broker.endpoint());
        second.hello();
        RawConnection third(broker.endpoint());
        const auto frame = third.receive();
        REQUIRE(frame.has_value());
        CHECK(frame->error == ErrorCode::too_many_connections);
        CHECK(third.closed_by_peer());
    }
    CHECK(broker.wait_for_log("connection_refused"));
    // The broker sees the second one leave in its own time: its end is a read of zero bytes like
    // any other event.
    bool welcome = false;
    for (int attempt = 0; attempt < 1000 && !welcome; ++attempt) {
        RawConnection next(broker.endpoint());
        fb::HelloT hello;
        hello.version_min = hello.version_max = wire::kProtocolVersion;
        welcome = next.call(hello).has_value();
    }
    CHECK(welcome);
    CHECK(first.call(fb::PingT{}).has_value());
}

TEST_CASE(
    "broker/bad input: a connection that says nothing is closed after the handshake timeout") {
    TestBroker broker({.settings = {"limits.handshake_timeout=100ms"}});
    RawConnection silent(broker.endpoint());
    CHECK(silent.closed_by_peer());
}

TEST_CASE(
    "broker/bad input: a greeted connection that falls silent is closed after the idle timeout") {
    TestBroker broker({.settings = {"limits.heartbeat=100ms", "limits.idle_timeout=300ms"}});
    RawConnection silent(broker.endpoint());
    const auto reply = silent.hello();
    CHECK(reply.heartbeat_ms == 100);
    CHECK(reply.idle_timeout_ms == 300);
    CHECK(silent.closed_by_peer());
    CHECK(broker.wait_for_log("connection_idle"));
}
