#pragma once
// storage/src/entry_records.hpp: what the body of a journal entry is made of.
//
//   | record | record | ... |      record = | header 16 | key | value | zeros to a multiple of 8 |
//
// Everything is 8-aligned, so the batches are too and may be read in place. The entry's body_crc
// covers everything but what batches have behind their stamp: that is covered by the producer's
// checksum, which the stamp carries and the stamp is covered, so no byte is checksummed twice and
// none is left out. Format: docs/storage_format.md, "Entry".

#include <casc/storage/store.hpp>
#include <casc/wire/batch.hpp>

#include <cstring>

namespace casc::storage {

enum class RecordKind : std::uint8_t {
    batch = 1,
    put = 2,
    erase = 3,
    trim = 4,
    erase_log = 5,
    reserve = 6
};

struct RecordHeader {
    RecordKind kind;
    std::uint8_t table;  // StateTable of put and erase, RetentionClass of batch, else 0
    std::uint16_t key_bytes;
    std::uint32_t value_bytes;
    std::uint64_t log;  // of batch, trim, erase_log and reserve, else 0
};
static_assert(sizeof(RecordHeader) == 16);

inline constexpr std::size_t kRecordAlignment = 8;
inline constexpr std::size_t kStateKeyBytesMax = 0xFFFF;

// What a record of these lengths takes in the body.
constexpr std::size_t record_bytes(std::size_t key_bytes, std::size_t value_bytes) {
    return sizeof(RecordHeader) + align_up(key_bytes + value_bytes, kRecordAlignment);
}

// One record, as views into the body.
struct Record {
    RecordHeader header;
    std::string_view key;
    std::span<const std::byte> value;

    [[nodiscard]] LogId log() const { return LogId(header.log); }
    [[nodiscard]] std::string_view value_text() const {
        return {reinterpret_cast<const char*>(value.data()), value.size()};
    }
    // The offset that a trim or reserve record carries.
    [[nodiscard]] std::uint64_t number() const;
};

// Walks the records of a body: `while (cursor.next(record))`, then ok() says whether the walk ended
// at the end. Safe on any bytes. Thread: any (a value).
class RecordCursor {
public:
    explicit RecordCursor(std::span<const std::byte> body) : rest_(body) {}
    [[nodiscard]] bool next(Record& record);
    [[nodiscard]] bool ok() const { return ok_; }

private:
    std::span<const std::byte> rest_;
    bool ok_ = true;
};

// The stamp and header of a batch that has at least kBatchOverheadBytes, without checking them.
[[nodiscard]] inline wire::BatchStamp peek_stamp(std::span<const std::byte> batch) {
    wire::BatchStamp stamp;
    std::memcpy(&stamp, batch.data(), sizeof stamp);
    return stamp;
}
[[nodiscard]] inline wire::BatchHeader peek_header(std::span<const std::byte> batch) {
    wire::BatchHeader header;
    std::memcpy(&header, batch.data() + sizeof(wire::BatchStamp), sizeof header);
    return header;
}

// The bytes of `record_at` (header, key, value, padding) that body_crc covers, continued from
// `seed`.
[[nodiscard]] std::uint32_t record_crc(std::span<const std::byte> record, bool is_batch,
                                       std::uint32_t seed);

// The journal's BodyCheck: records well formed, body_crc right, and every batch intact by its own
// checksums.
[[nodiscard]] bool check_entry_body(std::span<const std::byte> body, std::uint32_t body_crc);

// Whether a stored batch is whole and is the one that its place says: stamp checksum, length, base
// offset.
[[nodiscard]] bool stamp_matches(std::span<const std::byte> batch, std::uint64_t base);

}  // namespace casc::storage
