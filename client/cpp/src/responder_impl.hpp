#pragma once
// client/src/responder_impl.hpp: a responder on the threads of the program.

#include "blocking_call.hpp"
#include "open_batches.hpp"
#include "responder_port.hpp"

#include <casc/client/responder.hpp>
#include <casc/wire/batch_builder.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

namespace casc::client {

// Thread:   as Responder says. What answers need is under mutex_; the rest is the polling thread's.
// Lifetime: owned by the Responder; the port it shares with the core survives it.
class ResponderImpl {
public:
    ResponderImpl(std::shared_ptr<Core> core, std::uint32_t serve_id, ServeOptions options);
    ~ResponderImpl();

    // Waits until the broker has agreed.
    Result<void> open();

    Result<std::span<const ReceivedRequest>> poll(std::size_t max_requests, milliseconds timeout);
    Result<void> answer(CallId call, const Event& event);
    Result<void> fail(CallId call, const Error& why);
    Result<void> try_part(CallId call, const Event& event);
    Result<void> part(CallId call, const Event& event);
    [[nodiscard]] bool is_open(CallId call) const;
    [[nodiscard]] std::size_t open_count() const;
    void flush();
    void when_ready(std::function<void()> done);
    Result<void> stop();
    Result<void> close();

private:
    using Steady = std::chrono::steady_clock;
    struct Open {
        Steady::time_point deadline;
        std::int64_t credit_bytes;
        bool takes_parts;
    };

    ResponderImpl(std::shared_ptr<Core> core, std::uint32_t serve_id, ServeOptions options,
                  std::shared_ptr<ring::Waker> waker);
    ResponderImpl(std::shared_ptr<Core> core, std::uint32_t serve_id, ServeOptions options,
                  std::shared_ptr<ring::Waker> waker, ring::Ring<InboxItem> inbox);

    void serve();
    void serve_failed(const Error& why);
    void stop_serving();
    void take_news();
    void handle(Notice& notice);
    void wait_for_news(Steady::time_point until);
    void lose_everything();
    void cancelled(std::uint64_t call, ErrorCode why);
    void hand_out(std::size_t max_requests);
    void take_call(InboxItem& item);
    [[nodiscard]] std::optional<Error> next_error();

    // With mutex_ held.
    [[nodiscard]] Result<std::span<const std::byte>> encode(const Event& event);
    void say(std::uint64_t call, bool more, std::span<const std::byte> batch, const Error* error);

    // Fixed after construction.
    const std::shared_ptr<Core> core_;
    const std::uint32_t serve_id_;
    const ServeOptions options_;
    const std::shared_ptr<ring::Waker> waker_;
    const std::shared_ptr<ResponderPort> port_;

    // The polling thread's.
    ring::RingConsumer<InboxItem> inbox_;
    std::deque<InboxItem> calls_;  // that came and were not handed out
    std::vector<ReceivedRequest> handed_out_;
    OpenBatches batches_;
    std::uint32_t served_on_ = 0;  // the connection on which we last asked to serve
    bool serving_ = false;
    bool stopped_ = false;
    bool closed_ = false;
    std::optional<Error> ended_;  // the client is closed
    Steady::time_point serve_at_ = Steady::time_point::max();
    Backoff backoff_;
    std::vector<Error> errors_;  // to be returned by poll(), one at a time

    // Of all threads.
    mutable std::mutex mutex_;
    std::uint32_t connection_ = 0;  // 0: none
    boost::unordered_flat_map<std::uint64_t, Open> open_;
    std::size_t unanswered_ = 0;  // of those that the last poll handed out
    std::thread::id polling_;
    Steady::time_point last_answer_{};
    wire::BatchBuilder builder_;
    std::vector<std::byte> batch_;
    wire::Encoder encoder_;
};

}  // namespace casc::client
