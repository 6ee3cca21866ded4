#include <casc/wire/frame.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <vector>

using namespace casc;
using namespace casc::wire;

namespace {

using Bytes = std::vector<std::byte>;

// A frame as it is received: what write_frame made, and attachments behind it.
Bytes frame_of(std::size_t body_bytes, std::size_t attachment_bytes = 0) {
    const Bytes body(body_bytes, std::byte{0xB0});
    Bytes frame(framed_bytes(body_bytes));
    const std::size_t written =
        write_frame(frame, FrameKind::request, Api::produce, 77, body, attachment_bytes);
    CHECK(written == frame.size());
    frame.resize(frame.size() + attachment_bytes, std::byte{0xA7});
    return frame;
}

template <class T>
Bytes patched_frame(Bytes frame, std::size_t at, T value) {
    std::memcpy(frame.data() + at, &value, sizeof value);
    return frame;
}

ErrorCode frame_refusal(const Bytes& frame, std::size_t limit = kFrameBytesMax) {
    const auto header = peek_frame(frame, limit);
    return header ? ErrorCode::ok : header.error().code;
}

}  // namespace

TEST_CASE(
    "schemas/frame: what was written is read back, for bodies of every length modulo the padding") {
    for (std::size_t body_bytes = 0; body_bytes <= 40; ++body_bytes) {
        for (const std::size_t attachment_bytes :
             {std::size_t{0}, std::size_t{8}, std::size_t{4096}}) {
            const Bytes bytes = frame_of(body_bytes, attachment_bytes);
            const auto header = peek_frame(bytes, kFrameBytesMax);
            REQUIRE(header);
            REQUIRE(header->has_value());
            CHECK((*header)->frame_bytes == bytes.size());
            CHECK(bytes.size() % 8 == 0);
            const auto frame = open_frame(bytes);
            REQUIRE(frame);
            CHECK(frame->header.kind == FrameKind::request);
            CHECK(frame->header.api == Api::produce);
            CHECK(frame->header.correlation_id == 77);
            CHECK(frame->body.size() == body_bytes);
            CHECK(frame->attachments.size() == attachment_bytes);
            CHECK((frame->attachments.empty() || frame->attachments.front() == std::byte{0xA7}));
        }
    }
}

TEST_CASE("schemas/frame: until the header is whole nobody knows how long the frame is") {
    const Bytes bytes = frame_of(20);
    for (std::size_t received = 0; received < kFrameHeaderBytes; ++received) {
        const auto header = peek_frame(std::span(bytes).first(received), kFrameBytesMax);
        REQUIRE(header);
        CHECK_FALSE(header->has_value());
    }
    CHECK(peek_frame(std::span(bytes).first(kFrameHeaderBytes), kFrameBytesMax)->has_value());
}

TEST_CASE("schemas/frame: another protocol is recognised from its fifth byte") {
    const std::string_view http = "GET / HTTP/1.1\r\n";
    CHECK(peek_frame(std::as_bytes(std::span(http.substr(0, 4))), kFrameBytesMax).has_value());
    CHECK(peek_frame(std::as_bytes(std::span(http.substr(0, 5))), kFrameBytesMax).error().code ==
          ErrorCode::bad_magic);
    CHECK(frame_refusal(patched_frame(frame_of(8), 4, std::uint8_t{0xCB})) == ErrorCode::bad_magic);
}

TEST_CASE("schemas/frame: a version or kind that this side does not speak is refused") {
    CHECK(frame_refusal(patched_frame(frame_of(8), 5, std::uint8_t{0})) ==
          ErrorCode::unsupported_version);
    CHECK(frame_refusal(patched_frame(frame_of(8), 5, std::uint8_t{2})) ==
          ErrorCode::unsupported_version);
    CHECK(frame_refusal(patched_frame(frame_of(8), 6, std::uint8_t{0})) ==
          ErrorCode::malformed_message);
    CHECK(frame_refusal(patched_frame(frame_of(8), 6, std::uint8_t{6})) ==
          ErrorCode::malformed_message);
    CHECK(frame_refusal(patched_frame(frame_of(8), 6, std::uint8_t{255})) ==
          ErrorCode::malformed_message);
}

TEST_CASE("schemas/frame: a frame over the receiver's limit is refused from its header alone") {
    const Bytes bytes = frame_of(8, 4096);
    CHECK(frame_refusal(bytes, bytes.size()) == ErrorCode::ok);
    CHECK(frame_refusal(bytes, bytes.size() - 1) == ErrorCode::frame_too_large);
    CHECK(frame_refusal(patched_frame(bytes, 0, std::uint32_t{0xFFFFFFF8})) ==
          ErrorCode::frame_too_large);
}

TEST_CASE("schemas/frame: lengths that disagree are refused") {
    const Bytes bytes = frame_of(20);  // 48 bytes
    for (const std::uint32_t frame_bytes : {0u, 8u, 16u, 23u, 41u, 47u, 49u, 40u})
        CHECK(frame_refusal(patched_frame(bytes, 0, frame_bytes)) == ErrorCode::malformed_message);
    for (const std::uint32_t body_bytes : {25u, 26u, 4096u, 0x7FFFFFFFu, 0xFFFFFFF8u, 0xFFFFFFFFu})
        CHECK(frame_refusal(patched_frame(bytes, 16, body_bytes)) == ErrorCode::malformed_message);
    const auto body_over_limit = static_cast<std::uint32_t>(kBodyBytesMax + 1);
    const Bytes large =
        patched_frame(patched_frame(bytes, 0, std::uint32_t{16u << 20}), 16, body_over_limit);
    CHECK(frame_refusal(large) == ErrorCode::malformed_message);
}

TEST_CASE("schemas/frame: opening any cut of a frame fails without reading past its end") {
    const Bytes whole = frame_of(20, 16);
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK(open_frame(cut).error().code == ErrorCode::malformed_message);
    }
    Bytes longer = whole;
    longer.resize(whole.size() + 8);
    CHECK(open_frame(longer).error().code == ErrorCode::malformed_message);
}

TEST_CASE(
    "schemas/frame: a flipped bit of header or body is caught; attachments have their own "
    "checksum") {
    Bytes bytes = frame_of(20, 8);
    const std::size_t covered = kFrameHeaderBytes + 20;
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        CAPTURE(bit);
        CHECK(open_frame(bytes).has_value() == (bit / 8 >= covered));
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    }
    CHECK(open_frame(bytes).has_value());
}

TEST_CASE("schemas/frame: the padding behind a body is zero") {
    const Bytes body(3, std::byte{0xFF});
    Bytes frame(framed_bytes(3), std::byte{0xEE});
    write_frame(frame, FrameKind::response, Api::ping, 1, body, 0);
    for (std::size_t at = kFrameHeaderBytes + 3; at < frame.size(); ++at)
        CHECK(frame[at] == std::byte{0});
}
