#pragma once
// client/src/tap_impl.hpp: a tap, on the thread that polls.

#include "blocking_call.hpp"
#include "credit_returns.hpp"
#include "delivery_queue.hpp"
#include "open_batches.hpp"

#include <casc/client/tap.hpp>

#include <map>
#include <string>

namespace casc::client {

// Thread:   the tap's, one at a time; when_ready() too.
// Lifetime: owned by the Tap; the port it shares with the core survives it.
class TapImpl {
public:
    TapImpl(std::shared_ptr<Core> core, std::uint32_t subscription, TapOptions options);
    ~TapImpl();

    // Waits until the broker has set it up.
    Result<void> open();

    Result<EventBatch> poll(std::size_t max_events, milliseconds timeout);
    [[nodiscard]] std::uint64_t skipped() const noexcept { return skipped_; }
    [[nodiscard]] std::uint64_t restarts() const noexcept { return begun_ > 1 ? begun_ - 1 : 0; }
    void when_ready(std::function<void()> done);
    Result<void> close();

private:
    using Steady = std::chrono::steady_clock;

    TapImpl(std::shared_ptr<Core> core, std::uint32_t subscription, TapOptions options,
            std::shared_ptr<ring::Waker> waker);
    TapImpl(std::shared_ptr<Core> core, std::uint32_t subscription, TapOptions options,
            std::shared_ptr<ring::Waker> waker, ring::Ring<InboxItem> inbox);

    void begin();
    void begin_failed(const Error& why);
    [[nodiscard]] wire::fb::TapT request() const;
    void take_news();
    void handle(Notice& notice);
    void wait_for_news(Steady::time_point until);
    void report(Error why);
    [[nodiscard]] std::optional<Error> next_error();
    [[nodiscard]] std::size_t hand_out(std::size_t max_events);
    [[nodiscard]] bool hand_out_from(InboxItem& item, std::size_t max_events, std::size_t& events);
    void ended(const InboxItem& item);
    [[nodiscard]] std::string_view name_of(TopicId topic) const noexcept;

    // Fixed after construction.
    const std::shared_ptr<Core> core_;
    const std::uint32_t subscription_;
    const TapOptions options_;
    const std::shared_ptr<ring::Waker> waker_;
    const std::shared_ptr<ConsumerPort> port_;

    ring::RingConsumer<InboxItem> inbox_;
    DeliveryQueue queue_;
    OpenBatches batches_;
    CreditReturns returns_;
    std::vector<std::uint32_t> topic_ids_;    // of options_.topics; 0: a pattern
    std::map<TopicId, std::string> matched_;  // names of those that patterns have brought in
    std::uint32_t connection_ = 0;            // 0: none
    std::uint64_t begun_ = 0;                 // times
    bool tapped_ = false;
    bool closed_ = false;
    Steady::time_point begin_at_ = Steady::time_point::max();
    Backoff backoff_;
    std::uint64_t skipped_ = 0;
    std::vector<Error> errors_;  // to be returned by poll(), one at a time
};

}  // namespace casc::client
