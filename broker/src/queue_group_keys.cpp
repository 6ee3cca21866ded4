// Order by key in a queue group: who has to wait, who may go next, and how a restarted broker finds
// out again.

#include "queue_group.hpp"
#include "stored_batch.hpp"

#include <casc/broker/logging.hpp>
#include <casc/types/fail_point.hpp>

#include <algorithm>

namespace casc::broker {

void QueueGroup::add_keys(const storage::BatchRef& ref, Offset first, Offset end) {
    const auto batch = wire::BatchView::parse(ref.bytes);  // which it did when it came
    const Offset base = stored_extent(ref).base;
    for (Offset at = first; at < end; at = at + OffsetDelta(1))
        sending_keys_.push_back(
            batch ? hash_of(batch->value(wire::Column::keys,
                                         static_cast<std::uint32_t>((at - base).value())))
                  : kNoKey);
}

QueueLedger::Freed QueueGroup::block_keys(LogId log, QueueLedger& ledger, Offset first) {
    const std::uint64_t base = word_base(first.value());
    const std::uint64_t end = first.value() + sending_keys_.size();
    leased_.assign((end - base + kWordOffsets - 1) / kWordOffsets, 0);
    QueueLedger::Freed blocked;
    std::uint64_t blocked_from = end;  // neighbours are blocked together
    const auto block_up_to = [&](std::uint64_t offset) {
        if (blocked_from < offset)
            blocked += ledger.block_new(Offset(blocked_from), Offset(offset));
        blocked_from = end;
    };
    for (std::uint64_t offset = first.value(); offset < end; ++offset) {
        const KeyHash key = sending_keys_[offset - first.value()];
        if (key != kNoKey && !keys_.enter(key, {log, Offset(offset)})) {
            blocked_from = std::min(blocked_from, offset);
            continue;
        }
        block_up_to(offset);
        leased_[(offset - base) / kWordOffsets] |= word_bit(offset);
    }
    block_up_to(end);
    if (blocked.events == 0) leased_.clear();
    return blocked;
}

void QueueGroup::release_keys(LogId log, QueueLedger& ledger) {
    if (!is_by_key() || holds_keys_) return;
    for (const Offset offset : ledger.take_closed())
        let_next_of({log, offset});
}

void QueueGroup::let_keys_go() {
    holds_keys_ = false;
    for (auto& [log, ledger] : ledgers_)
        release_keys(log, ledger);
    schedule();
}

void QueueGroup::let_next_of(QueuePlace closed) {
    const auto next = keys_.leave(closed);
    if (!next) return;
    const auto found = ledgers_.find(next->log);
    if (found == ledgers_.end()) return;  // its topic goes, and the next one gets its turn with it
    // What is settled in this very moment, with the one before it, leaves in its turn.
    if (!found->second.is_open(next->offset)) return;
    found->second.unblock(next->offset);
    changed_.insert(next->log);
    plan_again(next->log, found->second);
}

// ---- after a restart ----------------------------------------------------------------------------

void QueueGroup::learn_keys() {
    if (seeded_bug("keys_forgotten")) unlearned_.clear();
    while (!unlearned_.empty() && !is_learning_ && !members_.empty()) {
        const auto [log, planned] = *unlearned_.begin();
        const QueueLedger& ledger = ledgers_.at(log);
        const Offset from = std::max(planned, ledger.floor());
        if (from >= ledger.next() || ledger.open() == 0) {
            unlearned_.erase(log);
            if (unlearned_.empty()) finish_learning();
            continue;
        }
        std::vector<storage::BatchRef> batches;
        if (core_.logs.read_tail(log, from, ledger.next(), read_bytes_, batches) &&
            !batches.empty()) {
            learn_from(log, batches);
            continue;
        }
        is_learning_ = true;
        core_.cold_reads.post(log, from, ledger.next(), read_bytes_,
                              [weak = handle(), log = log, until = ledger.next()](ReadKeys read) {
                                  const auto alive = weak.lock();
                                  if (!alive || *alive == nullptr) return;
                                  static_cast<QueueGroup&>(**alive).on_keys_read(log, until, read);
                              });
    }
}

void QueueGroup::on_keys_read(LogId log, Offset until, const ReadKeys& read) {
    is_learning_ = false;
    const auto place = unlearned_.find(log);
    if (place == unlearned_.end()) return learn_keys();  // its topic is gone
    if (!read) {
        log_event(LogLevel::error, "keys_not_read",
                  {{"group", name_}, {"log", log.value()}, {"why", read.error().message()}});
        if (error_info(read.error().code).retryable) return;  // at the next tick
        place->second = until;   // nobody can have it, whatever its keys
    } else if (read->empty()) {  // nothing is stored there any more
        place->second = until;
    } else {
        learn_from(log, *read);
    }
    learn_keys();
}

void QueueGroup::learn_from(LogId log, const std::vector<storage::BatchRef>& batches) {
    const QueueLedger& ledger = ledgers_.at(log);
    Offset& learned_to = unlearned_.at(log);
    for (const storage::BatchRef& ref : batches) {
        const StoredExtent extent = stored_extent(ref);
        const Offset first = std::max({extent.base, learned_to, ledger.floor()});
        const Offset end = std::min(extent.end, ledger.next());
        sending_keys_.clear();
        add_keys(ref, first, end);
        for (std::size_t i = 0; i < sending_keys_.size(); ++i) {
            const Offset offset = first + OffsetDelta(static_cast<std::int64_t>(i));
            if (sending_keys_[i] == kNoKey || !ledger.is_open(offset)) continue;
            const QueueLedger::Run& run = ledger.run_of(offset);
            if (run.state == RunState::given_up) continue;
            learned_.push_back({sending_keys_[i], {log, offset}, run.attempts != 0});
        }
        learned_to = std::max(learned_to, extent.end);
    }
}

// Whoever was delivered was the first of its key.
void QueueGroup::finish_learning() {
    std::stable_sort(
        learned_.begin(), learned_.end(),
        [](const LearnedKey& a, const LearnedKey& b) { return a.delivered && !b.delivered; });
    for (const LearnedKey& one : learned_) {
        const auto ledger = ledgers_.find(one.event.log);
        if (ledger == ledgers_.end() || !ledger->second.is_open(one.event.offset)) continue;
        if (!keys_.enter(one.key, one.event)) {
            ledger->second.block(one.event.offset);
            changed_.insert(one.event.log);
        }
    }
    learned_ = {};
    for (const auto& [log, ledger] : ledgers_)
        plan_again(log, ledger);
    look_at_all();
    schedule();
}

}  // namespace casc::broker
