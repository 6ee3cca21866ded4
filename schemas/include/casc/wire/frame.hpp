#pragma once
// casc/wire/frame.hpp: how messages lie on a connection.
//
//   | FrameHeader 24 | body (flatbuffers) | zeros to 8 | attachments (batches, each a multiple of
//   8) |
//
// Every frame is a multiple of 8 bytes, so that bodies and batches stay aligned in a receive
// buffer. Little-endian. The checksum covers header and body; batches carry their own. Format:
// docs/protocol.md. Thread: any (values).

#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace casc::wire {

inline constexpr std::uint8_t kFrameMagic = 0xCA;
inline constexpr std::uint8_t kProtocolVersion = 1;
inline constexpr std::uint16_t kDefaultPort = 7440;
inline constexpr std::uint16_t kDefaultHttpPort = 7441;

// Bits of Hello.features and HelloReply.features; used when both sides have them.
inline constexpr std::uint64_t kFeatureSharedMemory = 1u << 0;

enum class FrameKind : std::uint8_t {
    request = 1,  // answered by one response or error with the same correlation id
    response = 2,
    error = 3,    // body: ErrorReply
    one_way = 4,  // client to broker, never answered
    push = 5,     // broker to client, unasked
};

// What the body is. Numbers are never used again.
// What a Deliver without batches, which only tells a position, takes of a subscription's credit: so
// that a reader that takes nothing does not gather them without bound.
inline constexpr std::size_t kProgressCreditBytes = 256;

enum class Api : std::uint16_t {
    hello = 1,
    ping = 2,

    create_topic = 10,
    delete_topic = 11,
    alter_topic = 12,
    list_topics = 13,
    describe_topic = 14,
    purge_topic = 15,

    init_producer = 20,
    produce = 21,
    atomic_write = 22,
    create_schedule = 23,
    list_schedules = 24,
    cancel_schedule = 25,
    describe_producer = 26,

    fetch = 30,
    list_offsets = 31,
    subscribe = 32,
    update_subscription = 33,
    unsubscribe = 34,
    credit = 35,
    deliver = 36,
    tap = 37,
    untap = 38,

    join_group = 40,
    leave_group = 41,
    release_partitions = 42,
    commit = 43,
    committed = 44,
    list_groups = 45,
    describe_group = 46,
    delete_group = 47,
    reset_group = 48,
    assignment = 49,

    join_queue = 50,
    leave_queue = 51,
    lease = 52,
    settle = 53,
    describe_queue = 54,
    list_pending = 55,

    node_info = 60,
    node_config = 61,
    backup = 62,

    serve = 70,
    stop_serving = 71,
    request = 72,
    call = 73,
    answer = 74,
    reply_part = 75,
    cancel_request = 76,
    call_cancelled = 77,
    part_credit = 78,
    call_credit = 79,
    list_services = 80,

    topics_matched = 90,
    kv_put = 100,
    kv_get = 101,
    kv_list = 102,
    kv_history = 103,
    delete_event = 104,
    open_rings = 110,
};

// Whether asking does nothing but tell, so that asking twice does no harm.
[[nodiscard]] constexpr bool only_reads(Api api) noexcept {
    switch (api) {
        case Api::list_topics:
        case Api::describe_topic:
        case Api::list_schedules:
        case Api::describe_producer:
        case Api::fetch:
        case Api::list_offsets:
        case Api::committed:
        case Api::list_groups:
        case Api::describe_group:
        case Api::describe_queue:
        case Api::list_pending:
        case Api::node_info:
        case Api::node_config:
        case Api::list_services:
        case Api::kv_get:
        case Api::kv_list:
        case Api::kv_history:
            return true;
        default:
            return false;
    }
}

struct FrameHeader {
    std::uint32_t frame_bytes;  // everything, this header included; a multiple of 8
    std::uint8_t magic;
    std::uint8_t version;
    FrameKind kind;
    std::uint8_t flags;  // 0
    Api api;
    std::uint16_t reserved;  // 0
    std::uint32_t correlation_id;
    std::uint32_t body_bytes;  // without padding
    std::uint32_t crc;         // CRC32C of the 20 bytes before it, continued over the body
};
static_assert(sizeof(FrameHeader) == 24);
inline constexpr std::size_t kFrameHeaderBytes = sizeof(FrameHeader);

// Bounds that a receiver checks before it takes memory. The hard ones are the encoding's; a broker
// may set lower.
inline constexpr std::size_t kFrameBytesMax = 17u << 20;  // one largest batch and its request
inline constexpr std::size_t kBodyBytesMax = 8u << 20;

struct Frame {
    FrameHeader header;
    std::span<const std::byte> body;
    std::span<const std::byte> attachments;
};

// Looks at the first bytes of a connection or frame. nullopt: fewer than kFrameHeaderBytes are
// there. Checks magic, version, lengths and kind, not the checksum; the api is for the receiver to
// know. Fails with: bad_magic, unsupported_version, frame_too_large, malformed_message.
[[nodiscard]] Result<std::optional<FrameHeader>> peek_frame(std::span<const std::byte> received,
                                                            std::size_t frame_bytes_max);

// Takes a whole frame apart and checks its checksum. `bytes` has exactly frame_bytes and begins at
// a multiple of 8, so that body and batches are aligned. Fails with: frame_corrupt, and
// malformed_message when the lengths disagree.
[[nodiscard]] Result<Frame> open_frame(std::span<const std::byte> bytes);

// Writes header, body and padding to `into`, which has framed_bytes(body.size()) bytes or more;
// attachments of `attachment_bytes`, a multiple of 8, will follow on the connection. Returns the
// bytes written.
std::size_t write_frame(std::span<std::byte> into, FrameKind kind, Api api,
                        std::uint32_t correlation_id, std::span<const std::byte> body,
                        std::size_t attachment_bytes) noexcept;

// The bytes of header, body and padding.
[[nodiscard]] constexpr std::size_t framed_bytes(std::size_t body_bytes) noexcept {
    return (kFrameHeaderBytes + body_bytes + 7) & ~std::size_t{7};
}

}  // namespace casc::wire
