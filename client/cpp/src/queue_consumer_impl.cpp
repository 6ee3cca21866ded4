#include "queue_consumer_impl.hpp"

#include <algorithm>
#include <limits>

namespace casc::client {
namespace {

// Leases in flight between the threads; what is beyond waits in the port, within the prefetch.
constexpr std::size_t kInboxItems = 4096;

// Negative is now; what does not fit, 49 days, is the longest.
std::uint32_t in_u32(milliseconds time) {
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(time.count(), 0, std::numeric_limits<std::uint32_t>::max()));
}

// Whether there are events in the lease's range that are not leased.
bool is_partial(const wire::fb::Lease& lease) {
    return lease.leased() != nullptr && lease.leased()->size() != 0;
}

bool is_leased(const wire::fb::Lease& lease, std::uint64_t offset) {
    if (!is_partial(lease)) return true;
    const std::uint64_t at = (offset - word_base(lease.first())) / kWordOffsets;
    return at < lease.leased()->size() &&
           (lease.leased()->Get(static_cast<std::uint32_t>(at)) & word_bit(offset)) != 0;
}

// The first offset from `at` on, or `end`, that is leased, or is not.
std::uint64_t next_that(bool is, const wire::fb::Lease& lease, std::uint64_t at,
                        std::uint64_t end) {
    if (!is_partial(lease)) return is ? at : end;
    while (at < end && is_leased(lease, at) != is)
        ++at;
    return at;
}

}  // namespace

QueueConsumerImpl::QueueConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription,
                                     QueueOptions options)
    : QueueConsumerImpl(std::move(core), subscription, std::move(options),
                        std::make_shared<ring::Waker>()) {}

QueueConsumerImpl::QueueConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription,
                                     QueueOptions options, std::shared_ptr<ring::Waker> waker)
    : QueueConsumerImpl(std::move(core), subscription, std::move(options), waker,
                        ring::make_ring<InboxItem>(kInboxItems, waker)) {}

QueueConsumerImpl::QueueConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription,
                                     QueueOptions options, std::shared_ptr<ring::Waker> waker,
                                     ring::Ring<InboxItem> inbox)
    : core_(std::move(core)),
      subscription_(subscription),
      options_(std::move(options)),
      settle_events_(
          std::max<std::size_t>(1, std::min(options_.settle_events, options_.prefetch_events / 4))),
      waker_(std::move(waker)),
      port_(std::make_shared<QueuePort>(core_, subscription, options_.prefetch_bytes,
                                        std::move(inbox.producer))),
      inbox_(std::move(inbox.consumer)),
      backoff_(core_->options().backoff_first, core_->options().backoff_max, subscription),
      old_at_(Steady::now() + options_.hold_max) {
    core_->attach(port_);
}

QueueConsumerImpl::~QueueConsumerImpl() {
    if (!closed_) static_cast<void>(close());
}

// ---- membership ---------------------------------------------------------------------------------

Result<void> QueueConsumerImpl::open() {
    if (core_->has_turn())
        return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
    const auto until = Steady::now() + core_->options().request_timeout;
    for (;;) {
        take_news();
        if (auto error = next_error()) return std::move(*error);
        if (member_) return {};
        if (Steady::now() >= until) return Error(ErrorCode::timeout, "joining the queue group");
        wait_for_news(until);
    }
}

wire::fb::JoinQueueT QueueConsumerImpl::join_request() const {
    const QueueSettings& wanted = options_.settings;
    const auto in_ms =
        [](const std::optional<milliseconds>& time) -> flatbuffers::Optional<std::uint32_t> {
        if (!time) return flatbuffers::nullopt;
        return in_u32(*time);
    };
    auto settings = std::make_unique<wire::fb::QueueSettingsT>();
    settings->lease_ms = in_ms(wanted.lease);
    settings->retry_delay_ms = in_ms(wanted.retry_delay);
    settings->retry_delay_max_ms = in_ms(wanted.retry_delay_max);
    if (wanted.deliveries_max) settings->deliveries_max = *wanted.deliveries_max;
    if (wanted.in_flight_events_max) settings->in_flight_events_max = *wanted.in_flight_events_max;
    settings->order = static_cast<std::uint8_t>(wanted.order);
    settings->dead_letter_topic = wanted.dead_letter_topic;
    settings->expired = wanted.bury_expired ? 1 : 0;

    wire::fb::JoinQueueT request;
    request.group = options_.group;
    request.subscription_id = subscription_;
    request.topics = options_.topics;
    request.filter = options_.filter;
    request.settings = std::move(settings);
    request.start = options_.start == Reset::latest ? 1 : 0;
    request.prefetch_events = options_.prefetch_events;
    request.prefetch_bytes = options_.prefetch_bytes;
    return request;
}

void QueueConsumerImpl::join() {
    join_at_ = Steady::time_point::max();
    if (connection_ == 0 || closing_) return;
    ++membership_;
    unanswered_ = 0;  // of an earlier membership
    joined_on_ = connection_;
    port_->keep_alive(Steady::now() + options_.hold_max, in_hands());
    port_->send(connection_, wire::Api::join_queue, encoded(join_request()),
                [connection = connection_](InboxPort& port, Result<Reply> reply) {
                    Notice notice{.kind = Notice::Kind::joined, .connection = connection};
                    if (!reply) {
                        notice.why = reply.error();
                    } else if (auto body = wire::decode<wire::fb::JoinQueueReply>(reply->body)) {
                        const auto lease =
                            body->settings ? body->settings->lease_ms.value_or(0) : 0;
                        static_cast<QueuePort&>(port).joined(
                            milliseconds(std::max<std::uint32_t>(lease, 1)));
                    } else {
                        notice.why = body.error();
                    }
                    port.tell(std::move(notice));
                });
}

void QueueConsumerImpl::join_failed(const Error& why) {
    join_at_ = Steady::now() + backoff_.next();
    // An earlier request whose answer we have not heard.
    if (why.code == ErrorCode::already_subscribed) return leave();
    if (!error_info(why.code).retryable) report(why);
}

// Without waiting for the answer; what comes next on this connection comes after it.
void QueueConsumerImpl::leave() {
    wire::fb::LeaveQueueT request;
    request.subscription_id = subscription_;
    port_->send(connection_, wire::Api::leave_queue, encoded(request),
                [](InboxPort&, const Result<Reply>&) {});
}

// ---- news ---------------------------------------------------------------------------------------

void QueueConsumerImpl::take_news() {
    while (auto item = inbox_.try_pop()) {
        if (item->notice)
            handle(*item->notice);
        else
            queue_.push(std::move(*item));
    }
    if (join_at_ <= Steady::now()) join();
}

void QueueConsumerImpl::handle(Notice& notice) {
    switch (notice.kind) {
        case Notice::Kind::connected:
            connection_ = notice.connection;
            return join();
        case Notice::Kind::disconnected:
            connection_ = 0;
            member_ = false;
            join_at_ = Steady::time_point::max();
            return lose_everything(*notice.why);
        case Notice::Kind::joined:
            if (notice.why) return join_failed(*notice.why);
            member_ = true;
            return backoff_.reset();
        case Notice::Kind::settled:
            if (notice.connection != connection_ || notice.membership != membership_) return;
            --unanswered_;
            if (notice.settled) return answered(*notice.settled);
            if (!lost_) lost_ = notice.why;
            if (!error_info(notice.why->code).retryable) report(*notice.why);
            return;
        case Notice::Kind::left:
            if (notice.connection != connection_) return;
            member_ = false;
            joined_on_ = 0;
            join_at_ = Steady::now();
            return lose_everything(*notice.why);
        case Notice::Kind::closed:
            connection_ = 0;
            member_ = false;
            ended_ = notice.why;
            return lose_everything(*notice.why);
        case Notice::Kind::failed:
            return report(std::move(*notice.why));
        case Notice::Kind::call_cancelled:  // a responder's
        case Notice::Kind::call_credit:
        case Notice::Kind::tapped:  // a tap's
        case Notice::Kind::matched:
        case Notice::Kind::assignment:  // a stream group's
        case Notice::Kind::committed:
            return;
    }
}

void QueueConsumerImpl::wait_for_news(Steady::time_point until) {
    const auto wake = std::min(until, join_at_);
    if (wake > Steady::now() && core_->drive([&] { return inbox_.ready(); }, wake)) return;
    const auto limit =
        std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(wake - Steady::now()));
    port_->wait(*waker_, inbox_, limit);
}

void QueueConsumerImpl::report(Error why) {
    for (const Error& known : errors_)
        if (known.code == why.code && known.detail == why.detail) return;
    errors_.push_back(std::move(why));
}

std::optional<Error> QueueConsumerImpl::next_error() {
    if (errors_.empty()) return ended_;
    Error why = std::move(errors_.front());
    errors_.erase(errors_.begin());
    return why;
}

void QueueConsumerImpl::when_ready(std::function<void()> done) {
    auto shared = std::make_shared<std::function<void()>>(std::move(done));
    port_->when_ready([shared] { (*shared)(); });
    // What had come before the callback was set announced itself to nobody.
    if ((!queue_.empty() || !errors_.empty() || inbox_.ready()) && port_->forget_ready())
        (*shared)();
}

// ---- events -------------------------------------------------------------------------------------

Result<EventBatch> QueueConsumerImpl::poll(std::size_t max_events, milliseconds timeout) {
    if (closed_) return Error(ErrorCode::cancelled, "the queue consumer is closed");
    if (max_events == 0) return Error(ErrorCode::invalid_request, "max_events must not be 0");
    const auto now = Steady::now();
    const auto until = now + timeout;
    batches_.release();
    give_back_old(now);
    if (held_.unsent() != 0) said(now);
    for (;;) {
        take_news();
        auto error = next_error();
        const std::size_t events = error ? 0 : hand_out(max_events);
        port_->keep_alive(Steady::now() + options_.hold_max, in_hands());
        if (error) return std::move(*error);
        if (events == 0 && held_.unsent() != 0) send_verdicts();
        if (events != 0) return batches_.events(events);
        if (!errors_.empty()) continue;
        if (Steady::now() >= until) return EventBatch();
        wait_for_news(until);
    }
}

std::size_t QueueConsumerImpl::hand_out(std::size_t max_events) {
    std::size_t events = 0;
    queue_.look_again();
    while (events < max_events && !queue_.empty() &&
           hand_out_from(queue_.front(), max_events, events))
        queue_.pop();
    return events;
}

// Hands out what is leased of the front delivery. False: enough for now; the rest stays.
bool QueueConsumerImpl::hand_out_from(InboxItem& item, std::size_t max_events,
                                      std::size_t& events) {
    const wire::fb::Lease& lease = *item.lease;
    const std::string_view topic =
        lease.topic() == nullptr ? std::string_view() : lease.topic()->string_view();
    while (!item.batches.empty()) {
        const auto view = batches_.check(item.batches);
        if (!view) {
            batch_failed(item, view.error().code);
            return true;
        }
        const std::uint64_t base = view->base_offset().value();
        const std::uint64_t end = std::min(lease.end(), base + view->event_count());
        std::uint64_t at = next_that(true, lease, std::max(item.start, base), end);
        while (at < end && events < max_events) {
            const auto payloads = batches_.open(*view);
            if (!payloads) {
                batch_failed(item, payloads.error().code);
                return true;
            }
            const std::uint64_t first = at;
            at = next_that(false, lease, first, std::min(end, first + (max_events - events)));
            events += at - first;
            batches_.hand_out({item.log.topic(), topic, item.log.partition(), *view, *payloads,
                               static_cast<std::uint32_t>(first - base),
                               static_cast<std::uint32_t>(at - base), lease.attempts()},
                              item.buffer);
            held_.add(item.log, first, at);
            at = next_that(true, lease, at, end);
            item.start = at;
        }
        if (at < end) return false;
        batches_.finish_batch(item.batches);
        item.batches = item.batches.subspan(view->bytes().size());
        port_->took(view->bytes().size());
    }
    return true;
}

// Nobody can use what is left of this delivery. Refused, it is read from the disk of the broker
// once more, or ends as a dead letter.
void QueueConsumerImpl::batch_failed(InboxItem& item, ErrorCode why) {
    const wire::fb::Lease& lease = *item.lease;
    report(Error(why, place(item.log) + " from offset " + std::to_string(item.start)));
    for (std::uint64_t at = item.start; at < lease.end(); ++at) {
        if (!is_leased(lease, at)) continue;
        held_.add(item.log, at, at + 1);
        static_cast<void>(held_.settle({item.log, Offset(at)}, LeaseVerdict::refused, {},
                                       std::string(error_info(why).name) + " at the receiver"));
    }
    port_->took(item.batches.size());
    batches_.finish_batch(item.batches);
}

std::string QueueConsumerImpl::place(LogId log) const {
    return "topic " + std::to_string(log.topic().value()) + " partition " +
           std::to_string(log.partition().value()) + " lane " + std::string(to_string(log.lane()));
}

// ---- verdicts -----------------------------------------------------------------------------------

Result<void> QueueConsumerImpl::done(const EventId& event) {
    if (!held_.done(event)) return ErrorCode::lease_lost;
    said(Steady::now());
    return {};
}

Result<void> QueueConsumerImpl::done(const EventBatch& events) {
    bool all = true;
    for (const ReceivedBatch& batch : events.batches()) {
        const LogId log(batch.topic_id, batch.partition, batch.view.header().lane);
        const std::uint64_t base = batch.view.base_offset().value();
        all = held_.done(log, base + batch.first, base + batch.end) && all;
    }
    if (held_.unsent() != 0) said(Steady::now());
    if (!all) return ErrorCode::lease_lost;
    return {};
}

Result<void> QueueConsumerImpl::settle(const EventId& event, LeaseVerdict verdict,
                                       std::optional<milliseconds> delay, std::string_view error) {
    std::optional<std::uint32_t> delay_ms;
    if (delay) delay_ms = in_u32(*delay);
    if (!held_.settle(event, verdict, delay_ms, error)) return ErrorCode::lease_lost;
    said(Steady::now());
    return {};
}

// Something was said, and not sent yet.
void QueueConsumerImpl::said(Steady::time_point now) {
    port_->keep_alive(now + options_.hold_max, in_hands());
    if (said_at_ == Steady::time_point{}) said_at_ = now;
    if (held_.unsent() < settle_events_ && now - said_at_ < options_.settle_linger) return;
    send_verdicts();
}

void QueueConsumerImpl::send_verdicts() {
    said_at_ = {};
    while (held_.unsent() != 0) {
        const wire::fb::SettleT verdicts = [&] {
            wire::fb::SettleT request = held_.take_verdicts();
            request.subscription_id = subscription_;
            return request;
        }();
        ++unanswered_;
        port_->send(connection_, wire::Api::settle, encoded(verdicts),
                    [connection = connection_, membership = membership_](InboxPort& port,
                                                                         Result<Reply> reply) {
                        Notice notice{.kind = Notice::Kind::settled,
                                      .connection = connection,
                                      .membership = membership};
                        if (!reply) {
                            notice.why = reply.error();
                        } else if (auto body = wire::decode<wire::fb::SettleReply>(reply->body)) {
                            notice.settled =
                                std::make_unique<wire::fb::SettleReplyT>(std::move(*body));
                        } else {
                            notice.why = body.error();
                        }
                        port.tell(std::move(notice));
                    });
    }
}

void QueueConsumerImpl::answered(const wire::fb::SettleReplyT& reply) {
    for (const auto& row : reply.refused) {
        const LogId log(TopicId(row->topic_id), PartitionId(row->partition),
                        static_cast<Lane>(row->lane));
        for (const std::uint64_t offset : row->offsets)
            lost({log, Offset(offset)},
                 Error(ErrorCode::lease_lost, "its lease had run out before it was settled"));
    }
}

void QueueConsumerImpl::lost(const EventId& event, const Error& why) {
    if (!lost_)
        lost_ = Error(why.code, place(event.log) + " offset " +
                                    std::to_string(event.offset.value()) + ": " + why.detail);
    if (options_.on_lost) options_.on_lost(event, why);
}

void QueueConsumerImpl::lose_everything(const Error& why) {
    // Leased on that connection, and to be leased to somebody again.
    while (!queue_.empty()) {
        port_->took(queue_.front().batches.size());
        queue_.pop();
    }
    batches_.finish_all();
    if (unanswered_ != 0 && !lost_)
        lost_ = Error(ErrorCode::connection_closed,
                      "what was said last may or may not have arrived: " + why.message());
    unanswered_ = 0;
    ++membership_;  // answers that still come are to what is given up here
    said_at_ = {};
    for (const EventId& event : held_.clear())
        lost(event, Error(ErrorCode::lease_lost, why.message()));
}

// What the program has forgotten would be its own for ever.
void QueueConsumerImpl::give_back_old(Steady::time_point now) {
    if (now < old_at_) return;
    old_at_ = now + options_.hold_max;
    for (const EventId& event : held_.grow_old()) {
        static_cast<void>(held_.settle(event, LeaseVerdict::refused, {}, "held for too long"));
        lost(event, Error(ErrorCode::lease_lost, "it was held for longer than hold_max"));
    }
}

Result<void> QueueConsumerImpl::flush(std::optional<milliseconds> deadline) {
    if (closed_) return Error(ErrorCode::cancelled, "the queue consumer is closed");
    if (core_->has_turn())
        return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
    const auto until = Steady::now() + deadline.value_or(core_->options().request_timeout);
    take_news();
    port_->keep_alive(Steady::now() + options_.hold_max, in_hands());
    send_verdicts();
    while (unanswered_ != 0) {
        if (Steady::now() >= until) return Error(ErrorCode::timeout, "settling events");
        wait_for_news(until);
        take_news();
    }
    if (auto why = std::exchange(lost_, std::nullopt)) return std::move(*why);
    return {};
}

Result<void> QueueConsumerImpl::close() {
    if (closed_) return {};
    closing_ = true;
    Result<void> outcome;
    const bool may_wait = !core_->is_closed() && !core_->has_turn();
    if (connection_ != 0 && may_wait) outcome = flush({});
    // Also when the group has not answered yet: else it would go on leasing events to nobody.
    if (connection_ != 0 && joined_on_ == connection_) {
        wire::fb::LeaveQueueT request;
        request.subscription_id = subscription_;
        if (!may_wait) {
            send_verdicts();
            leave();
        } else if (auto left = blocking_call(*core_, request);
                   !left && outcome && left.error().code != ErrorCode::unknown_subscription) {
            outcome = std::move(left).error();
        }
    }
    closed_ = true;
    batches_.finish_all();
    batches_.release();
    queue_.clear();
    static_cast<void>(held_.clear());
    if (core_->has_turn())
        port_->stop();
    else
        core_->post([port = port_] { port->stop(); });
    core_->detach(port_);
    return outcome;
}

}  // namespace casc::client
