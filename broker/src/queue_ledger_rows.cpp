// How a ledger is remembered: the rows it is written as, and read back from.

#include "queue_ledger.hpp"

#include <algorithm>

namespace casc::broker {

flatbuffers::Offset<wire::fb::QueueRow> QueueLedger::build_row(
    flatbuffers::FlatBufferBuilder& builder) const {
    const auto& words = settled_.words();
    std::uint64_t* copy = nullptr;
    const auto settled = builder.CreateUninitializedVector(words.size(), &copy);
    std::copy(words.begin(), words.end(), copy);
    return wire::fb::CreateQueueRow(builder, floor_, next_, settled);
}

std::size_t QueueLedger::row_bytes_max() const noexcept {
    constexpr std::size_t fixed_bytes = 256;
    return fixed_bytes + settled_.words().size() * sizeof(std::uint64_t);
}

std::size_t QueueLedger::done_row_bytes_max(std::size_t events) const noexcept {
    // The bitmap may grow to the end of what was delivered; the rows of runs are erased.
    constexpr std::size_t erased_row_bytes = 48;
    const std::size_t words = (next_ - word_base(floor_)) / kWordOffsets + 1;
    return row_bytes_max() + words * sizeof(std::uint64_t) +
           std::min(events, stored_.size()) * erased_row_bytes;
}

bool QueueLedger::is_noteworthy(const Run& run) {
    return run.attempts != 1 || !run.error.empty() || run.state == RunState::delayed ||
           run.state == RunState::given_up;
}

const QueueLedger::Run* QueueLedger::noteworthy(std::uint64_t first) const {
    const auto found = runs_.find(first);
    return found != runs_.end() && is_noteworthy(found->second) ? &found->second : nullptr;
}

std::optional<std::uint64_t> QueueLedger::last_touched() const {
    if (touched_.empty()) return std::nullopt;
    return *touched_.rbegin();
}

void QueueLedger::was_written(std::uint64_t first) {
    touched_.erase(first);
    if (noteworthy(first) != nullptr) {
        stored_.insert(first);
    } else {
        stored_.erase(first);
    }
}

flatbuffers::Offset<wire::fb::QueueRunRow> QueueLedger::build_run_row(
    flatbuffers::FlatBufferBuilder& builder, const Run& run, MonoNanos now, EpochNanos wall) {
    const auto error = run.error.empty() ? 0 : builder.CreateString(run.error);
    const std::int64_t due =
        run.state == RunState::delayed ? wall.value() + (run.when - now).value() : 0;
    return wire::fb::CreateQueueRunRow(builder, run.end, run.attempts, due,
                                       run.state == RunState::given_up, error);
}

Result<QueueLedger> QueueLedger::from_row(const wire::fb::QueueRow& row,
                                          std::uint32_t attempts_max) {
    QueueLedger ledger(Offset(row.floor()), attempts_max);
    const std::size_t word_count = row.settled() == nullptr ? 0 : row.settled()->size();
    const std::uint64_t base = word_base(row.floor());
    if (row.next() < row.floor() || word_count > (row.next() - base) / kWordOffsets + 1)
        return Error(ErrorCode::data_corrupt, "the row of a queue group");
    for (std::uint32_t i = 0; i < word_count; ++i) {
        const std::uint64_t at = base + i * kWordOffsets;
        const std::uint64_t word = row.settled()->Get(i);
        if ((word & ~(at < row.next() ? word_mask(at, at, row.next()) : 0)) != 0)
            return Error(ErrorCode::data_corrupt, "the row of a queue group");
        if (word != 0) ledger.settled_.add(at, word);
    }
    ledger.next_ = row.next();
    ledger.loaded_through_ = row.floor();
    return ledger;
}

// Also of what is settled by now: its row goes then.
void QueueLedger::load(std::uint64_t first, Run run) {
    run.open = count_open(first, run.end);
    loaded_through_ = std::max(loaded_through_, run.end);
    if (run.open == 0) return;
    const bool used_up = attempts_max_ != 0 && run.attempts >= attempts_max_;
    if (used_up) run.state = RunState::given_up;
    open_ += run.open;
    index(runs_.insert_or_assign(runs_.end(), first, std::move(run)));
}

Result<void> QueueLedger::load_run(std::uint64_t first, const wire::fb::QueueRunRow& row,
                                   MonoNanos now, EpochNanos wall) {
    if (row.end() <= first || row.end() > next_)
        return Error(ErrorCode::data_corrupt, "the row of a run of a queue group");
    stored_.insert(first);
    touched_.insert(first);  // unless it says what is so
    const std::uint64_t from = std::max(first, floor_);
    if (row.end() <= from) return {};
    // A crash came between the rows of a run that was split: the later part knows better.
    if (const Place before = find(from); before != runs_.end()) {
        erase(before->first == from ? before : split(before, from));
        loaded_through_ = from;
    }
    if (loaded_through_ < from)
        load(loaded_through_, Run{from, 0, 1, RunState::ready, 0, {}, 0, {}});
    const std::int64_t wait_ns = row.due_ns() == 0 ? 0 : row.due_ns() - wall.value();
    const RunState state = row.given_up() ? RunState::given_up
                           : wait_ns > 0  ? RunState::delayed
                                          : RunState::ready;
    load(from, Run{row.end(), 0, row.attempts(), state, 0, now + MonoNanos::distance(wait_ns), 0,
                   row.error() == nullptr ? std::string() : row.error()->str()});
    if (from == first && runs_.contains(first)) touched_.erase(first);
    return {};
}

// What nothing is said of had been delivered once.
void QueueLedger::finish_loading() {
    if (loaded_through_ < next_)
        load(loaded_through_, Run{next_, 0, 1, RunState::ready, 0, {}, 0, {}});
    floor_ = settled_.rise(floor_);
}

}  // namespace casc::broker
