#pragma once
// The stream protocol of RabbitMQ, as far as a client needs it.
//
// Grammar, all numbers big-endian: a frame is its size (u32, of what follows), key (u16), version
// (u16, 1) and a body; the key of a response has the highest bit set, and its body begins with the
// correlation of the request (u32) and a code (u16, 1 is success). A string is its size (i16) and
// so many bytes; bytes are their size (i32) and so many.
//
// Thread: any.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace casc::bench::compare {

enum class RabbitKey : std::uint16_t {
    declare_publisher = 1,
    publish = 2,
    publish_confirm = 3,
    publish_error = 4,
    subscribe = 7,
    deliver = 8,
    credit = 9,
    store_offset = 10,
    query_offset = 11,
    create = 13,
    peer_properties = 17,
    sasl_handshake = 18,
    sasl_authenticate = 19,
    tune = 20,
    open = 21,
    close = 22,
    heartbeat = 23,
};
inline constexpr std::uint16_t kRabbitResponse = 0x8000;
inline constexpr std::uint16_t kRabbitOk = 1;

void append_u8(std::string& out, std::uint8_t value);
void append_u16(std::string& out, std::uint16_t value);
void append_u32(std::string& out, std::uint32_t value);
void append_u64(std::string& out, std::uint64_t value);
void append_string(std::string& out, std::string_view text);
void append_bytes(std::string& out, std::string_view bytes);

// A frame at the end of `out`, whose size is known when it goes.
class RabbitFrame {
public:
    RabbitFrame(std::string& out, RabbitKey key)
        : RabbitFrame(out, static_cast<std::uint16_t>(key)) {}
    RabbitFrame(std::string& out, std::uint16_t key);
    ~RabbitFrame();
    RabbitFrame(const RabbitFrame&) = delete;
    RabbitFrame& operator=(const RabbitFrame&) = delete;

private:
    std::string& out_;
    const std::size_t begin_;
};

// Takes a body apart from the front. Throws std::runtime_error when it is too short.
class RabbitBody {
public:
    explicit RabbitBody(std::string_view body) : rest_(body) {}

    std::uint8_t u8();
    std::uint16_t u16();
    std::uint32_t u32();
    std::uint64_t u64();
    std::string_view string();
    std::string_view raw(std::size_t bytes);

private:
    std::string_view rest_;
};

struct ReceivedFrame {
    std::uint16_t key = 0;
    std::string_view body;

    [[nodiscard]] bool is(RabbitKey wanted) const {
        return key == static_cast<std::uint16_t>(wanted);
    }
    [[nodiscard]] bool is_response_to(RabbitKey asked) const {
        return key == (static_cast<std::uint16_t>(asked) | kRabbitResponse);
    }
};

// The first frame, taken off the front of `rest`. Nothing, and `rest` as it was: it is not whole
// yet. Throws std::runtime_error when it cannot be one.
[[nodiscard]] std::optional<ReceivedFrame> take_rabbit_frame(std::string_view& rest);

// What a Deliver frame holds.
struct RabbitChunk {
    std::uint8_t subscription = 0;
    std::uint64_t first_offset = 0;
    std::uint32_t record_count = 0;
    std::string_view entries;
};
[[nodiscard]] RabbitChunk chunk_of(const ReceivedFrame& deliver);
// Each message of a chunk in order. Throws when the producer has put several into one entry, which
// nobody does here.
void each_message(const RabbitChunk& chunk,
                  const std::function<void(std::span<const std::byte>)>& take);

}  // namespace casc::bench::compare
