#include "queue_ledger.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>
#include <bit>

namespace casc::broker {

// ---- runs ---------------------------------------------------------------------------------------

QueueLedger::Place QueueLedger::find(std::uint64_t offset) {
    auto run = runs_.upper_bound(offset);
    if (run == runs_.begin()) return runs_.end();
    --run;
    return offset < run->second.end ? run : runs_.end();
}

std::uint32_t QueueLedger::count_open(std::uint64_t first, std::uint64_t end) const {
    std::uint32_t open = 0;
    for (std::uint64_t base = word_base(first); base < end; base += kWordOffsets)
        open += static_cast<std::uint32_t>(
            std::popcount(word_mask(base, first, end) & ~settled_.word(base)));
    return open;
}

void QueueLedger::index(Place place) {
    const auto& [first, run] = *place;
    touch(place);
    open_in(run.state) += run.open;
    switch (run.state) {
        case RunState::ready:
            ready_.insert(first);
            break;
        case RunState::given_up:
            given_up_.insert(first);
            break;
        case RunState::leased:
        case RunState::delayed:
            timed_.emplace(run.when, first);
            break;
        case RunState::blocked:
            break;
    }
}

void QueueLedger::unindex(Place place) {
    const auto& [first, run] = *place;
    open_in(run.state) -= run.open;
    switch (run.state) {
        case RunState::ready:
            ready_.erase(first);
            break;
        case RunState::given_up:
            given_up_.erase(first);
            break;
        case RunState::leased:
        case RunState::delayed:
            timed_.erase({run.when, first});
            break;
        case RunState::blocked:
            break;
    }
}

void QueueLedger::change(Place run, RunState state, MemberNumber member, MonoNanos when) {
    unindex(run);
    run->second.state = state;
    run->second.member = member;
    run->second.when = when;
    index(run);
}

// Most runs are delivered once and settled, and no row ever says so.
void QueueLedger::touch(Place run) {
    if (is_noteworthy(run->second) || stored_.contains(run->first)) touched_.insert(run->first);
}

QueueLedger::Place QueueLedger::erase(Place run) {
    open_ -= run->second.open;
    unindex(run);
    touch(run);
    return runs_.erase(run);
}

QueueLedger::Place QueueLedger::split(Place place, std::uint64_t offset) {
    Run& run = place->second;
    CASC_ASSERT(place->first < offset && offset < run.end, offset);
    Run behind = run;
    // By the shorter part: whoever takes a long run apart event by event, in whatever order, has
    // not each time to count all of it.
    const bool is_early = offset - place->first < run.end - offset;
    behind.open = is_early ? run.open - count_open(std::max(place->first, floor_), offset)
                           : count_open(offset, run.end);
    behind.bytes = run.open == 0 ? 0 : run.bytes * behind.open / run.open;
    run.end = offset;
    touch(place);
    run.open -= behind.open;
    open_in(run.state) -= behind.open;
    run.bytes -= behind.bytes;
    const Place added = runs_.emplace_hint(std::next(place), offset, std::move(behind));
    index(added);
    if (run.open == 0) erase(place);
    return added;
}

const QueueLedger::Run& QueueLedger::run_of(Offset offset) const {
    return std::prev(runs_.upper_bound(offset.value()))->second;
}

Offset QueueLedger::first_open(Runs::const_iterator run) const {
    std::uint64_t base = word_base(std::max(run->first, floor_));
    for (;; base += kWordOffsets) {
        const std::uint64_t open =
            word_mask(base, std::max(run->first, floor_), run->second.end) & ~settled_.word(base);
        if (open != 0) return Offset(base + static_cast<unsigned>(std::countr_zero(open)));
    }
}

QueueLedger::Place QueueLedger::isolate(MemberNumber member, Offset event) {
    const std::uint64_t offset = event.value();
    const Place run = find(offset);
    if (run == runs_.end() || run->second.state != RunState::leased ||
        run->second.member != member || settled_.contains(offset))
        return runs_.end();
    return isolate(run, offset);
}

QueueLedger::Place QueueLedger::isolate(Place run, std::uint64_t offset) {
    if (run->first < offset) run = split(run, offset);
    if (offset + 1 < run->second.end) {
        const Place rest = split(run, offset + 1);
        if (rest->second.open == 0) erase(rest);
    }
    return run;
}

QueueLedger::Freed QueueLedger::put_back(Place place, MonoNanos when, MonoNanos now) {
    Run& run = place->second;
    const Freed freed{run.open, run.bytes};
    const bool used_up = attempts_max_ != 0 && run.attempts >= attempts_max_;
    change(place,
           used_up       ? RunState::given_up
           : when <= now ? RunState::ready
                         : RunState::delayed,
           0, when);
    return freed;
}

QueueLedger::Freed QueueLedger::close(Place place, std::uint32_t events) {
    Run& run = place->second;
    const Freed freed{events, run.bytes * events / run.open};
    run.open -= events;
    run.bytes -= freed.bytes;
    open_ -= events;
    open_in(run.state) -= events;
    return freed;
}

void QueueLedger::note(std::uint64_t base, std::uint64_t bits) {
    if (!notes_closed_) return;
    for (; bits != 0; bits &= bits - 1)
        closed_.emplace_back(base + static_cast<unsigned>(std::countr_zero(bits)));
}

void QueueLedger::note_open(Place run) {
    if (!notes_closed_) return;
    for (std::uint64_t base = word_base(run->first); base < run->second.end; base += kWordOffsets)
        note(base, word_mask(base, run->first, run->second.end) & ~settled_.word(base));
}

// ---- delivering ---------------------------------------------------------------------------------

void QueueLedger::lease_new(Offset end, std::uint64_t bytes, MemberNumber member, MonoNanos until) {
    CASC_ASSERT(end.value() > next_, end.value());
    const auto events = static_cast<std::uint32_t>(end.value() - next_);
    const Place run =
        runs_.emplace_hint(runs_.end(), next_,
                           Run{end.value(), events, 1, RunState::leased, member, until, bytes, {}});
    index(run);
    open_ += events;
    next_ = end.value();
}

QueueLedger::Runs::const_iterator QueueLedger::first_ready() const {
    return ready_.empty() ? runs_.end() : runs_.find(*ready_.begin());
}

std::uint32_t QueueLedger::lease_again(Offset first, Offset end, std::uint64_t bytes,
                                       MemberNumber member, MonoNanos until) {
    const Place run = runs_.find(first.value());
    CASC_ASSERT(run != runs_.end() && run->second.state == RunState::ready, first.value());
    CASC_ASSERT(count_open(first.value(), end.value()) != 0, end.value());
    if (end.value() < run->second.end) {
        const Place rest = split(run, end.value());
        if (rest->second.open == 0) erase(rest);
    }
    ++run->second.attempts;
    run->second.bytes = bytes;
    change(run, RunState::leased, member, until);
    return run->second.open;
}

void QueueLedger::skip_new(Offset end) {
    CASC_ASSERT(end.value() >= next_, end.value());
    const std::uint64_t first = std::exchange(next_, end.value());
    for (std::uint64_t base = word_base(first); base < next_ && floor_ < first;
         base += kWordOffsets)
        settled_.add(base, word_mask(base, first, next_));
    floor_ = settled_.rise(floor_ == first ? next_ : floor_);
}

// The part of the first ready run that lies below `end`; nothing, when nothing is open there.
QueueLedger::Place QueueLedger::cut_ready(Offset end) {
    CASC_ASSERT(!ready_.empty());
    Place run = runs_.find(*ready_.begin());
    if (end.value() < run->second.end) {
        const Place rest = split(run, end.value());
        if (rest->second.open == 0) erase(rest);
        run = runs_.find(*ready_.begin());
        if (run->first >= end.value()) return runs_.end();
    }
    return run;
}

void QueueLedger::give_up_new(Offset end, std::string error) {
    CASC_ASSERT(end.value() > next_, end.value());
    const auto events = static_cast<std::uint32_t>(end.value() - next_);
    index(runs_.emplace_hint(
        runs_.end(), next_,
        Run{end.value(), events, 0, RunState::given_up, 0, {}, 0, std::move(error)}));
    open_ += events;
    next_ = end.value();
}

std::uint32_t QueueLedger::give_up_ready(Offset end, std::string error) {
    const Place run = cut_ready(end);
    if (run == runs_.end()) return 0;
    run->second.error = std::move(error);
    change(run, RunState::given_up, 0, {});
    return run->second.open;
}

void QueueLedger::skip_ready(Offset end) {
    const Place run = cut_ready(end);
    if (run == runs_.end()) return;
    note_open(run);
    for (std::uint64_t base = word_base(run->first); base < run->second.end; base += kWordOffsets)
        if (const std::uint64_t open =
                word_mask(base, run->first, run->second.end) & ~settled_.word(base);
            open != 0)
            settled_.add(base, open);
    erase(run);
    floor_ = settled_.rise(floor_);
}

// ---- order by key -------------------------------------------------------------------------------

QueueLedger::Freed QueueLedger::block_new(Offset first, Offset end) {
    Place run = find(first.value());
    CASC_ASSERT(run != runs_.end() && run->second.state == RunState::leased, first.value());
    if (run->first < first.value()) run = split(run, first.value());
    if (end.value() < run->second.end) split(run, end.value());
    run->second.attempts = 0;
    change(run, RunState::blocked, 0, {});
    return {run->second.open, run->second.bytes};
}

void QueueLedger::block(Offset offset) {
    const Place run = isolate(find(offset.value()), offset.value());
    change(run, RunState::blocked, 0, {});
}

void QueueLedger::unblock(Offset offset) {
    const Place run = find(offset.value());
    CASC_ASSERT(run != runs_.end() && run->second.state == RunState::blocked, offset.value());
    change(isolate(run, offset.value()), RunState::ready, 0, {});
}

// ---- what members say ---------------------------------------------------------------------------

QueueLedger::Freed QueueLedger::settle(MemberNumber member, Offset from,
                                       std::span<const std::uint64_t> words,
                                       std::vector<Offset>& refused) {
    Freed freed;
    std::uint64_t base = from.value();
    for (const std::uint64_t word : words) {
        std::uint64_t left = word;
        auto run = runs_.upper_bound(base);
        if (run != runs_.begin() && std::prev(run)->second.end > base) --run;
        while (left != 0 && run != runs_.end() && run->first < base + kWordOffsets) {
            const std::uint64_t hit =
                left & word_mask(base, run->first, run->second.end) & ~settled_.word(base);
            const bool his = run->second.state == RunState::leased && run->second.member == member;
            if (hit == 0 || !his) {
                ++run;
                continue;
            }
            settled_.add(base, hit);
            note(base, hit);
            left &= ~hit;
            freed += close(run, static_cast<std::uint32_t>(std::popcount(hit)));
            run = run->second.open == 0 ? erase(run) : std::next(run);
        }
        for (; left != 0; left &= left - 1)
            refused.emplace_back(base + static_cast<unsigned>(std::countr_zero(left)));
        base += kWordOffsets;
    }
    floor_ = settled_.rise(floor_);
    return freed;
}

bool QueueLedger::holds(MemberNumber member, Offset from,
                        std::span<const std::uint64_t> words) const {
    std::uint64_t base = from.value();
    for (const std::uint64_t word : words) {
        std::uint64_t left = word & ~settled_.word(base);
        if (left != word) return false;
        auto run = runs_.upper_bound(base);
        if (run != runs_.begin() && std::prev(run)->second.end > base) --run;
        for (; left != 0 && run != runs_.end() && run->first < base + kWordOffsets; ++run)
            if (run->second.state == RunState::leased && run->second.member == member)
                left &= ~word_mask(base, run->first, run->second.end);
        if (left != 0) return false;
        base += kWordOffsets;
    }
    return true;
}

std::optional<QueueLedger::Freed> QueueLedger::refuse(MemberNumber member, Offset offset,
                                                      MonoNanos when, MonoNanos now,
                                                      std::string error) {
    const Place run = isolate(member, offset);
    if (run == runs_.end()) return std::nullopt;
    run->second.error = std::move(error);
    return put_back(run, when, now);
}

std::optional<QueueLedger::Freed> QueueLedger::release(MemberNumber member, Offset offset) {
    const Place run = isolate(member, offset);
    if (run == runs_.end()) return std::nullopt;
    --run->second.attempts;
    change(run, RunState::ready, 0, {});
    return Freed{run->second.open, run->second.bytes};
}

std::optional<QueueLedger::Freed> QueueLedger::give_up(MemberNumber member, Offset offset,
                                                       std::string error) {
    const Place run = isolate(member, offset);
    if (run == runs_.end()) return std::nullopt;
    run->second.error = std::move(error);
    change(run, RunState::given_up, 0, {});
    return Freed{run->second.open, run->second.bytes};
}

bool QueueLedger::renew(MemberNumber member, Offset offset, MonoNanos until) {
    const Place run = isolate(member, offset);
    if (run == runs_.end()) return false;
    change(run, RunState::leased, member, until);
    return true;
}

void QueueLedger::renew_all(MemberNumber member, MonoNanos until) {
    for (Place run = runs_.begin(); run != runs_.end(); ++run)
        if (run->second.state == RunState::leased && run->second.member == member) {
            timed_.erase({run->second.when, run->first});
            run->second.when = until;  // which no row says
            timed_.emplace(until, run->first);
        }
}

// ---- what happens by itself ---------------------------------------------------------------------

QueueLedger::Freed QueueLedger::take_back(MemberNumber member, bool lost) {
    Freed freed;
    for (Place run = runs_.begin(); run != runs_.end(); ++run) {
        if (run->second.state != RunState::leased || run->second.member != member) continue;
        if (!lost) --run->second.attempts;
        if (lost && run->second.error.empty()) run->second.error = "the member was lost";
        freed += put_back(run, {}, {});
    }
    return freed;
}

void QueueLedger::pass_time(MonoNanos now, std::vector<std::pair<MemberNumber, Freed>>& freed) {
    while (!timed_.empty() && timed_.begin()->first <= now) {
        const Place run = runs_.find(timed_.begin()->second);
        if (run->second.state == RunState::delayed) {
            change(run, RunState::ready, 0, {});
            continue;
        }
        const MemberNumber member = run->second.member;
        if (run->second.error.empty()) run->second.error = "the lease ran out";
        freed.emplace_back(member, put_back(run, {}, now));
    }
}

std::optional<MonoNanos> QueueLedger::next_time() const {
    if (timed_.empty()) return std::nullopt;
    return timed_.begin()->first;
}

void QueueLedger::trim(Offset start, std::vector<std::pair<MemberNumber, Freed>>& freed) {
    if (start.value() <= floor_) return;
    while (!runs_.empty() && runs_.begin()->first < start.value()) {
        const Place run = runs_.begin();
        if (run->second.end > start.value()) {
            const Place rest = split(run, start.value());
            if (rest->second.open == 0) erase(rest);
            continue;  // with what is below, or, when nothing is open there, without it
        }
        if (run->second.state == RunState::leased)
            freed.emplace_back(run->second.member, Freed{run->second.open, run->second.bytes});
        note_open(run);
        erase(run);
    }
    next_ = std::max(next_, start.value());
    floor_ = settled_.rise(start.value());
}

// ---- giving up ----------------------------------------------------------------------------------

std::optional<Offset> QueueLedger::first_given_up() const {
    if (given_up_.empty()) return std::nullopt;
    return first_open(runs_.find(*given_up_.begin()));
}

void QueueLedger::bury(Offset offset) {
    const Place run = find(offset.value());
    CASC_ASSERT(run != runs_.end() && run->second.state == RunState::given_up, offset.value());
    settled_.add(word_base(offset.value()), word_bit(offset.value()));
    note(word_base(offset.value()), word_bit(offset.value()));
    close(run, 1);
    if (run->second.open == 0) erase(run);
    floor_ = settled_.rise(floor_);
}

}  // namespace casc::broker
