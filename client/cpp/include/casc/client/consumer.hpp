#pragma once
// casc/client/consumer.hpp: reads events, alone or as a member of a group.
//
//   CASC_TRY(auto consumer, client->make_consumer({.group = "billing"}));
//   CASC_TRY_VOID(consumer.subscribe({"orders"}));
//   while (running) {
//       CASC_TRY(const EventBatch events, consumer.poll(500, 100ms));
//       for (const ConsumedEvent& e : events) handle(e);
//   }
//   CASC_TRY_VOID(consumer.close());

#include <casc/client/event_batch.hpp>
#include <casc/client/options.hpp>
#include <casc/types/result.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace casc::client {

class ConsumerImpl;

// A place in a log. With a group every partition is read on all its lanes.
struct Place {
    std::string topic;
    PartitionId partition;
    Lane lane = Lane::normal;
    Offset offset;
};

struct TopicPartition {
    TopicId topic_id;
    std::string topic;
    PartitionId partition;
    friend bool operator==(const TopicPartition&, const TopicPartition&) = default;
};

// Told about the partitions of a group member. All run inside poll() or close(), on the thread that
// calls it, and may use the consumer, except to poll or close it.
struct RebalanceCallbacks {
    std::function<void(const std::vector<TopicPartition>&)> assigned;
    // Still the member's own: the place to commit what was handled. With auto_commit that is done
    // after the callback.
    std::function<void(const std::vector<TopicPartition>&)> revoked;
    // No longer the member's: it was removed from the group. Commits are refused.
    std::function<void(const std::vector<TopicPartition>&)> lost;
};

// Reads by push: the broker sends ahead of poll(), up to options.credit_bytes.
//
// Positions: an event counts as read when poll() has handed it out. commit() stores the position
// behind the last one handed out; auto commit does so at the beginning of a later poll, so events
// are handled at least once. Rebalances, rejoining after a broken connection, and auto commit
// happen inside poll(): call it at least every options.rebalance_timeout. Heartbeats are the
// connection's and need no poll. Errors of poll() leave the consumer usable. A batch that does not
// match its checksum is reported and then read again from the broker; seek() behind it to go on
// without it.
//
// Thread:   one at a time.
// Lifetime: the destructor closes.
class Consumer {
public:
    explicit Consumer(std::shared_ptr<ConsumerImpl> impl);  // see Client::make_consumer
    ~Consumer();
    Consumer(Consumer&&) noexcept = default;
    Consumer& operator=(Consumer&&) noexcept;

    // Joins options.group for these topics; partitions come and go with the rebalances. Without a
    // group everything in these topics is read, from where options.reset says.
    //
    // Topics are names or patterns: in "orders.*.eu" '*' stands for one token between dots, in
    // "orders.>" '>', at the end, for one or more. Topics that come later are read from their
    // oldest event, and the end of one that a pattern has brought in is no error. poll() tells of a
    // bad pattern (invalid_pattern) or filter (invalid_filter, filter_too_expensive). Fails with:
    // invalid_request.
    [[nodiscard]] Result<void> subscribe(std::vector<std::string> topics,
                                         RebalanceCallbacks callbacks = {});
    // Reads exactly these logs from these offsets, replacing what was assigned before; no group
    // membership, but with options.group set positions can be committed. Fails with: unknown_topic,
    // invalid_request (subscribed).
    [[nodiscard]] Result<void> assign(const std::vector<Place>& places);

    // Up to `max_events` events; waits for the first one until `timeout` and is empty then. What
    // the last poll gave is invalid from here on. Fails with: batch_corrupt, batch_malformed,
    // offset_out_of_range (Reset::error), no_committed_offset (Reset::error), unknown_topic, what
    // joining the group says, cancelled.
    [[nodiscard]] Result<EventBatch> poll(std::size_t max_events, milliseconds timeout);
    // Whole batches, about options.deliver_bytes_max of them at most.
    [[nodiscard]] Result<EventBatch> poll_batches(milliseconds timeout);

    // Stores the positions of what was handed out so far; nothing new is no request. Fails with:
    // stale_group_epoch, unknown_member (the partitions belong to somebody else by now),
    // invalid_request (no group), timeout.
    [[nodiscard]] Result<void> commit(std::optional<milliseconds> deadline = {});
    [[nodiscard]] Result<void> commit(const std::vector<Place>& next_offsets,
                                      std::optional<milliseconds> deadline = {});
    // `done` runs where callbacks run, see Client.
    void commit_async(std::function<void(Result<void>)> done = {});

    // Goes on reading from another place; what was pushed already is dropped. Fails with:
    // invalid_request (not read).
    [[nodiscard]] Result<void> seek(const Place& to);
    // On all lanes of the partition that are read: the first event at or after `time`.
    [[nodiscard]] Result<void> seek_to_time(const std::string& topic, PartitionId partition,
                                            EpochNanos time);
    // Stops and goes on reading without giving the partition up.
    [[nodiscard]] Result<void> pause(const std::string& topic, PartitionId partition);
    [[nodiscard]] Result<void> resume(const std::string& topic, PartitionId partition);

    // The next offset to be handed out.
    [[nodiscard]] Result<Offset> position(const std::string& topic, PartitionId partition,
                                          Lane lane) const;
    // What the group has committed, on every lane that has a position.
    [[nodiscard]] Result<std::vector<Place>> committed();
    [[nodiscard]] std::vector<TopicPartition> assignment() const;
    // Given by the broker; empty until joined.
    [[nodiscard]] const std::string& member_id() const;

    // `done` runs once, where callbacks run or at once, when poll() has something to do.
    void when_ready(std::function<void()> done);

    // Commits (with auto_commit), leaves the group and stops reading. Fails as commit() does; it is
    // closed all the same.
    Result<void> close();

private:
    friend class Transaction;
    std::shared_ptr<ConsumerImpl> impl_;
};

}  // namespace casc::client
