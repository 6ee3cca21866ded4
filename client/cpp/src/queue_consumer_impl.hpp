#pragma once
// client/src/queue_consumer_impl.hpp: a member of a queue group, on the thread that polls.

#include "blocking_call.hpp"
#include "delivery_queue.hpp"
#include "held_leases.hpp"
#include "open_batches.hpp"
#include "queue_port.hpp"

#include <casc/client/queue_consumer.hpp>

namespace casc::client {

// Thread:   the member's, one at a time; when_ready() too.
// Lifetime: owned by the QueueConsumer; the port it shares with the core survives it.
class QueueConsumerImpl {
public:
    QueueConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription, QueueOptions options);
    ~QueueConsumerImpl();

    // Waits until the group has taken us in.
    Result<void> open();

    Result<EventBatch> poll(std::size_t max_events, milliseconds timeout);
    Result<void> done(const EventId& event);
    Result<void> done(const EventBatch& events);
    Result<void> settle(const EventId& event, LeaseVerdict verdict,
                        std::optional<milliseconds> delay, std::string_view error);
    Result<void> flush(std::optional<milliseconds> deadline);

    // ---- for a transaction (queue_consumer_write.cpp) ----
    // Events that it has taken out of the member's hands, to be done with what it writes.
    struct Withdrawn {
        std::uint32_t membership = 0;
        std::vector<EventId> events;
    };
    // Takes those that are held; fails with lease_lost when some were not.
    [[nodiscard]] Result<void> withdraw(const EventId& event, Withdrawn& into);
    [[nodiscard]] Result<void> withdraw(const EventBatch& events, Withdrawn& into);
    [[nodiscard]] wire::fb::SettleT settle_of(const Withdrawn& withdrawn) const;
    // It was not written: they are in the member's hands again, or lost with its membership.
    void give_back(Withdrawn withdrawn);
    // It was written.
    void let_go_of(const Withdrawn& withdrawn);

    [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }
    void when_ready(std::function<void()> done);
    [[nodiscard]] const Core& core() const noexcept { return *core_; }
    Result<void> close();

private:
    using Steady = std::chrono::steady_clock;

    QueueConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription, QueueOptions options,
                      std::shared_ptr<ring::Waker> waker);
    QueueConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription, QueueOptions options,
                      std::shared_ptr<ring::Waker> waker, ring::Ring<InboxItem> inbox);

    // Membership.
    void join();
    void join_failed(const Error& why);
    void leave();
    [[nodiscard]] wire::fb::JoinQueueT join_request() const;

    // News.
    void take_news();
    void handle(Notice& notice);
    void wait_for_news(Steady::time_point until);
    [[nodiscard]] std::optional<Error> next_error();
    void report(Error why);

    // Events.
    [[nodiscard]] std::size_t hand_out(std::size_t max_events);
    [[nodiscard]] bool hand_out_from(InboxItem& item, std::size_t max_events, std::size_t& events);
    void batch_failed(InboxItem& item, ErrorCode why);

    // Verdicts.
    void said(Steady::time_point now);
    [[nodiscard]] std::size_t in_hands() const noexcept { return held_.size() + withdrawn_; }
    void send_verdicts();
    void answered(const wire::fb::SettleReplyT& reply);
    void lost(const EventId& event, const Error& why);
    void lose_everything(const Error& why);
    void give_back_old(Steady::time_point now);
    [[nodiscard]] std::string place(LogId log) const;

    // Fixed after construction.
    const std::shared_ptr<Core> core_;
    const std::uint32_t subscription_;
    const QueueOptions options_;
    const std::size_t settle_events_;
    const std::shared_ptr<ring::Waker> waker_;
    const std::shared_ptr<QueuePort> port_;

    ring::RingConsumer<InboxItem> inbox_;
    DeliveryQueue queue_{true};
    OpenBatches batches_;
    HeldLeases held_;
    std::size_t withdrawn_ = 0;     // by transactions
    std::uint32_t connection_ = 0;  // 0: none
    std::uint32_t joined_on_ = 0;   // the connection on which the group was last asked to take us
    std::uint32_t membership_ = 0;  // counted
    bool member_ = false;
    bool closing_ = false;
    bool closed_ = false;
    std::optional<Error> ended_;  // the client is closed
    Steady::time_point join_at_ = Steady::time_point::max();
    Backoff backoff_;
    std::vector<Error> errors_;  // to be returned by poll(), one at a time

    Steady::time_point said_at_{};  // the oldest that is not sent
    std::size_t unanswered_ = 0;    // requests
    std::optional<Error> lost_;     // since the last flush
    Steady::time_point old_at_;     // when what is held grows old
};

}  // namespace casc::client
