#include "queue_group.hpp"

#include "batch_parts.hpp"

#include <casc/broker/logging.hpp>
#include <casc/types/assert.hpp>

#include <algorithm>
#include <bit>

namespace casc::broker {
namespace {

constexpr std::size_t kReadBytes = 1_MiB;
// Between the first event that is not settled and the last one that was delivered: a bit is kept
// for each.
constexpr std::uint64_t kSpreadMax = 1u << 20;
constexpr const char* kExpired = "its time to live has passed";

}  // namespace

QueueGroup::QueueGroup(Core& core, ReaderScheduler& scheduler, DeadLetters& dead_letters,
                       std::uint32_t id, std::string name, QueueReads reads, QueueSettings settings)
    : LaneReader(core, scheduler, DeliveryOrder::priority, kReadBytes),
      id_(id),
      name_(std::move(name)),
      reads_what_(std::move(reads)),
      settings_(std::move(settings)),
      dead_letters_(dead_letters) {}

// ---- members ------------------------------------------------------------------------------------

void QueueGroup::join(QueueMember member) {
    members_.push_back(std::make_unique<QueueMember>(std::move(member)));
    look_for_logs();
    schedule();
}

void QueueGroup::leave(MemberNumber number, bool lost) {
    std::erase_if(members_, [&](const auto& member) { return member->number == number; });
    for (auto& [log, ledger] : ledgers_) {
        if (ledger.take_back(number, lost).events == 0) continue;
        changed_.insert(log);
        plan_again(log, ledger);
    }
    if (members_.empty()) {
        for (const auto& [log, ledger] : ledgers_)
            remove_source(log);
        return;
    }
    schedule();
}

QueueMember* QueueGroup::find(MemberNumber number) const {
    for (const auto& member : members_)
        if (member->number == number) return member.get();
    return nullptr;
}

QueueMember* QueueGroup::next_member() {
    if (settings_.order == QueueOrder::single_active) {
        QueueMember& active = *members_.front();
        return active.has_room() ? &active : nullptr;
    }
    for (std::size_t i = 0; i < members_.size(); ++i) {
        turn_ = turn_ + 1 < members_.size() ? turn_ + 1 : 0;
        if (members_[turn_]->has_room()) return members_[turn_].get();
    }
    return nullptr;
}

void QueueGroup::give_room(MemberNumber number, const QueueLedger::Freed& freed) {
    QueueMember* member = find(number);
    if (member == nullptr) return;
    member->in_flight.events -= freed.events;
    member->in_flight.bytes -= freed.bytes;
}

// ---- its logs -----------------------------------------------------------------------------------

Result<void> QueueGroup::load(LogId log, const wire::fb::QueueRow& row) {
    CASC_TRY(auto ledger, QueueLedger::from_row(row, settings_.deliveries_max));
    ledgers_.insert_or_assign(log, std::move(ledger));
    return {};
}

Result<void> QueueGroup::load_run(LogId log, std::uint64_t first, const wire::fb::QueueRunRow& row,
                                  MonoNanos now) {
    const auto ledger = ledgers_.find(log);
    if (ledger == ledgers_.end())
        return Error(ErrorCode::data_corrupt, "a run of a queue group that does not read the log");
    return ledger->second.load_run(first, row, now, core_.now());
}

void QueueGroup::finish_loading() {
    // A crash came between the removal of a topic and that of the rows.
    std::erase_if(ledgers_, [&](const auto& entry) {
        return core_.topics.find(entry.first.topic()) == nullptr &&
               erase_rows(entry.first, entry.second);
    });
    for (auto& [log, ledger] : ledgers_) {
        ledger.finish_loading();
        open_ += ledger.open();
        if (!is_by_key()) continue;
        ledger.note_closed();
        if (ledger.open() != 0) unlearned_.emplace(log, ledger.floor());
    }
}

QueueLedger& QueueGroup::ledger_of(LogId log) {
    const auto state = core_.logs.state(log);
    const Offset start = state ? state->start : Offset(0);
    const auto [at, fresh] = ledgers_.try_emplace(log, start, settings_.deliveries_max);
    if (fresh && is_by_key()) at->second.note_closed();
    return at->second;
}

void QueueGroup::skip_backlog() {
    reads_what_.wanted.for_each(core_.topics, [&](const Topic& topic) {
        if (topic.name == settings_.dead_letter_topic) return;
        core_.logs.for_each(topic.id, [&](LogId log, const storage::LogState&) {
            change(log, ledger_of(log), [&](QueueLedger& ledger) {
                ledger.skip_new(core_.visibility.visible_end(topic, log));
            });
        });
    });
}

void QueueGroup::look_for_logs() {
    if (members_.empty()) return;
    reads_what_.wanted.for_each(core_.topics, [&](const Topic& topic) { look_for_logs(topic); });
    learn_keys();
}

void QueueGroup::on_topic_created(const Topic& topic) {
    if (!members_.empty() && reads_what_.wanted.has(topic.name)) look_for_logs(topic);
}

void QueueGroup::look_for_logs(const Topic& topic) {
    // A pattern may match the topic of the group's own dead letters.
    if (topic.name == settings_.dead_letter_topic) return;
    for (std::uint32_t partition = 0; partition < topic.settings.partitions; ++partition) {
        for (const Lane lane : kLanes) {
            const LogId log(topic.id, PartitionId(partition), lane);
            if (reads(log)) continue;
            QueueLedger& ledger = ledger_of(log);
            follow_retention(log, ledger);
            add_source(topic, log, ledger.next());
            plan_again(log, ledger);
        }
    }
}

void QueueGroup::on_topic_removed(TopicId topic) {
    const bool was_learning = !unlearned_.empty();
    std::erase_if(ledgers_, [&](const auto& entry) {
        if (entry.first.topic() != topic) return false;
        for (const auto& [first, run] : entry.second.runs())
            if (run.state == RunState::leased) give_room(run.member, {run.open, run.bytes});
        open_ -= entry.second.open();
        for (const QueuePlace& gone : keys_.of_log(entry.first))
            let_next_of(gone);
        unlearned_.erase(entry.first);
        changed_.erase(entry.first);
        remove_source(entry.first);
        // A row that cannot be erased now (the disk is full) is erased at the next start.
        static_cast<void>(erase_rows(entry.first, entry.second));
        return true;
    });
    if (was_learning && unlearned_.empty()) finish_learning();
    look_at_all();
    schedule();
}

void QueueGroup::follow_retention(LogId log, QueueLedger& ledger) {
    const auto state = core_.logs.state(log);
    if (!state || state->start <= ledger.floor()) return;
    change(log, ledger, [&](QueueLedger& of) {
        ManyFreed freed;
        of.trim(state->start, freed);
        for (const auto& [member, room] : freed)
            give_room(member, room);
    });
    schedule();  // members have room again
}

void QueueGroup::follow_retention() {
    for (auto& [log, ledger] : ledgers_)
        follow_retention(log, ledger);
}

// ---- delivering ---------------------------------------------------------------------------------

bool QueueGroup::may_send() const noexcept {
    if (members_.empty()) return false;
    if (settings_.order == QueueOrder::single_active) return members_.front()->has_room();
    return std::any_of(members_.begin(), members_.end(),
                       [](const auto& member) { return member->has_room(); });
}

bool QueueGroup::wants(const Source& source) const noexcept {
    if (!unlearned_.empty()) return false;
    if (source.again) return true;
    const QueueLedger& ledger = ledgers_.at(source.log);
    const std::uint64_t spread = (ledger.next() - ledger.floor()).value();
    if (open_ < settings_.in_flight_events_max && spread < kSpreadMax) return true;
    held_back_ = true;
    return false;
}

void QueueGroup::deliver(Source& source, std::uint64_t) {
    QueueMember* member = next_member();
    CASC_ASSERT(member != nullptr, name_);  // may_send() was true
    QueueLedger& ledger = ledgers_.at(source.log);
    const std::uint64_t before = ledger.open();
    if (source.again) {
        deliver_again(source, ledger, *member);
    } else {
        deliver_new(source, ledger, *member);
    }
    open_ += ledger.open() - before;
    if (ledger.open() < before && std::exchange(held_back_, false)) look_at_all();
}

std::uint32_t QueueGroup::share_of(const QueueMember& member, const Source& source) const {
    const std::uint64_t waiting = (source.visible_end - source.next).value();
    const std::uint64_t takers = settings_.order == QueueOrder::single_active ? 1 : members_.size();
    const std::uint64_t share = (waiting + takers - 1) / takers;
    const std::uint64_t room =
        std::min<std::uint64_t>(member.room_events(), settings_.in_flight_events_max - open_);
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(share, 1, room));
}

void QueueGroup::deliver_new(Source& source, QueueLedger& ledger, QueueMember& member) {
    const std::uint32_t events_max = share_of(member, source);
    sending_.clear();
    sending_keys_.clear();
    std::size_t bytes = 0;
    Offset end = ledger.next();
    while (!source.fetched.empty()) {
        const storage::BatchRef& batch = source.fetched.front();
        const StoredExtent extent = stored_extent(batch);
        if (extent.end > end) {
            if (extent.base > end) {  // a crash has left a gap
                if (!sending_.empty()) break;
                // Nothing is kept for a gap while nothing is open; otherwise a bit for each of its
                // offsets, up to the bound.
                end = ledger.floor() == ledger.next()
                          ? extent.base
                          : std::min(extent.base,
                                     std::max(end, ledger.floor() + OffsetDelta(kSpreadMax)));
                ledger.skip_new(end);
                if (end < extent.base) break;
            }
            const Lifespans::Run life = Lifespans(core_, source.log, batch).at(end);
            if (life.life != Lifespans::Life::alive) {
                if (!sending_.empty()) break;  // with the next turn
                if (life.life == Lifespans::Life::expired) {
                    pass_over_new(ledger, life.end);
                } else {
                    ledger.skip_new(life.end);
                }
                end = life.end;
                continue;
            }
            Offset alike = life.end;
            if (reads_what_.filter) {
                const MatchRun run = match_at(source.log, batch, end);
                alike = std::min(alike, run.end);
                if (!run.matching) {
                    if (!sending_.empty()) break;  // with the next turn
                    ledger.skip_new(alike);
                    end = alike;
                    continue;
                }
            }
            const std::uint64_t room = events_max - (end - ledger.next()).value();
            const bool whole = alike == extent.end && (extent.end - end).value() <= room;
            // Whole batches cost nothing but their sending; what is left of the room waits for more
            // of it.
            if (!sending_.empty() && (!whole || bytes + batch.bytes.size() > read_bytes_)) break;
            const Offset until = whole ? extent.end : std::min(alike, end + OffsetDelta(room));
            sending_.push_back(part_of(core_, batch, end, until, cut_of(source.log, extent)));
            bytes += sending_.back().bytes.size();
            if (is_by_key()) add_keys(batch, end, until);
            end = until;
            if (!whole) break;
        }
        source.fetched.pop_front();
    }
    const Offset first = ledger.next();
    source.next = end;
    changed_.insert(source.log);  // what was delivered is known to have been, also after a crash
    if (first == end) return;
    QueueLedger::Freed taken{static_cast<std::uint32_t>((end - first).value()), bytes};
    ledger.lease_new(end, bytes, member.number, lease_end());
    leased_.clear();
    if (is_by_key()) {
        const QueueLedger::Freed blocked = block_keys(source.log, ledger, first);
        taken.events -= blocked.events;
        taken.bytes -= blocked.bytes;
        if (taken.events == 0) return;
    }
    member.in_flight += taken;
    send(source, member, first, end, 1, leased_);
}

QueueGroup::MatchRun QueueGroup::match_at(LogId log, const storage::BatchRef& ref, Offset offset) {
    const StoredExtent extent = stored_extent(ref);
    const bool known = matches_.log == log && matches_.base == extent.base && offset < matches_.end;
    if (!known) {
        // What cannot be read is delivered: whoever gets it says what is wrong.
        const auto batch = wire::BatchView::parse(ref.bytes);
        if (!batch) return {extent.end, true};
        const auto first = static_cast<std::uint32_t>((offset - extent.base).value());
        const std::uint32_t end = FilterScan::scan_end(*reads_what_.filter, *batch, first);
        scanned_bytes_ += FilterScan::scan_bytes(*reads_what_.filter, *batch, first, end);
        const auto words = core_.filters.scan(*reads_what_.filter, log, ref, *batch, first, end);
        matches_.log = log;
        matches_.base = extent.base;
        matches_.end = extent.base + OffsetDelta(end);
        matches_.words.assign(words.begin(), words.end());
    }
    const auto bit = [&](Offset at) {
        const std::uint64_t index = (at - extent.base).value();
        return (matches_.words[index / 64] >> index % 64 & 1u) != 0;
    };
    Offset end = offset + OffsetDelta(1);
    while (end < matches_.end && bit(end) == bit(offset))
        end = end + OffsetDelta(1);
    return {end, bit(offset)};
}

// What was deleted does not leave the broker, not even outside of what is leased.
Cut QueueGroup::cut_of(LogId log, const StoredExtent& extent) const {
    return core_.deleted.next(log, extent.base, extent.end) ? Cut::always : Cut::if_smaller;
}

// Of a compacted topic that is nothing to speak of: newer events have replaced them.
void QueueGroup::report_missing(LogId log, Offset first, Offset end) const {
    const Topic* topic = core_.topics.find(log.topic());
    const bool replaced = topic != nullptr && topic->is_compacted();
    if (replaced || core_.deleted.next(log, first, end)) return;
    log_event(
        LogLevel::error, "events_missing",
        {{"group", name_}, {"log", log.value()}, {"first", first.value()}, {"end", end.value()}});
}

void QueueGroup::aim_again(Source& source, const QueueLedger& ledger) {
    const auto run = ledger.first_ready();
    if (run == ledger.runs().end()) {
        source.fetched.clear();
        source.next = source.visible_end;
        return;
    }
    source.next = ledger.first_open(run);
    source.visible_end = Offset(run->second.end);
    while (!source.fetched.empty() && stored_extent(source.fetched.front()).end <= source.next)
        source.fetched.pop_front();
    if (source.fetched.empty()) return;
    if (stored_extent(source.fetched.front()).base > source.next) source.fetched.clear();
}

void QueueGroup::deliver_again(Source& source, QueueLedger& ledger, QueueMember& member) {
    const Offset aimed = source.next;
    const storage::BatchRef front = source.fetched.front();
    aim_again(source, ledger);
    if (source.fetched.empty()) {
        // Read for what has been settled meanwhile, or trimmed away, which fill() finds; or it is
        // not there: then nobody can have it, nor what else there should be before that batch.
        const Offset base = stored_extent(front).base;
        const auto state = core_.logs.state(source.log);
        const bool is_trimmed = state && state->start > aimed;
        if (source.next == aimed && aimed < base && !is_trimmed) {
            report_missing(source.log, aimed, std::min(base, source.visible_end));
            for (auto run = ledger.first_ready();
                 run != ledger.runs().end() && ledger.first_open(run) < base;
                 run = ledger.first_ready())
                ledger.skip_ready(base);
            changed_.insert(source.log);
            release_keys(source.log, ledger);
            aim_again(source, ledger);
        }
        return;
    }
    const auto run = ledger.first_ready();
    const Offset first = source.next;
    const Lifespans::Run life = Lifespans(core_, source.log, source.fetched.front()).at(first);
    Offset end = std::min(Offset(run->second.end), life.end);
    if (life.life != Lifespans::Life::alive) {
        if (life.life == Lifespans::Life::expired) {
            pass_over_ready(ledger, end);
        } else {
            ledger.skip_ready(end);
        }
        changed_.insert(source.log);
        release_keys(source.log, ledger);
        return aim_again(source, ledger);
    }

    // As many as there is room for; those between that are settled are not leased.
    leased_.clear();
    std::uint32_t room = member.room_events();
    for (std::uint64_t base = word_base(first.value()); base < end.value(); base += kWordOffsets) {
        std::uint64_t open =
            word_mask(base, first.value(), end.value()) & ~ledger.settled_word(base);
        while (static_cast<std::uint32_t>(std::popcount(open)) > room) {
            const int last = 63 - std::countl_zero(open);
            open &= ~(std::uint64_t{1} << last);
            end = Offset(base + static_cast<unsigned>(last));
        }
        room -= static_cast<std::uint32_t>(std::popcount(open));
        leased_.push_back(open);
    }
    const storage::BatchRef& batch = source.fetched.front();
    sending_.assign(1, part_of(core_, batch, first, end, cut_of(source.log, stored_extent(batch))));
    const std::size_t bytes = sending_.front().bytes.size();
    const std::uint32_t attempts = run->second.attempts + 1;
    const std::uint32_t count =
        ledger.lease_again(Offset(run->first), end, bytes, member.number, lease_end());
    member.in_flight += {count, bytes};
    changed_.insert(source.log);  // the attempts
    const bool all = count == (end - first).value();
    send(source, member, first, end, attempts, all ? std::span<const std::uint64_t>() : leased_);
    aim_again(source, ledger);
}

void QueueGroup::pass_over_new(QueueLedger& ledger, Offset end) {
    core_.counters.events_expired += (end - ledger.next()).value();
    if (settings_.buries_expired) {
        ledger.give_up_new(end, kExpired);
    } else {
        ledger.skip_new(end);
    }
}

void QueueGroup::pass_over_ready(QueueLedger& ledger, Offset end) {
    const std::uint64_t before = ledger.open();
    if (settings_.buries_expired) {
        core_.counters.events_expired += ledger.give_up_ready(end, kExpired);
    } else {
        ledger.skip_ready(end);
        core_.counters.events_expired += before - ledger.open();
    }
}

void QueueGroup::send(const Source& source, QueueMember& member, Offset first, Offset end,
                      std::uint32_t attempts, std::span<const std::uint64_t> leased) {
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        const auto words = leased.empty()
                               ? flatbuffers::Offset<flatbuffers::Vector<std::uint64_t>>()
                               : builder.CreateVector(leased.data(), leased.size());
        const Topic* topic = core_.topics.find(source.topic);
        const auto name = builder.CreateString(topic->name);
        return wire::fb::CreateLease(builder, member.subscription_id, source.log.topic().value(),
                                     source.log.partition().value(),
                                     static_cast<std::uint8_t>(source.log.lane()), first.value(),
                                     end.value(), words, attempts,
                                     static_cast<std::uint32_t>(settings_.lease.count()), name);
    });
    member.session->send(wire::FrameKind::push, wire::Api::lease, 0, body, sending_);
    core_.count_out(source.log.lane(), sending_, (end - first).value());
}

MonoNanos QueueGroup::lease_end() const {
    return mono_now() + settings_.lease;
}

void QueueGroup::on_read(LogId log, const std::vector<storage::BatchRef>& batches) {
    core_.recent_reads.add(log, batches, mono_now());
}

void QueueGroup::on_dropped(const Source& source, ErrorCode why) {
    const auto ledger = ledgers_.find(source.log);
    const Topic* topic = core_.topics.find(source.topic);
    if (ledger == ledgers_.end() || topic == nullptr) return;  // the topic goes
    if (why != ErrorCode::offset_out_of_range) {
        log_event(LogLevel::error, "queue_stopped",
                  {{"group", name_},
                   {"topic", topic->name},
                   {"partition", source.log.partition().value()},
                   {"lane", to_string(source.log.lane())},
                   {"why", to_string(why)}});
        return;
    }
    // Retention has taken what it was to read; or, of what was to be read again, compaction has.
    follow_retention(source.log, ledger->second);
    const auto run = ledger->second.first_ready();
    const bool is_missing = source.again && run != ledger->second.runs().end() &&
                            ledger->second.first_open(run) == source.next;
    if (is_missing) {
        const Offset end = std::min(source.visible_end, Offset(run->second.end));
        report_missing(source.log, source.next, end);
        change(source.log, ledger->second, [&](QueueLedger& of) { of.skip_ready(end); });
    }
    if (!source.again) add_source(*topic, source.log, ledger->second.next());
    plan_again(source.log, ledger->second);
}

void QueueGroup::plan_again(LogId log, const QueueLedger& ledger) {
    const auto run = ledger.first_ready();
    if (run == ledger.runs().end() || members_.empty() || reads_again(log)) return;
    const Topic* topic = core_.topics.find(log.topic());
    if (topic != nullptr) read_again(*topic, log, ledger.first_open(run), Offset(run->second.end));
}

// ---- time ---------------------------------------------------------------------------------------

void QueueGroup::tick(MonoNanos now) {
    ManyFreed freed;
    for (auto& [log, ledger] : ledgers_) {
        follow_retention(log, ledger);
        if (const auto at = ledger.next_time(); at && *at <= now) {
            freed.clear();
            change(log, ledger, [&](QueueLedger& of) { of.pass_time(now, freed); });
            for (const auto& [member, room] : freed)
                give_room(member, room);
        }
        bury(log, ledger);
    }
    learn_keys();
    schedule();
}

}  // namespace casc::broker
