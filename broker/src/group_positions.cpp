// Committed positions of groups: commit, look up, reset, lag.

#include "group_coordinator.hpp"
#include "row_codec.hpp"

#include <algorithm>

namespace casc::broker {
using storage::StateTable;

RowWriter GroupCoordinator::offset_key(std::uint32_t group, LogId log) {
    return RowWriter{}.put(group).put(log.value());
}

Result<JournalSequence> GroupCoordinator::write_offset(Group& group, LogId log, Offset offset) {
    CASC_TRY(const JournalSequence sequence,
             core_.store.put(StateTable::group_offset, offset_key(group.id(), log).view(),
                             RowWriter{}.put(offset.value()).put(core_.now().value()).view()));
    group.committed[log] = {offset, core_.now()};
    core_.consumed.touch(log.topic());
    return sequence;
}

void GroupCoordinator::for_each_reader(const Topic& topic,
                                       const std::function<void(DoneWith)>& visit) const {
    const LogId first(topic.id, PartitionId(0), Lane::critical);
    for (const auto& [name, entry] : groups_) {
        const Group& group = *entry.group;
        const auto at = group.committed.lower_bound(first);
        const bool has_read = at != group.committed.end() && at->first.topic() == topic.id;
        const bool reads =
            std::any_of(entry.topics_of_member.begin(), entry.topics_of_member.end(),
                        [&](const auto& member) { return member.second.has(topic.name); });
        const bool follows = std::any_of(
            entry.row.patterns.begin(), entry.row.patterns.end(), [&](const auto& stored) {
                const auto pattern = SubjectPattern::parse(stored->pattern);
                return pattern && pattern->matches(topic.name);
            });
        if (!has_read && !reads && !follows) continue;
        if (group.members().empty() && topic.is_absent(entry.empty_since, core_.now())) continue;
        visit([&group](LogId log) -> std::optional<Offset> {
            const auto committed = group.committed.find(log);
            if (committed == group.committed.end()) return std::nullopt;
            return committed->second.offset;
        });
    }
}

Result<JournalSequence> GroupCoordinator::erase_offsets(Group& group) {
    JournalSequence sequence;
    for (const auto& [log, committed] : group.committed) {
        CASC_TRY(sequence,
                 core_.store.erase(StateTable::group_offset, offset_key(group.id(), log).view()));
    }
    group.committed.clear();
    return sequence;
}

// Everything is checked before anything is written: a commit is all or nothing.
Result<GroupCoordinator::CheckedCommit> GroupCoordinator::check_commit(
    const wire::fb::CommitT& request) {
    const bool anonymous = request.member_id.empty();
    Group* group = find(request.group);
    if (group == nullptr) {
        if (!anonymous) return missing(request.group);
        CASC_TRY(Entry* const created, find_or_create(request.group));
        group = created->group.get();
    }
    const Member* member = nullptr;
    if (anonymous) {
        if (!group->members().empty())
            return Error(ErrorCode::group_not_empty, "a commit needs the id of a member");
    } else {
        member = group->find(request.member_id);
        if (member == nullptr) return ErrorCode::unknown_member;
    }
    CheckedCommit commit{group, {}};
    for (const auto& position : request.positions) {
        CASC_TRY(const Core::Place place,
                 core_.place(position->topic_id, position->partition, position->lane));
        const GroupPartition partition{place.log.topic(), place.log.partition()};
        if (member != nullptr && !member->owned.contains(partition))
            return Error(ErrorCode::stale_group_epoch, "the member no longer owns " +
                                                           place.topic->name + "/" +
                                                           std::to_string(position->partition));
        const Offset end = core_.visibility.visible_end(*place.topic, place.log);
        if (Offset(position->offset) > end)
            return Error(ErrorCode::offset_out_of_range,
                         "cannot commit " + std::to_string(position->offset) +
                             ", the log ends at " + std::to_string(end.value()));
        commit.positions.emplace_back(place.log, Offset(position->offset));
    }
    return commit;
}

std::size_t GroupCoordinator::row_bytes(const CheckedCommit& commit) noexcept {
    constexpr std::size_t row_bytes = 16 + 16 + 16;
    return commit.positions.size() * row_bytes;
}

Result<JournalSequence> GroupCoordinator::write_commit(const CheckedCommit& commit) {
    JournalSequence sequence;
    for (const auto& [log, offset] : commit.positions) {
        CASC_TRY(sequence, write_offset(*commit.group, log, offset));
    }
    return sequence;
}

void GroupCoordinator::on_commit(const wire::fb::CommitT& request, const Responder& responder) {
    if (request.positions.empty()) return responder.reply(wire::fb::DoneT{});
    const auto commit = check_commit(request);
    if (!commit) return responder.error(commit.error());
    // In one journal entry, so that a crash leaves all or none of them, too.
    if (const auto together = core_.store.keep_together(0, row_bytes(*commit)); !together)
        return responder.error(together.error());
    const auto sequence = write_commit(*commit);
    if (!sequence) return responder.error(sequence.error());
    responder.reply_when_durable(*sequence, wire::fb::DoneT{});
}

void GroupCoordinator::on_committed(const wire::fb::CommittedT& request,
                                    const Responder& responder) {
    wire::fb::CommittedReplyT reply;
    const Group* group = find(request.group);
    if (group == nullptr) return responder.error(missing(request.group));
    for (const auto& [log, committed] : group->committed) {
        const bool wanted =
            request.topics.empty() || std::find(request.topics.begin(), request.topics.end(),
                                                log.topic().value()) != request.topics.end();
        if (!wanted) continue;
        auto position = std::make_unique<wire::fb::CommittedPositionT>();
        position->topic_id = log.topic().value();
        position->partition = log.partition().value();
        position->lane = static_cast<std::uint8_t>(log.lane());
        position->offset = committed.offset.value();
        position->committed_ns = committed.at.value();
        reply.positions.push_back(std::move(position));
    }
    responder.reply(reply);
}

namespace {

std::unique_ptr<wire::fb::GroupSummaryT> summary_of(const Group& group) {
    auto summary = std::make_unique<wire::fb::GroupSummaryT>();
    summary->name = group.name();
    summary->state = group.members().empty() ? 0 : group.rebalancing() ? 2 : 1;
    summary->members = static_cast<std::uint32_t>(group.members().size());
    summary->epoch = group.epoch();
    return summary;
}

}  // namespace

void GroupCoordinator::list(std::string_view prefix,
                            std::vector<std::unique_ptr<wire::fb::GroupSummaryT>>& into) const {
    for (auto it = groups_.lower_bound(prefix);
         it != groups_.end() && it->first.starts_with(prefix); ++it)
        into.push_back(summary_of(*it->second.group));
}

void GroupCoordinator::on_describe(const wire::fb::DescribeGroupT& request,
                                   const Responder& responder) {
    const auto found = groups_.find(request.group);
    if (found == groups_.end()) return responder.error(missing(request.group));
    const Group& group = *found->second.group;
    wire::fb::DescribeGroupReplyT reply;
    reply.group = summary_of(group);

    std::set<TopicId> topics;
    for (const auto& [log, committed] : group.committed)
        topics.insert(log.topic());
    for (const auto& [id, member] : group.members()) {
        topics.insert(member.topics.begin(), member.topics.end());
        auto described = std::make_unique<wire::fb::GroupMemberT>();
        described->member_id = id;
        described->instance_id = member.instance_id;
        described->client_id = member.client_id;
        described->address = member.address;
        described->connected = member.session != 0;
        described->session_timeout_ms = static_cast<std::uint32_t>(member.session_timeout.count());
        for (const GroupPartition& partition : member.owned)
            described->partitions.push_back(describe(group, partition));
        for (const auto& [partition, since] : member.revoking) {
            auto revoking = std::make_unique<wire::fb::TopicPartitionT>();
            revoking->topic_id = partition.topic.value();
            revoking->partition = partition.partition.value();
            described->revoking.push_back(std::move(revoking));
        }
        reply.members.push_back(std::move(described));
    }

    for (const TopicId topic_id : topics) {
        const Topic* topic = core_.topics.find(topic_id);
        if (topic == nullptr) continue;
        core_.logs.for_each(topic_id, [&](LogId log, const storage::LogState& state) {
            auto lag = std::make_unique<wire::fb::GroupLagT>();
            lag->topic_id = topic_id.value();
            lag->topic = topic->name;
            lag->partition = log.partition().value();
            lag->lane = static_cast<std::uint8_t>(log.lane());
            lag->start = state.start.value();
            lag->visible_end = core_.visibility.visible_end(*topic, log).value();
            lag->last_append_ns = state.last_append.value();
            lag->committed = state.start.value();
            if (const auto committed = group.committed.find(log);
                committed != group.committed.end()) {
                lag->committed = committed->second.offset.value();
                lag->committed_ns = committed->second.at.value();
            }
            if (const Member* owner = group.owner({topic_id, log.partition()}))
                lag->member_id = owner->id;
            reply.lag.push_back(std::move(lag));
        });
    }
    responder.reply(reply);
}

void GroupCoordinator::on_delete(const wire::fb::DeleteGroupT& request,
                                 const Responder& responder) {
    Group* group = find(request.group);
    if (group == nullptr) return responder.error(missing(request.group));
    if (!group->members().empty())
        return responder.error(Error(ErrorCode::group_not_empty,
                                     std::to_string(group->members().size()) + " members"));
    if (const auto erased = erase_offsets(*group); !erased) return responder.error(erased.error());
    const auto sequence = rows_.erase(request.group);
    if (!sequence) return responder.error(sequence.error());
    groups_.erase(request.group);
    responder.reply_when_durable(*sequence, wire::fb::DoneT{});
}

Result<std::vector<LogId>> GroupCoordinator::logs_to_reset(const Group& group,
                                                           const std::string& topic) const {
    std::set<TopicId> topics;
    if (topic.empty()) {
        for (const auto& [log, committed] : group.committed)
            topics.insert(log.topic());
    } else {
        CASC_TRY(const Topic* found, core_.topic(topic));
        topics.insert(found->id);
    }
    std::vector<LogId> logs;
    for (const TopicId id : topics)
        core_.logs.for_each(id, [&](LogId log, const storage::LogState&) { logs.push_back(log); });
    return logs;
}

Result<Offset> GroupCoordinator::reset_target(const wire::fb::ResetGroupT& request, LogId log) {
    const auto state = core_.logs.state(log);
    const Topic* topic = core_.topics.find(log.topic());
    if (!state || topic == nullptr) return Offset(0);
    const Offset end = core_.visibility.visible_end(*topic, log);
    switch (request.to) {
        case 0:
            return state->start;
        case 1:
            return end;
        case 2: {
            CASC_TRY(const storage::TimeLookup found,
                     core_.logs.find_time(log, EpochNanos(request.time_ns)));
            return std::clamp(found.offset, state->start, end);
        }
        case 3:
            return std::clamp(Offset(request.offset), state->start, end);
        default:
            return Error(ErrorCode::invalid_request,
                         "to must be 0 (earliest), 1 (latest), 2 (time) or 3 (offset)");
    }
}

void GroupCoordinator::on_reset(const wire::fb::ResetGroupT& request, const Responder& responder) {
    Group* group = find(request.group);
    if (group == nullptr) return responder.error(missing(request.group));
    // A member that is reading would overwrite the new position with its next commit.
    if (!group->members().empty() && !request.dry_run)
        return responder.error(
            Error(ErrorCode::group_not_empty,
                  "stop its " + std::to_string(group->members().size()) + " members first"));
    const auto logs = logs_to_reset(*group, request.topic);
    if (!logs) return responder.error(logs.error());
    wire::fb::ResetGroupReplyT reply;
    JournalSequence sequence;
    for (const LogId log : *logs) {
        const auto target = reset_target(request, log);
        if (!target) return responder.error(target.error());
        auto position = std::make_unique<wire::fb::ResetPositionT>();
        position->topic = core_.topics.find(log.topic())->name;
        position->partition = log.partition().value();
        position->lane = static_cast<std::uint8_t>(log.lane());
        const auto before = group->committed.find(log);
        position->before = before == group->committed.end()
                               ? -1
                               : static_cast<std::int64_t>(before->second.offset.value());
        position->after = target->value();
        reply.positions.push_back(std::move(position));
        if (request.dry_run) continue;
        const auto written = write_offset(*group, log, *target);
        if (!written) return responder.error(written.error());
        sequence = *written;
    }
    responder.reply_when_durable(sequence, std::move(reply));
}

}  // namespace casc::broker
