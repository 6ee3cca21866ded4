// The part of the consumer that hands events out.
#include "consumer_impl.hpp"

#include <algorithm>

namespace casc::client {

Result<EventBatch> ConsumerImpl::poll(std::size_t max_events, milliseconds timeout) {
    if (closed_) return Error(ErrorCode::cancelled, "the consumer is closed");
    if (max_events == 0) return Error(ErrorCode::invalid_request, "max_events must not be 0");
    const auto until = Steady::now() + timeout;
    batches_.release();
    auto_commit_if_due();
    for (;;) {
        take_news();
        if (!errors_.empty()) {
            Error why = std::move(errors_.front());
            errors_.erase(errors_.begin());
            return why;
        }
        if (const std::size_t events = hand_out(max_events); events != 0)
            return batches_.events(events);
        if (!errors_.empty()) continue;
        if (Steady::now() >= until) return EventBatch();
        wait_for_news(until);
    }
}

void ConsumerImpl::wait_for_news(Steady::time_point until) {
    const auto wake = std::min(until, join_at_);
    if (wake > Steady::now() && core_->drive([&] { return inbox_.ready(); }, wake)) return;
    const auto limit =
        std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(wake - Steady::now()));
    port_->wait(*waker_, inbox_, limit);
}

void ConsumerImpl::report(Error why) {
    // A source that fails again and again is one error until it is told.
    for (const Error& known : errors_)
        if (known.code == why.code && known.detail == why.detail) return;
    errors_.push_back(std::move(why));
}

// ---- news ---------------------------------------------------------------------------------------

void ConsumerImpl::take_news() {
    // One at a time: a notice may wait for answers, and everything behind it belongs to the time
    // after it.
    while (auto item = inbox_.try_pop()) {
        if (item->notice)
            handle(*item->notice);
        else
            queue_.push(std::move(*item));
    }
    if (join_at_ <= Steady::now()) join();
}

void ConsumerImpl::handle(Notice& notice) {
    switch (notice.kind) {
        case Notice::Kind::connected:
            connection_ = notice.connection;
            // Pushed on the connection before, and to be pushed again from our positions.
            queue_.clear();
            batches_.finish_all();
            joining_ = member_ = false;
            // A member reads on when it knows what is still its own, see assigned().
            if (wanted_topics_.empty()) return subscription_.begin(connection_);
            join();
            return;
        case Notice::Kind::disconnected:
            connection_ = 0;
            joining_ = member_ = false;
            join_at_ = Steady::time_point::max();
            subscription_.end();
            return;
        case Notice::Kind::assignment:
            return assigned(*notice.assignment);
        case Notice::Kind::joined:
            if (notice.joined) return joined(*notice.joined);
            return join_failed(*notice.why);
        case Notice::Kind::committed:
            return mark_committed(notice.committed);
        case Notice::Kind::matched:
            return matched(*notice.matched);
        case Notice::Kind::call_cancelled:  // a responder's
        case Notice::Kind::call_credit:
        case Notice::Kind::settled:  // a queue's
        case Notice::Kind::left:
        case Notice::Kind::tapped:  // a tap's
            return;
        case Notice::Kind::failed:
            return report(std::move(*notice.why));
        case Notice::Kind::closed:
            connection_ = 0;
            return report(std::move(*notice.why));
    }
}

// ---- events -------------------------------------------------------------------------------------

std::size_t ConsumerImpl::hand_out(std::size_t max_events) {
    std::size_t events = 0;
    queue_.look_again();
    // Also bounded in bytes, for poll_batches: one credit's worth cannot pile up decompressed.
    std::size_t bytes = 0;
    while (events < max_events && bytes < options_.credit_bytes / 2 && !queue_.empty()) {
        InboxItem& item = queue_.front();
        bytes += item.batches.size();
        if (!subscription_.wants(item)) {
            drop(item);
            continue;
        }
        if (item.error != ErrorCode::ok) {
            source_failed(item);
            queue_.pop();
            continue;
        }
        if (!hand_out_from(item, max_events, events)) break;
    }
    return events;
}

// Hands out batches of the front delivery. False: enough, or an error to tell; the rest stays.
bool ConsumerImpl::hand_out_from(InboxItem& item, std::size_t max_events, std::size_t& events) {
    Source& source = *subscription_.find(item.log);
    while (!item.batches.empty()) {
        const auto view = batches_.check(item.batches);
        if (!view) return batch_failed(item, source, view.error().code);
        const std::uint64_t base = view->base_offset().value();
        const std::uint64_t from = std::max(source.position, base);
        const std::uint32_t first =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(from - base, view->event_count()));
        std::uint32_t end = first;
        if (first != view->event_count() && events < max_events) {
            const auto payloads = batches_.open(*view);
            if (!payloads) return batch_failed(item, source, payloads.error().code);
            const auto handed = batches_.hand_out(
                {item.log.topic(), topics_[item.log.topic()], item.log.partition(), *view,
                 *payloads, first, view->event_count()},
                item, max_events - events);
            events += handed.events;
            end = handed.end;
            source.position = base + end;
        }
        if (end != view->event_count()) return false;
        batches_.finish_batch(item.batches);
        item.batches = item.batches.subspan(view->bytes().size());
        subscription_.used(view->bytes().size(), item.meant(view->event_count()));
        item.first_bit += view->event_count();
        if (events == max_events) break;
    }
    if (!item.batches.empty()) return false;
    // Behind it there may be more that did not match.
    source.position = std::max(source.position, item.next);
    if (item.progress) subscription_.used(wire::kProgressCreditBytes, 0);
    subscription_.delivery_used();
    queue_.pop();
    return true;
}

bool ConsumerImpl::batch_failed(InboxItem& item, const Source& source, ErrorCode why) {
    report(Error(why, place(item.log) + " from offset " + std::to_string(source.position)));
    // The broker's copy may be whole: read on from our position, under a new generation.
    subscription_.move(item.log, source.position);
    drop(item);
    return false;
}

std::string ConsumerImpl::place(LogId log) {
    return "'" + topics_[log.topic()] + "' partition " + std::to_string(log.partition().value()) +
           " lane " + std::string(to_string(log.lane()));
}

void ConsumerImpl::drop(InboxItem& item) {
    // Its credit goes back; events are counted where the headers can be read.
    std::uint32_t events = 0;
    for (auto rest = item.batches; !rest.empty();) {
        const auto bytes = wire::BatchView::peek_bytes(rest);
        if (!bytes) break;
        if (const auto view = wire::BatchView::parse(rest.first(*bytes))) {
            events += item.meant(view->event_count());
            item.first_bit += view->event_count();
        }
        rest = rest.subspan(*bytes);
    }
    subscription_.used(item.progress ? wire::kProgressCreditBytes : item.batches.size(), events);
    subscription_.delivery_used();
    batches_.finish_batch(item.batches);
    queue_.pop();
}

void ConsumerImpl::source_failed(const InboxItem& item) {
    const LogId log = item.log;
    Source& source = *subscription_.find(log);
    const Error why(item.error, place(log) + " at offset " + std::to_string(source.position));
    if (item.error != ErrorCode::offset_out_of_range) {
        subscription_.remove({log});
        if (item.error == ErrorCode::unknown_topic && came_by_pattern(log.topic())) return;
        return report(why);
    }
    if (std::exchange(source.from_oldest, false)) return subscription_.move(log, item.start);
    switch (options_.reset) {
        case Reset::earliest:
            return subscription_.move(log, item.start);
        case Reset::latest: {
            const auto ends = list_offsets({log}, 1, {});
            if (!ends) return report(ends.error());
            return subscription_.move(log, ends->front().second);
        }
        case Reset::error:
            subscription_.remove({log});
            return report(why);
    }
}

}  // namespace casc::client
