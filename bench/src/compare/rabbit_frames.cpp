#include "rabbit_frames.hpp"

#include <stdexcept>

namespace casc::bench::compare {
namespace {

constexpr std::uint16_t kProtocolVersion = 1;
constexpr std::size_t kSizeBytes = 4;
constexpr std::uint32_t kFrameBytesMax = 64u << 20;  // far above what is tuned

template <class T>
void append_big_endian(std::string& out, T value) {
    for (std::size_t i = sizeof value; i-- > 0;)
        out += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
}

template <class T>
T big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return static_cast<T>(value);
}

}  // namespace

void append_u8(std::string& out, std::uint8_t value) {
    append_big_endian(out, value);
}

void append_u16(std::string& out, std::uint16_t value) {
    append_big_endian(out, value);
}

void append_u32(std::string& out, std::uint32_t value) {
    append_big_endian(out, value);
}

void append_u64(std::string& out, std::uint64_t value) {
    append_big_endian(out, value);
}

void append_string(std::string& out, std::string_view text) {
    append_u16(out, static_cast<std::uint16_t>(text.size()));
    out += text;
}

void append_bytes(std::string& out, std::string_view bytes) {
    append_u32(out, static_cast<std::uint32_t>(bytes.size()));
    out += bytes;
}

RabbitFrame::RabbitFrame(std::string& out, std::uint16_t key) : out_(out), begin_(out.size()) {
    append_u32(out_, 0);
    append_u16(out_, key);
    append_u16(out_, kProtocolVersion);
}

RabbitFrame::~RabbitFrame() {
    std::string size;
    append_u32(size, static_cast<std::uint32_t>(out_.size() - begin_ - kSizeBytes));
    out_.replace(begin_, kSizeBytes, size);
}

std::string_view RabbitBody::raw(std::size_t bytes) {
    if (rest_.size() < bytes) throw std::runtime_error("a frame of RabbitMQ is too short");
    const std::string_view result = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return result;
}

std::uint8_t RabbitBody::u8() {
    return big_endian<std::uint8_t>(raw(1));
}

std::uint16_t RabbitBody::u16() {
    return big_endian<std::uint16_t>(raw(2));
}

std::uint32_t RabbitBody::u32() {
    return big_endian<std::uint32_t>(raw(4));
}

std::uint64_t RabbitBody::u64() {
    return big_endian<std::uint64_t>(raw(8));
}

std::string_view RabbitBody::string() {
    return raw(u16());
}

std::optional<ReceivedFrame> take_rabbit_frame(std::string_view& rest) {
    if (rest.size() < kSizeBytes) return {};
    const auto size = big_endian<std::uint32_t>(rest);
    if (size < 4 || size > kFrameBytesMax)
        throw std::runtime_error("not a frame of RabbitMQ: " + std::to_string(size) + " bytes");
    if (rest.size() < kSizeBytes + size) return {};
    RabbitBody frame(rest.substr(kSizeBytes, size));
    const std::uint16_t key = frame.u16();
    static_cast<void>(frame.u16());
    const ReceivedFrame received{key, frame.raw(size - 4)};
    rest.remove_prefix(kSizeBytes + size);
    return received;
}

RabbitChunk chunk_of(const ReceivedFrame& deliver) {
    constexpr std::uint8_t kMagicAndVersion = 0x50;
    RabbitBody body(deliver.body);
    RabbitChunk chunk;
    chunk.subscription = body.u8();
    if (body.u8() != kMagicAndVersion)
        throw std::runtime_error("RabbitMQ delivers chunks of another version");
    static_cast<void>(body.u8());   // type
    static_cast<void>(body.u16());  // entries
    chunk.record_count = body.u32();
    static_cast<void>(body.u64());  // timestamp
    static_cast<void>(body.u64());  // epoch
    chunk.first_offset = body.u64();
    static_cast<void>(body.u32());  // checksum; the connection is local
    const std::uint32_t entries_bytes = body.u32();
    static_cast<void>(body.u32());  // trailer
    static_cast<void>(body.u32());  // reserved
    chunk.entries = body.raw(entries_bytes);
    return chunk;
}

void each_message(const RabbitChunk& chunk,
                  const std::function<void(std::span<const std::byte>)>& take) {
    constexpr std::uint32_t kSeveralInOne = 0x80000000;
    RabbitBody entries(chunk.entries);
    for (std::uint32_t i = 0; i < chunk.record_count; ++i) {
        const std::uint32_t size = entries.u32();
        if ((size & kSeveralInOne) != 0)
            throw std::runtime_error("RabbitMQ delivers an entry of several messages");
        take(std::as_bytes(std::span(entries.raw(size))));
    }
}

}  // namespace casc::bench::compare
