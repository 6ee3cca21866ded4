#pragma once
// storage/src/entry_builder.hpp: fills one journal entry, record by record, in the memory that the
// journal will write.

#include "entry_records.hpp"
#include "log_index.hpp"

#include <vector>

namespace casc::storage {

// What an entry did to one log: the log's row as it is once the entry has been applied.
struct LogChange {
    LogId log;
    LogRow row;
    bool appended = false;
    bool erased = false;
};

// An entry that is complete and waits for the journal, is being written, or waits for its
// checkpoint.
struct Entry {
    JournalSequence sequence;
    BlockRef block;
    std::size_t body_bytes = 0;
    std::uint32_t body_crc = 0;
    std::uint32_t record_count = 0;
    std::vector<LogChange> changes;

    [[nodiscard]] std::span<const std::byte> body() const {
        return std::span<const std::byte>(block.bytes()).subspan(kEntryHeaderBytes, body_bytes);
    }
    // What the entry costs in memory, whatever it holds.
    [[nodiscard]] std::size_t memory_bytes() const { return block.bytes().size(); }
};

// The one copy that casc makes of a batch is made here: journal, tail cache, checkpoint and every
// send to a consumer use these bytes.
//
// Thread: owning shard.
class EntryBuilder {
public:
    // Starts an entry in `block`, which holds nothing yet.
    void start(JournalSequence sequence, BlockRef block);

    [[nodiscard]] bool started() const { return static_cast<bool>(entry_.block); }
    [[nodiscard]] bool empty() const { return entry_.record_count == 0; }
    [[nodiscard]] JournalSequence sequence() const { return entry_.sequence; }
    [[nodiscard]] std::size_t body_bytes() const { return entry_.body_bytes; }
    [[nodiscard]] std::uint32_t record_count() const { return entry_.record_count; }
    [[nodiscard]] const BlockRef& block() const { return entry_.block; }
    // Whether records of `bytes` together still fit.
    [[nodiscard]] bool has_room(std::size_t bytes) const;

    // Copies `batch` and stamps the copy; returns it. Requires has_room(record_bytes(0,
    // batch.size())).
    std::span<const std::byte> add_batch(LogId log, RetentionClass retention,
                                         std::span<const std::byte> batch, Offset base,
                                         EpochNanos append_time, std::uint64_t arrival,
                                         std::uint32_t epoch);
    // Adds any other record. Requires has_room(record_bytes(key.size(), value.size())).
    void add(RecordKind kind, std::uint8_t table, LogId log, std::string_view key,
             std::string_view value);

    // What the entry does to logs. A log is in it once: the caller remembers where. Rows are filled
    // in at the end.
    [[nodiscard]] std::vector<LogChange>& changes() { return entry_.changes; }

    // Hands the entry over and is as new.
    [[nodiscard]] Entry finish();

private:
    std::byte* open_record(const RecordHeader& header);
    void close_record(const RecordHeader& header);

    Entry entry_;
};

}  // namespace casc::storage
