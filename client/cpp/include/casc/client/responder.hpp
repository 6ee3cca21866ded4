#pragma once
// casc/client/responder.hpp: serves a subject: takes requests and answers each of them.
//
//   CASC_TRY(auto responder, client->serve({.subject = "sum"}));
//   while (running) {
//       CASC_TRY(const auto requests, responder.poll(100, 100ms));
//       for (const ReceivedRequest& r : requests)
//           CASC_TRY_VOID(responder.answer(r.id, {.payload = add_up(r.event.payload)}));
//   }

#include <casc/client/options.hpp>
#include <casc/client/producer.hpp>
#include <casc/types/result.hpp>
#include <casc/wire/batch.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace casc::client {

class ResponderImpl;

// A request that this responder has: good for one answer.
struct CallId {
    std::uint64_t value = 0;
    friend auto operator<=>(const CallId&, const CallId&) = default;
};

// Views into the receive buffer: valid until the next poll of the responder.
struct ReceivedRequest {
    CallId id;
    wire::EventView event;
    std::chrono::steady_clock::time_point deadline;  // nobody waits for an answer after it
    bool takes_parts = false;                        // the answer may come in parts
};

struct ServeOptions {
    std::string subject{};
    // Requests that this responder has at a time, in its hands or on their way to them. The others
    // wait in the broker, or go to other responders.
    std::uint32_t open_max = 1000;
    // Told, inside poll(), part() or close(), of requests for which nobody waits any more: their
    // deadline has passed (timeout), they were cancelled, the requester is gone
    // (connection_closed), or the connection to the broker (call_ended). Must not use the responder
    // but is_open().
    std::function<void(CallId, ErrorCode why)> on_cancelled{};
};

// The broker pushes requests ahead of poll(), up to options.open_max. Answers that are given one
// quickly after the other leave together; each leaves at once when it took longer, and all of them
// at the next poll() or flush().
//
// Errors of poll() leave it usable: when the connection breaks it serves again by itself. The
// requests that it had then are lost; the requesters have been told (responder_lost).
//
// Thread:   poll(), part(), when_ready(), stop() and close() one at a time; answer(), fail(),
//           try_part(), is_open() and flush() any.
// Lifetime: the destructor closes.
class Responder {
public:
    explicit Responder(std::unique_ptr<ResponderImpl> impl);  // see Client::serve
    ~Responder();
    Responder(Responder&&) noexcept;
    Responder& operator=(Responder&&) noexcept;

    // Up to `max_requests` requests; waits for the first one until `timeout` and is empty then. The
    // views of the last poll are invalid from here on. Fails with: what serving says, cancelled
    // (closed).
    [[nodiscard]] Result<std::span<const ReceivedRequest>> poll(std::size_t max_requests,
                                                                milliseconds timeout);

    // The last word on a request. Fail with: call_ended (answered before, or nobody waits any
    // more), event_too_large, invalid_request.
    [[nodiscard]] Result<void> answer(CallId call, const Event& event);
    // `why` is what the requester's error says: responder_failed, or anything that fits better.
    [[nodiscard]] Result<void> fail(CallId call, const Error& why);

    // A part of an answer, of which more will follow. try_part() fails with queue_full when the
    // requester has not taken enough of the parts before; part() waits for it until the request's
    // deadline. Fail with: not_supported (the requester takes no parts), call_ended.
    [[nodiscard]] Result<void> try_part(CallId call, const Event& event);
    [[nodiscard]] Result<void> part(CallId call, const Event& event);

    // Whether somebody still waits for an answer, as far as poll() and part() have heard.
    [[nodiscard]] bool is_open(CallId call) const;
    // Requests that were handed out and not answered.
    [[nodiscard]] std::size_t open_count() const;

    // Sends what was answered, without waiting.
    void flush();

    // `done` runs once, where callbacks run or at once, when poll() has something to do.
    void when_ready(std::function<void()> done);

    // Takes nothing new: from now on others are asked, and poll() gives what had come before. What
    // is open may still be answered; close() follows. Fails with: timeout (the broker has not said
    // so, and may go on asking), and what it says.
    Result<void> stop();
    // Serves no longer. What is not answered fails at once, as responder_lost.
    Result<void> close();

private:
    std::unique_ptr<ResponderImpl> impl_;
};

}  // namespace casc::client
