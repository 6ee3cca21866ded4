// frame_fuzz.cpp: bytes from a connection through the frame decoder, as a session reads them.
//
// A fuzzer cannot guess a CRC, so each frame whose lengths are accepted is taken apart twice: as it
// came and, when the checksum was all that was wrong, sealed again. What is accepted must survive
// being written and read once more.

#include "fuzz_target.hpp"

#include <casc/wire/batch.hpp>
#include <casc/wire/frame.hpp>

#include <algorithm>
#include <vector>

namespace {

using namespace casc;

constexpr std::size_t kLimitBytes =
    1u << 16;  // a broker's limit: far above what a fuzzer makes, so both sides are met

void walk_attachments(std::span<const std::byte> rest) {
    while (!rest.empty()) {
        const auto bytes = wire::BatchView::peek_bytes(rest);
        if (!bytes) return;
        CASC_ASSERT(*bytes > 0 && *bytes <= rest.size(), *bytes, rest.size());
        fuzz::touch(rest.first(*bytes));
        rest = rest.subspan(*bytes);
    }
}

// The same content in a frame of our own writing.
std::vector<std::byte> sealed_again(const wire::FrameHeader& header,
                                    std::span<const std::byte> frame) {
    const auto body = frame.subspan(wire::kFrameHeaderBytes, header.body_bytes);
    const auto attachments = frame.subspan(wire::framed_bytes(header.body_bytes));
    std::vector<std::byte> sealed(frame.size());
    const std::size_t written = wire::write_frame(sealed, header.kind, header.api,
                                                  header.correlation_id, body, attachments.size());
    std::copy(attachments.begin(), attachments.end(),
              sealed.begin() + static_cast<std::ptrdiff_t>(written));
    return sealed;
}

void check_round_trip(const wire::FrameHeader& header, std::span<const std::byte> frame) {
    const auto sealed = sealed_again(header, frame);
    const auto peeked = wire::peek_frame(sealed, kLimitBytes);
    CASC_ASSERT(peeked.has_value() && peeked->has_value(), sealed.size());
    const auto opened = wire::open_frame(sealed);
    CASC_ASSERT(opened.has_value(), sealed.size());
    CASC_ASSERT(opened->header.correlation_id == header.correlation_id, header.correlation_id);
    CASC_ASSERT(opened->body.size() == header.body_bytes, header.body_bytes);
    fuzz::touch(opened->body);
    walk_attachments(opened->attachments);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto received = fuzz::as_bytes(data, size);
    while (!received.empty()) {
        const auto peeked = wire::peek_frame(received, kLimitBytes);
        if (!peeked || !peeked->has_value()) return 0;
        const wire::FrameHeader header = **peeked;
        CASC_ASSERT(
            header.frame_bytes >= wire::kFrameHeaderBytes && header.frame_bytes <= kLimitBytes,
            header.frame_bytes);
        if (header.frame_bytes > received.size()) return 0;  // the rest has not arrived

        const auto frame = received.first(header.frame_bytes);
        if (const auto opened = wire::open_frame(frame)) {
            fuzz::touch(opened->body);
            walk_attachments(opened->attachments);
        }
        check_round_trip(header, frame);
        received = received.subspan(header.frame_bytes);
    }
    return 0;
}
