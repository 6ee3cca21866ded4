// The part of the consumer that is a member of a group.
#include "consumer_impl.hpp"

#include <casc/types/subject.hpp>

#include <algorithm>
#include <map>

namespace casc::client {

void ConsumerImpl::join() {
    join_at_ = Steady::time_point::max();
    if (connection_ == 0 || joining_) return;
    joining_ = true;
    wire::fb::JoinGroupT request;
    request.group = options_.group;
    request.member_id = member_id_;
    request.instance_id = options_.instance_id;
    request.topics = wanted_topics_;
    request.session_timeout_ms = static_cast<std::uint32_t>(options_.session_timeout.count());
    request.rebalance_timeout_ms = static_cast<std::uint32_t>(options_.rebalance_timeout.count());
    port_->send(connection_, wire::Api::join_group, encoded(request),
                [connection = connection_](InboxPort& port, Result<Reply> reply) {
                    Notice notice{.kind = Notice::Kind::joined, .connection = connection};
                    if (!reply) {
                        notice.why = reply.error();
                    } else if (auto body = wire::decode<wire::fb::JoinGroupReply>(reply->body)) {
                        notice.joined =
                            std::make_unique<wire::fb::JoinGroupReplyT>(std::move(*body));
                    } else {
                        notice.why = body.error();
                    }
                    port.tell(std::move(notice));
                });
}

void ConsumerImpl::joined(wire::fb::JoinGroupReplyT& reply) {
    joining_ = false;
    member_ = true;
    expects_everything_ = true;
    member_id_ = reply.member_id;
    epoch_ = reply.epoch;
    backoff_.reset();
    commit_at_ = Steady::now() + options_.auto_commit_interval;
}

void ConsumerImpl::join_failed(const Error& why) {
    joining_ = false;
    join_at_ = Steady::now() + backoff_.next();
    if (why.code == ErrorCode::unknown_member && !member_id_.empty()) {
        member_id_.clear();  // the group has forgotten us; as somebody new, then
        join_at_ = Steady::now();
        return;
    }
    // Our own connection before this one may not be known to be dead yet; it passes, as do the
    // retryable ones.
    if (why.code == ErrorCode::member_in_use || error_info(why.code).retryable) return;
    report(why);
}

void ConsumerImpl::assigned(wire::fb::AssignmentT& assignment) {
    if (!member_ || assignment.member_id != member_id_) return;
    if (assignment.error != 0)
        return removed_from_group(
            Error(static_cast<ErrorCode>(assignment.error), "group '" + options_.group + "'"));
    epoch_ = assignment.epoch;

    std::vector<wire::fb::AssignedPartitionT*> fresh;
    std::set<Partition> named_now;
    for (const auto& partition : assignment.assign) {
        const Partition key(TopicId(partition->topic_id), PartitionId(partition->partition));
        topics_[key.first] = partition->topic;
        named_now.insert(key);
        if (!owned_.contains(key)) fresh.push_back(partition.get());
    }
    std::vector<Partition> revoked;
    for (const auto& partition : assignment.revoke) {
        const Partition key(TopicId(partition->topic_id), PartitionId(partition->partition));
        named_now.insert(key);
        revoked.push_back(key);
    }
    if (std::exchange(expects_everything_, false)) {
        // While we were away some of what we had went to others.
        std::vector<Partition> gone;
        for (const Partition& mine : owned_)
            if (!named_now.contains(mine)) gone.push_back(mine);
        if (!gone.empty()) lose(gone);
        for (const auto& partition : assignment.assign)
            if (owned_.contains({TopicId(partition->topic_id), PartitionId(partition->partition)}))
                catch_up(*partition);
    }
    if (!revoked.empty()) let_go(revoked);
    if (!fresh.empty()) take_over(fresh);
    if (!subscription_.is_on(connection_)) subscription_.begin(connection_);
}

// A partition that was ours before the connection was lost and is ours again. If somebody else had
// it meanwhile and committed beyond our position, we go on from there. Where the group is where we
// left it, our own position counts: it may be ahead of it, or sought by the user.
void ConsumerImpl::catch_up(const wire::fb::AssignedPartitionT& partition) {
    for (const auto& position : partition.positions) {
        if (position->lane >= kLaneCount) continue;
        const LogId log(TopicId(partition.topic_id), PartitionId(partition.partition),
                        static_cast<Lane>(position->lane));
        Source* source = subscription_.find(log);
        if (source == nullptr || source->committed == position->offset) continue;
        source->committed = position->offset;
        if (position->offset > source->position) subscription_.move(log, position->offset);
    }
}

void ConsumerImpl::removed_from_group(const Error&) {
    member_ = false;
    if (!owned_.empty()) lose({owned_.begin(), owned_.end()});
    join_at_ = Steady::now() + backoff_.next();
}

void ConsumerImpl::take_over(const std::vector<wire::fb::AssignedPartitionT*>& partitions) {
    std::vector<std::pair<LogId, Source>> sources;
    std::vector<LogId> unknown;
    std::vector<Partition> keys;
    for (const auto* partition : partitions) {
        const Partition& key =
            keys.emplace_back(TopicId(partition->topic_id), PartitionId(partition->partition));
        for (const Lane lane : kLanes) {
            const LogId log(key.first, key.second, lane);
            const auto found = std::find_if(
                partition->positions.begin(), partition->positions.end(),
                [&](const auto& p) { return p->lane == static_cast<std::uint8_t>(lane); });
            if (found != partition->positions.end())
                sources.emplace_back(log, Source{(*found)->offset, (*found)->offset, 0, false});
            else if (partition->from_oldest)
                sources.emplace_back(log, Source{.from_oldest = true});
            else
                unknown.push_back(log);
        }
    }
    const auto starts = starting_positions(unknown);
    if (!starts) {
        report(starts.error());
        member_ = false;  // joining again brings the assignment back
        join_at_ = Steady::now() + backoff_.next();
        return;
    }
    for (const auto& [log, offset] : *starts)
        sources.emplace_back(log, Source{offset, offset, 0, false});
    owned_.insert(keys.begin(), keys.end());
    subscription_.add(sources);
    if (callbacks_.assigned) callbacks_.assigned(named(keys));
}

// Where to begin without a committed position.
Result<ConsumerImpl::Positions> ConsumerImpl::starting_positions(const std::vector<LogId>& logs) {
    Positions all;
    if (options_.reset == Reset::earliest) {
        // If the log begins later the broker says so, and source_failed() moves there.
        for (const LogId log : logs)
            all.emplace_back(log, 0);
        return all;
    }
    if (logs.empty()) return all;
    CASC_TRY(all, list_offsets(logs, 1, {}));
    if (options_.reset == Reset::latest) return all;
    for (const auto& [log, end] : all)
        if (end != 0) return Error(ErrorCode::no_committed_offset, place(log));
    return all;
}

void ConsumerImpl::let_go(const std::vector<Partition>& partitions) {
    const auto logs = logs_of(partitions);
    subscription_.pause(
        logs);  // nothing more is handed out; the positions can still be asked for and committed
    if (callbacks_.revoked) callbacks_.revoked(named(partitions));
    if (options_.auto_commit) {
        Positions positions;
        for (const auto& [log, offset] : uncommitted())
            if (std::find(logs.begin(), logs.end(), log) != logs.end())
                positions.emplace_back(log, offset);
        if (auto committed = commit_before_letting_go(positions); !committed)
            report(std::move(committed).error());
    }
    subscription_.remove(logs);
    wire::fb::ReleasePartitionsT release;
    release.group = options_.group;
    release.member_id = member_id_;
    for (const Partition& partition : partitions) {
        owned_.erase(partition);
        auto& row = release.partitions.emplace_back(std::make_unique<wire::fb::TopicPartitionT>());
        row->topic_id = partition.first.value();
        row->partition = partition.second.value();
    }
    port_->send(connection_, wire::Api::release_partitions, encoded(release));
}

// Partitions may be asked back because their topic is gone; that is no reason not to commit the
// others.
Result<void> ConsumerImpl::commit_before_letting_go(const Positions& positions) {
    auto committed = commit_now(positions, {});
    if (committed || committed.error().code != ErrorCode::unknown_topic) return committed;
    std::map<TopicId, Positions> by_topic;
    for (const auto& position : positions)
        by_topic[position.first.topic()].push_back(position);
    for (const auto& [topic, some] : by_topic)
        if (auto alone = commit_now(some, {});
            !alone && (alone.error().code != ErrorCode::unknown_topic || !came_by_pattern(topic)))
            return alone;
    return {};
}

// It was not asked for by its name, so that its end is no error.
bool ConsumerImpl::came_by_pattern(TopicId topic) const {
    const auto found = topics_.find(topic);
    if (found == topics_.end()) return false;
    const auto is = [&](const std::string& wanted) { return wanted == found->second; };
    return std::none_of(wanted_topics_.begin(), wanted_topics_.end(), is) &&
           std::any_of(wanted_topics_.begin(), wanted_topics_.end(),
                       [&](const auto& wanted) { return subject_matches(wanted, found->second); });
}

void ConsumerImpl::lose(const std::vector<Partition>& partitions) {
    subscription_.remove(logs_of(partitions));
    for (const Partition& partition : partitions)
        owned_.erase(partition);
    if (callbacks_.lost) callbacks_.lost(named(partitions));
}

}  // namespace casc::client
