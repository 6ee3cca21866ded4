#include "log_sender.hpp"

#include <algorithm>

namespace casc::client {
namespace {

// Once this much waits for the socket it is written at once, so that the broker works on the first
// batches while later ones are still being encoded.
constexpr std::size_t kFlushBytes = 256_KiB;

}  // namespace

LogSender::LogSender(Settings settings, SenderHost& host) : settings_(settings), host_(host) {
    wire::fb::ProduceT produce;
    produce.topic_id = settings.topic.value();
    produce.partition = settings.partition.value();
    produce.acks = static_cast<std::uint8_t>(settings.acks);
    wire::Encoder encoder;
    const auto body = encoder.encode(produce);
    body_.assign(body.begin(), body.end());
}

// ---- sending ------------------------------------------------------------------------------------

void LogSender::add(std::unique_ptr<Draft> draft, std::uint64_t serial, SteadyTime now) {
    drafts_.push_back({std::move(draft), serial, now + settings_.delivery_timeout});
}

bool LogSender::may_send() const noexcept {
    // After a refusal the rest of what was on the wire is answered first; only then is it clear
    // what to repeat.
    return !again_ || sent_ == 0;
}

void LogSender::pump(SteadyTime now) {
    Link* link = host_.link();
    if (link == nullptr || idle()) return;
    if (now < not_before_) return host_.retry_at(not_before_);
    if (!may_send() || !ensure_identity()) return;
    if (again_) {
        again_ = false;
        for (std::size_t i = 0; i < in_flight_.size() && host_.link() == link; ++i)
            send(*in_flight_[i]);
    }
    while (!drafts_.empty() && in_flight_.size() < settings_.batches_max && host_.link() == link) {
        send(encode(next_draft()));
    }
}

bool LogSender::ensure_identity() {
    if (identified_ || !settings_.idempotent) return true;
    if (!std::exchange(identity_asked_, true)) host_.need_identity(*this, started_over_);
    return identified_;
}

void LogSender::identified(ProducerId id, std::uint32_t epoch) {
    producer_ = id;
    producer_epoch_ = epoch;
    identified_ = true;
    identity_asked_ = false;
    // A new identity counts from 0; whatever is left over is numbered anew.
    next_sequence_ = 0;
    for (const SentBatchPtr& batch : in_flight_) {
        batch->base_sequence = next_sequence_;
        batch->renumbered = true;
        next_sequence_ += batch->event_count;
    }
}

SentBatch& LogSender::encode(Waiting waiting) {
    Draft& draft = *waiting.draft;
    SentBatchPtr batch = host_.fresh_batch();
    batch->batch_at = wire::framed_bytes(body_.size());
    batch->event_count = draft.builder.event_count();
    batch->base_sequence = next_sequence_;
    batch->serial = waiting.serial;
    batch->charged = draft.charged;
    batch->deadline = waiting.deadline;
    batch->callbacks.swap(draft.callbacks);
    next_sequence_ += batch->event_count;
    draft.builder.finish({producer_, producer_epoch_, batch->base_sequence, settings_.codec,
                          settings_.compress_bytes_min},
                         batch->frame, batch->batch_at);
    host_.give_back(std::move(waiting.draft));
    in_flight_.push_back(std::move(batch));
    return *in_flight_.back();
}

void LogSender::send(SentBatch& batch) {
    if (batch.renumbered) renumber(batch.batch(), producer_, producer_epoch_, batch.base_sequence);
    batch.renumbered = false;
    const bool one_way = settings_.acks == Acks::none;
    const std::uint32_t id = one_way ? 0 : host_.expect_answer(*this, batch);
    wire::write_frame(std::span(batch.frame).first(batch.batch_at),
                      one_way ? wire::FrameKind::one_way : wire::FrameKind::request,
                      wire::Api::produce, id, body_, batch.batch().size());
    batch.state = SentBatch::State::sent;
    batch.ever_sent = true;
    ++sent_;
    Link* link = host_.link();
    link->send(batch.frame, batch.written);
    if (link->unwritten_bytes() >= kFlushBytes) link->flush();
}

// ---- answers ------------------------------------------------------------------------------------

void LogSender::answered(SentBatch& batch, Result<Reply> reply) {
    if (batch.state != SentBatch::State::sent)
        return;  // the connection went, disconnected() has seen to it
    --sent_;
    batch.state = SentBatch::State::waiting;
    again_ = true;
    if (!reply) return refused(batch, reply.error());
    // It cannot have been received yet: were it settled now its bytes would change under the
    // socket.
    if (batch.written.pending != 0)
        return host_.give_up_link(
            Error(ErrorCode::malformed_message, "a produce was answered before it was sent"));
    const auto body = wire::view<wire::fb::ProduceReply>(reply->body);
    if (!body) return host_.give_up_link(body.error());
    const BatchDelivery delivery(settings_.partition, settings_.lane, **body);
    auto settled = take(batch);
    look_for_waiting();
    host_.settle(*this, std::move(settled), delivery);
}

void LogSender::refused(SentBatch& batch, const Error& why) {
    switch (why.code) {
        case ErrorCode::connection_closed:
        case ErrorCode::cancelled:
            return;  // goes again on the next connection; disconnected() or fail_all() follows
        case ErrorCode::producer_fenced:
            return host_.fail_producer(why);
        case ErrorCode::sequence_gap:
        case ErrorCode::unknown_producer:
            return out_of_sequence(batch, why);
        default:
            if (!error_info(why.code).retryable) return refused_for_good(batch, why);
            retry_later(why.retry_after_ms);
    }
}

void LogSender::out_of_sequence(SentBatch& batch, const Error& why) {
    // Behind one that was refused: it goes again with that one.
    if (!is_first(batch) && why.code == ErrorCode::sequence_gap) return;
    // The first one: the broker has forgotten this producer (it expired, or a crash took what was
    // only in memory). Everything before it is settled and it was refused itself, so nothing can be
    // stored twice by counting anew.
    start_over();
    retry_later(0);
}

void LogSender::retry_later(std::uint32_t retry_after_ms) {
    const auto pause =
        std::max<std::chrono::microseconds>(host_.backoff(), milliseconds(retry_after_ms));
    not_before_ = std::chrono::steady_clock::now() + pause;
}

void LogSender::refused_for_good(SentBatch& batch, const Error& why) {
    // Not stored, so neither was anything behind it under these sequences: they close ranks. A
    // duplicate that is too old to be recognised was stored and leaves no gap.
    if (why.code != ErrorCode::sequence_too_old) {
        bool behind = false;
        for (const SentBatchPtr& other : in_flight_) {
            if (behind) {
                other->base_sequence -= batch.event_count;
                other->renumbered = true;
            }
            behind = behind || other.get() == &batch;
        }
        next_sequence_ -= batch.event_count;
    }
    auto settled = take(batch);
    look_for_waiting();
    host_.settle(*this, std::move(settled), why);
}

void LogSender::look_for_waiting() {
    again_ = std::any_of(in_flight_.begin(), in_flight_.end(), [](const auto& batch) {
        return batch->state == SentBatch::State::waiting;
    });
}

SentBatchPtr LogSender::take(SentBatch& batch) {
    const auto found = std::find_if(in_flight_.begin(), in_flight_.end(),
                                    [&](const auto& b) { return b.get() == &batch; });
    CASC_ASSERT(found != in_flight_.end());
    SentBatchPtr taken = std::move(*found);
    in_flight_.erase(found);
    return taken;
}

// ---- acks none ----------------------------------------------------------------------------------

bool LogSender::has_written() const noexcept {
    if (settings_.acks != Acks::none || in_flight_.empty()) return false;
    const SentBatch& first = *in_flight_.front();
    return first.state == SentBatch::State::sent && first.written.pending == 0 &&
           !first.written.lost;
}

bool LogSender::settle_written() {
    bool any = false;
    for (; has_written(); any = true) {
        SentBatchPtr batch = std::move(in_flight_.front());
        in_flight_.pop_front();
        --sent_;
        host_.settle(*this, std::move(batch), BatchDelivery(settings_.partition, settings_.lane));
    }
    return any;
}

// ---- the connection, time, the end --------------------------------------------------------------

void LogSender::disconnected() {
    static_cast<void>(settle_written());
    for (const SentBatchPtr& batch : in_flight_)
        batch->state = SentBatch::State::waiting;
    again_ = !in_flight_.empty();
    sent_ = 0;
    not_before_ = {};
}

void LogSender::start_over() {
    if (!settings_.can_start_over)
        return host_.fail_producer(
            Error(ErrorCode::unknown_producer, "the broker has lost track of this named producer"));
    identified_ = false;
    started_over_ = true;
}

void LogSender::expire(SteadyTime now) {
    const Error why(ErrorCode::timeout, "not acknowledged within the delivery timeout");
    if (!in_flight_.empty() && in_flight_.front()->deadline <= now) {
        if (settings_.idempotent) {
            give_up_sent(why);
        } else {
            while (!in_flight_.empty() && in_flight_.front()->deadline <= now) {
                if (in_flight_.front()->state == SentBatch::State::sent) --sent_;
                SentBatchPtr batch = std::move(in_flight_.front());
                in_flight_.pop_front();
                host_.settle(*this, std::move(batch), why);
            }
        }
    }
    while (!drafts_.empty() && drafts_.front().deadline <= now)
        fail(next_draft(), why);
}

// Whether a batch that was sent has been stored is not known, so neither is which sequence the
// broker expects next.
void LogSender::give_up_sent(const Error& why) {
    start_over();
    for (SentBatchPtr& batch : std::exchange(in_flight_, {}))
        host_.settle(*this, std::move(batch), why);
    sent_ = 0;
    again_ = false;
}

void LogSender::fail_all(const Error& why) {
    for (SentBatchPtr& batch : std::exchange(in_flight_, {}))
        host_.settle(*this, std::move(batch), why);
    sent_ = 0;
    again_ = false;
    while (!drafts_.empty())
        fail(next_draft(), why);
}

LogSender::Waiting LogSender::next_draft() {
    Waiting next = std::move(drafts_.front());
    drafts_.pop_front();
    return next;
}

void LogSender::fail(Waiting waiting, const Error& why) {
    SentBatchPtr batch = host_.fresh_batch();
    batch->event_count = waiting.draft->builder.event_count();
    batch->serial = waiting.serial;
    batch->charged = waiting.draft->charged;
    batch->callbacks.swap(waiting.draft->callbacks);
    host_.give_back(std::move(waiting.draft));
    host_.settle(*this, std::move(batch), why);
}

}  // namespace casc::client
