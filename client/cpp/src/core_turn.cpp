// The part of Core that decides which thread does the I/O.
#include "core.hpp"

#include <algorithm>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

namespace casc::client {
namespace {

using Clock = std::chrono::steady_clock;

// So long after another thread's last turn the I/O thread expects the next one.
constexpr std::chrono::milliseconds kShared{10};
// Timers are this late at most while the I/O thread watches from outside, and so long it watches
// at most. Each look takes a processor away from those who have the turns: a hundredth of the time
// is what one event in a hundred feels.
constexpr std::chrono::milliseconds kLate{2};
constexpr std::chrono::milliseconds kLookAgain{50};
// A turn that another thread takes by the way ends after so many rounds, whatever comes in.
constexpr int kRoundsMax = 8;

std::int64_t nanoseconds_of(Clock::time_point time) {
    return time.time_since_epoch().count();
}

int milliseconds_until(Clock::time_point time) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - Clock::now());
    return static_cast<int>(std::max(left.count(), std::int64_t{0}));
}

}  // namespace

// ---- the I/O thread -----------------------------------------------------------------------------

void Core::run() {
    ::pthread_setname_np(::pthread_self(), "casc-client");
    turn_.lock();
    begin_turn();
    start_deadline_ = Clock::now() + options_.connect_timeout;
    connect_now();
    while (!stopping_) {
        const SteadyTime now = Clock::now();
        if (turn()) continue;
        if (driving_.load(std::memory_order_seq_cst)) {
            const SteadyTime until = watch_until(now);
            leave_turn();
            wait_for_driver(until);
        } else if (link() != nullptr &&
                   nanoseconds_of(Clock::now()) < shared_.load(std::memory_order_relaxed)) {
            watch_from_outside(watch_until(now));
            turn_.lock();
        } else {
            sleep_until_work({});
            continue;
        }
        watched_until_ = {};
        begin_turn();
    }
    stop_everything();
    leave_turn();
}

// How long the I/O thread may stay away from the turn, having served what was due at `now`. From
// here on whoever sets a timer for earlier wakes it.
SteadyTime Core::watch_until(SteadyTime now) {
    const bool looks = std::any_of(participants_.begin(), participants_.end(),
                                   [](const auto& each) { return each->needs_looks(); });
    const SteadyTime timer = timers_.next_after(now);
    watched_until_ = std::clamp(timer, now + kLate, now + (looks ? kLate : kLookAgain));
    return watched_until_;
}

// With the turn, before it is left: whether the I/O thread has to be woken because of a timer.
bool Core::must_be_watched_earlier() noexcept {
    if (timers_.earliest_noted() >= watched_until_ - kLate) return false;
    watched_until_ = {};
    return true;
}

// Drives that follow each other at once are not worth a wake-up in between. So first it is only
// looked, now and then, whether they do (what is posted wakes it, too); once a drive lasts its end
// is waited for. Comes back with the turn.
void Core::wait_for_driver(SteadyTime until) {
    for (;;) {
        const std::uint32_t drives = drives_.load(std::memory_order_relaxed);
        pollfd news{waker_->fd(), POLLIN, 0};
        const bool is_woken = ::poll(&news, 1, milliseconds_until(until)) > 0;
        if (!driving_.load(std::memory_order_seq_cst)) return turn_.lock();
        if (is_woken || drives == drives_.load(std::memory_order_relaxed)) break;
        if (turn_.try_lock()) return;
        until = Clock::now() + kLate;
    }
    std::unique_lock lock(driver_mutex_);
    io_waits_.store(true, std::memory_order_seq_cst);  // pairs with end_driving()
    driver_left_.wait(lock, [this] { return !driving_.load(std::memory_order_seq_cst); });
    io_waits_.store(false, std::memory_order_relaxed);
    lock.unlock();
    turn_.lock();
}

bool Core::expects_answers() const {
    if (calls_.size() != 0) return true;
    for (const auto& participant : participants_)
        if (participant->expects_answers()) return true;
    return false;
}

// Leaves the turn to others and sleeps until something happens that they may not see. The socket is
// watched for answers only: pushes are for a consumer, who will ask for them.
void Core::watch_from_outside(SteadyTime until) {
    std::array<pollfd, 2> sources{pollfd{waker_->fd(), POLLIN, 0}, pollfd{-1, POLLIN, 0}};
    if (expects_answers()) sources[1].fd = link_->descriptor();
    if (link_->waits_to_write()) {
        sources[1].fd = link_->descriptor();
        if (!link_->uses_rings()) sources[1].events = POLLIN | POLLOUT;
    }
    arm();
    if (has_news() || (sources[1].fd >= 0 && !link_->arm_rings())) return leave_turn();
    leave_turn();
    static_cast<void>(::poll(sources.data(), sources.size(), milliseconds_until(until)));
}

// ---- a turn -------------------------------------------------------------------------------------

// One round; true when there was something to do.
bool Core::turn() {
    posted_.store(false, std::memory_order_seq_cst);
    std::size_t done = context_.poll();
    if (link_ && link_->serve_rings()) ++done;
    if (drain_participants()) ++done;
    if (link_) link_->flush();
    return done != 0;
}

void Core::begin_turn() {
    turn_of_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    disarm();
    if (link_) link_->disarm_rings();
}

void Core::leave_turn() noexcept {
    turn_of_.store({}, std::memory_order_relaxed);
    turn_.unlock();
}

bool Core::try_begin_turn() {
    if (is_closed() || has_turn()) return false;
    // Also when it fails: so the I/O thread learns that it had better keep away.
    shared_.store(nanoseconds_of(Clock::now() + kShared), std::memory_order_relaxed);
    if (!turn_.try_lock()) return false;
    begin_turn();
    return true;
}

// The waker stays armed while nobody has the turn: the I/O thread sleeps on it. The rings are armed
// again if it may be watching them.
void Core::end_turn() {
    // What the turn was taken for goes out before anybody looks at what has come in.
    drain_participants();
    if (link_) link_->flush();
    for (int round = 0;; ++round) {
        while (turn() && round < kRoundsMax)
            ++round;
        arm();
        if (!has_news() && arm_watched_rings()) break;
        if (round >= kRoundsMax) {
            waker_->wake();
            break;
        }
        disarm();
    }
    const bool earlier = must_be_watched_earlier();
    leave_turn();
    if (earlier) waker_->wake();
}

bool Core::arm_watched_rings() {
    if (!link_ || !link_->uses_rings()) return true;
    if (!link_->waits_to_write() && !expects_answers()) return true;
    return link_->arm_rings();
}

bool Core::begin_writing() {
    if (is_closed() || has_turn()) return false;
    shared_.store(nanoseconds_of(Clock::now() + kShared), std::memory_order_relaxed);
    if (!turn_.try_lock()) return false;
    turn_of_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    return true;
}

// The waker has stayed armed: whoever watches goes on, and need not know, unless there is more to
// do than to read.
void Core::end_writing() {
    const bool more = link() == nullptr || !link_->try_flush() || link_->waits_to_write();
    leave_turn();
    if (more) waker_->wake();
}

// ---- a consumer that waits ----------------------------------------------------------------------

bool Core::begin_driving() {
    if (is_closed() || has_turn() || driving_.exchange(true, std::memory_order_seq_cst))
        return false;
    if (!turn_.try_lock()) {
        waker_->wake();  // the I/O thread sleeps with the turn, and finds driving_ set
        turn_.lock();
    }
    begin_turn();
    return true;
}

void Core::end_driving() {
    shared_.store(nanoseconds_of(Clock::now() + kShared), std::memory_order_relaxed);
    drives_.fetch_add(1, std::memory_order_relaxed);
    // Whoever drives wants to go on with what it has got: nothing more is read.
    if (link_ && link_->unwritten_bytes() != 0) link_->flush();
    const bool must_watch = expects_answers() || must_be_watched_earlier();
    arm();
    if (has_news()) {
        disarm();
        end_turn();
    } else {
        leave_turn();
    }
    driving_.store(false, std::memory_order_seq_cst);
    if (must_watch) waker_->wake();  // ends the I/O thread's moment, if it is in one
    if (!io_waits_.load(std::memory_order_seq_cst)) return;  // pairs with wait_for_driver()
    const std::lock_guard lock(driver_mutex_);
    driver_left_.notify_one();
}

// ---- sleeping -----------------------------------------------------------------------------------

// Asked with the waker armed: what comes after it wakes whoever sleeps.
bool Core::has_news() {
    if (posted_.load(std::memory_order_seq_cst)) return true;
    for (const auto& participant : participants_)
        if (participant->ready()) return true;
    return false;
}

void Core::arm() noexcept {
    if (!std::exchange(armed_, true)) waker_->arm();
}

void Core::disarm() noexcept {
    if (std::exchange(armed_, false)) waker_->disarm();
}

// A consumer, requester or responder whose bytes come through memory looks there again for a
// moment: to wake it would take longer than all the rest of the way. Whoever wants this processor
// meanwhile gets it, and where it does not pay it is given up for a while.
bool Core::wait_briefly(SteadyTime until) {
    if (!link_ || !link_->uses_rings() || !brief_wait_.is_worth_it()) return false;
    const SteadyTime end = std::min(until, Clock::now() + ring::BriefWait::kLength);
    bool has_come = false;
    do {
        has_come = link_->has_bytes();
        if (!has_come) ::sched_yield();
    } while (!has_come && Clock::now() < end);
    brief_wait_.record(has_come);
    return has_come;
}

// With the turn, on all that the context knows.
void Core::sleep_until_work(std::optional<SteadyTime> until) {
    if (until && wait_briefly(*until)) return;
    if (!wakeups_awaited_) wait_for_wakeups();
    arm();
    // Only the I/O thread has no end; it lets a consumer drive instead.
    const bool give_way = !until && driving_.load(std::memory_order_seq_cst);
    if (!give_way && !has_news() && (!link_ || link_->arm_rings())) {
        if (until) {
            context_.run_one_until(*until);
        } else {
            context_.run_one();
        }
        if (link_) link_->disarm_rings();
    }
    disarm();
}

void Core::wait_for_wakeups() {
    // Awaited again only before the next sleep, when disarm() has emptied the descriptor.
    wakeups_awaited_ = true;
    wakeups_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [this](const boost::system::error_code&) { wakeups_awaited_ = false; });
}

bool Core::drain_participants() {
    bool any = false;
    // By index: draining may run a callback that attaches another.
    for (std::size_t i = 0; i < participants_.size(); ++i)
        any = participants_[i]->drain() || any;
    return any;
}

// What was posted is in the context; this wakes whoever sleeps, on the waker or in the context.
void Core::tell_posted() {
    posted_.store(true, std::memory_order_seq_cst);
    waker_->wake();
}

}  // namespace casc::client
