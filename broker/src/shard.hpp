#pragma once
// The thread that does the work: connections, requests, the store, timers, all on one event loop.
//
// A turn: handle what the sockets brought; start the journal write; take what became durable;
// answer, deliver, send. Everything that gathers during a turn leaves in one write per connection
// and one journal entry.

#include "atomic_path.hpp"
#include "compaction.hpp"
#include "consumed_retention.hpp"
#include "core.hpp"
#include "delivery.hpp"
#include "fetch_path.hpp"
#include "group_coordinator.hpp"
#include "idle_timeouts.hpp"
#include "kv_path.hpp"
#include "listener.hpp"
#include "node_api.hpp"
#include "produce_path.hpp"
#include "producer_api.hpp"
#include "queue_groups.hpp"
#include "request_router.hpp"
#include "retention.hpp"
#include "shared_rings.hpp"
#include "taps.hpp"
#include "topic_api.hpp"

#include <casc/broker/broker.hpp>
#include <casc/ring/brief_wait.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <memory>
#include <unordered_map>

namespace casc::broker {

// Thread: constructed on main; run() makes its thread the owning shard, which alone calls the rest,
// except where said.
class Shard final : public SessionHost {
public:
    Shard(const LoadedConfig& loaded, storage::Disk& disk, std::unique_ptr<storage::Store> store);
    ~Shard() override;
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    // Binds the endpoints and reads the state rows; before run().
    [[nodiscard]] Result<void> prepare();
    // Until drained or failed.
    [[nodiscard]] Result<void> run();

    // Thread: any.
    template <class Function>
    void post(Function&& function) {
        boost::asio::post(io_, std::forward<Function>(function));
    }
    [[nodiscard]] const std::vector<std::string>& endpoints() const noexcept {
        return facts_.endpoints;
    }
    [[nodiscard]] bool draining() const noexcept {
        return draining_.load(std::memory_order_acquire);
    }
    [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }

    void begin_drain();
    [[nodiscard]] std::vector<std::string> reload(const LoadedConfig& loaded);
    [[nodiscard]] std::vector<MetricFamily> metrics() const;

    // SessionHost
    void on_frame(Session& session, const wire::Frame& frame) override;
    void on_closed(Session& session) override;
    bool may_read(Session& session) override;
    bool reads_later(Session& session) override;
    void on_pending_output(Session& session, bool pushed) override;
    void on_waiting_for_rings(Session& session) override { rings_.look_at(session); }
    void on_writable(Session& session) override {
        delivery_.on_writable(session);
        queues_.on_writable(session);
        requests_.on_writable(session);
        taps_.on_writable(session);
    }

private:
    struct Connection {
        SessionPtr session;
        bool produces = false;   // held back when the store is congested
        bool held_back = false;  // is, now: its silence is our doing
    };

    void accept(Session::Socket socket, std::string address);
    void dispatch(Session& session, const wire::Frame& frame);
    void on_produce(Session& session, const wire::Frame& frame);
    void on_atomic_write(Session& session, const wire::Frame& frame);
    void on_kv_put(Session& session, const wire::Frame& frame);
    void on_describe_producer(const wire::fb::DescribeProducerT& request,
                              const Responder& responder);
    [[nodiscard]] HeldBy held_by(const Connection& connection) const;
    void on_credit(Session& session, const wire::Frame& frame);
    template <class Table, class Handler>
    void decode(const wire::Frame& frame, const Responder& responder, Handler&& handler);
    [[nodiscard]] Result<void> load_groups();
    void on_list_groups(const wire::fb::ListGroupsT& request, const Responder& responder);
    void on_hello(Session& session, const wire::Frame& frame, const Responder& responder);

    // Both return whether anything was done.
    bool handle_ready();
    bool turn();
    void sleep();
    [[nodiscard]] bool wait_briefly();
    void submit_the_rest(bool has_worked);
    // Whether somebody was given something.
    bool deliver();
    void flush_sessions();
    // As Taps::resume_producers(), whose requests wait for a turn to show.
    bool resume_held_back();
    void check_failure();
    void watch_store();
    void plan_wake_ups();
    void schedule_tick();
    void tick();
    void close_idle(MonoNanos now);
    void look_at_later(const Connection& connection, MonoNanos from);
    void fail(const Error& why);
    void continue_drain();
    void close_all(bool now);
    [[nodiscard]] std::vector<std::pair<std::string, double>> figures() const;

    boost::asio::io_context io_{1};
    Config config_;
    std::vector<EffectiveSetting> settings_;
    NodeApi::Facts facts_;
    std::unique_ptr<storage::Store> store_;
    Core core_;
    Retention retention_;
    Compaction compaction_;
    Delivery delivery_;
    FetchPath fetches_;
    LogAppender appender_;
    MessageIds message_ids_;
    Schedules schedules_;
    ProducePath produce_;
    KvPath kv_;
    GroupRows group_rows_;
    GroupCoordinator groups_;
    DeadLetters dead_letters_;
    QueueGroups queues_;
    ConsumedRetention consumed_;
    AtomicPath atomic_;
    RequestRouter requests_;
    Taps taps_;
    SharedRings rings_;
    TopicApi topics_;
    NodeApi node_;
    std::vector<std::unique_ptr<Listener>> listeners_;
    // Readable when the store has something to say; only watched while the loop sleeps.
    struct StoreEvent {
        std::unique_ptr<boost::asio::posix::stream_descriptor> descriptor;
        bool watched;
    };
    std::vector<StoreEvent> store_events_;
    boost::asio::steady_timer tick_timer_{io_};
    // Ends a sleep of the loop; one time at once.
    struct WakeUp {
        boost::asio::steady_timer timer;
        bool armed = false;
        void in(std::chrono::nanoseconds time);
    };
    WakeUp to_submit_{boost::asio::steady_timer(io_)};  // for Store::submit_due()
    WakeUp to_admit_{boost::asio::steady_timer(io_)};   // for Store::admits_at()
    std::unordered_map<std::uint64_t, Connection> connections_;
    std::uint64_t last_connection_ = 0;  // 0 is the number of those that are turned away
    IdleTimeouts idle_timeouts_;
    ring::BriefWait brief_wait_;
    bool wakes_up_ = false;  // the first thing after a sleep is being handled
    SessionPtr to_read_;     // it came from this one
    std::vector<SessionPtr> with_events_;
    std::vector<SessionPtr> with_answers_;
    std::vector<SessionPtr> flushing_;
    std::vector<std::uint64_t> held_back_;
    std::vector<storage::Advanced> advanced_;
    std::vector<storage::ReadAnswer> answers_;
    MonoNanos next_retention_;
    MonoNanos next_expiry_;
    std::optional<MonoNanos>
        closing_since_;  // while draining: every answer is queued, connections are being closed
    bool stopped_ = false;
    std::optional<Error> failure_;
    // Written by the shard (release), read by anyone (acquire).
    std::atomic<bool> draining_{false};
    std::atomic<bool> failed_{false};
};

}  // namespace casc::broker
