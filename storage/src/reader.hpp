#pragma once
// storage/src/reader.hpp: cold reads, for readers behind the tail cache.

#include "slice_directory.hpp"
#include "store_pools.hpp"

#include <list>

namespace casc::storage {

// Follows a log through its slices and keeps its place for a while, so that a reader that asks
// again where its last answer ended does not look anything up again.
//
// Thread:   reader.
// Lifetime: `rocks`, `slices` and every answer's pool outlive it.
class Reader {
public:
    Reader(const Rocks& rocks, const SliceSet& slices, SizedPools& answers)
        : rocks_(rocks), slices_(slices), answers_(answers) {}

    // Batches in order, the first one holding or following `from`; empty when nothing in [from,
    // until) is stored. Everything that was checkpointed before the call is found. Fails with
    // data_corrupt or io_failed.
    [[nodiscard]] Result<std::vector<BatchRef>> read(const ReadRequest& request);

    // Lets every slice go that has been dropped, so that its files can be deleted.
    void forget_dropped();

private:
    // A place in a log. Parts and iterator show the database as it was when they were made.
    struct Place {
        LogId log;
        std::uint64_t next = 0;
        std::vector<SlicePart> parts;
        std::size_t part = 0;
        std::unique_ptr<SliceCursor> cursor;  // null: before the start of `part`
    };
    class Answer;

    // So many catch-up readers at once are served without looking up.
    static constexpr std::size_t kPlacesMax = 8;
    // Per file, and a slice has about sixteen, each of which is read ahead as soon as the place is
    // taken: 128 MiB for eight readers of full slices. A log with little in the slice gets its
    // share only, or none: reading ahead in sixteen files for a few KiB in each would read a
    // hundred times what is asked for.
    static constexpr std::size_t kReadaheadBytesMax = 1_MiB;
    static constexpr std::size_t kReadaheadBytesMin = 64_KiB;
    static constexpr std::size_t kFilesPerSlice = 16;

    [[nodiscard]] Result<Place> take_place(const ReadRequest& request, bool& is_new);
    [[nodiscard]] Result<Place> look_up(LogId log, std::uint64_t from) const;
    [[nodiscard]] Result<void> fill(Place& place, const ReadRequest& request, Answer& answer);
    [[nodiscard]] bool open_part(Place& place) const;

    const Rocks& rocks_;
    const SliceSet& slices_;
    SizedPools& answers_;
    std::list<Place> places_;  // most recently used first
};

}  // namespace casc::storage
