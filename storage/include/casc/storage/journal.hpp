#pragma once
// casc/storage/journal.hpp: the write-ahead log of one shard.
//
// Entries are written to segment files that were written once before and are recycled, several
// writes in flight. An entry starts on a 4 KiB boundary, never shares or rewrites a block, and its
// header says what was known complete when it was written (durable_through), so that recovery can
// tell a torn tail (cut) from damage (refused). Format: docs/storage_format.md, "Journal". Thread:
// owning shard, except where said.

#include <casc/storage/block.hpp>
#include <casc/storage/disk.hpp>
#include <casc/types/units.hpp>
#include <casc/types/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>

namespace casc::storage {

struct JournalOptions {
    std::filesystem::path directory;
    std::size_t segment_bytes = 64_MiB;  // multiple of 4 KiB, at least twice the largest entry
    unsigned segments_min = 4;           // made at first start
    unsigned segments_max = 32;          // grown to under load, never shrunk while running
    unsigned writes_in_flight = 8;
    // Told apart from the entries of other journals by it, and from look-alikes inside a producer's
    // payload, because it never leaves the broker. Kept in the files from the first start on; 0:
    // drawn at random then.
    std::uint32_t salt = 0;
    // Where a journal without entries starts: after this one. For a store that was restored from a
    // backup.
    JournalSequence continue_after{};
    // A new segment is made by a helper thread before it is needed; false makes it inside
    // can_submit(), so that a simulation has one thread only.
    bool grow_on_helper_thread = true;
};

inline constexpr std::size_t kEntryHeaderBytes = 64;

// The fixed header of an entry; little-endian, docs/storage_format.md. Two checksums: the header's
// own, and one over the body except for the bodies of batches, which carry their own.
struct EntryHeader {
    std::uint64_t magic;
    std::uint32_t generation;
    std::uint32_t record_count;
    std::uint64_t sequence;
    std::uint64_t durable_through;
    std::uint32_t body_bytes;
    std::uint32_t body_crc;
    std::uint32_t previous_crc;  // header_crc of the entry before; chains the entries
    std::uint32_t flags;
    std::int64_t written_at;
    std::uint32_t salt;        // the same in every entry of one journal
    std::uint32_t header_crc;  // CRC32C of the 60 bytes before it
};
static_assert(sizeof(EntryHeader) == kEntryHeaderBytes);

// Values of EntryHeader::flags: entries without body or records that the journal writes on its own
// account.
inline constexpr std::uint32_t kEntryOpeningMark = 1u << 0;  // first entry of a generation
inline constexpr std::uint32_t kEntryClosingMark = 1u << 1;  // proves the entries before it durable

// An entry found by recovery. Valid during the visit. Marks are entries with an empty body and no
// records.
struct RecoveredEntry {
    JournalSequence sequence;
    std::span<const std::byte> body;
    std::uint32_t record_count;
};

// Decides whether an entry body is what was written: the journal owns the header, its user owns the
// body and knows which bytes body_crc covers. Must return false for anything that does not match.
using BodyCheck = std::function<bool(std::span<const std::byte> body, std::uint32_t body_crc)>;

struct RecoveryReport {
    JournalSequence first;           // of the oldest entry found; 0 when there is none
    JournalSequence last;            // of the newest intact entry; the opening mark comes after it
    std::uint64_t entries = 0;       // intact, marks included
    std::uint32_t generation = 0;    // now in force
    std::uint64_t torn_entries = 0;  // begun but not complete, cut from the tail
};

class Journal {
public:
    // Reads every intact entry in order into `visit`, cuts a torn tail, raises the generation and
    // makes that durable. Fails with data_corrupt (nothing modified, nothing visited) when an entry
    // that is known to have been complete is damaged, and with whatever `visit` returns (nothing
    // modified). `check` is called for entries with a body. `report`: first, last, entries and
    // torn_entries are known before the first visit.
    [[nodiscard]] static Result<std::unique_ptr<Journal>> open(
        Disk& disk, const JournalOptions& options, const BodyCheck& check,
        const std::function<Result<void>(const RecoveredEntry&)>& visit, RecoveryReport& report);
    ~Journal();  // waits for the writes in flight

    // What open() would find, before anything is visited: fails with data_corrupt as open() does,
    // changes nothing.
    [[nodiscard]] static Result<void> examine(Disk& disk, const std::filesystem::path& directory,
                                              const BodyCheck& check, RecoveryReport& report);

    // The reading half of open(), for offline verification: same arguments and failures, changes
    // nothing. report.generation is that of the newest entry.
    [[nodiscard]] static Result<void> verify(
        Disk& disk, const std::filesystem::path& directory, const BodyCheck& check,
        const std::function<Result<void>(const RecoveredEntry&)>& visit, RecoveryReport& report);

    // The largest body that one entry can hold.
    [[nodiscard]] std::size_t body_bytes_max() const noexcept;

    // True when a write slot and segment room are there. False with every segment in use means that
    // recycling lags: back-pressure, ask again after recycle_through() and after each poll().
    // Always false once failure() is set.
    [[nodiscard]] bool can_submit(std::size_t body_bytes) noexcept;

    // Writes the header into the first 64 bytes of `entry`, pads with zeros to the block boundary
    // and starts the write. `entry` keeps the body at [64, 64 + body_bytes). Requires can_submit().
    // Returns the entry's sequence (always the previous one plus one).
    JournalSequence submit(BlockRef entry, std::size_t body_bytes, std::uint32_t body_crc,
                           std::uint32_t record_count);

    // Takes completions; returns durable_through(). After a failed write nothing more becomes
    // durable and failure() says why: the journal is frozen.
    JournalSequence poll();
    JournalSequence
    wait();  // the same, but blocks for at least one completion while writes are in flight

    [[nodiscard]] JournalSequence next_sequence() const noexcept;
    [[nodiscard]] JournalSequence durable_through() const noexcept;
    [[nodiscard]] unsigned writes_in_flight() const noexcept;
    [[nodiscard]] const std::optional<Error>& failure() const noexcept;
    [[nodiscard]] int event_fd() const noexcept;

    // Everything up to `sequence` is stored elsewhere: segments that hold nothing newer may be used
    // again, one after the other, each when the write that blanks it has completed. Requires
    // sequence <= durable_through().
    void recycle_through(JournalSequence sequence);

    // The last entry durable when nothing is in flight is only proven durable by a later entry;
    // writes an empty one when that proof is missing and there is room. Called when idle and at
    // shutdown.
    void submit_closing_mark();
    [[nodiscard]] bool needs_closing_mark() const noexcept;

    // For back-pressure, metrics and backup.
    struct Usage {
        unsigned segments = 0;
        unsigned segments_free = 0;
        std::uint64_t bytes_not_recycled = 0;
    };
    [[nodiscard]] Usage usage() const noexcept;

private:
    class Impl;
    explicit Journal(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace casc::storage
