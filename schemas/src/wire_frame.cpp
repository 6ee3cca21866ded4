#include <casc/types/assert.hpp>
#include <casc/wire/crc32c.hpp>
#include <casc/wire/frame.hpp>

#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>

namespace casc::wire {
namespace {

static_assert(offsetof(FrameHeader, magic) == 4 && offsetof(FrameHeader, version) == 5 &&
              offsetof(FrameHeader, kind) == 6 && offsetof(FrameHeader, flags) == 7 &&
              offsetof(FrameHeader, api) == 8 && offsetof(FrameHeader, correlation_id) == 12 &&
              offsetof(FrameHeader, body_bytes) == 16 && offsetof(FrameHeader, crc) == 20 &&
              std::has_unique_object_representations_v<FrameHeader>);

constexpr std::size_t kCheckedHeaderBytes = offsetof(FrameHeader, crc);

bool is_known(FrameKind kind) noexcept {
    return kind >= FrameKind::request && kind <= FrameKind::push;
}

bool lengths_agree(const FrameHeader& header) noexcept {
    return header.frame_bytes >= kFrameHeaderBytes && header.frame_bytes % 8 == 0 &&
           header.body_bytes <= kBodyBytesMax &&
           framed_bytes(header.body_bytes) <= header.frame_bytes;
}

std::uint32_t frame_crc(std::span<const std::byte> header,
                        std::span<const std::byte> body) noexcept {
    return crc32c(body, crc32c(header.first(kCheckedHeaderBytes)));
}

}  // namespace

Result<std::optional<FrameHeader>> peek_frame(std::span<const std::byte> received,
                                              std::size_t frame_bytes_max) {
    // Garbage is recognised from its first bytes: nobody should wait for 24 bytes of an HTTP
    // request.
    if (received.size() > 4 && received[4] != std::byte{kFrameMagic})
        return Error(ErrorCode::bad_magic);
    if (received.size() < kFrameHeaderBytes) return std::optional<FrameHeader>{};

    FrameHeader header;
    std::memcpy(static_cast<void*>(&header), received.data(), sizeof header);
    if (header.version != kProtocolVersion)
        return Error(ErrorCode::unsupported_version,
                     "frame version " + std::to_string(header.version));
    if (header.frame_bytes > frame_bytes_max)
        return Error(ErrorCode::frame_too_large, std::to_string(header.frame_bytes) +
                                                     " bytes, the limit is " +
                                                     std::to_string(frame_bytes_max));
    if (!lengths_agree(header))
        return Error(ErrorCode::malformed_message, "frame lengths disagree");
    if (!is_known(header.kind)) return Error(ErrorCode::malformed_message, "unknown kind of frame");
    return std::optional<FrameHeader>{header};
}

Result<Frame> open_frame(std::span<const std::byte> bytes) {
    Frame frame;
    if (bytes.size() < sizeof frame.header)
        return Error(ErrorCode::malformed_message, "shorter than a frame header");
    std::memcpy(static_cast<void*>(&frame.header), bytes.data(), sizeof frame.header);
    if (frame.header.frame_bytes != bytes.size() || !lengths_agree(frame.header))
        return Error(ErrorCode::malformed_message, "frame lengths disagree");
    frame.body = bytes.subspan(kFrameHeaderBytes, frame.header.body_bytes);
    frame.attachments = bytes.subspan(framed_bytes(frame.header.body_bytes));
    if (frame_crc(bytes, frame.body) != frame.header.crc) return Error(ErrorCode::frame_corrupt);
    return frame;
}

std::size_t write_frame(std::span<std::byte> into, FrameKind kind, Api api,
                        std::uint32_t correlation_id, std::span<const std::byte> body,
                        std::size_t attachment_bytes) noexcept {
    const std::size_t written = framed_bytes(body.size());
    // A body over kBodyBytesMax is the caller's to prevent; the peer refuses it, and it is no
    // reason to stop.
    CASC_ASSERT(into.size() >= written, into.size(), body.size());
    CASC_ASSERT(attachment_bytes % 8 == 0 && attachment_bytes <= UINT32_MAX - written,
                attachment_bytes);
    FrameHeader header{};
    header.frame_bytes = static_cast<std::uint32_t>(written + attachment_bytes);
    header.magic = kFrameMagic;
    header.version = kProtocolVersion;
    header.kind = kind;
    header.api = api;
    header.correlation_id = correlation_id;
    header.body_bytes = static_cast<std::uint32_t>(body.size());
    std::memcpy(into.data(), &header, sizeof header);
    header.crc = frame_crc(into, body);
    std::memcpy(into.data(), &header, sizeof header);
    if (!body.empty()) std::memcpy(into.data() + kFrameHeaderBytes, body.data(), body.size());
    const std::size_t end = kFrameHeaderBytes + body.size();
    std::memset(into.data() + end, 0, written - end);
    return written;
}

}  // namespace casc::wire
