// What members say of their events, what becomes of those that nobody can settle, and how the group
// remembers both.

#include "queue_group.hpp"
#include "stored_batch.hpp"

#include <casc/broker/logging.hpp>
#include <casc/types/cut_text.hpp>

#include <algorithm>
#include <bit>

namespace casc::broker {
namespace {

using storage::StateTable;

constexpr std::size_t kErrorBytesMax = 1024;
constexpr int kBuriedPerTurn = 1024;  // of one log

enum class Verdict : std::uint8_t { refused = 1, released = 2, given_up = 3, renewed = 4 };

void refuse_all(const wire::fb::LogVerdictsT& verdicts, std::vector<Offset>& refused) {
    for (std::size_t word = 0; word < verdicts.done.size(); ++word)
        for (std::uint64_t rest = verdicts.done[word]; rest != 0; rest &= rest - 1)
            refused.emplace_back(verdicts.base + word * kWordOffsets +
                                 static_cast<unsigned>(std::countr_zero(rest)));
    for (const auto& other : verdicts.others)
        refused.emplace_back(other->offset);
}

std::string kept_error(std::string_view said) {
    return std::string(cut_text(said, kErrorBytesMax));
}

}  // namespace

// ---- settling -----------------------------------------------------------------------------------

Result<void> QueueGroup::check(const wire::fb::LogVerdictsT& verdicts) {
    if (verdicts.lane >= kLaneCount)
        return Error(ErrorCode::unknown_lane, std::to_string(verdicts.lane));
    if (verdicts.base % kWordOffsets != 0 ||
        verdicts.base > ~std::uint64_t{0} - verdicts.done.size() * kWordOffsets)
        return Error(ErrorCode::invalid_request, "base must be a multiple of 64");
    for (const auto& other : verdicts.others)
        if (other->verdict < 1 || other->verdict > 4)
            return Error(ErrorCode::invalid_request,
                         "verdict must be 1 (refused), 2 (released), 3 (given up) or 4 (renewed)");
    return {};
}

Result<void> QueueGroup::settle(MemberNumber number, const wire::fb::SettleT& request,
                                MonoNanos now, wire::fb::SettleReplyT& reply) {
    for (const auto& verdicts : request.logs)
        CASC_TRY_VOID(check(*verdicts));
    QueueMember* member = find(number);
    std::vector<Offset> refused;
    for (const auto& verdicts : request.logs) {
        const LogId log(TopicId(verdicts->topic_id), PartitionId(verdicts->partition),
                        static_cast<Lane>(verdicts->lane));
        refused.clear();
        const auto found = ledgers_.find(log);
        if (found == ledgers_.end()) {
            // Its topic may have been removed while the member worked.
            refuse_all(*verdicts, refused);
        } else {
            change(log, found->second, [&](QueueLedger& ledger) {
                give_room(number,
                          ledger.settle(number, Offset(verdicts->base), verdicts->done, refused));
                for (const auto& other : verdicts->others)
                    if (!judge(*member, ledger, *other, now)) refused.emplace_back(other->offset);
            });
        }
        if (refused.empty()) continue;
        auto& told = reply.refused.emplace_back(std::make_unique<wire::fb::RefusedVerdictsT>());
        told->topic_id = verdicts->topic_id;
        told->partition = verdicts->partition;
        told->lane = verdicts->lane;
        for (const Offset offset : refused)
            told->offsets.push_back(offset.value());
    }
    if (request.renew_all)
        for (auto& [log, ledger] : ledgers_)
            ledger.renew_all(number, lease_end());
    schedule();
    return {};
}

Result<void> QueueGroup::check_done(MemberNumber member, const wire::fb::SettleT& request) const {
    if (request.renew_all) return Error(ErrorCode::not_supported, "leases are not renewed here");
    struct Range {
        LogId log;
        std::uint64_t base;
        std::uint64_t end;
    };
    std::vector<Range> seen;
    for (const auto& verdicts : request.logs) {
        CASC_TRY_VOID(check(*verdicts));
        if (!verdicts->others.empty())
            return Error(ErrorCode::not_supported,
                         "in an atomic write events can be done, and nothing else");
        const LogId log(TopicId(verdicts->topic_id), PartitionId(verdicts->partition),
                        static_cast<Lane>(verdicts->lane));
        const std::uint64_t end = verdicts->base + verdicts->done.size() * kWordOffsets;
        for (const Range& other : seen)
            if (other.log == log && verdicts->base < other.end && other.base < end)
                return Error(ErrorCode::invalid_request, "events of a log are named twice");
        seen.push_back({log, verdicts->base, end});
        const auto ledger = ledgers_.find(log);
        if (ledger == ledgers_.end() ||
            !ledger->second.holds(member, Offset(verdicts->base), verdicts->done))
            return Error(ErrorCode::lease_lost,
                         "not all events are leased to the member of '" + name_ + "'");
    }
    return {};
}

std::size_t QueueGroup::done_row_bytes(const wire::fb::SettleT& request) const {
    std::size_t bytes = 0;
    for (const auto& verdicts : request.logs) {
        const LogId log(TopicId(verdicts->topic_id), PartitionId(verdicts->partition),
                        static_cast<Lane>(verdicts->lane));
        std::size_t events = 0;
        for (const std::uint64_t word : verdicts->done)
            events += static_cast<std::size_t>(std::popcount(word));
        bytes += ledgers_.at(log).done_row_bytes_max(events);
    }
    return bytes;
}

bool QueueGroup::judge(QueueMember& member, QueueLedger& ledger,
                       const wire::fb::EventVerdictT& verdict, MonoNanos now) {
    const Offset offset(verdict.offset);
    if (!ledger.is_open(offset)) return false;
    std::optional<QueueLedger::Freed> freed;
    switch (static_cast<Verdict>(verdict.verdict)) {
        case Verdict::refused: {
            const std::chrono::nanoseconds delay =
                verdict.delay_ms ? std::chrono::milliseconds(*verdict.delay_ms)
                                 : settings_.delay_after(ledger.run_of(offset).attempts);
            freed =
                ledger.refuse(member.number, offset, now + delay, now, kept_error(verdict.error));
            break;
        }
        case Verdict::released:
            freed = ledger.release(member.number, offset);
            break;
        case Verdict::given_up:
            freed = ledger.give_up(member.number, offset, kept_error(verdict.error));
            break;
        case Verdict::renewed:
            return ledger.renew(member.number, offset, lease_end());
    }
    if (!freed) return false;
    give_room(member.number, *freed);
    return true;
}

// ---- rows ---------------------------------------------------------------------------------------

// Of volatile logs nothing is written: after a restart there is nothing left that rows could be
// about.
Result<JournalSequence> QueueGroup::write_row(LogId log, const QueueLedger& ledger) {
    if (core_.logs.is_volatile(log.topic())) return core_.store.durable_through();
    const auto row = core_.encoder.build(
        [&](flatbuffers::FlatBufferBuilder& builder) { return ledger.build_row(builder); });
    return core_.store.put(StateTable::queue, row_key(log).view(), row_text(row));
}

Result<JournalSequence> QueueGroup::write_run(LogId log, QueueLedger& ledger, std::uint64_t first,
                                              MonoNanos now) {
    const QueueLedger::Run* run = ledger.noteworthy(first);
    if (core_.logs.is_volatile(log.topic())) return core_.store.durable_through();
    if (run == nullptr) return core_.store.erase(StateTable::queue_run, run_key(log, first).view());
    const auto row = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return QueueLedger::build_run_row(builder, *run, now, core_.now());
    });
    return core_.store.put(StateTable::queue_run, run_key(log, first).view(), row_text(row));
}

// The row of the log first: a run never reaches beyond what it says. Of its runs those behind
// others first: when a crash leaves only some of the rows, the ones behind know better.
Result<JournalSequence> QueueGroup::write_rows(MonoNanos now) {
    JournalSequence last = core_.store.durable_through();
    while (!changed_.empty()) {
        const LogId log = *changed_.begin();
        QueueLedger& ledger = ledgers_.at(log);
        CASC_TRY(last, write_row(log, ledger));
        core_.consumed.touch(log.topic());
        while (const auto first = ledger.last_touched()) {
            CASC_TRY(last, write_run(log, ledger, *first, now));
            ledger.was_written(*first);
        }
        changed_.erase(log);
    }
    return last;
}

Result<JournalSequence> QueueGroup::erase_rows(LogId log, const QueueLedger& ledger) {
    if (core_.logs.is_volatile(log.topic())) return core_.store.durable_through();
    for (const std::uint64_t first : ledger.stored()) {
        CASC_TRY([[maybe_unused]] const auto sequence,
                 core_.store.erase(StateTable::queue_run, run_key(log, first).view()));
    }
    return core_.store.erase(StateTable::queue, row_key(log).view());
}

Result<JournalSequence> QueueGroup::erase_rows() {
    JournalSequence last = core_.store.durable_through();
    for (const auto& [log, ledger] : ledgers_) {
        CASC_TRY(last, erase_rows(log, ledger));
    }
    return last;
}

// ---- dead letters -------------------------------------------------------------------------------

void QueueGroup::bury(LogId log, QueueLedger& ledger) {
    for (int i = 0; i < kBuriedPerTurn; ++i) {
        const auto offset = ledger.first_given_up();
        if (!offset || burying_.contains(log)) return;
        std::vector<storage::BatchRef> batches;
        if (!core_.logs.read_tail(log, *offset, *offset + OffsetDelta(1), 1, batches))
            core_.recent_reads.find(log, *offset, *offset + OffsetDelta(1), batches);
        if (batches.empty()) return read_to_bury(log, *offset);
        if (!bury_from(log, ledger, batches.front())) return;
    }
}

void QueueGroup::read_to_bury(LogId log, Offset offset) {
    burying_.insert(log);
    core_.cold_reads.post(
        log, offset, offset + OffsetDelta(1), 1,
        [weak = handle(), log, offset](Result<std::vector<storage::BatchRef>> batches) {
            const auto alive = weak.lock();
            if (!alive || *alive == nullptr) return;
            auto& self = static_cast<QueueGroup&>(**alive);
            self.burying_.erase(log);
            const auto ledger = self.ledgers_.find(log);
            if (ledger == self.ledgers_.end() || !batches) return;  // again at the next tick
            if (batches->empty()) return self.bury_missing(log, ledger->second, offset);
            for (int i = 0; i < kBuriedPerTurn; ++i)
                if (!self.bury_from(log, ledger->second, batches->front())) return;
        });
}

// It is not there any more: nobody can have it, not even the dead letters.
void QueueGroup::bury_missing(LogId log, QueueLedger& ledger, Offset offset) {
    // Retention may have taken it meanwhile, and then another one is first.
    if (ledger.first_given_up() != offset) return;
    report_missing(log, offset, offset + OffsetDelta(1));
    change(log, ledger, [&](QueueLedger& of) { of.bury(offset); });
}

// The copy and the row that says that the event is settled become durable together, or neither.
bool QueueGroup::bury_from(LogId log, QueueLedger& ledger, const storage::BatchRef& ref) {
    const auto offset = ledger.first_given_up();
    const StoredExtent extent = stored_extent(ref);
    if (!offset || *offset < extent.base || *offset >= extent.end) return false;
    const auto report = [&](const Error& error) {
        log_event(LogLevel::warn, "dead_letter_waits",
                  {{"group", name_},
                   {"topic", settings_.dead_letter_topic},
                   {"offset", offset->value()},
                   {"why", error.message()}});
        return false;
    };
    if (core_.deleted.contains(log, *offset)) {  // the dead letters do not get it either
        change(log, ledger, [&](QueueLedger& of) { of.bury(*offset); });
        return true;
    }
    const auto opened = core_.opened.open(ref);
    if (!opened) return report(opened.error());
    const auto event = opened->batch.event(
        static_cast<std::uint32_t>((*offset - extent.base).value()), opened->payloads);
    const QueueLedger::Run run = ledger.run_of(*offset);  // a copy: append() may change it
    const DeadLetter letter{name_, log, run.attempts, run.error};
    const auto appended = dead_letters_.append(settings_.dead_letter_topic, letter, event,
                                               ledger.done_row_bytes_max(1));
    if (!appended) return report(appended.error());
    if (ledger.first_given_up() != offset) return false;  // retention has taken it meanwhile
    change(log, ledger, [&](QueueLedger& of) { of.bury(*offset); });
    // Its other rows follow with the next write_rows().
    static_cast<void>(write_row(log, ledger));
    return true;
}

}  // namespace casc::broker
