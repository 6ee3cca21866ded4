#pragma once
// casc/client/queue_consumer.hpp: a member of a queue group: each event goes to one member, and is
// settled by itself.
//
//   CASC_TRY(auto queue, client->make_queue_consumer({.group = "mail", .topics = {"orders"}}));
//   while (running) {
//       CASC_TRY(const EventBatch events, queue.poll(100, 100ms));
//       for (const ConsumedEvent& e : events) {
//           const auto sent = send_mail(e.event.payload);
//           CASC_TRY_VOID(sent ? queue.done(e.id()) : queue.refuse(e.id(), sent.error().detail));
//       }
//   }
//   CASC_TRY_VOID(queue.close());

#include <casc/client/event_batch.hpp>
#include <casc/client/options.hpp>
#include <casc/types/result.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace casc::client {

class QueueConsumerImpl;

// The broker leases events to this member ahead of poll(), up to options.prefetch_*. Whatever
// poll() has handed out is the member's to settle, in any order, also after later polls (by its id:
// the views are gone by then). Until then its lease is renewed by itself, see
// QueueOptions::hold_max.
//
// Verdicts are collected and sent together; flush() waits until they are durable. What was not
// settled when the process or its connection ends is delivered again, with one more attempt: events
// are handled at least once.
//
// Errors of poll() leave the member usable: it joins again by itself when its connection broke.
//
// Thread:   one at a time; for several workers make a member for each.
// Lifetime: the destructor closes.
class QueueConsumer {
public:
    explicit QueueConsumer(
        std::unique_ptr<QueueConsumerImpl> impl);  // see Client::make_queue_consumer
    ~QueueConsumer();
    QueueConsumer(QueueConsumer&&) noexcept;
    QueueConsumer& operator=(QueueConsumer&&) noexcept;

    // Up to `max_events` events, the most urgent lane first; waits for the first one until
    // `timeout` and is empty then. The views of the last poll are invalid from here on. Fails with:
    // batch_corrupt, batch_malformed (those events are refused), what joining the group says,
    // cancelled.
    [[nodiscard]] Result<EventBatch> poll(std::size_t max_events, milliseconds timeout);

    // What became of an event. Fail with: lease_lost (it is not this member's: never was, settled
    // already, or lost with the connection).

    // Handled; never to be delivered again.
    [[nodiscard]] Result<void> done(const EventId& event);
    // Every event of what poll() gave. Settles those that are the member's in any case.
    [[nodiscard]] Result<void> done(const EventBatch& events);
    // Not handled: again after `delay`, or as the group's settings say; a dead letter, when that
    // was the last attempt. `error` is kept with it.
    [[nodiscard]] Result<void> refuse(const EventId& event, std::string_view error,
                                      std::optional<milliseconds> delay = {});
    // Not even tried: again at once, for anybody, and this delivery does not count.
    [[nodiscard]] Result<void> release(const EventId& event);
    // Nobody will ever handle it: a dead letter now.
    [[nodiscard]] Result<void> give_up(const EventId& event, std::string_view error);

    // Sends what was said and waits until it is durable. Fails with: lease_lost (since the last
    // flush events were lost before they were settled; on_lost has named them), connection_closed
    // (it broke before an answer: those verdicts may or may not hold), timeout, cancelled, and as
    // the broker says when it could not store them (disk_full): they hold until it ends.
    [[nodiscard]] Result<void> flush(std::optional<milliseconds> deadline = {});

    // Handed out and not settled.
    [[nodiscard]] std::size_t held() const noexcept;

    // `done` runs once, where callbacks run or at once, when poll() has something to do.
    void when_ready(std::function<void()> done);

    // Flushes, lets go of everything else (as release() does) and leaves the group. Fails as
    // flush() does; it is closed all the same.
    Result<void> close();

private:
    friend class Transaction;
    std::unique_ptr<QueueConsumerImpl> impl_;
};

}  // namespace casc::client
