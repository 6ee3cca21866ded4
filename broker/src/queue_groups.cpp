#include "queue_groups.hpp"

#include <casc/broker/logging.hpp>
#include <casc/types/assert.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

using storage::StateTable;

Result<void> check_join(const wire::fb::JoinQueueT& request) {
    if (request.topics.empty()) return Error(ErrorCode::invalid_request, "no topics");
    constexpr std::uint32_t prefetch_max = 1u << 20;
    if (request.prefetch_events == 0 || request.prefetch_events > prefetch_max ||
        request.prefetch_bytes == 0)
        return Error(ErrorCode::invalid_request, "prefetch_events must be between 1 and " +
                                                     std::to_string(prefetch_max) +
                                                     ", prefetch_bytes at least 1");
    if (request.start > 1)
        return Error(ErrorCode::invalid_request,
                     "start must be 0 (the oldest event) or 1 (from now on)");
    return {};
}

Result<void> check_size(std::span<const std::byte> body) {
    CASC_TRY(const wire::fb::Settle* settle, wire::view<wire::fb::Settle>(body));
    if (QueueGroups::count_words(*settle) <= QueueGroups::kWordsMax) return {};
    return Error(ErrorCode::invalid_request, "at most " + std::to_string(QueueGroups::kWordsMax) +
                                                 " words of done in one Settle");
}

}  // namespace

Result<QueueReads> QueueReads::parse(const std::vector<std::string>& topics,
                                     const std::string& filter) {
    QueueReads reads;
    reads.topics = topics;
    CASC_TRY(reads.wanted, WantedTopics::parse(topics));
    if (!filter.empty()) {
        CASC_TRY(reads.filter.emplace(), Filter::parse(filter));
    }
    return reads;
}

// ---- at start -----------------------------------------------------------------------------------

Result<void> QueueGroups::load_group(const std::string& name, const wire::fb::GroupRowT& row) {
    CASC_TRY(auto settings,
             apply_settings({}, row.queue ? *row.queue : wire::fb::QueueSettingsT{}));
    CASC_TRY(auto reads, QueueReads::parse(row.topics, row.filter));
    Entry entry;
    entry.group = std::make_unique<QueueGroup>(core_, scheduler_, dead_letters_, row.group_id, name,
                                               std::move(reads), std::move(settings));
    entry.empty_since = wall_now();
    groups_.emplace(name, std::move(entry));
    return {};
}

Result<void> QueueGroups::load_logs() {
    std::unordered_map<std::uint32_t, QueueGroup*> by_id;
    for (const auto& [name, entry] : groups_)
        by_id[entry.group->id()] = entry.group.get();
    std::optional<Error> bad;
    using Row = std::span<const std::byte>;
    using Take = std::function<Result<void>(QueueGroup&, LogId, RowReader&, Row)>;
    const auto load = [&](StateTable table, const Take& take) {
        core_.store.scan(table, [&](std::string_view key, std::string_view value) {
            RowReader reader(key);
            const auto group = by_id.find(reader.get<std::uint32_t>());
            const LogId log(reader.get<std::uint64_t>());
            if (group == by_id.end() || bad) return;
            // Where RocksDB has it, it is not aligned.
            const std::vector<char> row(value.begin(), value.end());
            const auto taken = take(*group->second, log, reader, std::as_bytes(std::span(row)));
            if (!taken) bad = taken.error();
        });
    };
    load(StateTable::queue,
         [](QueueGroup& group, LogId log, RowReader&, Row value) -> Result<void> {
             CASC_TRY(const wire::fb::QueueRow* row, wire::view<wire::fb::QueueRow>(value));
             return group.load(log, *row);
         });
    const MonoNanos now = mono_now();
    load(StateTable::queue_run,
         [now](QueueGroup& group, LogId log, RowReader& key, Row value) -> Result<void> {
             CASC_TRY(const wire::fb::QueueRunRow* row, wire::view<wire::fb::QueueRunRow>(value));
             return group.load_run(log, key.get<std::uint64_t>(), *row, now);
         });
    if (bad) return *bad;
    for (const auto& [name, entry] : groups_)
        entry.group->finish_loading();
    return {};
}

// ---- members ------------------------------------------------------------------------------------

Result<QueueGroups::Entry*> QueueGroups::find_or_create(const wire::fb::JoinQueueT& request) {
    CASC_TRY_VOID(rows_.check_kind(request.group, GroupKind::queue));
    if (const auto found = groups_.find(request.group); found != groups_.end()) {
        const QueueReads& reads = found->second.group->reads_what();
        if (reads.topics != request.topics)
            return Error(ErrorCode::invalid_request,
                         "the group '" + request.group + "' reads other topics");
        if (reads.filter_text() != request.filter)
            return Error(ErrorCode::invalid_request,
                         "the group '" + request.group + "' has another filter: " +
                             (reads.filter ? reads.filter_text() : "none"));
        return &found->second;
    }
    CASC_TRY(auto reads, QueueReads::parse(request.topics, request.filter));
    QueueSettings defaults;
    defaults.dead_letter_topic = request.group + ".dead";
    CASC_TRY(const auto settings,
             apply_settings(defaults,
                            request.settings ? *request.settings : wire::fb::QueueSettingsT{}));
    CASC_TRY_VOID(check_name("a dead letter topic", settings.dead_letter_topic));
    if (std::find(request.topics.begin(), request.topics.end(), settings.dead_letter_topic) !=
        request.topics.end())
        return Error(ErrorCode::invalid_request, "the group's dead letter topic, '" +
                                                     settings.dead_letter_topic +
                                                     "', is among its topics");
    wire::fb::GroupRowT row;
    row.kind = static_cast<std::uint8_t>(GroupKind::queue);
    row.queue = std::make_unique<wire::fb::QueueSettingsT>(settings.to_message());
    row.topics = request.topics;
    row.filter = request.filter;
    CASC_TRY(const std::uint32_t id, rows_.create(request.group, std::move(row), core_.now()));
    Entry entry;
    entry.group = std::make_unique<QueueGroup>(core_, scheduler_, dead_letters_, id, request.group,
                                               std::move(reads), settings);
    entry.empty_since = core_.now();
    Entry& kept = groups_.emplace(request.group, std::move(entry)).first->second;
    if (request.start == 1) kept.group->skip_backlog();
    changed_.insert(&kept);
    return &kept;
}

void QueueGroups::on_join(const wire::fb::JoinQueueT& request, Session& session,
                          const Responder& responder) {
    if (const auto checked = check_join(request); !checked) return responder.error(checked.error());
    if (find(session, request.subscription_id) != nullptr)
        return responder.error(ErrorCode::already_subscribed);
    const auto found = find_or_create(request);
    if (!found) return responder.error(found.error());
    Entry& entry = **found;
    const MemberNumber number = ++last_member_;
    wire::fb::JoinQueueReplyT reply;
    reply.member = number;
    reply.settings =
        std::make_unique<wire::fb::QueueSettingsT>(entry.group->settings().to_message());
    responder.reply(reply);
    memberships_[session.number()].emplace(request.subscription_id, Membership{&entry, number});
    with_members_.insert(&entry);
    entry.group->join(QueueMember{.number = number,
                                  .session = session.shared_from_this(),
                                  .subscription_id = request.subscription_id,
                                  .events_max = request.prefetch_events,
                                  .bytes_max = request.prefetch_bytes});
}

QueueGroups::Membership* QueueGroups::find(const Session& session, std::uint32_t subscription_id) {
    const auto of_session = memberships_.find(session.number());
    if (of_session == memberships_.end()) return nullptr;
    const auto found = of_session->second.find(subscription_id);
    return found == of_session->second.end() ? nullptr : &found->second;
}

void QueueGroups::leave(const Membership& membership, bool lost) {
    Entry& entry = *membership.entry;
    entry.group->leave(membership.member, lost);
    changed_.insert(&entry);
    if (!entry.group->members().empty()) return;
    entry.empty_since = core_.now();
    with_members_.erase(&entry);
}

void QueueGroups::on_leave(const wire::fb::LeaveQueueT& request, Session& session,
                           const Responder& responder) {
    const Membership* membership = find(session, request.subscription_id);
    if (membership == nullptr) return responder.error(ErrorCode::unknown_subscription);
    leave(*membership, /*lost=*/false);
    memberships_[session.number()].erase(request.subscription_id);
    responder.reply(wire::fb::DoneT{});
}

void QueueGroups::on_closed(Session& session) {
    const auto node = memberships_.extract(session.number());
    if (node.empty()) return;
    for (const auto& [id, membership] : node.mapped())
        leave(membership, /*lost=*/true);
}

void QueueGroups::on_writable(Session& session) {
    const auto found = memberships_.find(session.number());
    if (found == memberships_.end()) return;
    for (const auto& [id, membership] : found->second)
        scheduler_.schedule(*membership.entry->group);
}

// ---- verdicts -----------------------------------------------------------------------------------

void QueueGroups::on_settle(const wire::Frame& frame, Session& session) {
    const Responder responder(core_, session, frame.header);
    if (const auto checked = check_size(frame.body); !checked)
        return responder.error(checked.error());
    const auto request = wire::decode<wire::fb::Settle>(frame.body);
    if (!request) return responder.error(request.error());
    const Membership* membership = find(session, request->subscription_id);
    if (membership == nullptr) return responder.error(ErrorCode::unknown_subscription);
    Answer answer{membership->entry, responder, {}};
    const auto settled =
        membership->entry->group->settle(membership->member, *request, mono_now(), answer.reply);
    if (!settled) return responder.error(settled.error());
    changed_.insert(membership->entry);
    answers_.push_back(std::move(answer));
}

std::size_t QueueGroups::count_words(const wire::fb::Settle& settle) noexcept {
    std::size_t words = 0;
    for (std::uint32_t i = 0; settle.logs() != nullptr && i < settle.logs()->size(); ++i)
        if (const auto* done = settle.logs()->Get(i)->done(); done != nullptr)
            words += done->size();
    return words;
}

Result<QueueGroups::CheckedDone> QueueGroups::check_done(const wire::fb::SettleT& request,
                                                         const Session& session) {
    const Membership* membership = find(session, request.subscription_id);
    if (membership == nullptr) return ErrorCode::unknown_subscription;
    QueueGroup& group = *membership->entry->group;
    CASC_TRY_VOID(group.check_done(membership->member, request));
    // What was said before goes first, so that the rows of this are all that is left to write.
    if (group.has_changed()) CASC_TRY_VOID(group.write_rows(mono_now()));
    return CheckedDone{&group, membership->member, &request};
}

Result<JournalSequence> QueueGroups::write_done(const CheckedDone& done) {
    const MonoNanos now = mono_now();
    wire::fb::SettleReplyT refused;
    // Whoever is next of their keys is so after the write: the room that was asked for is for
    // these.
    done.group->hold_keys();
    CASC_TRY_VOID(done.group->settle(done.member, *done.request, now, refused));
    CASC_ASSERT(refused.refused.empty(), done.group->name());  // check_done() has asked
    auto written = done.group->write_rows(now);
    done.group->let_keys_go();
    if (const auto entry = groups_.find(done.group->name()); entry != groups_.end())
        changed_.insert(&entry->second);
    return written;
}

void QueueGroups::store_verdicts() {
    if (changed_.empty() && answers_.empty()) return;
    const MonoNanos now = mono_now();
    std::unordered_map<const Entry*, Result<JournalSequence>> stored;
    for (Entry* entry : changed_)
        stored.emplace(entry, entry->group->write_rows(now));
    // What could not be written is written with a later call.
    boost::unordered::erase_if(changed_,
                               [&](Entry* entry) { return stored.at(entry).has_value(); });
    for (Answer& answer : answers_) {
        const auto& sequence = stored.at(answer.entry);
        if (sequence) {
            answer.responder.reply_when_durable(*sequence, std::move(answer.reply));
        } else {
            answer.responder.error(sequence.error());
        }
    }
    answers_.clear();
}

void QueueGroups::tick(MonoNanos now) {
    core_.recent_reads.forget(now);
    for (Entry* entry : with_members_) {
        if (entry->group->open() != 0 || entry->group->is_learning()) entry->group->tick(now);
        if (entry->group->has_changed()) changed_.insert(entry);
    }
}

// ---- topics, groups -----------------------------------------------------------------------------

void QueueGroups::on_topic_created(const Topic& topic) {
    for (Entry* entry : with_members_)
        entry->group->on_topic_created(topic);
}

void QueueGroups::on_topics_changed() {
    for (Entry* entry : with_members_)
        entry->group->look_for_logs();
}

void QueueGroups::on_topic_removed(TopicId topic) {
    for (auto& [name, entry] : groups_)
        entry.group->on_topic_removed(topic);
}

void QueueGroups::forget_unused() {
    const EpochNanos forget_before =
        core_.now() - EpochNanos::distance(
                          std::chrono::nanoseconds(core_.config.groups.offsets_retention).count());
    for (auto it = groups_.begin(); it != groups_.end();) {
        Entry& entry = it->second;
        const bool in_use = !entry.group->members().empty() || entry.empty_since >= forget_before;
        if (in_use || !rows_.erase(it->first)) {
            ++it;
            continue;
        }
        static_cast<void>(entry.group->erase_rows());  // without a group they mean nothing
        changed_.erase(&entry);
        it = groups_.erase(it);
    }
}

void QueueGroups::on_delete(const std::string& name, const Responder& responder) {
    store_verdicts();  // its last members' may be among them
    const auto found = groups_.find(name);
    if (found == groups_.end())
        return responder.error(Error(ErrorCode::unknown_group, "'" + name + "'"));
    Entry& entry = found->second;
    if (!entry.group->members().empty())
        return responder.error(Error(ErrorCode::group_not_empty,
                                     std::to_string(entry.group->members().size()) + " members"));
    const auto sequence = rows_.erase(name);
    if (!sequence) return responder.error(sequence.error());
    static_cast<void>(entry.group->erase_rows());  // without a group they mean nothing
    changed_.erase(&entry);
    groups_.erase(found);
    responder.reply_when_durable(*sequence, wire::fb::DoneT{});
}

void QueueGroups::for_each_reader(const Topic& topic,
                                  const std::function<void(DoneWith)>& visit) const {
    for (const auto& [name, entry] : groups_) {
        const QueueGroup& group = *entry.group;
        if (!group.reads_what().wanted.has(topic.name)) continue;
        if (group.members().empty() && topic.is_absent(entry.empty_since, core_.now())) continue;
        visit([&group](LogId log) -> std::optional<Offset> {
            const auto ledger = group.ledgers().find(log);
            if (ledger == group.ledgers().end()) return std::nullopt;
            return ledger->second.floor();
        });
    }
}

void QueueGroups::list(std::string_view prefix,
                       std::vector<std::unique_ptr<wire::fb::GroupSummaryT>>& into) const {
    for (auto it = groups_.lower_bound(prefix);
         it != groups_.end() && it->first.starts_with(prefix); ++it) {
        auto& summary = into.emplace_back(std::make_unique<wire::fb::GroupSummaryT>());
        const auto members = it->second.group->members().size();
        summary->name = it->first;
        summary->state = members == 0 ? 0 : 1;
        summary->members = static_cast<std::uint32_t>(members);
        summary->kind = static_cast<std::uint8_t>(GroupKind::queue);
    }
}

}  // namespace casc::broker
