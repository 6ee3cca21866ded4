#pragma once
// All consumer groups: membership over connections, assignments pushed to members, positions
// committed to the store.

#include "core.hpp"
#include "group.hpp"
#include "group_rows.hpp"
#include "row_codec.hpp"
#include "wanted_topics.hpp"

#include <memory>
#include <set>
#include <unordered_map>

namespace casc::broker {

// Thread: owning shard.
class GroupCoordinator final : public TopicObserver {
public:
    // `find_session` gives the live connection of that number, or nullptr.
    GroupCoordinator(Core& core, GroupRows& rows,
                     std::function<Session*(std::uint64_t)> find_session)
        : core_(core), rows_(rows), find_session_(std::move(find_session)) {
        core.topic_observers.add(*this);
    }

    // One at start, for every stream group that there is, then the positions of all.
    void load_group(const std::string& name, const wire::fb::GroupRowT& row);
    void load_positions();

    void on_join(const wire::fb::JoinGroupT& request, Session& session, const Responder& responder);
    void on_leave(const wire::fb::LeaveGroupT& request, const Responder& responder);
    void on_release(const wire::fb::ReleasePartitionsT& request, const Responder& responder);
    void on_commit(const wire::fb::CommitT& request, const Responder& responder);
    // A commit that was checked, so that nothing but the store can refuse it in the same turn.
    struct CheckedCommit {
        Group* group;
        std::vector<std::pair<LogId, Offset>> positions;
    };
    // Fails with: unknown_group, wrong_group_kind, unknown_member, group_not_empty,
    // stale_group_epoch, offset_out_of_range, unknown_topic, unknown_partition, unknown_lane.
    [[nodiscard]] Result<CheckedCommit> check_commit(const wire::fb::CommitT& request);
    // What it takes of the room that Store::keep_together() is asked for.
    [[nodiscard]] static std::size_t row_bytes(const CheckedCommit& commit) noexcept;
    // Fails with: storage errors, unless keep_together() has promised that it will not.
    [[nodiscard]] Result<JournalSequence> write_commit(const CheckedCommit& commit);
    void on_committed(const wire::fb::CommittedT& request, const Responder& responder);
    // Those whose names start with `prefix`.
    void list(std::string_view prefix,
              std::vector<std::unique_ptr<wire::fb::GroupSummaryT>>& into) const;
    void on_describe(const wire::fb::DescribeGroupT& request, const Responder& responder);
    void on_delete(const wire::fb::DeleteGroupT& request, const Responder& responder);
    void on_reset(const wire::fb::ResetGroupT& request, const Responder& responder);

    void on_closed(Session& session);
    void on_topic_created(const Topic& topic) override;
    void on_topics_changed() override;
    void on_topic_removed(TopicId topic) override;
    // Hands out partitions of topics that were created since; once per turn.
    void hand_out_new_topics();
    // Timeouts of sessions and rebalances. Looks only at groups with members.
    void tick(MonoNanos now);
    // Lets go of groups that nobody has used for groups.offsets_retention; now and then.
    void forget_unused();

    [[nodiscard]] std::size_t count() const noexcept { return groups_.size(); }
    // Every group that reads the topic, or has read it, unless it has been absent for too long.
    void for_each_reader(const Topic& topic, const std::function<void(DoneWith)>& visit) const;
    // For /metrics.
    void for_each(const std::function<void(const Group&)>& visit) const;

private:
    struct Entry {
        std::unique_ptr<Group> group;
        std::map<std::string, WantedTopics> topics_of_member;
        wire::fb::GroupRowT row;  // as it is stored
        EpochNanos empty_since;
        MonoNanos next_hand_out;  // of topics that were created
    };

    [[nodiscard]] Group* find(const std::string& name);
    // Why there is no stream group of that name.
    [[nodiscard]] Error missing(const std::string& name) const;
    [[nodiscard]] Result<Entry*> find_or_create(const std::string& name);
    void resolve_topics(Entry& entry);
    // Remembers which topics are younger than a pattern that nobody has asked for yet. Fails with:
    // invalid_request (too many), storage errors.
    [[nodiscard]] Result<void> note_patterns(Entry& entry, const WantedTopics& wanted);
    [[nodiscard]] static bool is_younger(const Entry& entry, const Topic& topic);
    void rebalance(Entry& entry);
    [[nodiscard]] static Result<void> check_join(const wire::fb::JoinGroupT& request,
                                                 const Config& config);
    // The connection a member is on, so that its end is not looked for in every group.
    void bind(Entry& entry, const Member& member);
    void unbind(Entry& entry, const Member& member);
    void push(Entry& entry, const AssignmentChange& change, ErrorCode error = ErrorCode::ok);
    void remove_member(Entry& entry, const std::string& member_id, ErrorCode tell);
    [[nodiscard]] std::unique_ptr<wire::fb::AssignedPartitionT> describe(
        const Entry& entry, const GroupPartition& partition) const;
    [[nodiscard]] std::unique_ptr<wire::fb::AssignedPartitionT> describe(
        const Group& group, const GroupPartition& partition) const;
    [[nodiscard]] static RowWriter offset_key(std::uint32_t group, LogId log);
    [[nodiscard]] Result<JournalSequence> write_offset(Group& group, LogId log, Offset offset);
    [[nodiscard]] Result<JournalSequence> erase_offsets(Group& group);
    [[nodiscard]] Result<std::vector<LogId>> logs_to_reset(const Group& group,
                                                           const std::string& topic) const;
    [[nodiscard]] Result<Offset> reset_target(const wire::fb::ResetGroupT& request, LogId log);

    Core& core_;
    GroupRows& rows_;
    std::function<Session*(std::uint64_t)> find_session_;
    std::map<std::string, Entry, std::less<>> groups_;
    std::set<Entry*> with_members_;
    std::set<Entry*> with_new_topics_;
    // (group, member id) of each connection that has any.
    std::unordered_map<std::uint64_t, std::set<std::pair<Entry*, std::string>>> members_of_session_;
    std::uint64_t last_member_ = 0;
};

}  // namespace casc::broker
