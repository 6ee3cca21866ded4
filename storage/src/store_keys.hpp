#pragma once
// storage/src/store_keys.hpp: keys and rows in RocksDB. Format: docs/storage_format.md, "RocksDB".
// Numbers in keys are big-endian so that they sort; rows are little-endian structs. Thread: any
// (values).

#include "log_index.hpp"

#include <bit>
#include <cstring>

namespace casc::storage {

static_assert(std::endian::native == std::endian::little, "rows are written as they lie in memory");

// The store's own tables in the state column family; StateTable numbers start at 16.
enum class OwnTable : std::uint8_t { meta = 0, log = 1, directory = 2, key = 3, compacted = 4 };

// Rows of OwnTable::meta.
inline constexpr std::string_view kAppliedKey =
    "applied";  // u64: everything up to this sequence is in RocksDB
inline constexpr std::string_view kCleanKey =
    "clean";  // u64: the same, written by an orderly shutdown

inline void append_big_endian(std::string& key, std::uint64_t number, int bytes = 8) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
        key.push_back(static_cast<char>(number >> shift & 0xFF));
}
[[nodiscard]] inline std::uint64_t read_big_endian(std::string_view key, std::size_t at,
                                                   std::size_t bytes = 8) {
    std::uint64_t number = 0;
    for (const char c : key.substr(at, bytes))
        number = number << 8 | static_cast<std::uint8_t>(c);
    return number;
}

// A row struct as the value of a key, and back; nothing when the length is wrong.
template <class Row>
[[nodiscard]] std::string_view row_bytes(const Row& row) {
    return {reinterpret_cast<const char*>(&row), sizeof row};
}
template <class Row>
[[nodiscard]] std::optional<Row> row_from(std::string_view bytes) {
    if (bytes.size() != sizeof(Row)) return std::nullopt;
    Row row;
    std::memcpy(static_cast<void*>(&row), bytes.data(), sizeof row);
    return row;
}

[[nodiscard]] inline std::string state_key(std::uint8_t table, std::string_view key) {
    std::string full(1, static_cast<char>(table));
    return full.append(key);
}
[[nodiscard]] inline std::string meta_key(std::string_view name) {
    return state_key(static_cast<std::uint8_t>(OwnTable::meta), name);
}
[[nodiscard]] inline std::string log_key(LogId log) {
    std::string key(1, static_cast<char>(OwnTable::log));
    append_big_endian(key, log.value());
    return key;
}

// Which part of a log is in which slice.
struct DirectoryRow {
    std::uint64_t first = 0;  // offset of the first event
    std::uint64_t end = 0;    // offset behind the last event
    std::uint64_t bytes = 0;  // of its batches
    std::uint64_t batches = 0;
    std::int64_t first_time = 0;  // append time of the first batch
    std::int64_t last_time = 0;   // append time of the last batch
};
static_assert(sizeof(DirectoryRow) == 48);

// The last event of a key of a compacted log.
struct KeyRow {
    std::uint64_t offset = 0;
    std::int64_t append_time = 0;
    std::uint32_t value_bytes = 0;
    std::uint8_t is_tombstone = 0;
    std::uint8_t unused[3] = {};
};
static_assert(sizeof(KeyRow) == 24);

[[nodiscard]] inline std::string key_row_prefix(LogId log) {
    std::string key(1, static_cast<char>(OwnTable::key));
    append_big_endian(key, log.value());
    return key;
}
[[nodiscard]] inline std::string key_row_key(LogId log, std::string_view key) {
    return key_row_prefix(log).append(key);
}

// What compaction has done to a log.
struct CompactedRow {
    std::uint64_t complete_from = 0;  // tombstones below may be gone
    std::uint64_t events = 0;         // that were taken out
};
static_assert(sizeof(CompactedRow) == 16);

[[nodiscard]] inline std::string compacted_key(LogId log) {
    std::string key(1, static_cast<char>(OwnTable::compacted));
    append_big_endian(key, log.value());
    return key;
}

struct SliceId {
    RetentionClass retention = RetentionClass::unlimited;
    std::uint32_t number = 0;
    friend auto operator<=>(const SliceId&, const SliceId&) = default;
};

inline constexpr std::size_t kDirectoryKeyBytes = 1 + 8 + 1 + 4;
[[nodiscard]] inline std::string directory_prefix(LogId log) {
    std::string key(1, static_cast<char>(OwnTable::directory));
    append_big_endian(key, log.value());
    return key;
}
[[nodiscard]] inline std::string directory_key(LogId log, SliceId slice) {
    std::string key = directory_prefix(log);
    key.push_back(static_cast<char>(slice.retention));
    append_big_endian(key, slice.number, 4);
    return key;
}
[[nodiscard]] inline SliceId slice_of_directory_key(std::string_view key) {
    return {static_cast<RetentionClass>(key[9]),
            static_cast<std::uint32_t>(read_big_endian(key, 10, 4))};
}

// Keys inside a slice. Log 0 does not exist (topics count from 1), so its keys are ours: (0, 0)
// holds the applied sequence of the class, (0, log) the directory row of a log.
[[nodiscard]] inline std::string batch_key(std::uint64_t log, std::uint64_t base) {
    std::string key;
    key.reserve(16);
    append_big_endian(key, log);
    append_big_endian(key, base);
    return key;
}
[[nodiscard]] inline std::string slice_applied_key() {
    return batch_key(0, 0);
}
[[nodiscard]] inline std::string slice_directory_key(LogId log) {
    return batch_key(0, log.value());
}
[[nodiscard]] inline std::string first_batch_key() {
    return batch_key(1, 0);
}

}  // namespace casc::storage
