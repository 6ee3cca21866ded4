#pragma once
// client/src/request_port.hpp: a client's requests to the responders of subjects, as the I/O thread
// sees them.
//
// Slots instead of tables: a request costs no search and no allocation but its callback's.

#include "core.hpp"

#include <casc/client/answer.hpp>
#include <casc/client/producer.hpp>
#include <casc/wire/batch_builder.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace casc::client {

// What is asked, but for the event.
struct RequestHead {
    std::string_view subject;
    SteadyTime deadline;
    std::uint8_t mode = 0;  // 0 one, 1 all
    std::uint32_t quorum = 0;
    std::uint64_t credit_bytes = 0;
};

// Who waits for the end: a RequestReply with its attachment, or why there is none.
using RequestDone = ReplyCallback;
// What comes ahead of it.
using RequestPart =
    std::function<void(const wire::fb::ReplyPart& part, std::span<const std::byte> batch)>;

// Thread:   start(), cancel() and grant() any; the rest the I/O thread.
// Lifetime: the core's.
class RequestPort final : public Participant {
public:
    static constexpr std::size_t kUnderWayMax = 16'384;

    explicit RequestPort(Core& core);

    // Sends a request and calls `done` where callbacks run, always, once. Without a connection it
    // waits for one until its deadline. Fails with: invalid_request, event_too_large, queue_full
    // (kUnderWayMax), timeout, connection_closed (may or may not have been carried out), cancelled,
    // what the broker and the responder say.
    RequestId start(const RequestHead& head, const Event& event, RequestDone done,
                    RequestPart on_part = {});
    // The same in the turn.
    RequestId start_in_turn(const RequestHead& head, const Event& event, RequestDone done,
                            RequestPart on_part = {});
    // Nobody wants to know any more: it ends with `cancelled`, if it has not ended.
    void cancel(RequestId request);
    // A responder may send this much more in parts.
    void grant(RequestId request, std::uint64_t responder, std::uint64_t bytes);

    // Participant
    void connected() override;
    void disconnected(const Error& why) override;
    bool pushed(const wire::Frame& frame, const BufferRef& buffer) override;
    bool answered(const wire::Frame& frame) override;
    [[nodiscard]] bool expects_answers() const override { return under_way_ != 0; }
    bool drain() override;
    bool ready() override { return has_news_.load(std::memory_order_seq_cst); }
    void shut_down() override;

private:
    struct Slot {
        enum class State : std::uint8_t { free, unsent, sent } state = State::free;
        std::uint16_t generation = 0;
        SteadyTime deadline{};
        std::uint64_t number = 0;  // its RequestId
        RequestDone done;
        RequestPart on_part;
    };
    // From another thread, or without a connection.
    struct Queued {
        std::string subject;
        RequestHead head;
        std::vector<std::byte> batch;
        RequestDone done;
        RequestPart on_part;
        std::uint64_t number = 0;
        std::uint32_t slot = 0;  // when it is in one
    };
    struct Order {
        RequestId request;
        std::uint64_t responder;
        std::uint64_t bytes;  // 0: cancel
    };

    [[nodiscard]] Result<void> check(const RequestHead& head, const Event& event) const;
    static std::span<const std::byte> encode(wire::BatchBuilder& builder, const Event& event,
                                             std::vector<std::byte>& into);
    void begin(const RequestHead& head, std::span<const std::byte> batch, std::uint64_t number,
               RequestDone done, RequestPart on_part);
    void send(std::uint32_t slot, const RequestHead& head, std::span<const std::byte> batch);
    template <class Message>
    void send_one_way(wire::Api api, const Message& message);
    void carry_out(const Order& order);
    void tell(Order order);

    [[nodiscard]] Slot* find(std::uint32_t correlation_id) noexcept;
    [[nodiscard]] std::uint32_t correlation_of(std::uint32_t slot) const noexcept;
    void finish(std::uint32_t slot, Result<Reply> outcome);
    void arm(SteadyTime deadline);
    void expire();

    // Fixed after construction.
    Core& core_;

    // Shared.
    std::atomic<std::uint64_t> last_number_{0};
    std::atomic<bool> has_news_{false};
    std::mutex mutex_;  // of the three below
    bool accepts_ = true;
    std::vector<Queued> queued_;
    std::vector<Order> orders_;

    // Owned by the I/O thread.
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::size_t under_way_ = 0;
    std::deque<Queued> unsent_;  // for want of a connection
    Timer timer_;
    std::optional<SteadyTime> armed_for_;
    bool stopped_ = false;
    wire::Encoder encoder_;
    wire::BatchBuilder builder_;
    std::vector<std::byte> batch_;
    std::vector<Queued> taken_;
    std::vector<Order> taken_orders_;
};

// A wait for the callback of one request, from another thread than the one that runs it.
class RequestWait {
public:
    void finish() {
        const std::lock_guard lock(mutex_);
        finished_ = true;
        changed_.notify_one();  // inside: the waiter may end this object as soon as it is outside
    }
    [[nodiscard]] bool finished() {
        const std::lock_guard lock(mutex_);
        return finished_;
    }
    void wait() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return finished_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool finished_ = false;
};

// Begins a request and waits for its end, doing the client's I/O if nobody else does.
// `finish` of `wait` must be called by `done`.
inline void request_and_wait(Core& core, const RequestHead& head, const Event& event,
                             RequestWait& wait, RequestDone done, RequestPart on_part = {}) {
    // The port's own timer ends it in time; this is for the case that it cannot.
    const SteadyTime until = head.deadline + std::chrono::seconds(5);
    const bool drove =
        core.drive([&] { core.requests().start_in_turn(head, event, done, on_part); },
                   [&] { return wait.finished(); }, until);
    if (!drove) core.requests().start(head, event, std::move(done), std::move(on_part));
    wait.wait();
}

}  // namespace casc::client
