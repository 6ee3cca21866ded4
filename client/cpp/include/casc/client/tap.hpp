#pragma once
// casc/client/tap.hpp: what comes in some topics from now on, without a position.
//
//   CASC_TRY(auto tap, client->make_tap({.topics = {"prices"}, .on_full = OnFull::conflate}));
//   while (running) {
//       CASC_TRY(const EventBatch events, tap.poll(500, 100ms));
//       for (const ConsumedEvent& e : events) show(e.event.payload);
//   }

#include <casc/client/event_batch.hpp>
#include <casc/client/options.hpp>
#include <casc/types/result.hpp>

#include <functional>
#include <memory>

namespace casc::client {

class TapImpl;

// The broker pushes ahead of poll(), up to options.credit_bytes; what comes beyond that waits
// there, up to the marks, and then options.on_full says what happens. Nothing is acknowledged: what
// was pushed to a process that ends is gone.
//
// Errors of poll() leave the tap usable. When its connection breaks, or the broker has cut it off
// (tap_cut_off: it was full, held producers back and took nothing), it begins again as it began;
// what came in between is missed.
//
// A tap that blocks, and the producers that it makes wait, do best on connections (Clients) of
// their own: a producer on the tap's own connection cannot be made to wait, and is refused with
// tap_full instead, which its Producer tries again.
//
// Thread:   one at a time.
// Lifetime: the destructor closes.
class Tap {
public:
    explicit Tap(std::unique_ptr<TapImpl> impl);  // see Client::make_tap
    ~Tap();
    Tap(Tap&&) noexcept;
    Tap& operator=(Tap&&) noexcept;

    // Up to `max_events` events; waits for the first one until `timeout` and is empty then. The
    // views of the last poll are invalid from here on. Fails with: batch_corrupt, batch_malformed
    // (those events are left out), tap_cut_off, unknown_topic (one is gone), cancelled.
    [[nodiscard]] Result<EventBatch> poll(std::size_t max_events, milliseconds timeout);
    // Whole batches, about half of options.credit_bytes of them at most.
    [[nodiscard]] Result<EventBatch> poll_batches(milliseconds timeout);

    // Events that were left out because the tap was full, so far as the broker has said: it does
    // with the events that come next.
    [[nodiscard]] std::uint64_t skipped() const noexcept;
    // Times it had to begin again: each may have missed events that nobody has counted.
    [[nodiscard]] std::uint64_t restarts() const noexcept;

    // `done` runs once, where callbacks run or at once, when poll() has something to do.
    void when_ready(std::function<void()> done);

    Result<void> close();

private:
    std::unique_ptr<TapImpl> impl_;
};

}  // namespace casc::client
