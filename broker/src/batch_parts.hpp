#pragma once
// What of a stored batch a reader is to get: a part of it, or what has not expired.

#include "core.hpp"
#include "stored_batch.hpp"

namespace casc::broker {

// Whether a part is a batch of its own in any case, or the whole batch when that, compressed, is
// less.
enum class Cut : std::uint8_t { always, if_smaller };

// [first, end) of a stored batch. What cannot be opened goes as it is: the receiver, who checks it
// too, says what is wrong with it.
// Thread: owning shard.
[[nodiscard]] storage::BatchRef part_of(Core& core, const storage::BatchRef& batch, Offset first,
                                        Offset end, Cut cut);

// Neighbouring events of a batch, up to `end`, that are alive or have outlived their time to live.
struct Lifespan {
    Offset end;
    bool expired;
};
// Those from `at` on. A batch without times to live costs no more than a look at its header.
// Thread: any. `now`: as the clock that stamps append times says.
[[nodiscard]] Lifespan lifespan_at(const storage::BatchRef& batch, Offset at, EpochNanos now);

// What a reader is handed.
struct Handed {
    std::size_t bytes = 0;
    std::int64_t events = 0;
};
// Adds what is alive of a batch to `into`, and counts the rest.
// Thread: owning shard.
Handed add_alive(Core& core, const storage::BatchRef& batch, std::vector<storage::BatchRef>& into);

}  // namespace casc::broker
