#include "consumer_impl.hpp"

#include <casc/client/client.hpp>
#include <casc/client/consumer.hpp>

namespace casc::client {

Result<Consumer> Client::make_consumer(ConsumerOptions options) {
    if (options.credit_bytes == 0)
        return Error(ErrorCode::invalid_config, "credit_bytes must not be 0");
    if (core_->is_closed()) return Error(ErrorCode::cancelled, "the client is closed");
    return Consumer(
        std::make_shared<ConsumerImpl>(core_, core_->next_subscription(), std::move(options)));
}

Consumer::Consumer(std::shared_ptr<ConsumerImpl> impl) : impl_(std::move(impl)) {}
Consumer::~Consumer() = default;
Consumer& Consumer::operator=(Consumer&&) noexcept = default;

Result<void> Consumer::subscribe(std::vector<std::string> topics, RebalanceCallbacks callbacks) {
    return impl_->subscribe(std::move(topics), std::move(callbacks));
}
Result<void> Consumer::assign(const std::vector<Place>& places) {
    return impl_->assign(places);
}
Result<EventBatch> Consumer::poll(std::size_t max_events, milliseconds timeout) {
    return impl_->poll(max_events, timeout);
}
Result<EventBatch> Consumer::poll_batches(milliseconds timeout) {
    return impl_->poll(std::numeric_limits<std::size_t>::max(), timeout);
}
Result<void> Consumer::commit(std::optional<milliseconds> deadline) {
    return impl_->commit(deadline);
}
Result<void> Consumer::commit(const std::vector<Place>& next_offsets,
                              std::optional<milliseconds> deadline) {
    return impl_->commit(next_offsets, deadline);
}
void Consumer::commit_async(std::function<void(Result<void>)> done) {
    impl_->commit_async(std::move(done));
}
Result<void> Consumer::seek(const Place& to) {
    return impl_->seek(to);
}
Result<void> Consumer::seek_to_time(const std::string& topic, PartitionId partition,
                                    EpochNanos time) {
    return impl_->seek_to_time(topic, partition, time);
}
Result<void> Consumer::pause(const std::string& topic, PartitionId partition) {
    return impl_->pause(topic, partition, true);
}
Result<void> Consumer::resume(const std::string& topic, PartitionId partition) {
    return impl_->pause(topic, partition, false);
}
Result<Offset> Consumer::position(const std::string& topic, PartitionId partition,
                                  Lane lane) const {
    return impl_->position(topic, partition, lane);
}
Result<std::vector<Place>> Consumer::committed() {
    return impl_->committed();
}
std::vector<TopicPartition> Consumer::assignment() const {
    return impl_->assignment();
}
const std::string& Consumer::member_id() const {
    return impl_->member_id();
}
void Consumer::when_ready(std::function<void()> done) {
    impl_->when_ready(std::move(done));
}
Result<void> Consumer::close() {
    return impl_->close();
}

}  // namespace casc::client
