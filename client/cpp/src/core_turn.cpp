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
        const bool is_driven = driving_.load(std::memory_order_seq_cst);
        const bool is_left_to_others = is_driven || (link() != nullptr && is_shared(now));
        if (!is_left_to_others) {
            sleep_until_work({});
            continue;
        }
        // First: who wants more to be watched than is wakes us from here on.
        arm();
        watching_.store(true, std::memory_order_seq_cst);
        watch_ = what_to_watch(now, is_driven);
        if (has_news() || (watch_.socket && !link_->arm_rings())) {
            disarm();
        } else {
            const Watch watch = watch_;
            const int socket = watch.socket ? link_->descriptor() : -1;
            const bool bells_only = link_ && link_->uses_rings();
            leave_turn();
            if (is_driven) {
                wait_for_driver(watch.until);
            } else {
                watch_from_outside(watch, socket, bells_only);
            }
            begin_turn();
        }
        watching_.store(false, std::memory_order_relaxed);
        watch_ = {};
    }
    stop_everything();
    leave_turn();
}

// The I/O thread's, when it leaves the turn to others, having served what was due at `now`. Of the
// socket it watches for answers, and for pushes that somebody waits for without driving; who drives
// asks for them himself. Also for a moment after the last answer: a program that asks again and
// again need not wake anybody each time.
Core::Watch Core::what_to_watch(SteadyTime now, bool is_driven) {
    Watch watch;
    watch.looks = needs_looks();
    watch.until =
        std::clamp(timers_.next_after(now), now + kLate, now + (watch.looks ? kLate : kLookAgain));
    if (is_driven) return watch;
    watch.writable = link_->waits_to_write();
    watch.socket = watch.writable || needs_socket() || now < answers_until_;
    return watch;
}

// With the turn, before it is left and with the waker armed: whether the I/O thread watches for
// less than is needed now, and so has to be woken. Asked by each turn until it has come, since
// another turn may take the wake-up away.
bool Core::watches_too_little() {
    const bool answers = expects_answers();
    if (answers) answers_until_ = Clock::time_point(Clock::duration(shared_.load()));
    if (watch_.until == SteadyTime{}) return false;  // it does not watch
    return stopping_ || link() == nullptr || timers_.earliest_noted() < watch_.until - kLate ||
           (link_->waits_to_write() && !watch_.writable) ||
           (!watch_.socket && (answers || expects_pushes())) || (!watch_.looks && needs_looks());
}

bool Core::expects_answers() const {
    return calls_.size() != 0 ||
           std::any_of(participants_.begin(), participants_.end(),
                       [](const auto& each) { return each->expects_answers(); });
}

bool Core::expects_pushes() const {
    return std::any_of(participants_.begin(), participants_.end(),
                       [](const auto& each) { return each->expects_pushes(); });
}

bool Core::expects_more_soon() const {
    return link_->uses_rings() ||
           std::any_of(participants_.begin(), participants_.end(),
                       [](const auto& each) { return each->expects_more_soon(); });
}

bool Core::needs_looks() const {
    return std::any_of(participants_.begin(), participants_.end(),
                       [](const auto& each) { return each->needs_looks(); });
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

// Sleeps until something happens that others may not see. Comes back with the turn.
void Core::watch_from_outside(const Watch& watch, int socket, bool bells_only) {
    std::array<pollfd, 2> sources{pollfd{waker_->fd(), POLLIN, 0}, pollfd{socket, POLLIN, 0}};
    if (watch.writable && !bells_only) sources[1].events = POLLIN | POLLOUT;
    static_cast<void>(::poll(sources.data(), sources.size(), milliseconds_until(watch.until)));
    turn_.lock();
}

// ---- a turn -------------------------------------------------------------------------------------

// One round; true when there was something to do.
bool Core::turn() {
    posted_.store(false, std::memory_order_seq_cst);
    std::size_t done = context_.poll();
    if (link_ && link_->serve_rings()) ++done;
    if (drain_participants()) ++done;
    if (link_ && link_->flush()) ++done;
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
        bool more = false;
        while ((more = turn()) && round < kRoundsMax)
            ++round;
        arm();
        if (!more && !has_news() && arm_watched_rings()) break;
        if (round >= kRoundsMax) {
            waker_->wake();
            break;
        }
        disarm();
    }
    if (watches_too_little()) waker_->wake();
    leave_turn();
}

bool Core::arm_watched_rings() {
    if (!link_ || !link_->uses_rings()) return true;
    if (!watch_.socket && !link_->waits_to_write() && !needs_socket()) return true;
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
    // While the turn is ours: else the I/O thread could take it for driven when nobody drives it.
    driving_.store(false, std::memory_order_seq_cst);
    arm();
    // A drive leaves things half-way: a read that has begun, rings that nobody is asked to ring.
    if (has_news() || needs_socket()) {
        disarm();
        end_turn();
    } else {
        if (watches_too_little()) waker_->wake();
        leave_turn();
    }
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
// moment: to wake it would take longer than all the rest of the way. So does a responder on a
// socket, whose next requests are often on their way while it answers. Whoever wants this processor
// meanwhile gets it, and where it does not pay it is given up for a while.
bool Core::wait_briefly(SteadyTime until) {
    if (!link_ || !expects_more_soon() || !brief_wait_.is_worth_it()) return false;
    const SteadyTime end = std::min(until, Clock::now() + ring::BriefWait::kLength);
    bool has_come = false;
    do {
        has_come = link_->uses_rings() ? link_->has_bytes() : context_.poll_one() != 0;
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
