#include "rabbit_frames.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace casc::bench::compare;

namespace {

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A Deliver frame with these messages, as a broker writes it.
std::string deliver_frame(std::uint64_t first_offset, const std::vector<std::string>& messages) {
    std::string entries;
    for (const std::string& message : messages)
        append_bytes(entries, message);
    std::string out;
    const RabbitFrame frame(out, RabbitKey::deliver);
    append_u8(out, 1);     // subscription
    append_u8(out, 0x50);  // magic and version
    append_u8(out, 0);     // type
    append_u16(out, static_cast<std::uint16_t>(messages.size()));
    append_u32(out, static_cast<std::uint32_t>(messages.size()));
    append_u64(out, 0);  // timestamp
    append_u64(out, 1);  // epoch
    append_u64(out, first_offset);
    append_u32(out, 0);  // checksum
    append_u32(out, static_cast<std::uint32_t>(entries.size()));
    append_u32(out, 0);  // trailer
    append_u32(out, 0);  // reserved
    out += entries;
    return out;
}

}  // namespace

TEST_CASE("bench/rabbit: a frame says how long it is, what it is and which version") {
    std::string out = "before";
    {
        const RabbitFrame frame(out, RabbitKey::credit);
        append_u8(out, 7);
        append_u16(out, 0x0102);
    }
    CHECK(out == std::string("before\0\0\0\7\0\x09\0\1\7\1\2", 17));
}

TEST_CASE("bench/rabbit: frames are taken off the front, and read from the front") {
    std::string out;
    {
        const RabbitFrame frame(out, RabbitKey::open);
        append_string(out, "/");
        append_u64(out, 0x0102030405060708);
    }
    std::string_view rest = out;
    const auto received = take_rabbit_frame(rest);
    REQUIRE(received);
    CHECK(received->is(RabbitKey::open));
    CHECK(rest.empty());
    RabbitBody body(received->body);
    CHECK(body.string() == "/");
    CHECK(body.u64() == 0x0102030405060708);
    CHECK_THROWS_AS(body.u8(), std::runtime_error);
}

TEST_CASE("bench/rabbit: the highest bit of the key makes a response of it") {
    std::string out;
    {
        const RabbitFrame frame(out, static_cast<std::uint16_t>(21 | kRabbitResponse));
        append_u32(out, 1);
    }
    std::string_view rest = out;
    const auto received = take_rabbit_frame(rest);
    CHECK(received->is_response_to(RabbitKey::open));
    CHECK_FALSE(received->is(RabbitKey::open));
}

TEST_CASE("bench/rabbit: a frame that is not whole is left where it is") {
    std::string whole;
    {
        const RabbitFrame frame(whole, RabbitKey::heartbeat);
        append_u32(whole, 1);
    }
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
        std::string_view rest = std::string_view(whole).substr(0, bytes);
        CHECK_FALSE(take_rabbit_frame(rest));
        CHECK(rest.size() == bytes);
    }
}

TEST_CASE("bench/rabbit: sizes that no frame has are refused") {
    for (const std::string& foreign : {std::string(4, '\0'), std::string("HTTP/1.1 400")}) {
        std::string_view rest = foreign;
        CHECK_THROWS_AS(static_cast<void>(take_rabbit_frame(rest)), std::runtime_error);
    }
}

TEST_CASE("bench/rabbit: a chunk hands out its messages in order") {
    const std::string out = deliver_frame(41, {"a", "", "ccc"});
    std::string_view rest = out;
    const RabbitChunk chunk = chunk_of(*take_rabbit_frame(rest));
    CHECK(chunk.first_offset == 41);
    CHECK(chunk.record_count == 3);
    std::vector<std::string> taken;
    each_message(chunk, [&](auto message) { taken.push_back(text_of(message)); });
    CHECK(taken == std::vector<std::string>{"a", "", "ccc"});
}

TEST_CASE("bench/rabbit: a chunk that holds less than it says is refused") {
    const std::string out = deliver_frame(0, {"a"});
    std::string_view rest = out;
    RabbitChunk chunk = chunk_of(*take_rabbit_frame(rest));
    chunk.record_count = 2;
    CHECK_THROWS_AS(each_message(chunk, [](auto) {}), std::runtime_error);
}
