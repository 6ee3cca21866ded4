#pragma once
// One subscription of one connection: which logs it reads, how far it is, and how much it may be
// sent.
//
// A source is idle (nothing to read), ready, or reading (waiting for the disk, or for its turn to
// be read from it). ready sources are served by lane or by arrival; see pick(). Batches leave as
// they are stored.
//
// The disk is read for few partitions at a time, each until all that was read of it has been sent:
// that bounds the answers in memory, however many cold logs a subscription has. By partition and
// not by log, because in order of arrival the lanes of a partition wait for one another.

#include "core.hpp"

#include <deque>
#include <map>
#include <memory>

namespace casc::broker {

enum class DeliveryOrder : std::uint8_t { priority = 0, arrival = 1 };

class Subscription;

// Told when a subscription has work to do; runs it later in the turn.
class SubscriptionScheduler {
public:
    virtual ~SubscriptionScheduler() = default;
    virtual void schedule(Subscription& subscription) = 0;
};

// Thread: owning shard. Lifetime: owned by the delivery table of its session; `session` outlives
// it.
class Subscription final : public LogWatcher {
public:
    Subscription(Core& core, Session& session, SubscriptionScheduler& scheduler, std::uint32_t id,
                 DeliveryOrder order, std::size_t deliver_bytes_max);
    ~Subscription() override;
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

    // Adds a log from `from` on, or moves it there.
    void add_source(const Topic& topic, LogId log, Offset from);
    void remove_source(LogId log);
    void set_generation(std::uint32_t generation) { generation_ = generation; }
    void grant(std::uint64_t bytes, std::uint64_t events);

    // Sends what is ready as far as credit and the connection's queue allow.
    void run();

    void on_visible(LogId log, Offset visible_end) override;
    void on_removed(LogId log) override;

    [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
    [[nodiscard]] std::uint64_t session_number() const noexcept { return session_.number(); }

    bool scheduled = false;  // the scheduler's own mark

private:
    enum class State : std::uint8_t { idle, ready, reading };

    struct Source {
        TopicId topic;
        LogId log;
        Offset next;
        Offset visible_end;
        State state = State::idle;
        std::uint64_t reading_token = 0;        // of the latest read, see last_token_
        bool from_disk = false;                 // being read there, or not all of it is sent
        std::deque<storage::BatchRef> fetched;  // read, not sent
    };

    [[nodiscard]] bool may_send() const noexcept;
    // The ready source to serve next: of the highest lane, unless a lower one has been passed over
    // too often.
    [[nodiscard]] Source* pick();
    // The lane of the picked log's partition whose next batch arrived first. May end sources.
    [[nodiscard]] Source* earliest_sibling(LogId picked, std::uint64_t& arrival_bound);
    [[nodiscard]] bool is_reading(LogId of_partition, Lane lane) const;
    void hold_back(LogId partition);
    // Puts something into source.fetched. False: nothing there now (idle, reading, or dropped with
    // an error).
    [[nodiscard]] bool fill(Source& source);
    void read_from_disk(Source& source);
    // Starts what waits for its turn, as far as there are turns.
    void start_waiting();
    void start_cold_read(Source& source);
    // With the last of its partition the partition's turn ends, and somebody else's begins.
    void end_turn(Source& source);
    void give_up_reading(Source& source);
    void deliver(Source& source, std::uint64_t arrival_bound);
    void look_again(Source& source);  // ready when it is idle and has something to say
    void set_ready(Source& source);
    void unready(Source& source);
    void drop(Source& source, ErrorCode why);

    Core& core_;
    Session& session_;
    SubscriptionScheduler& scheduler_;
    const std::uint32_t id_;
    const DeliveryOrder order_;
    const std::size_t deliver_bytes_max_;
    std::uint32_t generation_ = 0;
    std::int64_t credit_bytes_ = 0;
    std::int64_t credit_events_ = 0;
    std::map<LogId, std::unique_ptr<Source>> sources_;
    std::array<std::deque<Source*>, kLaneCount> ready_;  // round-robin inside a lane
    std::array<std::uint32_t, kLaneCount> passed_over_{};
    // Of all reads of all sources: the answer to one that was given up must not pass for another's,
    // even of a source that was taken out and put in again.
    std::uint64_t last_token_ = 0;
    std::map<std::uint64_t, LogId> waiting_;  // by token: who has waited longest is first
    std::map<LogId, unsigned> turns_;  // of partitions (their first lane): how many are from_disk
    std::vector<storage::BatchRef> sending_;
    std::shared_ptr<Subscription*> self_;  // lets a late disk answer find out that this is gone
};

}  // namespace casc::broker
