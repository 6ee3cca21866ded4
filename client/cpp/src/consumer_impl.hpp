#pragma once
// client/src/consumer_impl.hpp: the consumer, on the thread that polls. Its parts: what is read
// (Subscription), what was pushed (DeliveryQueue), the group (consumer_group.cpp), handing out
// (consumer_poll.cpp).

#include "blocking_call.hpp"
#include "delivery_queue.hpp"
#include "open_batches.hpp"
#include "subscription.hpp"

#include <casc/client/consumer.hpp>

#include <set>

namespace casc::client {

// Thread:   the consumer's, one at a time; when_ready() too.
// Lifetime: owned by the Consumer; the port it shares with the core survives it.
class ConsumerImpl {
public:
    ConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription, ConsumerOptions options);
    ~ConsumerImpl();

    Result<void> subscribe(std::vector<std::string> topics, RebalanceCallbacks callbacks);
    Result<void> follow(std::vector<std::string> topics);
    Result<void> assign(const std::vector<Place>& places);
    Result<EventBatch> poll(std::size_t max_events, milliseconds timeout);
    Result<void> commit(std::optional<milliseconds> deadline);
    Result<void> commit(const std::vector<Place>& places, std::optional<milliseconds> deadline);
    void commit_async(std::function<void(Result<void>)> done);
    Result<void> seek(const Place& to);
    Result<void> seek_to_time(const std::string& topic, PartitionId partition, EpochNanos time);
    Result<void> pause(const std::string& topic, PartitionId partition, bool paused);
    Result<Offset> position(const std::string& topic, PartitionId partition, Lane lane);
    Result<std::vector<Place>> committed();
    [[nodiscard]] std::vector<TopicPartition> assignment() const;
    [[nodiscard]] const std::string& member_id() const noexcept { return member_id_; }
    void when_ready(std::function<void()> done);
    [[nodiscard]] const Core& core() const noexcept { return *core_; }
    Result<void> close();

    // ---- for a transaction ----
    using Positions = std::vector<std::pair<LogId, std::uint64_t>>;
    // Behind what was handed out and is not committed. Fails with: invalid_request (no group).
    [[nodiscard]] Result<Positions> positions_to_commit() const;
    [[nodiscard]] wire::fb::CommitT commit_of(const Positions& positions) const;
    void mark_committed(const Positions& positions);

private:
    using Partition = std::pair<TopicId, PartitionId>;
    using Steady = std::chrono::steady_clock;

    void matched(const wire::fb::TopicsMatchedT& news);

    // consumer_poll.cpp
    void take_news();
    void handle(Notice& notice);
    [[nodiscard]] std::size_t hand_out(std::size_t max_events);
    [[nodiscard]] bool hand_out_from(InboxItem& item, std::size_t max_events, std::size_t& events);
    [[nodiscard]] bool batch_failed(InboxItem& item, const Source& source, ErrorCode why);
    [[nodiscard]] std::string place(LogId log);
    void drop(InboxItem& item);
    void source_failed(const InboxItem& item);
    void report(Error why);
    void auto_commit_if_due();
    void wait_for_news(Steady::time_point until);

    // consumer_group.cpp
    void join();
    void joined(wire::fb::JoinGroupReplyT& reply);
    void join_failed(const Error& why);
    void assigned(wire::fb::AssignmentT& assignment);
    void removed_from_group(const Error& why);
    void take_over(const std::vector<wire::fb::AssignedPartitionT*>& partitions);
    void let_go(const std::vector<Partition>& partitions);
    [[nodiscard]] Result<void> commit_before_letting_go(const Positions& positions);
    [[nodiscard]] bool came_by_pattern(TopicId topic) const;
    void catch_up(const wire::fb::AssignedPartitionT& partition);
    void lose(const std::vector<Partition>& partitions);
    [[nodiscard]] Result<Positions> starting_positions(const std::vector<LogId>& logs);
    [[nodiscard]] std::vector<TopicPartition> named(const std::vector<Partition>& partitions) const;
    [[nodiscard]] std::vector<LogId> logs_of(const std::vector<Partition>& partitions) const;

    // consumer_commit.cpp
    [[nodiscard]] Positions uncommitted() const;
    Result<void> commit_now(const Positions& positions, std::optional<milliseconds> deadline);
    [[nodiscard]] Result<Positions> list_offsets(const std::vector<LogId>& logs, std::uint8_t at,
                                                 EpochNanos time);
    [[nodiscard]] Result<TopicId> topic_id(const std::string& name);
    [[nodiscard]] Result<LogId> log_of(const std::string& topic, PartitionId partition, Lane lane);
    [[nodiscard]] std::vector<LogId> lanes_of(TopicId topic, PartitionId partition) const;

    ConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription, ConsumerOptions options,
                 const std::shared_ptr<ring::Waker>& waker, std::nullptr_t);
    ConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription, ConsumerOptions options,
                 std::shared_ptr<ring::Waker> waker, ring::Ring<InboxItem> inbox);

    // Fixed after construction.
    const std::shared_ptr<Core> core_;
    const ConsumerOptions options_;
    const std::shared_ptr<ring::Waker> waker_;
    const std::shared_ptr<ConsumerPort> port_;

    ring::RingConsumer<InboxItem> inbox_;
    DeliveryQueue queue_;
    Subscription subscription_;
    std::uint32_t connection_ = 0;  // 0: none
    bool closed_ = false;
    std::vector<Error>
        errors_;  // to be returned by poll(), one at a time; bounded by one per source and cause
    std::map<TopicId, std::string> topics_;

    OpenBatches batches_;

    // The group.
    std::vector<std::string> wanted_topics_;
    RebalanceCallbacks callbacks_;
    std::string member_id_;
    std::uint32_t epoch_ = 0;
    bool joining_ = false;
    bool member_ = false;
    bool expects_everything_ = false;  // the first assignment after joining says all that is ours
    std::set<Partition> owned_;
    Steady::time_point join_at_ = Steady::time_point::max();
    Backoff backoff_;
    Steady::time_point commit_at_{};
};

}  // namespace casc::client
