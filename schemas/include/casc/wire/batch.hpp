#pragma once
// casc/wire/batch.hpp: the batch, the unit of the wire, the journal, the log and the consumer.
//
//   0        48        96
//   | stamp  | header  | columns (uncompressed) | payloads (maybe compressed) | zeros to a multiple
//   of 8 |
//     broker   └──────────────── producer, covered by body_crc, never changed
//     ────────────────────────┘
//
// The broker fills the stamp and its checksum and leaves the rest alone, so the producer's body_crc
// is computed once and checked wherever the batch leaves a process. Columns hold what a broker may
// need without decompressing; each is there only when some event uses it. An event with nothing but
// a payload costs 4 bytes. Format: docs/protocol.md, "Batch". Everything is little-endian. Thread:
// any (values and views).

#include <casc/types/result.hpp>
#include <casc/types/vocabulary.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace casc::wire {

enum class Codec : std::uint8_t { none = 0, lz4 = 1 };

// The columns in the order in which they lie in the batch. A `bytes` column has one end position
// per event followed by the bytes; a fixed column has one value per event.
enum class Column : std::uint8_t {
    payload_ends = 0,     // always there: u32 end of each payload in the uncompressed payloads
    keys = 1,             // bytes
    message_ids = 2,      // 16 bytes each, all zero: none
    timestamps = 3,       // i64 nanoseconds; without it every event has the batch's created_at
    headers = 4,          // bytes: (u16 name bytes, name, u32 value bytes, value)*
    types = 5,            // bytes
    correlation_ids = 6,  // bytes
    sources = 7,          // bytes
    destinations = 8,     // bytes
    schema_versions = 9,  // u32
    time_to_live = 10,    // u32 milliseconds, 0: for ever
    deliver_at = 11,      // i64 nanoseconds, 0: at once
};
inline constexpr std::uint16_t kColumnCount = 12;
inline constexpr std::uint16_t kKnownColumns = (1u << kColumnCount) - 1;

struct BatchStamp {
    std::uint32_t magic;
    std::uint32_t batch_bytes;  // everything, a multiple of 8
    std::uint64_t base_offset;
    std::int64_t append_time;  // EpochNanos
    std::uint64_t arrival;     // rises over all lanes of a partition
    std::uint32_t epoch;
    std::uint32_t body_crc;  // CRC32C of the bytes [48, batch_bytes)
    std::uint32_t reserved;
    std::uint32_t stamp_crc;  // CRC32C of the 44 bytes before it
};
static_assert(sizeof(BatchStamp) == 48);

struct BatchHeader {
    std::uint64_t producer_id;  // 0: not idempotent
    std::uint32_t producer_epoch;
    std::uint32_t base_sequence;  // of the first event; counts events
    std::int64_t created_at;      // EpochNanos
    std::uint32_t event_count;
    std::uint32_t columns_bytes;
    std::uint32_t payload_bytes;         // uncompressed
    std::uint32_t stored_payload_bytes;  // as in the batch
    std::uint16_t columns;               // bit per Column
    Codec codec;
    Lane lane;
    std::uint32_t reserved;
};
static_assert(sizeof(BatchHeader) == 48);

inline constexpr std::uint32_t kBatchMagic = 0x31425343;  // "CSB1"
inline constexpr std::size_t kBatchOverheadBytes = sizeof(BatchStamp) + sizeof(BatchHeader);
inline constexpr std::size_t kBatchBytesMax = 16u << 20;  // hard limit of the encoding
inline constexpr std::size_t kBatchEventsMax = 1u << 20;
inline constexpr std::size_t kPayloadBytesMax =
    64u << 20;  // uncompressed: the bound for a decompression bomb

// One event of a decoded batch. Views into the batch (or the decompressed payloads), valid as long
// as they are.
struct EventView {
    Offset offset;
    Lane lane = Lane::normal;
    EpochNanos timestamp;  // when it was created
    EpochNanos append_time;
    std::span<const std::byte> payload;
    std::optional<std::span<const std::byte>> key;
    std::span<const std::byte> headers;  // encoded; walk with HeaderCursor
    std::optional<std::span<const std::byte, 16>> message_id;
    std::string_view type;
    std::string_view correlation_id;
    std::string_view source;
    std::string_view destination;
    std::uint32_t schema_version = 0;
    std::uint32_t time_to_live_ms = 0;
    EpochNanos deliver_at;
};

// Walks an encoded header list: `while (cursor.next(name, value))`. The list was checked by
// BatchView::parse.
class HeaderCursor {
public:
    explicit HeaderCursor(std::span<const std::byte> encoded) : rest_(encoded) {}
    bool next(std::string_view& name, std::string_view& value) noexcept;

private:
    std::span<const std::byte> rest_;
};

// A checked, read-only view of one batch. Cheap to copy.
class BatchView {
public:
    // Checks every length, count and position, so that the accessors need no further checks. Does
    // not look at the checksums (see verify_*), so that each process pays for them exactly once.
    // Fails with: batch_malformed.
    [[nodiscard]] static Result<BatchView> parse(std::span<const std::byte> bytes);

    // The number of bytes of the batch that starts `bytes`, without parsing it: to walk a run of
    // batches. Fails with batch_malformed when it cannot be a batch or is longer than `bytes`.
    [[nodiscard]] static Result<std::size_t> peek_bytes(std::span<const std::byte> bytes);

    [[nodiscard]] bool verify_body() const noexcept;   // the producer's checksum
    [[nodiscard]] bool verify_stamp() const noexcept;  // the broker's; only meaningful once stamped

    [[nodiscard]] const BatchStamp& stamp() const& noexcept { return stamp_; }
    [[nodiscard]] const BatchHeader& header() const& noexcept { return header_; }
    [[nodiscard]] BatchStamp stamp() && noexcept {
        return stamp_;
    }  // of a passing view: a copy, nothing dangles
    [[nodiscard]] BatchHeader header() && noexcept { return header_; }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::uint32_t event_count() const noexcept { return header_.event_count; }
    [[nodiscard]] Offset base_offset() const noexcept { return Offset(stamp_.base_offset); }
    [[nodiscard]] Offset end_offset() const noexcept {
        return Offset(stamp_.base_offset + header_.event_count);
    }
    [[nodiscard]] bool has(Column column) const noexcept {
        return (header_.columns >> static_cast<unsigned>(column) & 1u) != 0;
    }

    // The payloads as stored: compressed when header().codec says so.
    [[nodiscard]] std::span<const std::byte> stored_payloads() const noexcept;
    // The raw bytes of a column without its padding at the end, empty when the batch does not have
    // it.
    [[nodiscard]] std::span<const std::byte> column(Column column) const noexcept;

    // Event `index` < event_count(); `payloads` are the uncompressed payloads (see Decompressor).
    [[nodiscard]] EventView event(std::uint32_t index,
                                  std::span<const std::byte> payloads) const noexcept;
    // What event `index` has in a `bytes` column; nullopt when it, or the whole batch, has nothing
    // there.
    [[nodiscard]] std::optional<std::span<const std::byte>> value(
        Column column, std::uint32_t index) const noexcept;
    // The payload alone, for readers that need nothing else.
    [[nodiscard]] std::span<const std::byte> payload(
        std::uint32_t index, std::span<const std::byte> payloads) const noexcept;

private:
    BatchStamp stamp_{};
    BatchHeader header_{};
    std::span<const std::byte> bytes_;
    std::array<std::uint32_t, kColumnCount>
        column_at_{};  // position of each present column, 0 when absent
};

// Writes the broker's part into a batch that parse() accepted; its body_crc stays valid. The only
// change ever made to a batch.
void stamp_batch(std::span<std::byte> batch, Offset base, EpochNanos append_time,
                 std::uint64_t arrival, std::uint32_t epoch) noexcept;

}  // namespace casc::wire
