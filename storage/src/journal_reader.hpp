#pragma once
// storage/src/journal_reader.hpp: reads entries out of one segment file. Thread: one at a time.

#include "disk_memory.hpp"
#include "journal_format.hpp"

#include <casc/storage/disk.hpp>
#include <casc/types/units.hpp>

#include <memory>
#include <optional>
#include <span>

namespace casc::storage::detail {

class SegmentReader {
public:
    explicit SegmentReader(std::unique_ptr<ReadableFile> file) : file_(std::move(file)) {}

    // Whole blocks only: the rest was left by a crash while the file was made.
    [[nodiscard]] std::uint64_t bytes() const {
        return file_->size() & ~std::uint64_t{kBlockAlignment - 1};
    }
    // The same with a block that somebody has cut: it is filled up when the segment is written
    // again.
    [[nodiscard]] std::uint64_t whole_bytes() const {
        return align_up<std::uint64_t>(file_->size(), kBlockAlignment);
    }

    // The blocks [position, position + bytes), or fewer at the end of the file. Valid until the
    // next call.
    [[nodiscard]] Result<std::span<const std::byte>> at(std::uint64_t position,
                                                        std::uint64_t bytes);

    struct Entry {
        EntryHeader header;
        std::span<const std::byte> body;  // valid until the next call
    };
    // The entry at `position` when its header is intact and its body lies inside the file.
    [[nodiscard]] Result<std::optional<Entry>> entry_at(std::uint64_t position);

private:
    std::unique_ptr<ReadableFile> file_;
    AlignedMemory window_;
    std::uint64_t window_position_ = 0;
    std::uint64_t window_bytes_ = 0;
};

}  // namespace casc::storage::detail
