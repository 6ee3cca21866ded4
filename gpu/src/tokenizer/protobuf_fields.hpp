#pragma once
// gpu/src/tokenizer/protobuf_fields.hpp: the fields of a message as protocol buffers write it (the
// wire format of protobuf.dev/programming-guides/encoding), for looking at a file before a library
// does.

#include <cstdint>
#include <string_view>

namespace casc::gpu {

// How a field is written. Of a known number but written otherwise than its message says, it is an
// unknown field to a library.
enum class ProtobufKind : std::uint8_t { number = 0, eight_bytes = 1, bytes = 2, four_bytes = 5 };

struct ProtobufField {
    std::uint32_t number = 0;
    ProtobufKind kind = ProtobufKind::number;
    std::uint64_t value = 0;  // of a number of any kind, its bits
    std::string_view bytes;   // of a text or a message
};

// Thread: one at a time. Lifetime: borrows the message.
class ProtobufFields {
public:
    explicit ProtobufFields(std::string_view message) : rest_(message) {}

    // The next one; false: there is none, or the message is damaged.
    [[nodiscard]] bool next(ProtobufField& field) noexcept;
    // False: something is there which is no field, or the half of one.
    [[nodiscard]] bool ended_well() const noexcept { return rest_.empty() && !damaged_; }

private:
    [[nodiscard]] bool take_number(std::uint64_t& number) noexcept;
    [[nodiscard]] bool take_fixed(std::size_t bytes, std::uint64_t& number) noexcept;
    [[nodiscard]] bool take_bytes(std::string_view& bytes) noexcept;
    [[nodiscard]] bool take(ProtobufField& field) noexcept;

    std::string_view rest_;
    bool damaged_ = false;
};

}  // namespace casc::gpu
