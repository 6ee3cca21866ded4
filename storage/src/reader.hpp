#pragma once
// storage/src/reader.hpp: cold reads, for readers behind the tail cache.

#include "slice_directory.hpp"
#include "store_pools.hpp"

#include <list>
#include <optional>

namespace casc::storage {

// Follows a log through its slices and keeps its place for a while, so that a reader that asks
// again where its last answer ended does not look anything up again, and may find its next answer
// prepared.
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

    // Reads what the last request's reader will ask for next, when there is nothing else to do: the
    // reader thread works while the shard sends. False when there is nothing to expect.
    [[nodiscard]] bool prepare();

    // Lets every slice go that has been dropped, so that its files can be deleted.
    void forget_dropped();

private:
    // A place in a log. Parts and iterator show the database as it was when they were made.
    struct Place {
        LogId log;
        std::uint64_t from = 0;  // where the next request for it starts
        std::uint64_t next = 0;  // behind what is prepared
        std::vector<BatchRef> prepared;
        std::size_t prepared_bytes_max = 0;
        std::vector<SlicePart> parts;
        std::size_t part = 0;
        std::unique_ptr<SliceCursor> cursor;  // null: before the start of `part`
    };
    class Answer;

    // So many catch-up readers at once are served without looking up.
    static constexpr std::size_t kPlacesMax = 8;

    [[nodiscard]] std::list<Place>::iterator find_place(LogId log, std::uint64_t from);
    [[nodiscard]] Result<Place> take_place(const ReadRequest& request, bool& is_new);
    [[nodiscard]] Result<Place> look_up(LogId log, std::uint64_t from) const;
    // Prepares an answer to `request`.
    [[nodiscard]] Result<void> fill(Place& place, const ReadRequest& request);
    [[nodiscard]] Result<void> collect(Place& place, std::uint64_t until, Answer& answer) const;
    [[nodiscard]] bool open_part(Place& place) const;

    const Rocks& rocks_;
    const SliceSet& slices_;
    SizedPools& answers_;
    std::list<Place> places_;  // most recently used first
    std::optional<ReadRequest> expected_;
};

}  // namespace casc::storage
