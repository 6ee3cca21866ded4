#pragma once
// A `stream` consumer group as a state machine: members, who owns which partition, committed
// positions. No I/O, no clock of its own; the coordinator feeds it and sends what it returns.
//
// Rebalancing is incremental: a target assignment is computed when members or topics change; a
// partition that is to move is first asked back from its owner, and given on only when it was
// released, or taken after the rebalance timeout. Partitions that stay are not touched.

#include <casc/types/result.hpp>
#include <casc/types/vocabulary.hpp>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace casc::broker {

struct GroupPartition {
    TopicId topic;
    PartitionId partition;
    friend auto operator<=>(const GroupPartition&, const GroupPartition&) = default;
};

struct CommittedOffset {
    Offset offset;
    EpochNanos at;
};

struct Member {
    std::string id;
    std::string instance_id;  // empty: not static
    std::string client_id;
    std::string address;
    std::set<TopicId> topics;
    std::chrono::milliseconds session_timeout{};
    std::chrono::milliseconds rebalance_timeout{};
    std::uint64_t session = 0;       // number of its connection, 0 while disconnected
    MonoNanos disconnected_at;       // valid while session is 0
    std::set<GroupPartition> owned;  // what it may read and commit, `revoking` included
    std::map<GroupPartition, MonoNanos> revoking;  // asked back since
};

// What a member has to be told.
struct AssignmentChange {
    std::string member_id;
    std::vector<GroupPartition> assign;
    std::vector<GroupPartition> revoke;
};

// Thread: owning shard.
class Group {
public:
    Group(std::uint32_t id, std::string name) : id_(id), name_(std::move(name)) {}

    // Adds or updates; a rejoining member keeps what it owns.
    Member& upsert(Member member);
    [[nodiscard]] Member* find(std::string_view member_id);
    [[nodiscard]] Member* find_instance(std::string_view instance_id);
    // Its partitions are free at once.
    void remove(std::string_view member_id);

    // The member has let go; true when it had been asked to (or owned it at all).
    bool release(Member& member, const GroupPartition& partition);

    // Computes the target from the members and `partitions` (of each topic) and returns who is to
    // be told what. Call after every change; returns nothing when nothing has to move.
    [[nodiscard]] std::vector<AssignmentChange> rebalance(
        const std::map<TopicId, std::uint32_t>& partitions, MonoNanos now);
    // Takes what was asked back too long ago; the members that lost something. Call rebalance()
    // afterwards.
    [[nodiscard]] std::vector<AssignmentChange> take_overdue(MonoNanos now);
    // Members that have been away for longer than their session timeout. The caller removes them.
    [[nodiscard]] std::vector<std::string> expired(MonoNanos now) const;

    [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::uint32_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] bool rebalancing() const noexcept;
    [[nodiscard]] const std::map<std::string, Member, std::less<>>& members() const noexcept {
        return members_;
    }
    [[nodiscard]] const Member* owner(const GroupPartition& partition) const;

    std::map<LogId, CommittedOffset> committed;

private:
    [[nodiscard]] std::map<GroupPartition, std::string> target(
        const std::map<TopicId, std::uint32_t>& partitions) const;

    const std::uint32_t id_;
    const std::string name_;
    std::uint32_t epoch_ = 0;
    std::map<std::string, Member, std::less<>> members_;
    std::map<GroupPartition, std::string> owners_;
};

}  // namespace casc::broker
