#include "shard.hpp"

#include <casc/broker/logging.hpp>
#include <casc/types/fail_point.hpp>
#include <casc/wire/batch.hpp>

#include <sched.h>
#include <unistd.h>

namespace casc::broker {
namespace {

namespace asio = boost::asio;

constexpr auto kTick = 100ms;
constexpr auto kHandlingMax = 500us;  // of one turn
constexpr int kHandlersMax = 64;
constexpr MonoNanos kSomebodyWaits{};  // for Store::submit()
// So much earlier than it is due an entry is written when the moment is good.
constexpr auto kGap = 1ms;
// How long clients may take to receive their last answers when the broker stops.
constexpr auto kCloseLinger = 5s;

bool elapsed(MonoNanos since, MonoNanos now, std::chrono::nanoseconds bound) {
    return (now - since).value() >= bound.count();
}

bool passed(MonoNanos now, MonoNanos& due, std::chrono::milliseconds every) {
    if (now < due) return false;
    due = now + every;
    return true;
}

}  // namespace

Shard::Shard(const LoadedConfig& loaded, storage::Disk& disk, std::unique_ptr<storage::Store> store)
    : config_(loaded.config),
      settings_(loaded.settings),
      store_(std::move(store)),
      core_(io_, config_, *store_),
      retention_(core_),
      compaction_(core_),
      delivery_(core_),
      fetches_(core_),
      appender_(core_, retention_, compaction_),
      message_ids_(*store_, core_.topics, core_.topic_observers),
      schedules_(core_, appender_, message_ids_),
      produce_(core_, appender_, message_ids_, schedules_),
      kv_(core_, produce_),
      group_rows_(*store_),
      groups_(core_, group_rows_,
              [this](std::uint64_t number) -> Session* {
                  const auto found = connections_.find(number);
                  return found == connections_.end() ? nullptr : found->second.session.get();
              }),
      dead_letters_(core_, appender_),
      queues_(core_, group_rows_, delivery_, dead_letters_),
      consumed_(core_, groups_, queues_),
      atomic_(core_, produce_, groups_, queues_),
      requests_(core_),
      taps_(core_),
      rings_(core_),
      topics_(core_, retention_, compaction_),
      node_(core_, settings_, facts_) {
    facts_.disk = disk.name();
    facts_.started = mono_now();
}

Shard::~Shard() = default;

Result<void> Shard::prepare() {
    core_.topics.load();
    core_.producers.load();
    CASC_TRY_VOID(schedules_.load());
    CASC_TRY_VOID(load_groups());
    CASC_TRY_VOID(core_.topics.erase_orphans());
    CASC_TRY_VOID(schedules_.erase_orphans());
    CASC_TRY_VOID(message_ids_.load(core_.now(), config_.producers.message_ids_max));
    CASC_TRY_VOID(core_.deleted.load());
    core_.keys.load();
    retention_.load();
    compaction_.load();
    consumed_.load();
    for (const std::string& endpoint : config_.listen.endpoints) {
        CASC_TRY(auto listener,
                 Listener::bind(io_, endpoint, [this](Session::Socket socket, std::string address) {
                     accept(std::move(socket), std::move(address));
                 }));
        facts_.endpoints.push_back(listener->endpoint());
        listeners_.push_back(std::move(listener));
    }
    for (const int fd : store_->event_fds()) {
        // A duplicate, because the descriptor object closes what it holds.
        store_events_.push_back(
            {std::make_unique<asio::posix::stream_descriptor>(io_, ::dup(fd)), false});
    }
    return {};
}

Result<void> Shard::load_groups() {
    Result<void> loaded;
    group_rows_.load([&](const std::string& name, const wire::fb::GroupRowT& row) {
        if (static_cast<GroupKind>(row.kind) == GroupKind::stream)
            return groups_.load_group(name, row);
        if (auto queue = queues_.load_group(name, row); !queue) loaded = std::move(queue);
    });
    CASC_TRY_VOID(std::move(loaded));
    groups_.load_positions();
    return queues_.load_logs();
}

Result<void> Shard::run() {
    for (auto& listener : listeners_)
        listener->start();
    schedule_tick();
    try {
        while (!stopped_) {
            core_.forget_now();
            const bool handled = handle_ready();
            if (turn() || handled) continue;
            // Only now, when the store has just been asked: a descriptor stays readable until it
            // is, and watching it earlier would wake the loop for what it is about to see anyway.
            watch_store();
            plan_wake_ups();
            sleep();
        }
    } catch (const std::exception& e) {
        // Sessions catch their own. What gets here leaves the shard half-way through a turn; a
        // restart does not.
        fail(Error(ErrorCode::internal_error, e.what()));
    }
    close_all(/*now=*/true);  // they refer to blocks of the store
    if (failure_) return *failure_;
    return {};
}

// What ends the sleep is handled, and what it makes us say is sent, before anything else is looked
// at: on the way of a lone request each system call is a tenth of a hop.
void Shard::sleep() {
    wakes_up_ = true;
    core_.forget_now();
    if (!wait_briefly() && rings_.arm()) {
        io_.run_one();
        rings_.disarm();
    }
    wakes_up_ = false;
    deliver();
    flush_sessions();
    if (const SessionPtr session = std::exchange(to_read_, nullptr)) session->resume_reading();
}

// For what a request or an answer that was just handed on is likely to bring. Whoever wants this
// processor meanwhile gets it.
bool Shard::wait_briefly() {
    if (!requests_.has_handed_on() || !brief_wait_.is_worth_it()) return false;
    const MonoNanos until = mono_now() + ring::BriefWait::kLength;
    bool has_come = false;
    do {
        has_come = rings_.serve() || io_.poll_one() != 0;
        if (!has_come) ::sched_yield();
    } while (!has_come && mono_now() < until);
    brief_wait_.record(has_come);
    return has_come;
}

bool Shard::reads_later(Session& session) {
    if (!std::exchange(wakes_up_, false)) return false;
    to_read_ = session.shared_from_this();
    return true;
}

bool Shard::handle_ready() {
    // Not io_.poll(): while a producer keeps its socket full there is always one more handler
    // ready, and the turn, which acknowledges and delivers, would never come.
    const MonoNanos until = mono_now() + kHandlingMax;
    int handled = 0;
    while (handled < kHandlersMax && io_.poll_one() != 0) {
        ++handled;
        if (mono_now() >= until) break;
    }
    return rings_.serve() || handled != 0;
}

void Shard::watch_store() {
    for (StoreEvent& event : store_events_) {
        if (event.watched) continue;
        event.watched = true;
        event.descriptor->async_wait(
            asio::posix::stream_descriptor::wait_read,
            [&event](const boost::system::error_code&) { event.watched = false; });
    }
}

void Shard::WakeUp::in(std::chrono::nanoseconds time) {
    if (std::exchange(armed, true)) return;
    timer.expires_after(time);
    timer.async_wait([this](const boost::system::error_code&) { armed = false; });
}

void Shard::plan_wake_ups() {
    const auto from_now = [](MonoNanos at) {
        return std::chrono::nanoseconds((at - mono_now()).value());
    };
    if (const auto due = store_->submit_due())
        to_submit_.in(std::max(from_now(*due), std::chrono::nanoseconds(0)));
    if (held_back_.empty()) return;
    if (const auto at = store_->admits_at())
        to_admit_.in(std::max(from_now(*at), std::chrono::nanoseconds(0)));
}

bool Shard::turn() {
    const bool held = seeded_bug("ack_before_submit") && core_.now().value() / 100'000'000 % 4 != 0;
    queues_.store_verdicts();
    const bool fired = !draining() && schedules_.run();
    groups_.hand_out_new_topics();
    if (!held) store_->submit(kSomebodyWaits);  // first: the device works while the rest is done
    advanced_.clear();
    answers_.clear();
    const JournalSequence durable = store_->poll(advanced_, answers_);
    check_failure();
    for (const storage::Advanced& advanced : advanced_)
        if (const Topic* topic = core_.topics.find(advanced.log.topic()))
            core_.watch.visible(advanced.log, core_.visibility.visible_end(*topic, advanced.log));
    for (storage::ReadAnswer& answer : answers_)
        core_.cold_reads.answer(answer);
    // Events before acknowledgements: each is a system call and wakes somebody, and who gets the
    // event is being waited for by more than one.
    const bool delivered = deliver();
    const bool fetched = fetches_.run();
    core_.waits.release(held ? store_->filling() : durable);
    if (!held) store_->submit(kSomebodyWaits);  // what the answers added (commits, for instance)
    const bool sent = !with_events_.empty() || !with_answers_.empty();
    flush_sessions();
    bool resumed = resume_held_back();
    resumed = taps_.resume_producers() || resumed;
    if (draining()) continue_drain();
    if (!held) submit_the_rest(delivered || sent);
    return !advanced_.empty() || !answers_.empty() || fired || delivered || fetched || sent ||
           resumed;
}

// What nobody waits for, after everything that somebody does wait for. Events that come at a steady
// pace leave a gap behind each of them, and with them the time that was set would run out just when
// the next one is there; so in the gap before that is time enough.
void Shard::submit_the_rest(bool has_worked) {
    const auto due = store_->submit_due();
    if (!due) return;
    const std::chrono::nanoseconds early = has_worked ? kGap : 0ms;
    const MonoNanos until = mono_now() + early;
    if (*due > until) return;
    // Whoever has just been given something may be waiting for this very processor.
    ::sched_yield();
    store_->submit(until);
}

bool Shard::deliver() {
    const bool tapped = taps_.run();
    return delivery_.run() || tapped;
}

// Events before answers, for the same reason.
void Shard::flush_sessions() {
    for (auto* const announced : {&with_events_, &with_answers_}) {
        flushing_.swap(*announced);
        for (const SessionPtr& session : flushing_)
            session->flush();
        flushing_.clear();
    }
}

void Shard::check_failure() {
    if (failure_ || !store_->failure()) return;
    fail(*store_->failure());
    core_.waits.fail(Error(ErrorCode::storage_failed, failure_->detail));
}

void Shard::fail(const Error& why) {
    failure_ = why;
    failed_.store(true, std::memory_order_release);
    if (why.code == ErrorCode::internal_error) {
        log_event(LogLevel::error, "shard_failed",
                  {{"why", why.message()}, {"do", "restart the broker; report this"}});
    } else {
        log_event(
            LogLevel::error, "storage_failed",
            {{"why", why.message()},
             {"do", "nothing is acknowledged any more; repair the disk and restart the broker"}});
    }
}

// ---- connections --------------------------------------------------------------------------------

void Shard::accept(Session::Socket socket, std::string address) {
    if (draining() || connections_.size() >= config_.limits.connections) {
        ++core_.counters.connections_refused;
        log_event(LogLevel::warn, "connection_refused",
                  {{"peer", address},
                   {"connections", connections_.size()},
                   {"limit", config_.limits.connections}});
        // Told why, if its send buffer takes a frame; not kept.
        auto refused = std::make_shared<Session>(std::move(socket), *this, 0, std::move(address),
                                                 wire::kFrameBytesMax);
        refused->send_error(
            wire::Api{}, 0,
            draining() ? ErrorCode::shutting_down : ErrorCode::too_many_connections);
        refused->close();
        return;
    }
    ++core_.counters.connections_accepted;
    const std::uint64_t number = ++last_connection_;
    auto session = std::make_shared<Session>(std::move(socket), *this, number, std::move(address),
                                             config_.limits.frame_bytes);
    const auto& connection = connections_.emplace(number, Connection{session}).first->second;
    look_at_later(connection, mono_now());
    session->start();
}

void Shard::on_closed(Session& session) {
    if (session.number() == 0) return;  // one that was turned away: nobody knows it
    delivery_.on_closed(session);
    fetches_.on_closed(session);
    groups_.on_closed(session);
    queues_.on_closed(session);
    requests_.on_closed(session);
    taps_.on_closed(session);
    rings_.on_closed(session);
    connections_.erase(session.number());
}

bool Shard::may_read(Session& session) {
    if (draining()) return false;
    if (!store_->congested()) return true;
    const auto found = connections_.find(session.number());
    if (found == connections_.end() || !found->second.produces) return true;
    if (std::exchange(found->second.held_back, true)) return false;
    held_back_.push_back(session.number());
    ++core_.counters.read_pauses;
    return false;
}

bool Shard::resume_held_back() {
    if (held_back_.empty() || store_->congested()) return false;
    const auto numbers = std::exchange(held_back_, {});
    for (const std::uint64_t number : numbers)
        if (const auto found = connections_.find(number); found != connections_.end()) {
            found->second.held_back = false;
            // resume_reading() may close the connection and so end the table's reference.
            const SessionPtr session = found->second.session;
            session->resume_reading();
        }
    return true;
}

void Shard::on_pending_output(Session& session, bool pushed) {
    (pushed ? with_events_ : with_answers_).push_back(session.shared_from_this());
}

void Shard::look_at_later(const Connection& connection, MonoNanos from) {
    const auto& limits = config_.limits;
    const auto bound = connection.session->greeted ? limits.idle_timeout : limits.handshake_timeout;
    idle_timeouts_.look_at(connection.session->number(), from + bound);
}

void Shard::close_idle(MonoNanos now) {
    while (const auto number = idle_timeouts_.next_due(now)) {
        const auto found = connections_.find(*number);
        if (found == connections_.end()) continue;
        const SessionPtr session = found->second.session;
        const auto& limits = config_.limits;
        const auto bound = session->greeted ? limits.idle_timeout : limits.handshake_timeout;
        if (found->second.held_back || session->held()) {
            look_at_later(found->second, now);
        } else if (!elapsed(session->last_active(), now, bound)) {
            look_at_later(found->second, session->last_active());
        } else {
            log_event(LogLevel::info, "connection_idle",
                      {{"peer", session->address()}, {"client", session->client_id}});
            session->close(/*now=*/true);
        }
    }
}

// ---- time ---------------------------------------------------------------------------------------

void Shard::schedule_tick() {
    tick_timer_.expires_after(kTick);
    tick_timer_.async_wait([this](const boost::system::error_code& error) {
        if (error || stopped_) return;
        tick();
        schedule_tick();
    });
}

void Shard::tick() {
    const MonoNanos now = mono_now();
    close_idle(now);
    groups_.tick(now);
    queues_.tick(now);
    delivery_.tick();
    core_.filters.forget();
    schedules_.arm();
    message_ids_.expire(core_.now());
    taps_.tick(now);
    compaction_.tick(now);
    core_.deleted.tick();
    if (passed(now, next_retention_, config_.storage.retention_interval)) {
        core_.volatile_logs.expire([this](TopicId id) { return core_.topics.find(id); },
                                   core_.now());
        consumed_.tick();
        if (retention_.tick(core_.now()))
            next_retention_ = now;  // there is more to do: at the next tick
    }
    if (!passed(now, next_expiry_, std::chrono::minutes(1))) return;
    groups_.forget_unused();
    queues_.forget_unused();
    core_.producers.expire(
        core_.now() -
        EpochNanos::distance(std::chrono::nanoseconds(config_.producers.expiry).count()));
}

// ---- stopping and reloading ---------------------------------------------------------------------

void Shard::begin_drain() {
    if (draining()) return;
    draining_.store(true, std::memory_order_release);
    log_event(LogLevel::info, "draining",
              {{"connections", connections_.size()}, {"waiting_acks", core_.waits.size()}});
    for (auto& listener : listeners_)
        listener->close();
    fetches_.expire_all();  // who waits for events gets what there is
    requests_.fail_all(ErrorCode::shutting_down);
    compaction_.stop();
    core_.deleted.stop();
}

void Shard::continue_drain() {
    if (stopped_) return;
    const MonoNanos now = mono_now();
    if (!closing_since_) {
        const bool answered = core_.waits.size() == 0 && fetches_.count() == 0;
        if (!answered && !failure_) return;
        // Nobody is read from any more and every answer is queued: close behind what is queued.
        closing_since_ = now;
        close_all(/*now=*/false);
        flush_sessions();
    }
    if (!connections_.empty() && !elapsed(*closing_since_, now, kCloseLinger)) return;
    if (!connections_.empty())
        log_event(LogLevel::warn, "answers_not_taken", {{"connections", connections_.size()}});
    close_all(/*now=*/true);
    stopped_ = true;
    if (failure_) return;
    if (const auto drained = store_->drain(); !drained) {
        failure_ = drained.error();
        log_event(LogLevel::error, "drain_failed", {{"why", failure_->message()}});
    }
}

void Shard::close_all(bool now) {
    std::vector<SessionPtr> open;
    open.reserve(connections_.size());
    for (const auto& [number, connection] : connections_)
        open.push_back(connection.session);
    for (const SessionPtr& session : open)
        session->close(now);
}

std::vector<std::string> Shard::reload(const LoadedConfig& loaded) {
    std::vector<std::string> needs_restart;
    for (std::size_t i = 0; i < settings_.size(); ++i) {
        const EffectiveSetting& fresh = loaded.settings[i];
        if (fresh.value == settings_[i].value) continue;
        if (!fresh.reloadable) {
            needs_restart.push_back(fresh.key);
            continue;
        }
        log_event(LogLevel::info, "setting_changed",
                  {{"key", fresh.key}, {"from", settings_[i].value}, {"to", fresh.value}});
        settings_[i] = fresh;
    }
    const Config& fresh = loaded.config;
    config_.limits.connections = fresh.limits.connections;
    config_.limits.heartbeat = fresh.limits.heartbeat;
    config_.limits.idle_timeout = fresh.limits.idle_timeout;
    config_.topics = fresh.topics;
    config_.storage.retention_interval = fresh.storage.retention_interval;
    config_.limits.scheduled_bytes = fresh.limits.scheduled_bytes;
    config_.groups = fresh.groups;
    config_.delivery = fresh.delivery;
    config_.volatile_topics = fresh.volatile_topics;
    config_.producers = fresh.producers;
    config_.requests = fresh.requests;
    config_.shared_memory = fresh.shared_memory;
    config_.log.level = fresh.log.level;
    return needs_restart;
}

}  // namespace casc::broker
