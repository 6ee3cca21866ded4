#include "producer_impl.hpp"

#include <casc/client/call.hpp>
#include <casc/client/producer.hpp>

namespace casc::client {
namespace {

// A promise that a callback on the I/O thread keeps, and a wait with an end.
struct Waiter {
    std::promise<Result<void>> promise;
    std::future<Result<void>> future = promise.get_future();
};

Result<void> no_room(ProducerImpl& impl, Error refusal) {
    // Whatever fills the bound should at least be on its way.
    if (refusal.code == ErrorCode::queue_full) impl.accumulator().hurry();
    return refusal;
}

}  // namespace

Result<Producer> Client::make_producer(std::string_view topic, ProducerOptions options) {
    if (options.in_flight_bytes == 0)
        return Error(ErrorCode::invalid_config, "in_flight_bytes must not be 0");
    wire::fb::DescribeTopicT request;
    request.name = topic;
    CASC_TRY(const auto reply, call(request));
    if (!reply.topic || !reply.topic->settings) return ErrorCode::malformed_message;
    const bool is_volatile = reply.topic->settings->durability.value_or(0xFF) ==
                             static_cast<std::uint8_t>(Durability::volatile_);
    if (is_volatile && options.acks > Acks::memory)
        return Error(ErrorCode::invalid_config,
                     "'" + std::string(topic) +
                         "' is volatile, nothing of it is stored: acks must be memory or none");
    // Nothing that the broker could recognise duplicates by outlives it.
    if (is_volatile) options.idempotent = false;
    const auto said = broker();
    const auto or_limit = [](std::size_t value, std::size_t limit) {
        return value == 0 ? limit : std::min(value, limit);
    };
    ProducerImpl::Topic described{};
    described.id = TopicId(reply.topic->topic_id);
    described.partitions =
        std::clamp(reply.topic->settings->partitions.value_or(1), 1u, kPartitionsMax);
    described.batch_bytes_max = or_limit(said.batch_bytes_max, wire::kBatchBytesMax);
    described.event_bytes_max = std::min(or_limit(said.event_bytes_max, described.batch_bytes_max),
                                         described.batch_bytes_max - wire::kBatchOverheadBytes);
    if (reply.topic->settings->event_bytes_max)
        described.event_bytes_max = std::min<std::size_t>(described.event_bytes_max,
                                                          *reply.topic->settings->event_bytes_max);
    auto impl = std::make_shared<ProducerImpl>(core_, described, std::move(options));
    core_->attach(impl);
    return Producer(std::move(impl));
}

Producer::Producer(std::shared_ptr<ProducerImpl> impl) : impl_(std::move(impl)) {}

Producer::~Producer() {
    if (impl_) static_cast<void>(close());
}

Producer& Producer::operator=(Producer&& other) noexcept {
    if (this != &other) {
        if (impl_) static_cast<void>(close());
        impl_ = std::move(other.impl_);
    }
    return *this;
}

Result<void> Producer::try_send(const Event& event, DeliveryCallback done) {
    auto accepted = impl_->add(event, done);
    if (!accepted) [[unlikely]]
        return no_room(*impl_, std::move(accepted).error());
    return {};
}

Result<void> Producer::send(const Event& event, DeliveryCallback done,
                            std::optional<milliseconds> deadline) {
    auto accepted = impl_->add(event, done);
    if (accepted || accepted.error().code != ErrorCode::queue_full) [[likely]]
        return accepted;
    if (impl_->core().has_turn()) return accepted;  // room comes from this very thread
    const auto until =
        std::chrono::steady_clock::now() + deadline.value_or(impl_->options().delivery_timeout);
    impl_->bound().wait(until, [&] {
        accepted = impl_->accumulator().add(event, done);
        if (accepted || accepted.error().code != ErrorCode::queue_full) return true;
        impl_->accumulator().hurry();
        return false;
    });
    return accepted;
}

std::future<Result<Delivery>> Producer::send_future(const Event& event) {
    auto promise = std::make_shared<std::promise<Result<Delivery>>>();
    auto future = promise->get_future();
    if (auto accepted =
            send(event, [promise](Result<Delivery> d) { promise->set_value(std::move(d)); });
        !accepted)
        promise->set_value(std::move(accepted).error());
    return future;
}

void Producer::flush_async(std::function<void(Result<void>)> done) {
    if (!impl_->core().post([impl = impl_, done] { impl->flush(done); }))
        done(Error(ErrorCode::cancelled, "the client is closed"));
}

Result<void> Producer::flush(std::optional<milliseconds> deadline) {
    if (impl_->core().has_turn())
        return Error(ErrorCode::invalid_request, "a waiting flush from the client's own callback");
    const auto waiter = std::make_shared<Waiter>();
    flush_async([waiter](Result<void> outcome) { waiter->promise.set_value(std::move(outcome)); });
    const auto limit = deadline.value_or(impl_->options().delivery_timeout + milliseconds(1000));
    if (waiter->future.wait_for(limit) != std::future_status::ready)
        return Error(ErrorCode::timeout,
                     "not everything was delivered within the flush's deadline");
    return waiter->future.get();
}

Result<void> Producer::close(std::optional<milliseconds> linger) {
    const Error why(ErrorCode::cancelled, "the producer is closed");
    impl_->accumulator().refuse_from_now(why);
    const auto flushed = flush(linger.value_or(impl_->options().close_linger));
    const auto waiter = std::make_shared<Waiter>();
    if (impl_->core().post([impl = impl_, waiter, why] {
            impl->leave(why);
            waiter->promise.set_value({});
        }))
        waiter->future.wait();
    if (!flushed && flushed.error().code != ErrorCode::cancelled) return flushed;
    return {};
}

void Producer::when_room(std::function<void()> done) {
    if (impl_->bound().taken() == 0) return done();
    impl_->bound().call(std::move(done));
}

std::uint32_t Producer::partitions() const noexcept {
    return impl_->topic().partitions;
}
TopicId Producer::topic_id() const noexcept {
    return impl_->topic().id;
}
std::size_t Producer::in_flight_bytes() const noexcept {
    return impl_->bound().taken();
}

}  // namespace casc::client
