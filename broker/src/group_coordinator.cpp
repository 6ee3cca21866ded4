#include "group_coordinator.hpp"

#include "row_codec.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>
#include <random>

namespace casc::broker {
namespace {

using storage::StateTable;

constexpr std::size_t kGroupPatternsMax = 1000;  // of a group

std::string new_member_id(const std::string& client_id, std::uint64_t number) {
    // The random part keeps ids of different runs of the broker apart.
    static std::random_device device;
    static const std::uint32_t run = device();
    char suffix[32];
    std::snprintf(suffix, sizeof suffix, "-%08x-%llu", run,
                  static_cast<unsigned long long>(number));
    return client_id.substr(0, 100) + suffix;
}

}  // namespace

void GroupCoordinator::load_group(const std::string& name, const wire::fb::GroupRowT& row) {
    Entry entry;
    entry.group = std::make_unique<Group>(row.group_id, name);
    entry.row.group_id = row.group_id;
    entry.row.created_ns = row.created_ns;
    for (const auto& pattern : row.patterns)
        entry.row.patterns.push_back(std::make_unique<wire::fb::GroupPatternT>(*pattern));
    entry.empty_since = wall_now();
    groups_.emplace(name, std::move(entry));
}

void GroupCoordinator::load_positions() {
    std::unordered_map<std::uint32_t, Group*> by_id;
    for (const auto& [name, entry] : groups_)
        by_id[entry.group->id()] = entry.group.get();
    core_.store.scan(StateTable::group_offset, [&](std::string_view key, std::string_view value) {
        RowReader key_reader(key);
        const auto group = by_id.find(key_reader.get<std::uint32_t>());
        const LogId log(key_reader.get<std::uint64_t>());
        RowReader row(value);
        const Offset offset(row.get<std::uint64_t>());
        const EpochNanos at(row.get<std::int64_t>());
        if (group != by_id.end()) group->second->committed[log] = {offset, at};
    });
}

Group* GroupCoordinator::find(const std::string& name) {
    const auto found = groups_.find(name);
    return found == groups_.end() ? nullptr : found->second.group.get();
}

Error GroupCoordinator::missing(const std::string& name) const {
    if (const auto kind = rows_.check_kind(name, GroupKind::stream); !kind) return kind.error();
    return Error(ErrorCode::unknown_group, "'" + name + "'");
}

Result<GroupCoordinator::Entry*> GroupCoordinator::find_or_create(const std::string& name) {
    if (const auto found = groups_.find(name); found != groups_.end()) return &found->second;
    CASC_TRY(const std::uint32_t id, rows_.create(name, {}, core_.now()));
    Entry entry;
    entry.group = std::make_unique<Group>(id, name);
    entry.row.group_id = id;
    entry.row.created_ns = core_.now().value();
    entry.empty_since = core_.now();
    return &groups_.emplace(name, std::move(entry)).first->second;
}

// ---- membership ---------------------------------------------------------------------------------

Result<void> GroupCoordinator::check_join(const wire::fb::JoinGroupT& request,
                                          const Config& config) {
    const auto timeout = std::chrono::milliseconds(request.session_timeout_ms);
    const auto& limits = config.groups;
    if (timeout < limits.session_timeout_min || timeout > limits.session_timeout_max)
        return Error(ErrorCode::invalid_request,
                     "session_timeout_ms must be between " +
                         std::to_string(limits.session_timeout_min.count()) + " and " +
                         std::to_string(limits.session_timeout_max.count()));
    if (request.topics.empty()) return Error(ErrorCode::invalid_request, "no topics");
    constexpr std::size_t id_bytes_max = 249;
    if (request.member_id.size() > id_bytes_max || request.instance_id.size() > id_bytes_max)
        return Error(ErrorCode::invalid_request, "member_id and instance_id have at most " +
                                                     std::to_string(id_bytes_max) + " bytes");
    return {};
}

void GroupCoordinator::on_join(const wire::fb::JoinGroupT& request, Session& session,
                               const Responder& responder) {
    if (const auto checked = check_join(request, core_.config); !checked)
        return responder.error(checked.error());
    auto wanted = WantedTopics::parse(request.topics);
    if (!wanted) return responder.error(wanted.error());
    const auto entry_or = find_or_create(request.group);
    if (!entry_or) return responder.error(entry_or.error());
    Entry& entry = **entry_or;
    if (const auto noted = note_patterns(entry, *wanted); !noted)
        return responder.error(noted.error());
    Group& group = *entry.group;

    Member member;
    member.id = request.member_id;
    if (Member* same_instance = group.find_instance(request.instance_id);
        same_instance != nullptr) {
        // A static member that comes back takes up its old place; the instance that held it is told
        // that it lost it.
        if (same_instance->session != 0 && same_instance->session != session.number())
            push(entry, {same_instance->id, {}, {}}, ErrorCode::member_in_use);
        unbind(entry, *same_instance);
        member.id = same_instance->id;
    } else if (!member.id.empty()) {
        const Member* known = group.find(member.id);
        if (known != nullptr && known->session != 0 && known->session != session.number())
            return responder.error(ErrorCode::member_in_use);
    } else {
        member.id = new_member_id(session.client_id, ++last_member_);
    }
    member.instance_id = request.instance_id;
    member.client_id = session.client_id;
    member.address = session.address();
    member.session_timeout = std::chrono::milliseconds(request.session_timeout_ms);
    member.rebalance_timeout =
        std::chrono::milliseconds(std::max(request.rebalance_timeout_ms, 1000u));
    member.session = session.number();
    const std::string id = member.id;
    entry.topics_of_member.insert_or_assign(id, *std::move(wanted));
    const Member& joined = group.upsert(std::move(member));
    bind(entry, joined);
    resolve_topics(entry);

    wire::fb::JoinGroupReplyT reply;
    reply.member_id = id;
    reply.epoch = group.epoch();
    responder.reply(reply);
    // What it owned before (after a reconnect) is confirmed in full; what changes follows.
    if (!joined.owned.empty()) {
        AssignmentChange owned{id, {}, {}};
        for (const GroupPartition& partition : joined.owned) {
            if (joined.revoking.contains(partition)) {
                owned.revoke.push_back(partition);
            } else {
                owned.assign.push_back(partition);
            }
        }
        push(entry, owned);
    }
    rebalance(entry);
}

void GroupCoordinator::bind(Entry& entry, const Member& member) {
    with_members_.insert(&entry);
    members_of_session_[member.session].emplace(&entry, member.id);
}

void GroupCoordinator::unbind(Entry& entry, const Member& member) {
    const auto found = members_of_session_.find(member.session);
    if (found == members_of_session_.end()) return;
    found->second.erase({&entry, member.id});
    if (found->second.empty()) members_of_session_.erase(found);
}

void GroupCoordinator::resolve_topics(Entry& entry) {
    for (const auto& [member_id, wanted] : entry.topics_of_member) {
        Member* member = entry.group->find(member_id);
        if (member == nullptr) continue;
        member->topics.clear();
        wanted.for_each(core_.topics, [&](const Topic& topic) { member->topics.insert(topic.id); });
    }
}

Result<void> GroupCoordinator::note_patterns(Entry& entry, const WantedTopics& wanted) {
    auto& noted = entry.row.patterns;
    const auto find = [&](const SubjectPattern& pattern) {
        return std::find_if(noted.begin(), noted.end(),
                            [&](const auto& one) { return one->pattern == pattern.text(); });
    };
    const std::size_t before = noted.size();
    for (const SubjectPattern& pattern : wanted.patterns()) {
        if (find(pattern) != noted.end()) continue;
        auto& added = noted.emplace_back(std::make_unique<wire::fb::GroupPatternT>());
        added->pattern = pattern.text();
        added->first_topic = core_.topics.next_id().value();
    }
    if (noted.size() == before) return {};
    const auto written =
        noted.size() > kGroupPatternsMax
            ? Result<JournalSequence>(Error(ErrorCode::invalid_request,
                                            "the members of a group have asked for more than " +
                                                std::to_string(kGroupPatternsMax) +
                                                " patterns since it began"))
            : rows_.update(entry.group->name(), entry.row);
    if (written) return {};
    noted.resize(before);
    return written.error();
}

bool GroupCoordinator::is_younger(const Entry& entry, const Topic& topic) {
    return std::any_of(entry.row.patterns.begin(), entry.row.patterns.end(), [&](const auto& one) {
        if (topic.id < TopicId(one->first_topic)) return false;
        const auto pattern = SubjectPattern::parse(one->pattern);
        return pattern && pattern->matches(topic.name);
    });
}

void GroupCoordinator::rebalance(Entry& entry) {
    std::map<TopicId, std::uint32_t> partitions;
    for (const auto& [id, member] : entry.group->members())
        for (const TopicId topic : member.topics)
            if (const Topic* found = core_.topics.find(topic))
                partitions[topic] = found->settings.partitions;
    const auto changes = entry.group->rebalance(partitions, mono_now());
    if (!changes.empty()) ++core_.counters.rebalances;
    for (const AssignmentChange& change : changes)
        push(entry, change);
}

void GroupCoordinator::push(Entry& entry, const AssignmentChange& change, ErrorCode error) {
    const Member* member = entry.group->find(change.member_id);
    if (member == nullptr) return;
    Session* session = find_session_(member->session);
    if (session == nullptr) return;  // it learns what it owns when it comes back
    // A change of many thousand partitions is several changes: a body has its limit.
    constexpr std::size_t partitions_max = 16'384;  // at up to 400 bytes each
    std::size_t assigned = 0;
    std::size_t revoked = 0;
    do {
        wire::fb::AssignmentT message;
        message.group = entry.group->name();
        message.member_id = change.member_id;
        message.epoch = entry.group->epoch();
        message.error = static_cast<std::uint16_t>(error);
        std::size_t room = partitions_max;
        for (; assigned < change.assign.size() && room > 0; ++assigned, --room)
            message.assign.push_back(describe(entry, change.assign[assigned]));
        for (; revoked < change.revoke.size() && room > 0; ++revoked, --room) {
            auto partition = std::make_unique<wire::fb::TopicPartitionT>();
            partition->topic_id = change.revoke[revoked].topic.value();
            partition->partition = change.revoke[revoked].partition.value();
            message.revoke.push_back(std::move(partition));
        }
        session->send(wire::FrameKind::push, wire::Api::assignment, 0,
                      core_.encoder.encode(message));
    } while (assigned < change.assign.size() || revoked < change.revoke.size());
}

std::unique_ptr<wire::fb::AssignedPartitionT> GroupCoordinator::describe(
    const Entry& entry, const GroupPartition& partition) const {
    auto assigned = describe(*entry.group, partition);
    if (const Topic* topic = core_.topics.find(partition.topic))
        assigned->from_oldest = is_younger(entry, *topic);
    return assigned;
}

std::unique_ptr<wire::fb::AssignedPartitionT> GroupCoordinator::describe(
    const Group& group, const GroupPartition& partition) const {
    auto assigned = std::make_unique<wire::fb::AssignedPartitionT>();
    assigned->topic_id = partition.topic.value();
    assigned->partition = partition.partition.value();
    if (const Topic* topic = core_.topics.find(partition.topic)) assigned->topic = topic->name;
    for (const Lane lane : kLanes) {
        const auto found = group.committed.find(LogId(partition.topic, partition.partition, lane));
        if (found == group.committed.end()) continue;
        auto position = std::make_unique<wire::fb::LanePositionT>();
        position->lane = static_cast<std::uint8_t>(lane);
        position->offset = found->second.offset.value();
        assigned->positions.push_back(std::move(position));
    }
    return assigned;
}

void GroupCoordinator::remove_member(Entry& entry, const std::string& member_id, ErrorCode tell) {
    if (tell != ErrorCode::ok) push(entry, {member_id, {}, {}}, tell);
    if (const Member* member = entry.group->find(member_id)) unbind(entry, *member);
    entry.topics_of_member.erase(member_id);
    entry.group->remove(member_id);
    if (entry.group->members().empty()) {
        entry.empty_since = core_.now();
        with_members_.erase(&entry);
        with_new_topics_.erase(&entry);
    }
    rebalance(entry);
}

void GroupCoordinator::on_leave(const wire::fb::LeaveGroupT& request, const Responder& responder) {
    const auto found = groups_.find(request.group);
    if (found == groups_.end()) return responder.error(missing(request.group));
    if (found->second.group->find(request.member_id) == nullptr)
        return responder.error(ErrorCode::unknown_member);
    remove_member(found->second, request.member_id, ErrorCode::ok);
    responder.reply(wire::fb::DoneT{});
}

void GroupCoordinator::on_release(const wire::fb::ReleasePartitionsT& request,
                                  const Responder& responder) {
    const auto found = groups_.find(request.group);
    if (found == groups_.end()) return responder.error(missing(request.group));
    Member* member = found->second.group->find(request.member_id);
    if (member == nullptr) return responder.error(ErrorCode::unknown_member);
    for (const auto& partition : request.partitions)
        found->second.group->release(
            *member, {TopicId(partition->topic_id), PartitionId(partition->partition)});
    responder.reply(wire::fb::DoneT{});
    rebalance(found->second);
}

void GroupCoordinator::on_closed(Session& session) {
    const auto node = members_of_session_.extract(session.number());
    if (node.empty()) return;
    for (const auto& [entry, id] : node.mapped()) {
        Member* away = entry->group->find(id);
        if (away == nullptr || away->session != session.number()) continue;
        away->session = 0;
        away->disconnected_at = mono_now();
    }
}

// Only those that asked for it are looked at further: a topic comes without looking at those that
// are there.
void GroupCoordinator::on_topic_created(const Topic& topic) {
    for (Entry* entry : with_members_)
        for (const auto& [member_id, wanted] : entry->topics_of_member) {
            Member* member = entry->group->find(member_id);
            if (member == nullptr || !wanted.has(topic.name)) continue;
            member->topics.insert(topic.id);
            with_new_topics_.insert(entry);
        }
}

// A rebalance looks at all partitions of a group. When topics come one after the other a large
// group does that a tenth of the time at most, and takes what has gathered.
void GroupCoordinator::hand_out_new_topics() {
    for (auto it = with_new_topics_.begin(); it != with_new_topics_.end();) {
        Entry& entry = **it;
        const MonoNanos begin = mono_now();
        if (begin < entry.next_hand_out) {
            ++it;
            continue;
        }
        it = with_new_topics_.erase(it);
        rebalance(entry);
        const MonoNanos end = mono_now();
        entry.next_hand_out = end + MonoNanos::distance((end - begin).value() * 9);
    }
}

void GroupCoordinator::on_topics_changed() {
    for (Entry* entry : with_members_) {
        resolve_topics(*entry);
        rebalance(*entry);
    }
}

void GroupCoordinator::on_topic_removed(TopicId topic) {
    for (auto& [name, entry] : groups_)
        std::erase_if(entry.group->committed, [&, &group = *entry.group](const auto& position) {
            // A row that cannot be erased now (the disk is full) is erased with its group.
            return position.first.topic() == topic &&
                   core_.store.erase(StateTable::group_offset,
                                     offset_key(group.id(), position.first).view());
        });
    on_topics_changed();
}

void GroupCoordinator::tick(MonoNanos now) {
    hand_out_new_topics();
    const std::vector<Entry*> entries(with_members_.begin(), with_members_.end());
    for (Entry* entry : entries) {
        for (const std::string& id : entry->group->expired(now))
            remove_member(*entry, id, ErrorCode::ok);
        const auto overdue = entry->group->take_overdue(now);
        for (const AssignmentChange& lost : overdue)
            push(*entry, lost, ErrorCode::stale_group_epoch);
        if (!overdue.empty()) rebalance(*entry);
    }
}

void GroupCoordinator::forget_unused() {
    const EpochNanos forget_before =
        core_.now() - EpochNanos::distance(
                          std::chrono::nanoseconds(core_.config.groups.offsets_retention).count());
    const auto fresh = [&](const auto& position) { return position.second.at >= forget_before; };
    std::erase_if(groups_, [&](const auto& named) {
        const Entry& entry = named.second;
        if (!entry.group->members().empty() || entry.empty_since >= forget_before) return false;
        if (std::any_of(entry.group->committed.begin(), entry.group->committed.end(), fresh))
            return false;
        return erase_offsets(*entry.group) && rows_.erase(named.first);
    });
}

void GroupCoordinator::for_each(const std::function<void(const Group&)>& visit) const {
    for (const auto& [name, entry] : groups_)
        visit(*entry.group);
}

}  // namespace casc::broker
