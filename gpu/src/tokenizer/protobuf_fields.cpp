#include "tokenizer/protobuf_fields.hpp"

namespace casc::gpu {

bool ProtobufFields::next(ProtobufField& field) noexcept {
    if (rest_.empty() || damaged_) return false;
    damaged_ = !take(field);
    return !damaged_;
}

bool ProtobufFields::take(ProtobufField& field) noexcept {
    std::uint64_t tag = 0;
    if (!take_number(tag) || tag >> 3 == 0 || tag >> 32 != 0) return false;
    field = {static_cast<std::uint32_t>(tag >> 3), static_cast<ProtobufKind>(tag & 7), 0, {}};
    switch (field.kind) {
        case ProtobufKind::number:
            return take_number(field.value);
        case ProtobufKind::eight_bytes:
            return take_fixed(8, field.value);
        case ProtobufKind::bytes:
            return take_bytes(field.bytes);
        case ProtobufKind::four_bytes:
            return take_fixed(4, field.value);
    }
    return false;  // groups, which nobody writes any more
}

// Seven bits a byte, the lowest first.
bool ProtobufFields::take_number(std::uint64_t& number) noexcept {
    number = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        number |= std::uint64_t{byte & 0x7Fu} << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

bool ProtobufFields::take_fixed(std::size_t bytes, std::uint64_t& number) noexcept {
    if (rest_.size() < bytes) return false;
    number = 0;
    for (std::size_t i = 0; i < bytes; ++i)
        number |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << 8 * i;
    rest_.remove_prefix(bytes);
    return true;
}

bool ProtobufFields::take_bytes(std::string_view& bytes) noexcept {
    std::uint64_t size = 0;
    if (!take_number(size) || size > rest_.size()) return false;
    bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
}

}  // namespace casc::gpu
