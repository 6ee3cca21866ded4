#pragma once
// What a queue group knows of the events of one log: settled, leased to a member, to be tried
// again (now or later), given up, waiting for another event of its key, or not delivered yet.
//
//   settled ───┐ floor                                       next ┌─── not delivered yet
//   ███████████│█░░█ leased █░█ ready ░░░ leased ░█░ delayed ░░░░░│
//              └── runs: neighbours that share their fate; █ inside: settled one by one
//
// Deliveries are of neighbours, so a lease is a run of events and costs the same for one as for a
// thousand. What happens to one event alone (refused, released, renewed) splits its run.

#include "offset_bitmap.hpp"

#include <casc/types/result.hpp>
#include <casc/types/vocabulary.hpp>
#include <casc/wire/messages.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace casc::broker {

// Of one connection in one group; never used again.
using MemberNumber = std::uint64_t;

enum class RunState : std::uint8_t {
    leased,    // to `member`, until `when`
    ready,     // to be delivered again
    delayed,   // to be delivered again from `when` on
    given_up,  // its attempts are used up, or a member gave it up: to be taken out as a dead letter
    blocked    // another event of its key has to be settled first
};
inline constexpr std::size_t kRunStates = 5;

// Thread: owning shard. No clock and no I/O of its own.
class QueueLedger {
public:
    struct Run {
        std::uint64_t end;       // exclusive
        std::uint32_t open;      // not settled
        std::uint32_t attempts;  // deliveries so far, the present one included
        RunState state;
        MemberNumber member;
        MonoNanos when;
        std::uint64_t bytes;  // of what is open, about
        std::string error;    // what the last member said
    };
    using Runs = std::map<std::uint64_t, Run>;  // by first offset

    // What came back from a member, for its window.
    struct Freed {
        std::uint32_t events = 0;
        std::uint64_t bytes = 0;
        Freed& operator+=(const Freed& more) {
            events += more.events;
            bytes += more.bytes;
            return *this;
        }
    };

    QueueLedger(Offset floor, std::uint32_t attempts_max)
        : settled_(floor.value()),
          floor_(floor.value()),
          next_(floor.value()),
          attempts_max_(attempts_max) {}

    // Everything below is settled.
    [[nodiscard]] Offset floor() const noexcept { return Offset(floor_); }
    // Nothing from here on has been delivered.
    [[nodiscard]] Offset next() const noexcept { return Offset(next_); }
    // Delivered and not settled.
    [[nodiscard]] std::uint64_t open() const noexcept { return open_; }
    // Of these, those of runs in that state.
    [[nodiscard]] std::uint64_t open(RunState state) const noexcept {
        return open_in_[static_cast<std::size_t>(state)];
    }
    [[nodiscard]] const Runs& runs() const noexcept { return runs_; }
    [[nodiscard]] bool is_open(Offset offset) const noexcept {
        return offset.value() >= floor_ && offset.value() < next_ &&
               !settled_.contains(offset.value());
    }
    // That of an open event.
    [[nodiscard]] const Run& run_of(Offset offset) const;
    // The first event of a run that is not settled.
    [[nodiscard]] Offset first_open(Runs::const_iterator run) const;
    // The bits of what is settled among the 64 offsets from `base` on.
    [[nodiscard]] std::uint64_t settled_word(std::uint64_t base) const noexcept {
        return settled_.word(base);
    }

    // ---- delivering ----

    // [next, end) is leased for the first time. `bytes`: what the events take together.
    void lease_new(Offset end, std::uint64_t bytes, MemberNumber member, MonoNanos until);
    // The ready run with the lowest offset.
    [[nodiscard]] Runs::const_iterator first_ready() const;
    // The ready run at `first` up to `end` (the rest stays ready), of which something is open, is
    // leased again. Returns how many events that are.
    std::uint32_t lease_again(Offset first, Offset end, std::uint64_t bytes, MemberNumber member,
                              MonoNanos until);
    // What was read turned out not to be there: [next, end) never reaches anybody.
    void skip_new(Offset end);
    // The same of the first ready run, up to `end`.
    void skip_ready(Offset end);
    // [next, end), and the first ready run up to `end`, are to become dead letters without a
    // (further) delivery. The latter tells how many of it were open.
    void give_up_new(Offset end, std::string error);
    std::uint32_t give_up_ready(Offset end, std::string error);

    // ---- order by key (queue_key_order.hpp) ----

    // [first, end) of what was just leased for the first time is not delivered after all, and
    // waits. Tells what that takes from the lease.
    [[nodiscard]] Freed block_new(Offset first, Offset end);
    // The same of one event that was to be delivered again.
    void block(Offset offset);
    void unblock(Offset offset);
    // From now on it is noted which events are settled or gone, until they are taken.
    void note_closed() noexcept { notes_closed_ = true; }
    [[nodiscard]] std::vector<Offset> take_closed() noexcept { return std::exchange(closed_, {}); }

    // ---- what members say; `false` and empty answers: it is not that member's (any more) ----

    // The events of `words`, from `base` (a multiple of 64) on, are done. The ones that were not
    // this member's to settle are added to `refused`.
    Freed settle(MemberNumber member, Offset base, std::span<const std::uint64_t> words,
                 std::vector<Offset>& refused);
    // Whether all of `words` are this member's to settle.
    [[nodiscard]] bool holds(MemberNumber member, Offset base,
                             std::span<const std::uint64_t> words) const;
    // To be delivered again from `when` on (at once, when that is past); given up, when it was
    // delivered attempts_max times.
    [[nodiscard]] std::optional<Freed> refuse(MemberNumber member, Offset offset, MonoNanos when,
                                              MonoNanos now, std::string error);
    // As if it had never been delivered to this member.
    [[nodiscard]] std::optional<Freed> release(MemberNumber member, Offset offset);
    [[nodiscard]] std::optional<Freed> give_up(MemberNumber member, Offset offset,
                                               std::string error);
    [[nodiscard]] bool renew(MemberNumber member, Offset offset, MonoNanos until);
    // Every lease of the member.
    void renew_all(MemberNumber member, MonoNanos until);

    // ---- what happens by itself ----

    // The member is gone: what it had is ready. Lost, its deliveries count; otherwise it has let go
    // of them.
    Freed take_back(MemberNumber member, bool lost);
    // Leases that have run out, delays that are over. Tells whose windows have room again.
    void pass_time(MonoNanos now, std::vector<std::pair<MemberNumber, Freed>>& freed);
    // When pass_time() has something to do.
    [[nodiscard]] std::optional<MonoNanos> next_time() const;
    // The log begins at `start` now: what was below is settled.
    void trim(Offset start, std::vector<std::pair<MemberNumber, Freed>>& freed);

    // ---- giving up ----

    [[nodiscard]] std::optional<Offset> first_given_up() const;
    // A dead letter has been written, in the same journal entry as the row that says so.
    void bury(Offset offset);

    // ---- its rows (docs/storage_format.md, "Queue groups") ----
    //
    // One row for the log and one for each run of which there is more to say than that it was
    // delivered once. Leases are not stored: what is leased counts as delivered once more when the
    // rows are read again.

    [[nodiscard]] flatbuffers::Offset<wire::fb::QueueRow> build_row(
        flatbuffers::FlatBufferBuilder& builder) const;
    [[nodiscard]] std::size_t row_bytes_max() const noexcept;
    // Of all rows that are written when so many of its events are done.
    [[nodiscard]] std::size_t done_row_bytes_max(std::size_t events) const noexcept;
    // The last run whose row is to be written, or, when it is not noteworthy, erased.
    [[nodiscard]] std::optional<std::uint64_t> last_touched() const;
    [[nodiscard]] const Run* noteworthy(std::uint64_t first) const;
    void was_written(std::uint64_t first);
    // Of the runs that have rows.
    [[nodiscard]] const std::set<std::uint64_t>& stored() const noexcept { return stored_; }
    // `wall`: the time of the clock at `now`.
    [[nodiscard]] static flatbuffers::Offset<wire::fb::QueueRunRow> build_run_row(
        flatbuffers::FlatBufferBuilder& builder, const Run& run, MonoNanos now, EpochNanos wall);

    // Reading: the row of the log, then those of its runs in their order, then the end. Fail with:
    // data_corrupt.
    [[nodiscard]] static Result<QueueLedger> from_row(const wire::fb::QueueRow& row,
                                                      std::uint32_t attempts_max);
    [[nodiscard]] Result<void> load_run(std::uint64_t first, const wire::fb::QueueRunRow& row,
                                        MonoNanos now, EpochNanos wall);
    void finish_loading();

private:
    using Place = Runs::iterator;

    [[nodiscard]] Place find(std::uint64_t offset);
    // The run of that one event of `run`, split off its neighbours.
    [[nodiscard]] Place isolate(Place run, std::uint64_t offset);
    // The same; runs_.end() when it is not leased to the member.
    [[nodiscard]] Place isolate(MemberNumber member, Offset offset);
    [[nodiscard]] std::uint32_t count_open(std::uint64_t first, std::uint64_t end) const;
    void load(std::uint64_t first, Run run);
    [[nodiscard]] static bool is_noteworthy(const Run& run);
    void touch(Place run);
    // Splits the run at `offset`, which lies inside; returns the second part.
    Place split(Place run, std::uint64_t offset);
    // Into and out of the indexes and counts by state and time.
    void index(Place run);
    void unindex(Place run);
    void change(Place run, RunState state, MemberNumber member, MonoNanos when);
    [[nodiscard]] std::uint64_t& open_in(RunState state) noexcept {
        return open_in_[static_cast<std::size_t>(state)];
    }
    // Ready, delayed or given up, as attempts and `when` say.
    Freed put_back(Place run, MonoNanos when, MonoNanos now);
    [[nodiscard]] Place cut_ready(Offset end);
    // So many of its events are settled.
    Freed close(Place run, std::uint32_t events);
    // These are settled or gone.
    void note(std::uint64_t base, std::uint64_t bits);
    void note_open(Place run);
    Place erase(Place run);

    OffsetBitmap settled_;
    std::uint64_t floor_;
    std::uint64_t next_;
    std::uint64_t open_ = 0;
    std::array<std::uint64_t, kRunStates> open_in_{};
    std::uint32_t attempts_max_;  // 0: without bound
    Runs runs_;
    std::set<std::uint64_t> ready_;
    std::set<std::uint64_t> given_up_;
    std::set<std::pair<MonoNanos, std::uint64_t>> timed_;  // leased and delayed
    std::set<std::uint64_t> stored_;                       // runs that have rows
    std::set<std::uint64_t> touched_;                      // those whose row may be wrong
    std::uint64_t loaded_through_ = 0;                     // while it is read
    bool notes_closed_ = false;
    std::vector<Offset> closed_;
};

}  // namespace casc::broker
