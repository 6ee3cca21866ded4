#pragma once
// casc/wire/messages.hpp: the message bodies as plain structs (fb::HelloT, fb::CreateTopicT, ...)
// and as views (fb::Produce, ...), generated from schemas/fbs/casc.fbs.
//
//   encoder.encode(fb::CreateTopicT{...})      body bytes, valid until the next encode
//   decode<fb::CreateTopic>(frame.body)        a struct; checks the buffer first
//   view<fb::Produce>(frame.body)              a view without allocation, for the hot path
//
// Thread: an Encoder belongs to one thread at a time; the functions are free.

#include <casc/types/result.hpp>
#include <casc/wire/frame.hpp>
#include <casc/wire/message_list.hpp>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <flatbuffers/minireflect.h>

#include <casc_generated.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace casc::wire {

// A checked view of a message body, which begins at a multiple of 8 as it does in a frame (an
// Encoder's own bytes are aligned as their content needs). Fails with malformed_message.
template <class Table>
[[nodiscard]] Result<const Table*> view(std::span<const std::byte> body) {
    // In flatbuffers several references may lead to one object. A table takes 4 bytes and a
    // reference to it 4, so a body with more visits to tables than this shares them, which only
    // somebody who wants to waste our time does.
    const auto tables_max = static_cast<flatbuffers::uoffset_t>(body.size() / 8 + 1);
    flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(body.data()), body.size(),
                                   /*max_depth=*/16, tables_max);
    if (!verifier.template VerifyBuffer<Table>(nullptr)) return Error(ErrorCode::malformed_message);
    return flatbuffers::GetRoot<Table>(body.data());
}

namespace detail {

// The bytes of all strings that unpacking a message copies.
struct TextBytes final : flatbuffers::IterationVisitor {
    std::size_t sum = 0;
    void String(const flatbuffers::String* text) override { sum += text->size(); }
};

}  // namespace detail

// The message as a struct. A body that refers to the same string again and again would unpack to
// its square (8 MiB to terabytes), so the strings together may not be longer than the largest body.
// Fails with malformed_message. `body` may begin anywhere: rows of the store lie as RocksDB has
// them.
template <class Table>
[[nodiscard]] Result<typename Table::NativeTableType> decode(std::span<const std::byte> body) {
    std::vector<std::uint64_t> aligned;
    if (reinterpret_cast<std::uintptr_t>(body.data()) % alignof(std::uint64_t) != 0) {
        aligned.resize(body.size() / sizeof(std::uint64_t) + 1);
        std::memcpy(aligned.data(), body.data(), body.size());
        body = std::as_bytes(std::span(aligned)).first(body.size());
    }
    CASC_TRY(const Table* table, view<Table>(body));
    detail::TextBytes text;
    flatbuffers::IterateObject(reinterpret_cast<const std::uint8_t*>(table),
                               Table::MiniReflectTypeTable(), &text);
    if (text.sum > kBodyBytesMax)
        return Error(ErrorCode::malformed_message, "more text than a body can hold");
    typename Table::NativeTableType message;
    table->UnPackTo(&message);
    return message;
}

// Keeps its buffer between messages.
class Encoder {
public:
    // The bytes are valid until the next use of this encoder.
    template <class Message>
    [[nodiscard]] std::span<const std::byte> encode(const Message& message);

    // For the hot path: `build(builder)` returns the offset of the root table.
    template <class Build>
    [[nodiscard]] std::span<const std::byte> build(Build&& build) {
        builder_.Clear();
        builder_.Finish(build(builder_));
        return finished();
    }

private:
    [[nodiscard]] std::span<const std::byte> finished() const {
        return std::as_bytes(std::span(builder_.GetBufferPointer(), builder_.GetSize()));
    }

    flatbuffers::FlatBufferBuilder builder_{512};
};

template <class Message>
std::span<const std::byte> Encoder::encode(const Message& message) {
    builder_.Clear();
    builder_.Finish(Message::TableType::Pack(builder_, &message));
    return finished();
}

// Compiled once, in wire_messages.cpp, and not by everybody who sends or reads one.
#define CASC_WIRE_ELSEWHERE(Table)                                                        \
    extern template Result<const fb::Table*> view<fb::Table>(std::span<const std::byte>); \
    extern template Result<fb::Table##T> decode<fb::Table>(std::span<const std::byte>);   \
    extern template std::span<const std::byte> Encoder::encode<fb::Table##T>(const fb::Table##T&);
CASC_WIRE_MESSAGES(CASC_WIRE_ELSEWHERE)
#undef CASC_WIRE_ELSEWHERE

}  // namespace casc::wire
