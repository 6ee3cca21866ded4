#pragma once
// storage/src/journal_segments.hpp: the segment files of a journal and the place of the next entry.
//
//   empty ──take──▶ current ──full──▶ sealed ──recycle_through()──▶ waiting ──▶ blanking ──write
//   complete──▶ empty
//
// A segment is blanked (its first block zeroed, durably) before it is written again, oldest first
// and one after the other, and only once the first entry of its successor is durable. So the
// segments that start with an entry are always one unbroken run of the journal that begins with a
// complete entry, which is how recovery finds its start, and a half overwritten old segment can
// never be mistaken for damage.
//
// Thread:   owning shard. Lifetime: `disk` and `queue` must outlive it.

#include "disk_memory.hpp"
#include "journal_recovery.hpp"
#include "journal_segment_maker.hpp"

#include <casc/storage/disk.hpp>
#include <casc/storage/journal.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace casc::storage::detail {

class SegmentSet {
public:
    SegmentSet(Disk& disk, WriteQueue& queue, const JournalOptions& options);

    // Opens every file of `scan`, makes those that are missing, blanks those that start with an
    // entry outside the chain and makes what was recovered durable. On a full disk a journal that
    // has entries gets by with fewer segments than segments_min. Blocking.
    [[nodiscard]] Result<void> open(const JournalScan& scan);
    // Makes one more than segments_max if it must: after a crash with every segment in use there
    // has to be room for the opening mark. Blocking.
    [[nodiscard]] Result<void> make_room_for_mark();

    // True when the next entry may take `bytes`: in the current segment, else in an empty one.
    // Takes over what the helper thread has made.
    [[nodiscard]] bool has_room(std::uint64_t bytes);

    struct Place {
        DurableFile* file;
        std::uint64_t position;
    };
    // The place of entry `sequence`. Requires has_room(bytes).
    [[nodiscard]] Place place(JournalSequence sequence, std::uint64_t bytes);

    // Entries up to `sequence` are not needed any more.
    void recycle_through(JournalSequence sequence);
    void durable_through(JournalSequence sequence);

    // Blanking shares the write queue with the entries; this token is no entry's.
    static constexpr std::uint64_t kBlankToken = ~std::uint64_t{0};
    void blanked(bool written);
    [[nodiscard]] bool blanking() const noexcept { return blanking_; }
    // No blanking is started any more.
    void freeze() noexcept { frozen_ = true; }

    [[nodiscard]] Journal::Usage usage() const noexcept;

private:
    struct Segment {
        unsigned number = 0;
        std::uint64_t bytes = 0;
        std::unique_ptr<DurableFile> file;
        JournalSequence first{};  // of the entries in it
        JournalSequence last{};
        std::uint64_t end = 0;  // where the next entry would go
    };

    [[nodiscard]] std::filesystem::path path_of(unsigned number) const;
    [[nodiscard]] Result<void> open_chain(const JournalScan& scan);
    [[nodiscard]] Result<void> open_unused(const JournalScan& scan);
    [[nodiscard]] Result<void> make_segment();
    [[nodiscard]] Result<void> add_made_segment();
    [[nodiscard]] Result<void> blank_blocking(Segment& segment);
    void recycle();
    void start_blanking();
    void grow_ahead();
    void take_made();
    [[nodiscard]] bool fits_current(std::uint64_t bytes) const noexcept;
    [[nodiscard]] std::size_t spare_count() const noexcept;

    // Fixed after construction.
    Disk& disk_;
    WriteQueue& queue_;
    const JournalOptions options_;
    const AlignedMemory zeros_{kBlockAlignment};
    // Owned by the shard.
    std::vector<Segment> segments_;
    std::deque<std::size_t> live_;  // oldest first; the last one is current and gets the next entry
    std::deque<std::size_t>
        waiting_;  // to be blanked, oldest first; the first one is being blanked when blanking_
    std::deque<std::size_t> empty_;
    unsigned next_number_ = 0;
    JournalSequence recycled_{};
    JournalSequence durable_{};
    bool blanking_ = false;
    bool frozen_ = false;
    bool growth_failed_ =
        false;            // until something is recycled or sealed, which changes the outlook
    SegmentMaker maker_;  // last: its thread goes first
};

}  // namespace casc::storage::detail
