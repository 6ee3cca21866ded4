#pragma once
// storage/src/log_rewriter.hpp: takes events out of the middle of stored logs: those that a newer
// event of their key has replaced, and those that somebody wants gone.
//
// Nothing is copied but the batches that lose something. What takes their place (a batch for each
// run of neighbours that stay, under its own offset, and the removal of the old one where no run
// begins there) is written as one more SST file and linked into the slice in one step of RocksDB's
// manifest, so a crash leaves either all of it or nothing. From then on nobody reads the old
// batches; their bytes go when the slice is rewritten (retention.hpp).
// docs/adr/0004-compaction-shadows-batches.md says why.

#include "checkpoint.hpp"
#include "retention.hpp"
#include "slice_directory.hpp"

#include <casc/wire/batch_slice.hpp>
#include <casc/wire/compression.hpp>

#include <rocksdb/sst_file_writer.h>

namespace casc::storage {

// Why an event of a compacted log stays or goes, by what the row of its key says.
enum class Fate : std::uint8_t { stays, replaced, forgotten_tombstone };
// `key`: nothing when the key has no row, because its tombstone is gone already.
[[nodiscard]] Fate fate_of(std::uint64_t offset, std::int64_t append_time,
                           const std::optional<KeyRow>& key, const RewriteRequest& request);

// Thread: checkpoint, right after a checkpoint. Lifetime: borrows all of it.
class LogRewriter {
public:
    LogRewriter(Rocks& rocks, SliceSet& slices, Checkpointer& checkpointer, Reclaimer& reclaimer,
                std::filesystem::path ingest_directory)
        : rocks_(rocks),
          slices_(slices),
          checkpointer_(checkpointer),
          reclaimer_(reclaimer),
          ingest_directory_(std::move(ingest_directory)) {}

    // A part of what is asked for, since nothing is checkpointed meanwhile. Fails with:
    // data_corrupt, storage errors; then nothing was changed that a reader would notice.
    [[nodiscard]] Result<Rewritten> run(const RewriteRequest& request);

private:
    // Of one call.
    struct Change {
        std::uint64_t base;
        std::vector<std::byte> batch;  // empty: there is none any more
    };
    struct Step {
        std::vector<Change> changes;
        std::vector<std::string> forgotten;  // keys of rows
        std::uint64_t next = 0;
        std::uint64_t events = 0;  // taken out
        std::uint64_t complete_from = 0;
        std::uint64_t bytes_before = 0;
        std::uint64_t bytes_after = 0;
        std::uint64_t batches_before = 0;
        std::uint64_t batches_after = 0;
    };

    [[nodiscard]] Result<void> collect(const RewriteRequest& request, const SlicePart& part,
                                       Step& step);
    [[nodiscard]] Result<void> examine(const RewriteRequest& request,
                                       std::span<const std::byte> stored, Step& step);
    [[nodiscard]] Result<bool> stays(const RewriteRequest& request, const wire::BatchView& batch,
                                     std::uint32_t index, Step& step);
    [[nodiscard]] Result<void> replace(const wire::BatchView& batch,
                                       const std::vector<wire::SliceRange>& runs, Step& step);
    [[nodiscard]] Result<void> forget_keys(LogId log, const Step& step);
    [[nodiscard]] Result<void> shadow(LogId log, const SlicePart& part, const Step& step);
    [[nodiscard]] Result<CompactedRow> compacted_row(LogId log) const;

    Rocks& rocks_;
    SliceSet& slices_;
    Checkpointer& checkpointer_;
    Reclaimer& reclaimer_;
    const std::filesystem::path ingest_directory_;
    wire::Decompressor decompressor_;
    Breather breather_;
    std::uint64_t files_made_ = 0;
};

}  // namespace casc::storage
