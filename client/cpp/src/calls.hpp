#pragma once
// client/src/calls.hpp: the requests that wait for an answer on the current connection, and until
// when.

#include "steady_time.hpp"

#include <casc/client/reply.hpp>
#include <casc/wire/frame.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>

namespace casc::client {

// Thread: the client's I/O thread. Callbacks run inside the calls that say so and may add new
// requests.
class Calls {
public:
    // Remembers a request and returns its correlation id. nullopt: it has no deadline of its own.
    [[nodiscard]] std::uint32_t add(ReplyCallback done, std::optional<SteadyTime> deadline);

    // Hands an answer (response or error) to its request. False when nobody waits for it (any
    // more).
    bool answer(const wire::Frame& frame);
    // Fails what is overdue at `now` with timeout.
    void expire(SteadyTime now);
    // Fails everything; the connection that carried it is gone.
    void fail_all(const Error& why);

    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }
    [[nodiscard]] std::optional<SteadyTime> next_deadline() const;

private:
    using Deadlines = std::multimap<SteadyTime, std::uint32_t>;
    struct Waiting {
        ReplyCallback done;
        Deadlines::iterator deadline;  // end() without one
    };

    std::unordered_map<std::uint32_t, Waiting> waiting_;
    Deadlines deadlines_;
    std::uint32_t next_id_ = 2;  // 1 is the hello's
};

// What an ErrorReply frame says. A body that is no ErrorReply reads as malformed_message.
[[nodiscard]] Error error_of(const wire::Frame& frame);

}  // namespace casc::client
