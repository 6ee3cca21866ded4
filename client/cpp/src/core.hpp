#pragma once
// client/src/core.hpp: the client's I/O: it keeps a connection, carries requests, and serves the
// producers and consumers that hang on it.
//
// One thread at a time has the turn: it alone touches what is said to be the I/O thread's. Mostly
// that is the client's own thread. But a wake-up of another thread costs more than the I/O it is
// woken for, so a consumer that waits in poll() takes the turn and sleeps on the socket itself
// (drive()), and a producer without linger takes it for the moment of a send (Turn). While they do,
// the I/O thread stays away from the turn, watching for what nobody else would see.

#include "backoff.hpp"
#include "calls.hpp"
#include "link.hpp"
#include "timer.hpp"

#include <casc/client/options.hpp>
#include <casc/ring/brief_wait.hpp>
#include <casc/ring/waker.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace casc::client {

class RequestPort;

// What a producer or consumer looks like from the I/O thread.
// Thread: the I/O thread.
class Participant {
public:
    virtual ~Participant() = default;
    virtual void connected() = 0;
    virtual void disconnected(const Error& why) = 0;
    // A pushed frame; true when it was for this participant.
    virtual bool pushed(const wire::Frame& frame, const BufferRef& buffer) = 0;
    // An answer to a request that was numbered from kOwnNumbers on; true when it was for this
    // participant.
    virtual bool answered(const wire::Frame&) { return false; }
    // Whether there are such requests.
    [[nodiscard]] virtual bool expects_answers() const { return false; }
    // Whether somebody waits for what is pushed to it and does not drive(): set with seq_cst, then
    // Core::look_after_waiters().
    [[nodiscard]] virtual bool expects_pushes() const { return false; }
    // Whether its drain() does things by the clock for which no timer is set: then somebody looks
    // every few milliseconds.
    [[nodiscard]] virtual bool needs_looks() const { return false; }
    // Whether what somebody drives for often comes at once after what came before.
    [[nodiscard]] virtual bool expects_more_soon() const { return false; }
    // Takes what the user's threads have handed over; true when there was something.
    virtual bool drain() = 0;
    // Whether drain() would find something: asked with the waker armed, so with seq_cst loads.
    [[nodiscard]] virtual bool ready() = 0;
    // The client closes: nothing will be sent or received any more.
    virtual void shut_down() = 0;
};

// Thread:   start(), request(), post(), attach(), detach(), close() any; the rest the I/O thread.
// Lifetime: shared by the Client and everything made from it; close() joins the thread, so it must
// not be called on it.
class Core final : public std::enable_shared_from_this<Core>, public LinkOwner {
public:
    // Correlation ids from here on are given out by participants, the others by calls().
    static constexpr std::uint32_t kOwnNumbers = 1u << 31;

    // Parses the endpoints, starts the thread and waits for the first connection.
    // Fails with: invalid_config, timeout, what the last endpoint said.
    [[nodiscard]] static Result<std::shared_ptr<Core>> start(ClientOptions options);
    explicit Core(ClientOptions options, std::vector<Endpoint> endpoints);
    ~Core();

    // Sends a request and calls `done` on the I/O thread, always, exactly once. Without a
    // connection the request waits for one until its deadline. Fails with: queue_full (kRequestsMax
    // wait already), timeout, connection_closed (may or may not have been carried out; what only
    // reads is asked once more before), cancelled, what the broker says.
    void request(wire::Api api, std::vector<std::byte> body, std::optional<milliseconds> deadline,
                 ReplyCallback done, std::vector<std::byte> attachments = {});
    // Runs `work` on the I/O thread. False when the client is closed; then `work` is destroyed
    // without a run.
    bool post(std::function<void()> work);
    void attach(std::shared_ptr<Participant> participant);
    // Returns when the I/O thread will not touch the participant again.
    void detach(const std::shared_ptr<Participant>& participant);
    void close();

    // ---- the turn (core_turn.cpp) ----
    // Whether the calling thread has it, so is inside a callback or a turn of its own.
    [[nodiscard]] bool has_turn() const noexcept {
        return turn_of_.load(std::memory_order_relaxed) == std::this_thread::get_id();
    }
    // The turn, for as long as this lives; then what there is to do is done and written. Empty when
    // another thread has it, which will see to everything in our place.
    class Turn {
    public:
        explicit Turn(Core& core) : core_(core.try_begin_turn() ? &core : nullptr) {}
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn() {
            if (core_ != nullptr) core_->end_turn();
        }
        explicit operator bool() const noexcept { return core_ != nullptr; }

    private:
        Core* const core_;
    };
    // Runs `write(link)`, which may put frames into an open link and nothing else, and writes them,
    // if the turn is free. Shorter than a Turn: nothing is read, no callback runs. False: nothing
    // was done.
    template <class Write>
    [[nodiscard]] bool write_now(Write&& write) {
        if (!begin_writing()) return false;
        const bool is_open = link() != nullptr;
        if (is_open) write(*link());
        end_writing();
        return is_open;
    }
    // Whether other threads have taken turns lately: then the I/O thread watches from outside, and
    // looks after those who need it (Participant::needs_looks()) every few milliseconds.
    [[nodiscard]] bool is_shared(SteadyTime now) const noexcept {
        return now.time_since_epoch().count() < shared_.load(std::memory_order_relaxed);
    }
    // Somebody waits, see Participant::expects_pushes(). Any thread.
    void look_after_waiters() noexcept {
        if (watching_.load(std::memory_order_seq_cst)) waker_->signal();
    }
    // Does the client's I/O in the calling thread until `enough()` or `until`. False, at once: this
    // thread or another consumer's does it already, or the client is closed; wait for the news.
    template <class Enough>
    [[nodiscard]] bool drive(Enough&& enough, SteadyTime until) {
        return drive([] {}, std::forward<Enough>(enough), until);
    }
    // Begins with `begin()`, in the turn; what it sends is written at once.
    template <class Begin, class Enough>
    [[nodiscard]] bool drive(Begin&& begin, Enough&& enough, SteadyTime until) {
        if (!begin_driving()) return false;
        begin();
        if (link_) link_->flush();
        while (!enough() && !stopping_ && std::chrono::steady_clock::now() < until) {
            if (!turn() && !enough()) sleep_until_work(until);
        }
        end_driving();
        return true;
    }

    [[nodiscard]] bool is_closed() const noexcept {
        return closed_.load(std::memory_order_acquire);
    }
    [[nodiscard]] const ClientOptions& options() const noexcept { return options_; }
    [[nodiscard]] const std::shared_ptr<ring::Waker>& waker() const noexcept { return waker_; }
    // The requests of this client to the responders of subjects.
    [[nodiscard]] RequestPort& requests() noexcept;

    // What the broker said when we last connected. Any thread.
    [[nodiscard]] wire::fb::HelloReplyT broker() const {
        const std::lock_guard lock(broker_mutex_);
        return broker_;
    }

    // A number that no other subscription of this client has. Any thread.
    [[nodiscard]] std::uint32_t next_subscription() noexcept {
        return subscriptions_.fetch_add(1, std::memory_order_relaxed) + 1;
    }

    // ---- I/O thread only ----
    // The open connection, or null.
    [[nodiscard]] Link* link() noexcept {
        return link_ && link_->is_open() ? link_.get() : nullptr;
    }
    [[nodiscard]] Calls& calls() noexcept { return calls_; }
    [[nodiscard]] Timers& timers() noexcept { return timers_; }
    // Like request(), from the I/O thread and at once; only while link() is there.
    void send_now(wire::Api api, std::span<const std::byte> body, ReplyCallback done);
    void send_one_way(wire::Api api, std::span<const std::byte> body);
    // The connection broke a rule of the protocol and is given up.
    void give_up_link(const Error& why);

private:
    struct Unsent {
        wire::Api api;
        std::vector<std::byte> body;
        ReplyCallback done;
        SteadyTime deadline;
        std::vector<std::byte> attachments{};
    };
    static constexpr std::size_t kRequestsMax = 4096;

    void run();
    [[nodiscard]] bool try_begin_turn();
    void begin_turn();
    void end_turn();
    void leave_turn() noexcept;
    [[nodiscard]] bool arm_watched_rings();
    [[nodiscard]] bool begin_writing();
    void end_writing();
    bool turn();
    [[nodiscard]] bool begin_driving();
    void end_driving();
    struct Watch {
        SteadyTime until{};  // the epoch: the I/O thread does not watch
        bool socket = false;
        bool writable = false;  // the socket, also for room to write
        bool looks = false;     // it looks every few milliseconds
    };
    [[nodiscard]] Watch what_to_watch(SteadyTime now, bool is_driven);
    [[nodiscard]] bool watches_too_little();
    void wait_for_driver(SteadyTime until);
    [[nodiscard]] bool expects_answers() const;
    [[nodiscard]] bool expects_pushes() const;
    [[nodiscard]] bool needs_socket() const { return expects_answers() || expects_pushes(); }
    [[nodiscard]] bool needs_looks() const;
    void watch_from_outside(const Watch& watch, int socket, bool bells_only);
    void tell_posted();
    [[nodiscard]] bool has_news();
    void arm() noexcept;
    void disarm() noexcept;
    void sleep_until_work(std::optional<SteadyTime> until);
    [[nodiscard]] bool wait_briefly(SteadyTime until);
    [[nodiscard]] bool expects_more_soon() const;
    void wait_for_wakeups();
    bool drain_participants();
    void stop_everything();

    void connect_now();
    void connect_later(bool refused);
    void link_opened(Link& link) override;
    void link_frame(Link& link, const wire::Frame& frame, const BufferRef& buffer) override;
    void link_lost(Link& link, const Error& why) override;
    void adopt(std::shared_ptr<Link> link);
    void drop_link(const Error& why);
    void probe_primary_later();
    void report(ConnectionEvent event, const Endpoint& endpoint, const Error* why = nullptr);
    [[nodiscard]] std::shared_ptr<Link> make_link(std::size_t endpoint);
    void settle_start(Result<void> outcome);

    void send_unsent();
    void send(Unsent request);
    // What `request` is to be answered to: if the connection breaks before its answer it is sent
    // again, once, on the next one. Only once, lest a request that ends the broker does so again
    // and again.
    [[nodiscard]] ReplyCallback once_more(Unsent request);
    void arm_deadline();

    // Fixed after construction.
    const ClientOptions options_;
    const std::vector<Endpoint> endpoints_;
    const std::shared_ptr<ring::Waker> waker_;

    // Shared. closed_ is set by close(), under close_mutex_.
    std::atomic<bool> closed_{false};
    std::mutex close_mutex_;
    std::atomic<std::uint32_t> subscriptions_{0};
    mutable std::mutex broker_mutex_;
    wire::fb::HelloReplyT broker_;
    std::atomic<std::size_t> requests_{0};  // given to request() and not yet answered

    // The turn. Whoever has locked turn_ is the I/O thread for what is below.
    std::mutex turn_;
    std::atomic<std::thread::id> turn_of_{};
    std::atomic<bool> driving_{false};     // a consumer has the turn, or is about to
    std::atomic<bool> watching_{false};    // the I/O thread leaves the turns to others
    std::atomic<bool> posted_{false};      // since the last turn
    std::atomic<std::int64_t> shared_{0};  // until then (steady ns) others take turns, too
    std::mutex driver_mutex_;              // of driver_left_; the I/O thread waits there
    std::condition_variable driver_left_;
    std::atomic<std::uint32_t> drives_{0};  // so far
    std::atomic<bool> io_waits_{false};     // until it is told, not for a moment only

    // Owned by the I/O thread. The context comes first: everything below uses it and goes before
    // it.
    asio::io_context context_{1};
    Timers timers_{context_};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    asio::posix::stream_descriptor wakeups_;
    bool wakeups_awaited_ = false;
    bool armed_ = false;
    bool stopping_ = false;
    Watch watch_;                 // the I/O thread's, while others take turns
    SteadyTime answers_until_{};  // so long more are likely to be expected
    std::shared_ptr<ReceiveBufferPool> buffers_;
    std::shared_ptr<Link> link_;  // the connection, or the attempt at one
    ring::BriefWait brief_wait_;
    std::shared_ptr<Link> probe_;  // an attempt at the primary while connected elsewhere
    std::size_t endpoint_ = 0;     // which one link_ is for
    std::size_t refused_ = 0;      // attempts that failed since the last pause
    std::string last_endpoint_;    // the last one that was connected
    Backoff backoff_;
    Timer reconnect_timer_;
    Timer probe_timer_;
    Timer deadline_timer_;
    std::optional<SteadyTime> armed_for_;
    Calls calls_;
    std::deque<Unsent> unsent_;
    std::vector<std::shared_ptr<Participant>> participants_;
    std::shared_ptr<RequestPort> request_port_;  // always one of them; set before the thread starts
    std::promise<Result<void>> started_;
    bool start_settled_ = false;
    SteadyTime start_deadline_{};

    std::thread thread_;
};

}  // namespace casc::client
