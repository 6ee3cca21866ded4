#include "group.hpp"

#include <casc/types/assert.hpp>

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
    for (const GroupPartition& partition : found->second.owned) owners_.erase(partition);
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
    return std::any_of(members_.begin(), members_.end(), [](const auto& m) { return !m.second.revoking.empty(); });
}

std::map<GroupPartition, std::string> Group::target(const std::map<TopicId, std::uint32_t>& partitions) const {
    std::map<GroupPartition, std::string> chosen;
    std::map<std::string, std::size_t> load;
    for (const auto& [id, member] : members_) load[id] = 0;

    // One topic at a time among the members that want it, so that different subscriptions balance too.
    for (const auto& [topic, count] : partitions) {
        std::vector<std::string> eligible;
        for (const auto& [id, member] : members_)
            if (member.topics.contains(topic)) eligible.push_back(id);
        if (eligible.empty()) continue;
        // Of this topic nobody keeps more than its share; the rest goes to whoever has least altogether.
        const std::size_t share = (count + eligible.size() - 1) / eligible.size();
        const std::size_t full_shares = count % eligible.size() == 0 ? eligible.size() : count % eligible.size();
        std::map<std::string, std::size_t> kept;
        std::size_t members_at_share = 0;
        std::vector<GroupPartition> open;
        for (std::uint32_t p = 0; p < count; ++p) {
            const GroupPartition partition{topic, PartitionId(p)};
            const Member* owner = this->owner(partition);
            const bool wants = owner != nullptr && owner->topics.contains(topic);
            // Only `full_shares` members may hold the rounded-up share, or others would get too little.
            const bool room = wants && (kept[owner->id] + 1 < share ||
                                        (kept[owner->id] + 1 == share && members_at_share < full_shares));
            if (!room) {
                open.push_back(partition);
                continue;
            }
            if (++kept[owner->id] == share) ++members_at_share;
            chosen[partition] = owner->id;
            ++load[owner->id];
        }
        for (const GroupPartition& partition : open) {
            const auto least = std::min_element(eligible.begin(), eligible.end(), [&](const auto& a, const auto& b) {
                return std::tuple(kept[a], load[a]) < std::tuple(kept[b], load[b]);
            });
            ++kept[*least];
            ++load[*least];
            chosen[partition] = *least;
        }
    }
    return chosen;
}

std::vector<AssignmentChange> Group::rebalance(const std::map<TopicId, std::uint32_t>& partitions, MonoNanos now) {
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
    for (auto& [id, entry] : changes) list.push_back(std::move(entry));
    if (!list.empty()) ++epoch_;
    return list;
}

std::vector<AssignmentChange> Group::take_overdue(MonoNanos now) {
    std::vector<AssignmentChange> losers;
    for (auto& [id, member] : members_) {
        AssignmentChange lost{id, {}, {}};
        for (const auto& [partition, since] : member.revoking)
            if (older_than(since, member.rebalance_timeout, now)) lost.revoke.push_back(partition);
        for (const GroupPartition& partition : lost.revoke) release(member, partition);
        if (!lost.revoke.empty()) losers.push_back(std::move(lost));
    }
    return losers;
}

std::vector<std::string> Group::expired(MonoNanos now) const {
    std::vector<std::string> ids;
    for (const auto& [id, member] : members_)
        if (member.session == 0 && older_than(member.disconnected_at, member.session_timeout, now)) ids.push_back(id);
    return ids;
}

}  // namespace casc::broker
