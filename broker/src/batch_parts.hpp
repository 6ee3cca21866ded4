#pragma once
// What of a stored batch a reader is to get: a part of it, or what has not expired.

#include "core.hpp"
#include "stored_batch.hpp"

#include <optional>

namespace casc::broker {

// Whether a part is a batch of its own in any case, or the whole batch when that, compressed, is
// less.
enum class Cut : std::uint8_t { always, if_smaller };

// [first, end) of a stored batch. What cannot be opened goes as it is: the receiver, who checks it
// too, says what is wrong with it.
// Thread: owning shard.
[[nodiscard]] storage::BatchRef part_of(Core& core, const storage::BatchRef& batch, Offset first,
                                        Offset end, Cut cut);

// Which events of one batch have outlived their time to live, or were deleted. Opened once for all
// questions about it; of a batch without times to live that costs no more than a look at its
// header. Thread: one at a time. Lifetime: borrows the batch.
class Lifespans {
public:
    Lifespans(const Core& core, LogId log, const storage::BatchRef& batch);

    enum class Life : std::uint8_t { alive, expired, deleted };
    // Neighbours, up to `end`, of which the same is true.
    struct Run {
        Offset end;
        Life life;
    };
    [[nodiscard]] Run at(Offset offset) const;

private:
    [[nodiscard]] Run run_of_times(Offset offset) const;

    StoredExtent extent_;
    EpochNanos now_;  // as the clock that stamps append times says
    const DeletedEvents& deleted_;
    LogId log_;
    std::optional<wire::BatchView> batch_{};  // nothing: all are alive
};

// What a reader is handed of a batch.
struct Handed {
    std::size_t bytes = 0;
    std::int64_t events = 0;
    Offset next;  // where to go on; the end of the batch, unless it is in too many parts
};
// Adds what is alive of a batch, from `from` on, to `into`, and counts the rest.
// Thread: owning shard.
Handed add_alive(Core& core, LogId log, const storage::BatchRef& batch, Offset from,
                 std::vector<storage::BatchRef>& into);
// Adds what of a batch, from `first` on, was not deleted to `into`; where times to live are not
// looked at. Returns where to go on: the end of the batch, unless it is in too many parts.
// Thread: owning shard.
Offset add_not_deleted(Core& core, LogId log, const storage::BatchRef& batch, Offset first,
                       std::vector<storage::BatchRef>& into);

}  // namespace casc::broker
