#pragma once
// client/src/timer.hpp: the timers of a client. They run in its context; whoever sleeps outside of
// that, as the I/O thread does while other threads take turns, asks here how long it may.

#include "steady_time.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <functional>
#include <queue>
#include <vector>

namespace casc::client {

// When timers have been set for. A time stays noted until it is over, also when its timer is set
// anew or cancelled: then somebody looks once in vain.
//
// Thread: the I/O thread.
class Timers {
public:
    explicit Timers(boost::asio::io_context& context) : context_(context) {}

    [[nodiscard]] boost::asio::io_context& context() const noexcept { return context_; }
    void note(SteadyTime when) {
        // Nobody may ask for a long time, as while one thread has all the turns. What has been over
        // for so long has been served.
        while (!times_.empty() &&
               times_.top() < std::chrono::steady_clock::now() - std::chrono::seconds(1))
            times_.pop();
        times_.push(when);
        noted_ = std::min(noted_, when);
    }
    // The first one after `now`, when all until then have been served. The times that are noted
    // from here on are seen by earliest_noted().
    [[nodiscard]] SteadyTime next_after(SteadyTime now) {
        noted_ = SteadyTime::max();
        while (!times_.empty() && times_.top() <= now)
            times_.pop();
        return times_.empty() ? SteadyTime::max() : times_.top();
    }
    [[nodiscard]] SteadyTime earliest_noted() const noexcept { return noted_; }
    [[nodiscard]] std::size_t size() const noexcept { return times_.size(); }

private:
    boost::asio::io_context& context_;
    std::priority_queue<SteadyTime, std::vector<SteadyTime>, std::greater<>> times_;
    SteadyTime noted_ = SteadyTime::max();
};

// Lifetime: may go while it is set; its handler is called then, cancelled.
class Timer {
public:
    explicit Timer(Timers& timers) : timers_(timers), timer_(timers.context()) {}

    // Calls `handler(error_code)` then; instead of, and with an error for, what it was set for.
    template <class Handler>
    void set_at(SteadyTime when, Handler&& handler) {
        timers_.note(when);
        timer_.expires_at(when);
        timer_.async_wait(std::forward<Handler>(handler));
    }
    template <class Duration, class Handler>
    void set_after(Duration pause, Handler&& handler) {
        set_at(std::chrono::steady_clock::now() + pause, std::forward<Handler>(handler));
    }
    void cancel() { timer_.cancel(); }

private:
    Timers& timers_;
    boost::asio::steady_timer timer_;
};

}  // namespace casc::client
