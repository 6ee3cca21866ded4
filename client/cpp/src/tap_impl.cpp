#include "tap_impl.hpp"

#include <algorithm>

namespace casc::client {
namespace {

// Deliveries in flight between the threads; what is beyond waits in the port, within the credit.
constexpr std::size_t kTapInboxItems = 4096;

}  // namespace

TapImpl::TapImpl(std::shared_ptr<Core> core, std::uint32_t subscription, TapOptions options)
    : TapImpl(std::move(core), subscription, std::move(options), std::make_shared<ring::Waker>()) {}

TapImpl::TapImpl(std::shared_ptr<Core> core, std::uint32_t subscription, TapOptions options,
                 std::shared_ptr<ring::Waker> waker)
    : TapImpl(std::move(core), subscription, std::move(options), waker,
              ring::make_ring<InboxItem>(kTapInboxItems, waker)) {}

TapImpl::TapImpl(std::shared_ptr<Core> core, std::uint32_t subscription, TapOptions options,
                 std::shared_ptr<ring::Waker> waker, ring::Ring<InboxItem> inbox)
    : core_(std::move(core)),
      subscription_(subscription),
      options_(std::move(options)),
      waker_(std::move(waker)),
      port_(std::make_shared<ConsumerPort>(core_, subscription, std::string(),
                                           options_.credit_bytes, std::move(inbox.producer))),
      inbox_(std::move(inbox.consumer)),
      queue_(options_.order == Order::priority),
      returns_(*port_, options_.credit_bytes),
      backoff_(core_->options().backoff_first, core_->options().backoff_max, subscription) {
    core_->attach(port_);
}

TapImpl::~TapImpl() {
    if (!closed_) static_cast<void>(close());
}

// ---- beginning ----------------------------------------------------------------------------------

Result<void> TapImpl::open() {
    if (core_->has_turn())
        return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
    const auto until = Steady::now() + core_->options().request_timeout;
    for (;;) {
        take_news();
        if (auto error = next_error()) return std::move(*error);
        if (tapped_) return {};
        if (Steady::now() >= until) return Error(ErrorCode::timeout, "setting up the tap");
        wait_for_news(until);
    }
}

wire::fb::TapT TapImpl::request() const {
    wire::fb::TapT request;
    request.subscription_id = subscription_;
    request.topics = options_.topics;
    request.order = static_cast<std::uint8_t>(options_.order);
    request.start = static_cast<std::uint8_t>(options_.start);
    request.last_events = options_.last_events;
    request.on_full = static_cast<std::uint8_t>(options_.on_full);
    request.events_max = options_.events_max;
    request.bytes_max = options_.bytes_max;
    request.share = options_.share;
    request.peer = options_.peer;
    request.filter = options_.filter;
    request.credit_bytes = options_.credit_bytes;
    request.credit_events = CreditReturns::kEvents;
    request.deliver_bytes_max = static_cast<std::uint32_t>(options_.deliver_bytes_max);
    return request;
}

void TapImpl::begin() {
    begin_at_ = Steady::time_point::max();
    if (connection_ == 0) return;
    returns_.begin(connection_);
    port_->send(connection_, wire::Api::tap, encoded(request()),
                [connection = connection_](InboxPort& port, Result<Reply> reply) {
                    Notice notice{.kind = Notice::Kind::tapped, .connection = connection};
                    if (!reply) {
                        notice.why = reply.error();
                    } else if (auto body = wire::decode<wire::fb::TapReply>(reply->body)) {
                        notice.tapped = std::make_unique<wire::fb::TapReplyT>(std::move(*body));
                    } else {
                        notice.why = body.error();
                    }
                    port.tell(std::move(notice));
                });
}

void TapImpl::begin_failed(const Error& why) {
    begin_at_ = Steady::now() + backoff_.next();
    if (!error_info(why.code).retryable) report(why);
}

// ---- news ---------------------------------------------------------------------------------------

void TapImpl::take_news() {
    while (auto item = inbox_.try_pop()) {
        if (item->notice) {
            handle(*item->notice);
            continue;
        }
        item->start = 0;  // counts the events of its first batch that are handed out
        queue_.push(std::move(*item));
    }
    if (begin_at_ <= Steady::now()) begin();
}

void TapImpl::handle(Notice& notice) {
    switch (notice.kind) {
        case Notice::Kind::connected:
            connection_ = notice.connection;
            return begin();
        case Notice::Kind::disconnected:
            // What was pushed already is still good.
            connection_ = 0;
            tapped_ = false;
            begin_at_ = Steady::time_point::max();
            return returns_.begin(0);
        case Notice::Kind::tapped:
            if (notice.why) return begin_failed(*notice.why);
            topic_ids_ = std::move(notice.tapped->topic_ids);
            tapped_ = true;
            ++begun_;
            return backoff_.reset();
        case Notice::Kind::matched:
            for (const auto& topic : notice.matched->topics)
                if (!topic->gone) matched_[TopicId(topic->topic_id)] = topic->topic;
            return;
        case Notice::Kind::failed:
            return report(std::move(*notice.why));
        case Notice::Kind::closed:
            connection_ = 0;
            return report(std::move(*notice.why));
        case Notice::Kind::call_cancelled:
        case Notice::Kind::call_credit:
        case Notice::Kind::assignment:  // a group's
        case Notice::Kind::joined:
        case Notice::Kind::committed:
        case Notice::Kind::settled:
        case Notice::Kind::left:
            return;
    }
}

void TapImpl::wait_for_news(Steady::time_point until) {
    const auto wake = std::min(until, begin_at_);
    if (wake > Steady::now() && core_->drive([&] { return inbox_.ready(); }, wake)) return;
    const auto limit =
        std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(wake - Steady::now()));
    port_->wait(*waker_, inbox_, limit);
}

void TapImpl::report(Error why) {
    for (const Error& known : errors_)
        if (known.code == why.code && known.detail == why.detail) return;
    errors_.push_back(std::move(why));
}

std::optional<Error> TapImpl::next_error() {
    if (errors_.empty()) return std::nullopt;
    Error why = std::move(errors_.front());
    errors_.erase(errors_.begin());
    return why;
}

void TapImpl::when_ready(std::function<void()> done) {
    auto shared = std::make_shared<std::function<void()>>(std::move(done));
    port_->when_ready([shared] { (*shared)(); });
    // What had come before the callback was set announced itself to nobody.
    if ((!queue_.empty() || !errors_.empty() || inbox_.ready()) && port_->forget_ready())
        (*shared)();
}

// ---- events -------------------------------------------------------------------------------------

Result<EventBatch> TapImpl::poll(std::size_t max_events, milliseconds timeout) {
    if (closed_) return Error(ErrorCode::cancelled, "the tap is closed");
    if (max_events == 0) return Error(ErrorCode::invalid_request, "max_events must not be 0");
    const auto until = Steady::now() + timeout;
    batches_.release();
    for (;;) {
        take_news();
        if (auto error = next_error()) return std::move(*error);
        if (const std::size_t events = hand_out(max_events); events != 0)
            return batches_.events(events);
        if (!errors_.empty()) continue;
        if (Steady::now() >= until) return EventBatch();
        wait_for_news(until);
    }
}

std::size_t TapImpl::hand_out(std::size_t max_events) {
    std::size_t events = 0;
    std::size_t bytes = 0;  // one credit's worth cannot pile up decompressed
    queue_.look_again();
    while (events < max_events && bytes < options_.credit_bytes / 2 && errors_.empty() &&
           !queue_.empty()) {
        InboxItem& item = queue_.front();
        bytes += item.batches.size();
        skipped_ += std::exchange(item.skipped, 0);
        if (item.error != ErrorCode::ok) {
            ended(item);
            queue_.pop();
        } else if (!hand_out_from(item, max_events, events)) {
            break;
        }
    }
    return events;
}

// Hands out batches of the front delivery. False: enough; the rest stays.
bool TapImpl::hand_out_from(InboxItem& item, std::size_t max_events, std::size_t& events) {
    while (!item.batches.empty() && events < max_events) {
        const auto view = batches_.check(item.batches);
        const auto payloads =
            view ? batches_.open(*view) : Result<std::span<const std::byte>>(view.error());
        if (!payloads) {
            // Nobody else has it: what is behind it in this delivery goes, too, since where the
            // next batch begins cannot be trusted.
            report(
                Error(payloads.error().code, "'" + std::string(name_of(item.log.topic())) + "'"));
            returns_.used(item.batches.size(), 0);
            batches_.finish_batch(item.batches);
            item.batches = {};
            break;
        }
        const auto handed = batches_.hand_out(
            {item.log.topic(), name_of(item.log.topic()), item.log.partition(), *view, *payloads,
             static_cast<std::uint32_t>(item.start), view->event_count()},
            item, max_events - events);
        events += handed.events;
        item.start = handed.end;
        if (item.start != view->event_count()) return false;
        item.start = 0;
        batches_.finish_batch(item.batches);
        item.batches = item.batches.subspan(view->bytes().size());
        returns_.used(view->bytes().size(), item.meant(view->event_count()));
        item.first_bit += view->event_count();
    }
    if (!item.batches.empty()) return false;
    returns_.delivery_used();
    queue_.pop();
    return true;
}

void TapImpl::ended(const InboxItem& item) {
    report(Error(item.error, "'" + std::string(name_of(item.log.topic())) + "'"));
    if (item.error == ErrorCode::tap_cut_off) begin_at_ = Steady::now();
}

std::string_view TapImpl::name_of(TopicId topic) const noexcept {
    for (std::size_t i = 0; i < topic_ids_.size() && i < options_.topics.size(); ++i)
        if (topic_ids_[i] == topic.value()) return options_.topics[i];
    if (const auto found = matched_.find(topic); found != matched_.end()) return found->second;
    return {};
}

Result<void> TapImpl::close() {
    if (std::exchange(closed_, true)) return {};
    Result<void> outcome;
    if (tapped_ && !core_->is_closed() && !core_->has_turn()) {
        wire::fb::UntapT untap;
        untap.subscription_id = subscription_;
        if (auto ended = blocking_call(*core_, untap);
            !ended && ended.error().code != ErrorCode::unknown_subscription)
            outcome = std::move(ended).error();
    }
    batches_.finish_all();
    batches_.release();
    queue_.clear();
    core_->detach(port_);
    return outcome;
}

}  // namespace casc::client
