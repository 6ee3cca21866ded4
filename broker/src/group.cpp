#include "group.hpp"

#include "group_balance.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

bool older_than(MonoNanos since, std::chrono::milliseconds bound, MonoNanos now) {
    return (now - since).value() > std::chrono::nanoseconds(bound).count();
}

}  // namespace

Member& Group::upsert(Member member) {
    ++epoch_;
    const auto found = members_.find(member.id);
    if (found == members_.end()) {
        std::string id = member.id;
        return members_.emplace(std::move(id), std::move(member)).first->second;
    }
    member.owned = std::move(found->second.owned);
    member.revoking = std::move(found->second.revoking);
    return found->second = std::move(member);
}

Member* Group::find(std::string_view member_id) {
    const auto found = members_.find(member_id);
    return found == members_.end() ? nullptr : &found->second;
}

Member* Group::find_instance(std::string_view instance_id) {
    if (instance_id.empty()) return nullptr;
    for (auto& [id, member] : members_)
        if (member.instance_id == instance_id) return &member;
    return nullptr;
}

void Group::remove(std::string_view member_id) {
    const auto found = members_.find(member_id);
    if (found == members_.end()) return;
    for (const GroupPartition& partition : found->second.owned)
        owners_.erase(partition);
    members_.erase(found);
    ++epoch_;
}

bool Group::release(Member& member, const GroupPartition& partition) {
    if (member.owned.erase(partition) == 0) return false;
    member.revoking.erase(partition);
    owners_.erase(partition);
    return true;
}

const Member* Group::owner(const GroupPartition& partition) const {
    const auto found = owners_.find(partition);
    return found == owners_.end() ? nullptr : &members_.find(found->second)->second;
}

bool Group::rebalancing() const noexcept {
    return std::any_of(members_.begin(), members_.end(),
                       [](const auto& m) { return !m.second.revoking.empty(); });
}

std::map<GroupPartition, std::string> Group::target(
    const std::map<TopicId, std::uint32_t>& partitions) const {
    std::vector<const Member*> members;
    for (const auto& [id, member] : members_)
        members.push_back(&member);
    std::vector<GroupPartition> all;
    GroupBalance balance(members.size());

    // Topics that the same members want are one class.
    std::map<TopicId, std::vector<std::size_t>> eligible;
    for (std::size_t m = 0; m < members.size(); ++m)
        for (const TopicId topic : members[m]->topics)
            eligible[topic].push_back(m);
    std::map<std::vector<std::size_t>, std::size_t> classes;
    for (const auto& [topic, count] : partitions)
        if (const auto wanting = eligible.find(topic);
            wanting != eligible.end() && !classes.contains(wanting->second))
            classes.emplace(wanting->second, balance.add_class(wanting->second));

    std::map<std::string_view, std::size_t> numbers;
    for (std::size_t m = 0; m < members.size(); ++m)
        numbers.emplace(members[m]->id, m);
    struct Leaving {
        std::size_t member;
        std::size_t of_class;
        std::uint64_t partition;
    };
    std::vector<Leaving> leaving;  // asked back already: the first to go this time, too
    for (const auto& [topic, count] : partitions) {
        const auto wanting = eligible.find(topic);
        if (wanting == eligible.end()) continue;
        const std::size_t of_class = classes.at(wanting->second);
        for (std::uint32_t p = 0; p < count; ++p) {
            const GroupPartition& partition =
                all.emplace_back(GroupPartition{topic, PartitionId(p)});
            const std::uint64_t handle = all.size() - 1;
            const Member* owner = this->owner(partition);
            if (owner == nullptr || !owner->topics.contains(topic)) {
                balance.open(of_class, handle);
            } else if (owner->revoking.contains(partition)) {
                leaving.push_back({numbers.at(owner->id), of_class, handle});
            } else {
                balance.keep(numbers.at(owner->id), of_class, handle);
            }
        }
    }
    for (const Leaving& one : leaving)
        balance.keep(one.member, one.of_class, one.partition);
    balance.run();

    std::map<GroupPartition, std::string> chosen;
    for (std::size_t m = 0; m < members.size(); ++m)
        for (std::size_t c = 0; c < balance.classes(); ++c)
            for (const std::uint64_t handle : balance.owned(m, c))
                chosen.emplace(all[handle], members[m]->id);
    return chosen;
}

std::vector<AssignmentChange> Group::rebalance(const std::map<TopicId, std::uint32_t>& partitions,
                                               MonoNanos now) {
    const auto wanted = target(partitions);
    std::map<std::string, AssignmentChange> changes;
    const auto change = [&](const std::string& id) -> AssignmentChange& {
        auto& entry = changes[id];
        entry.member_id = id;
        return entry;
    };
    // Ask back what is owned by the wrong member, or by anybody when the topic has gone.
    for (auto& [id, member] : members_)
        for (const GroupPartition& partition : member.owned) {
            const auto to = wanted.find(partition);
            const bool stays = to != wanted.end() && to->second == id;
            if (stays) {
                member.revoking.erase(partition);
            } else if (member.revoking.emplace(partition, now).second) {
                change(id).revoke.push_back(partition);
            }
        }
    // Give out what nobody owns.
    for (const auto& [partition, id] : wanted) {
        if (owners_.contains(partition)) continue;
        owners_[partition] = id;
        members_.find(id)->second.owned.insert(partition);
        change(id).assign.push_back(partition);
    }
    std::vector<AssignmentChange> list;
    for (auto& [id, entry] : changes)
        list.push_back(std::move(entry));
    if (!list.empty()) ++epoch_;
    return list;
}

std::vector<AssignmentChange> Group::take_overdue(MonoNanos now) {
    std::vector<AssignmentChange> losers;
    for (auto& [id, member] : members_) {
        AssignmentChange lost{id, {}, {}};
        for (const auto& [partition, since] : member.revoking)
            if (older_than(since, member.rebalance_timeout, now)) lost.revoke.push_back(partition);
        for (const GroupPartition& partition : lost.revoke)
            release(member, partition);
        if (!lost.revoke.empty()) losers.push_back(std::move(lost));
    }
    return losers;
}

std::vector<std::string> Group::expired(MonoNanos now) const {
    std::vector<std::string> ids;
    for (const auto& [id, member] : members_)
        if (member.session == 0 && older_than(member.disconnected_at, member.session_timeout, now))
            ids.push_back(id);
    return ids;
}

}  // namespace casc::broker
