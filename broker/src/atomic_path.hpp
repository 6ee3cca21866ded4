#pragma once
// Several things at once: batches for several logs, positions of stream groups and events of queue
// groups that are done, all in one journal entry, so that all of it happens or nothing.
//
// Everything is checked before anything is changed; then the store is asked for the room, after
// which it refuses nothing. Readers of durable topics see an entry when it is durable, so they see
// all of it or nothing, too; topics of memory durability are refused for that reason.

#include "group_coordinator.hpp"
#include "produce_path.hpp"
#include "queue_groups.hpp"

namespace casc::broker {

// Thread: owning shard.
class AtomicPath {
public:
    AtomicPath(Core& core, ProducePath& produce, GroupCoordinator& groups, QueueGroups& queues)
        : core_(core), produce_(produce), groups_(groups), queues_(queues) {}

    void on_atomic_write(Session& session, const wire::Frame& frame);

private:
    struct Checked {
        std::vector<IncomingBatch> batches;
        std::vector<GroupCoordinator::CheckedCommit> commits;
        std::vector<QueueGroups::CheckedDone> done;
        bool repeated = false;  // all of it was written before
    };

    [[nodiscard]] static Result<wire::fb::AtomicWriteT> decode(std::span<const std::byte> body);
    [[nodiscard]] Result<void> check_batches(Session& session,
                                             const wire::fb::AtomicWriteT& request,
                                             std::span<const std::byte> attachments,
                                             Checked& checked);
    [[nodiscard]] Result<Checked> check(const wire::fb::AtomicWriteT& request,
                                        std::span<const std::byte> attachments, Session& session);
    [[nodiscard]] Result<void> reserve(const Checked& checked);
    struct Written {
        wire::fb::AtomicWriteReplyT reply;
        JournalSequence sequence;
    };
    [[nodiscard]] Result<Written> write(const Checked& checked);

    Core& core_;
    ProducePath& produce_;
    GroupCoordinator& groups_;
    QueueGroups& queues_;
};

}  // namespace casc::broker
