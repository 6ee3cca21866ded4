#include "producer_impl.hpp"

#include <algorithm>

namespace casc::client {
namespace {

Accumulator::Settings accumulator_settings(const ProducerImpl::Topic& topic,
                                           const ProducerOptions& options) {
    const std::size_t batch_bytes = std::clamp<std::size_t>(
        options.batch_bytes, 1, std::min(topic.batch_bytes_max, wire::kBatchBytesMax));
    return {topic.partitions, batch_bytes, topic.event_bytes_max, options.linger};
}

}  // namespace

ProducerImpl::ProducerImpl(std::shared_ptr<Core> core, Topic topic, ProducerOptions options)
    : core_(std::move(core)),
      topic_(topic),
      options_(std::move(options)),
      bound_(options_.in_flight_bytes),
      accumulator_(accumulator_settings(topic_, options_), bound_, core_->waker()),
      logs_(std::size_t{topic_.partitions} * kLaneCount),
      backoff_(core_->options().backoff_first, core_->options().backoff_max, topic_.id.value()),
      linger_timer_(core_->timers()),
      retry_timer_(core_->timers()),
      expiry_timer_(core_->timers()),
      identity_timer_(core_->timers()) {}

// ---- the loop -----------------------------------------------------------------------------------

bool ProducerImpl::drain() {
    const SteadyTime now = std::chrono::steady_clock::now();
    const bool everything = accumulator_.take_hurry();
    const bool looked = accumulator_.collect(now, everything, incoming_);
    if (!looked && everything) accumulator_.hurry();
    bool any = !looked || !incoming_.empty();
    take_in(now);
    for (LogSender* sender : active_)
        any = sender->settle_written() || any;
    pump(now);
    recycle_written();
    if (looked) arm_linger();
    return any;
}

bool ProducerImpl::ready() {
    return accumulator_.ready() ||
           std::any_of(active_.begin(), active_.end(),
                       [](const LogSender* sender) { return sender->has_written(); });
}

void ProducerImpl::take_in(SteadyTime now) {
    for (DraftPtr& draft : std::exchange(incoming_, {})) {
        ++outstanding_;
        LogSender& sender = log(draft->log);
        if (sender.idle()) active_.push_back(&sender);
        sender.add(std::move(draft), ++last_serial_, now);
        if (failed_) sender.fail_all(*failed_);
    }
    if (outstanding_ != 0) arm_expiry();
}

void ProducerImpl::pump(SteadyTime now) {
    for (std::size_t i = 0; i < active_.size();) {
        active_[i]->pump(now);
        if (active_[i]->idle()) {
            active_[i] = active_.back();
            active_.pop_back();
        } else {
            ++i;
        }
    }
}

LogSender& ProducerImpl::log(std::uint32_t index) {
    auto& sender = logs_[index];
    if (!sender) {
        LogSender::Settings settings{};
        settings.topic = topic_.id;
        settings.partition = PartitionId(index / kLaneCount);
        settings.lane = static_cast<Lane>(index % kLaneCount);
        settings.acks = options_.acks;
        // Without an answer there is nothing to retry, so nothing to recognise.
        settings.idempotent = options_.idempotent && options_.acks != Acks::none;
        settings.can_start_over = options_.name.empty();
        settings.batches_max = std::max(options_.in_flight_batches, 1u);
        settings.codec = options_.codec;
        settings.compress_bytes_min = options_.compress_bytes_min;
        settings.delivery_timeout = options_.delivery_timeout;
        sender = std::make_unique<LogSender>(settings, *this);
    }
    return *sender;
}

void ProducerImpl::connected() {
    if (!identity_asked_ && !wants_identity_.empty()) ask_identity(nullptr);
}

void ProducerImpl::disconnected(const Error&) {
    for (LogSender* sender : active_)
        sender->disconnected();
}

// ---- timers: they only wake the loop, drain() sees what is due ----------------------------------

void ProducerImpl::wake_at(Timer& timer, SteadyTime when) {
    timer.set_at(when, [self = shared_from_this()](const boost::system::error_code&) {});
}

void ProducerImpl::arm_linger() {
    const SteadyTime due = accumulator_.next_due();
    if (due == linger_armed_) return;
    linger_armed_ = due;
    if (due != SteadyTime::max()) wake_at(linger_timer_, due);
}

void ProducerImpl::retry_at(SteadyTime when) {
    if (retry_armed_ <= std::chrono::steady_clock::now()) retry_armed_ = SteadyTime::max();
    if (when >= retry_armed_) return;
    retry_armed_ = when;
    wake_at(retry_timer_, when);
}

void ProducerImpl::arm_expiry() {
    if (std::exchange(expiry_armed_, true)) return;
    // A batch is given up at most an eighth of its time late.
    const auto pause =
        std::clamp(options_.delivery_timeout / 8, milliseconds(5), milliseconds(250));
    expiry_timer_.set_after(pause,
                            [self = shared_from_this()](const boost::system::error_code& error) {
                                self->expiry_armed_ = false;
                                if (error) return;
                                const SteadyTime now = std::chrono::steady_clock::now();
                                for (std::size_t i = 0; i < self->active_.size(); ++i)
                                    self->active_[i]->expire(now);
                                if (self->outstanding_ != 0) self->arm_expiry();
                            });
}

// ---- identity -----------------------------------------------------------------------------------

void ProducerImpl::need_identity(LogSender& sender, bool of_its_own) {
    if (of_its_own) {
        wants_own_identity_.push_back(&sender);
        return ask_identity(&sender);
    }
    if (producer_ != ProducerId{}) return sender.identified(producer_, producer_epoch_);
    wants_identity_.push_back(&sender);
    if (!identity_asked_) ask_identity(nullptr);
}

void ProducerImpl::ask_identity(LogSender* own) {
    if (own == nullptr) identity_asked_ = true;
    wire::fb::InitProducerT request;
    request.name = options_.name;
    wire::Encoder encoder;
    core_->send_now(wire::Api::init_producer, encoder.encode(request),
                    [self = shared_from_this(), own](Result<Reply> reply) {
                        self->identity_answered(own, std::move(reply));
                    });
}

// With no connection the request waits for one by itself.
void ProducerImpl::ask_identity_later() {
    identity_timer_.set_after(backoff_.next(),
                              [self = shared_from_this()](const boost::system::error_code& error) {
                                  if (error || self->failed_) return;
                                  if (!self->identity_asked_ && !self->wants_identity_.empty())
                                      self->ask_identity(nullptr);
                                  // One of them may have been asked for already; the second answer
                                  // finds nobody who wants it.
                                  for (LogSender* own : std::vector(self->wants_own_identity_))
                                      self->ask_identity(own);
                              });
}

void ProducerImpl::identity_answered(LogSender* own, Result<Reply> reply) {
    if (own == nullptr) identity_asked_ = false;
    if (failed_) return;
    if (!reply) {
        const Error why = reply.error();
        if (why.code == ErrorCode::cancelled) return;
        if (!error_info(why.code).retryable) return fail_producer(why);
        return ask_identity_later();
    }
    const auto answer = wire::decode<wire::fb::InitProducerReply>(reply->body);
    if (!answer) return core_->give_up_link(answer.error());
    const ProducerId id(answer->producer_id);
    if (own != nullptr) {
        if (std::erase(wants_own_identity_, own) != 0) own->identified(id, answer->epoch);
        return;
    }
    producer_ = id;
    producer_epoch_ = answer->epoch;
    for (LogSender* sender : std::exchange(wants_identity_, {}))
        sender->identified(producer_, producer_epoch_);
}

// ---- batches ------------------------------------------------------------------------------------

std::uint32_t ProducerImpl::expect_answer(LogSender& sender, SentBatch& batch) {
    // No deadline: the batch has its own. By the time an answer comes the batch may be settled and
    // its memory carry another one; the serial tells.
    return core_->calls().add(
        [self = shared_from_this(), &sender, &batch, serial = batch.serial](Result<Reply> reply) {
            if (batch.serial == serial) sender.answered(batch, std::move(reply));
        },
        std::nullopt);
}

SentBatchPtr ProducerImpl::fresh_batch() {
    if (pool_.empty()) return std::make_unique<SentBatch>();
    SentBatchPtr batch = std::move(pool_.back());
    pool_.pop_back();
    return batch;
}

void ProducerImpl::settle(LogSender& sender, SentBatchPtr batch,
                          const Result<BatchDelivery>& outcome) {
    if (outcome) backoff_.reset();
    // Room first: who waits for the outcome may send again at once.
    bound_.give_back(batch->charged);
    --outstanding_;
    tell(sender, *batch, outcome);
    count_off(std::exchange(batch->serial, 0));
    batch->state = SentBatch::State::waiting;
    batch->ever_sent = batch->renumbered = false;
    batch->callbacks.clear();
    (batch->written.pending == 0 ? pool_ : unwritten_).push_back(std::move(batch));
}

void ProducerImpl::tell(const LogSender& sender, SentBatch& batch,
                        const Result<BatchDelivery>& outcome) {
    for (const EventCallback& callback : batch.callbacks) {
        if (!outcome) {
            callback.done(outcome.error());
            continue;
        }
        callback.done(outcome->of(callback.index));
    }
    if (!options_.on_batch) return;
    if (outcome) return options_.on_batch(outcome->of(0), batch.event_count, {});
    Delivery nowhere;
    nowhere.partition = sender.settings().partition;
    nowhere.lane = sender.settings().lane;
    options_.on_batch(nowhere, batch.event_count, outcome.error());
}

void ProducerImpl::recycle_written() {
    for (std::size_t i = 0; i < unwritten_.size();) {
        if (unwritten_[i]->written.pending != 0) {
            ++i;
            continue;
        }
        pool_.push_back(std::move(unwritten_[i]));
        unwritten_[i] = std::move(unwritten_.back());
        unwritten_.pop_back();
    }
    if (!leaving_ || !unwritten_.empty()) return;
    leaving_ = false;
    core_->post([self = shared_from_this()] { self->core_->detach(self); });
}

// ---- flush and the end --------------------------------------------------------------------------

void ProducerImpl::collect_everything() {
    // The other side holds the flag for nanoseconds, unless it was preempted.
    while (!accumulator_.collect(std::chrono::steady_clock::now(), true, incoming_))
        std::this_thread::yield();
    take_in(std::chrono::steady_clock::now());
}

void ProducerImpl::flush(std::function<void(Result<void>)> done) {
    collect_everything();
    if (outstanding_ == 0) return done({});
    flushes_.push_back({last_serial_, outstanding_, std::move(done)});
}

void ProducerImpl::count_off(std::uint64_t serial) {
    for (Flush& flush : flushes_)
        if (serial <= flush.through) --flush.remaining;
    while (!flushes_.empty() && flushes_.front().remaining == 0) {
        const auto done = std::move(flushes_.front().done);
        flushes_.erase(flushes_.begin());  // a later flush is never over before an earlier one
        done({});
    }
}

void ProducerImpl::fail_producer(const Error& why) {
    if (failed_) return;
    abort(why);
}

void ProducerImpl::abort(const Error& why) {
    accumulator_.refuse_from_now(why);
    if (!failed_) failed_ = why;
    collect_everything();
    for (std::size_t i = 0; i < active_.size(); ++i)
        active_[i]->fail_all(why);
    wants_identity_.clear();
    wants_own_identity_.clear();
    bound_.wake_all();
    linger_timer_.cancel();
    retry_timer_.cancel();
    expiry_timer_.cancel();
    identity_timer_.cancel();
}

void ProducerImpl::leave(const Error& why) {
    abort(why);
    leaving_ = true;  // drain() sees to the rest
}

}  // namespace casc::client
