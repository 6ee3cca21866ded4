#pragma once
// Moves the low-water marks of topics with `delete_consumed` up to what the slowest group has done
// with. A topic that no group reads keeps everything; a group that has been without members for too
// long does not hold anything back (and finds that it has missed events when it comes back).

#include "group_coordinator.hpp"
#include "queue_groups.hpp"

namespace casc::broker {

// Thread: owning shard. Lifetime: borrows all three.
class ConsumedRetention {
public:
    ConsumedRetention(Core& core, const GroupCoordinator& streams, const QueueGroups& queues)
        : core_(core), streams_(streams), queues_(queues) {}

    void load();
    // Looks at a bounded number of topics.
    void tick();

private:
    [[nodiscard]] bool trim(const Topic& topic);
    // After a start groups need time to come back: until then nobody knows of those that have read
    // nothing of a topic yet.
    [[nodiscard]] bool waits_for_groups(const Topic& topic) const;

    Core& core_;
    const GroupCoordinator& streams_;
    const QueueGroups& queues_;
    MonoNanos started_;
    EpochNanos started_at_;  // the same moment; topics that are younger are not concerned
};

}  // namespace casc::broker
