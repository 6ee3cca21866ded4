#pragma once
// All queue groups: who is a member on which connection, and the requests of members and of those
// who look on.

#include "group_rows.hpp"
#include "queue_group.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <map>
#include <memory>
#include <set>
#include <unordered_map>

namespace casc::broker {

// Thread: owning shard.
class QueueGroups final : public TopicObserver {
public:
    QueueGroups(Core& core, GroupRows& rows, ReaderScheduler& scheduler, DeadLetters& dead_letters)
        : core_(core), rows_(rows), scheduler_(scheduler), dead_letters_(dead_letters) {
        core.topic_observers.add(*this);
    }

    // At start: every queue group that there is, then what is known of their logs.
    [[nodiscard]] Result<void> load_group(const std::string& name, const wire::fb::GroupRowT& row);
    [[nodiscard]] Result<void> load_logs();

    void on_join(const wire::fb::JoinQueueT& request, Session& session, const Responder& responder);
    void on_leave(const wire::fb::LeaveQueueT& request, Session& session,
                  const Responder& responder);
    void on_settle(const wire::Frame& frame, Session& session);
    // Events that a member says are done, checked, so that nothing but the store can refuse it in
    // the same turn. Borrows the request.
    struct CheckedDone {
        QueueGroup* group;
        MemberNumber member;
        const wire::fb::SettleT* request;
    };
    // The words of `done` that a Settle has. Before it is copied: in flatbuffers one vector may be
    // said many times.
    [[nodiscard]] static std::size_t count_words(const wire::fb::Settle& settle) noexcept;
    static constexpr std::size_t kWordsMax = 8192;
    // Fails with: unknown_subscription, invalid_request, not_supported, lease_lost, storage errors.
    [[nodiscard]] Result<CheckedDone> check_done(const wire::fb::SettleT& request,
                                                 const Session& session);
    [[nodiscard]] static std::size_t row_bytes(const CheckedDone& done) {
        return done.group->done_row_bytes(*done.request);
    }
    // Fails with: storage errors, unless keep_together() has promised that it will not.
    [[nodiscard]] Result<JournalSequence> write_done(const CheckedDone& done);
    void on_describe(const wire::fb::DescribeQueueT& request, const Responder& responder);
    void on_list_pending(const wire::fb::ListPendingT& request, const Responder& responder);
    void on_delete(const std::string& name, const Responder& responder);
    // As GroupCoordinator::for_each_reader().
    void for_each_reader(const Topic& topic, const std::function<void(DoneWith)>& visit) const;
    // Those whose names start with `prefix`.
    void list(std::string_view prefix,
              std::vector<std::unique_ptr<wire::fb::GroupSummaryT>>& into) const;

    void on_closed(Session& session);
    void on_writable(Session& session);
    void on_topic_created(const Topic& topic) override;
    void on_topics_changed() override;
    void on_topic_removed(TopicId topic) override;

    // Stores what members have said since the last call and sees to their answers; before the
    // journal entry is sealed.
    void store_verdicts();
    void tick(MonoNanos now);
    // Lets go of groups that nobody has used for groups.offsets_retention; now and then.
    void forget_unused();

    [[nodiscard]] std::size_t count() const noexcept { return groups_.size(); }

private:
    struct Entry {
        std::unique_ptr<QueueGroup> group;
        EpochNanos empty_since;
    };
    struct Membership {
        Entry* entry;
        MemberNumber member;
    };
    struct Answer {
        Entry* entry;
        Responder responder;
        wire::fb::SettleReplyT reply;
    };

    [[nodiscard]] Result<Entry*> find_or_create(const wire::fb::JoinQueueT& request);
    // Fails with: unknown_group, wrong_group_kind.
    [[nodiscard]] Result<Entry*> find(const std::string& name);
    [[nodiscard]] Membership* find(const Session& session, std::uint32_t subscription_id);
    void leave(const Membership& membership, bool lost);

    Core& core_;
    GroupRows& rows_;
    ReaderScheduler& scheduler_;
    DeadLetters& dead_letters_;
    std::map<std::string, Entry, std::less<>> groups_;
    std::set<Entry*> with_members_;
    boost::unordered_flat_set<Entry*> changed_;  // since the last store_verdicts()
    std::vector<Answer> answers_;                // to what changed them
    std::unordered_map<std::uint64_t, std::map<std::uint32_t, Membership>> memberships_;
    MemberNumber last_member_ = 0;
};

}  // namespace casc::broker
