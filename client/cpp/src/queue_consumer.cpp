#include "queue_consumer_impl.hpp"

#include <casc/client/client.hpp>

namespace casc::client {

Result<QueueConsumer> Client::make_queue_consumer(QueueOptions options) {
    if (options.group.empty() || options.topics.empty())
        return Error(ErrorCode::invalid_config, "a queue consumer needs a group and its topics");
    if (options.start == Reset::error)
        return Error(ErrorCode::invalid_config, "a queue group starts with earliest or latest");
    if (options.prefetch_bytes == 0 || options.prefetch_events == 0)
        return Error(ErrorCode::invalid_config, "prefetch_events and prefetch_bytes must not be 0");
    if (options.hold_max <= milliseconds(0))
        return Error(ErrorCode::invalid_config, "hold_max must be more than 0");
    if (core_->is_closed()) return Error(ErrorCode::cancelled, "the client is closed");
    auto impl =
        std::make_unique<QueueConsumerImpl>(core_, core_->next_subscription(), std::move(options));
    CASC_TRY_VOID(impl->open());
    return QueueConsumer(std::move(impl));
}

QueueConsumer::QueueConsumer(std::unique_ptr<QueueConsumerImpl> impl) : impl_(std::move(impl)) {}
QueueConsumer::~QueueConsumer() = default;
QueueConsumer::QueueConsumer(QueueConsumer&&) noexcept = default;
QueueConsumer& QueueConsumer::operator=(QueueConsumer&&) noexcept = default;

Result<EventBatch> QueueConsumer::poll(std::size_t max_events, milliseconds timeout) {
    return impl_->poll(max_events, timeout);
}
Result<void> QueueConsumer::done(const EventId& event) {
    return impl_->done(event);
}
Result<void> QueueConsumer::done(const EventBatch& events) {
    return impl_->done(events);
}
Result<void> QueueConsumer::refuse(const EventId& event, std::string_view error,
                                   std::optional<milliseconds> delay) {
    return impl_->settle(event, LeaseVerdict::refused, delay, error);
}
Result<void> QueueConsumer::release(const EventId& event) {
    return impl_->settle(event, LeaseVerdict::released, {}, {});
}
Result<void> QueueConsumer::give_up(const EventId& event, std::string_view error) {
    return impl_->settle(event, LeaseVerdict::given_up, {}, error);
}
Result<void> QueueConsumer::flush(std::optional<milliseconds> deadline) {
    return impl_->flush(deadline);
}
std::size_t QueueConsumer::held() const noexcept {
    return impl_->held();
}
void QueueConsumer::when_ready(std::function<void()> done) {
    impl_->when_ready(std::move(done));
}
Result<void> QueueConsumer::close() {
    return impl_->close();
}

}  // namespace casc::client
