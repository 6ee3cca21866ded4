#include "transactor_impl.hpp"

#include "batch_delivery.hpp"
#include "event_input.hpp"

#include <casc/client/call.hpp>
#include <casc/client/partitioner.hpp>
#include <casc/types/clock.hpp>

#include <algorithm>
#include <random>
#include <thread>

namespace casc::client {
namespace {

// Of a frame, for header and body; a position or a word of done events takes less than 100 bytes.
constexpr std::size_t kBodyRoomBytes = 1_MiB;

// Whether the broker may have carried out a request that failed so.
bool is_unknown(ErrorCode code) {
    return code == ErrorCode::connection_closed || code == ErrorCode::timeout ||
           code == ErrorCode::storage_failed || code == ErrorCode::cancelled;
}

Error other_client() {
    return Error(ErrorCode::invalid_request, "the consumer is another client's");
}

Error over() {
    return Error(ErrorCode::invalid_request, "the transaction is over");
}

Result<Reply> call_and_wait(Core& core, std::vector<std::byte> body, std::vector<std::byte> batches,
                            milliseconds deadline) {
    const auto promise = std::make_shared<std::promise<Result<Reply>>>();
    auto answer = promise->get_future();
    core.request(
        wire::Api::atomic_write, std::move(body), deadline,
        [promise](Result<Reply> reply) { promise->set_value(std::move(reply)); },
        std::move(batches));
    return answer.get();
}

}  // namespace

// ---- TransactorImpl -----------------------------------------------------------------------------

TransactorImpl::TransactorImpl(std::shared_ptr<Core> core, TransactorOptions options)
    : core_(std::move(core)),
      options_(std::move(options)),
      backoff_(core_->options().backoff_first, core_->options().backoff_max,
               std::random_device{}()) {}

Result<TransactorImpl::Topic*> TransactorImpl::topic(std::string_view name) {
    if (const auto found = topics_.find(name); found != topics_.end()) return &found->second;
    wire::fb::DescribeTopicT request;
    request.name = name;
    CASC_TRY(const auto reply, blocking_call(*core_, request));
    if (!reply.topic || !reply.topic->settings) return ErrorCode::malformed_message;
    const auto& settings = *reply.topic->settings;
    Topic topic{.id = TopicId(reply.topic->topic_id),
                .partitions = std::clamp(settings.partitions.value_or(1), 1u, kPartitionsMax),
                .event_bytes_max = settings.event_bytes_max.value_or(wire::kBatchBytesMax / 2)};
    return &topics_.emplace(name, topic).first->second;
}

Result<TransactorImpl::Identity> TransactorImpl::identity(std::optional<milliseconds> deadline) {
    if (identity_) return *identity_;
    wire::fb::InitProducerT request;
    request.name = options_.name;
    CASC_TRY(const auto reply, blocking_call(*core_, request, deadline));
    identity_ = Identity{ProducerId(reply.producer_id), reply.epoch};
    return *identity_;
}

std::uint32_t TransactorImpl::sequence(LogId log) const {
    const auto found = sequences_.find(log);
    return found == sequences_.end() ? 0 : found->second;
}

void TransactorImpl::forget_identity() {
    identity_.reset();
    sequences_.clear();
}

// ---- gathering ----------------------------------------------------------------------------------

TransactionParts::~TransactionParts() {
    for (Done& done : done_)
        done.queue->give_back(std::move(done.events));
}

Result<void> TransactionParts::send(std::string_view name, const Event& event) {
    CASC_TRY(TransactorImpl::Topic* const topic, transactor_.topic(name));
    const wire::EventInput input = input_of(event);
    CASC_TRY_VOID(wire::check_event(input));
    const std::size_t bytes = bytes_of(event);
    const std::size_t frame_bytes_max = transactor_.core().broker().frame_bytes_max;
    const std::size_t most = std::min(frame_bytes_max == 0 ? wire::kFrameBytesMax : frame_bytes_max,
                                      wire::kBatchBytesMax);
    const std::size_t room = most - std::min(most / 2, kBodyRoomBytes);
    if (bytes > topic->event_bytes_max || bytes_ + bytes > room)
        return Error(ErrorCode::event_too_large,
                     "the topic takes " + std::to_string(topic->event_bytes_max) +
                         " bytes, a transaction " + std::to_string(room));
    if (event.partition && event.partition->value() >= topic->partitions)
        return ErrorCode::unknown_partition;
    const PartitionId partition = event.partition ? *event.partition
                                  : event.key     ? partition_of_key(*event.key, topic->partitions)
                                                  : PartitionId(topic->sticky);
    const LogId log(topic->id, partition, event.lane);
    const auto [at, is_new] =
        batches_.try_emplace(log, Batch{std::string(name), wire::BatchBuilder(event.lane)});
    at->second.builder.add(input, wall_now());
    bytes_ += bytes + (is_new ? 2 * wire::kBatchOverheadBytes : 0);
    return {};
}

Result<void> TransactionParts::add(ConsumerImpl& consumer) {
    if (&consumer.core() != &transactor_.core()) return other_client();
    CASC_TRY(auto positions, consumer.positions_to_commit());
    std::erase_if(positions_, [&](const Positions& known) { return known.consumer == &consumer; });
    if (!positions.empty()) positions_.push_back({&consumer, std::move(positions)});
    return {};
}

Result<void> TransactionParts::check(QueueConsumerImpl& queue) const {
    if (&queue.core() != &transactor_.core()) return other_client();
    return {};
}

bool TransactionParts::empty() const noexcept {
    return batches_.empty() && positions_.empty() &&
           std::all_of(done_.begin(), done_.end(),
                       [](const Done& done) { return done.events.events.empty(); });
}

QueueConsumerImpl::Withdrawn& TransactionParts::withdrawn_of(QueueConsumerImpl& queue) {
    for (Done& done : done_)
        if (done.queue == &queue) return done.events;
    return done_.emplace_back(Done{&queue, {}}).events;
}

// ---- committing ---------------------------------------------------------------------------------

TransactionParts::Request TransactionParts::encode(const TransactorImpl::Identity& identity) {
    wire::fb::AtomicWriteT write;
    Request request;
    std::vector<std::byte> buffer;
    for (auto& [log, batch] : batches_) {
        auto& part = write.batches.emplace_back(std::make_unique<wire::fb::AtomicBatchT>());
        part->topic_id = log.topic().value();
        part->partition = log.partition().value();
        const auto bytes =
            batch.builder.finish({.producer_id = identity.id,
                                  .producer_epoch = identity.epoch,
                                  .base_sequence = transactor_.sequence(log),
                                  .codec = transactor_.options().codec,
                                  .compress_bytes_min = transactor_.options().compress_bytes_min},
                                 buffer);
        request.batches.insert(request.batches.end(), bytes.begin(), bytes.end());
    }
    for (const Positions& of : positions_)
        write.commits.push_back(
            std::make_unique<wire::fb::CommitT>(of.consumer->commit_of(of.positions)));
    for (const Done& done : done_)
        if (!done.events.events.empty())
            write.settles.push_back(
                std::make_unique<wire::fb::SettleT>(done.queue->settle_of(done.events)));
    request.body = encoded(write);
    return request;
}

Result<Reply> TransactionParts::send_until_answered(const Request& request, SteadyTime until) {
    bool unknown = false;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
        auto reply = call_and_wait(transactor_.core(), request.body, request.batches,
                                   std::max(left, milliseconds(0)));
        if (reply) {
            transactor_.backoff().reset();
            return reply;
        }
        const Error why = std::move(reply).error();
        unknown = unknown || is_unknown(why.code);
        const auto pause = std::max<std::chrono::microseconds>(transactor_.backoff().next(),
                                                               milliseconds(why.retry_after_ms));
        const bool may_ask = transactor_.options().retries_refusals || unknown;
        const bool again = may_ask && error_info(why.code).retryable &&
                           std::chrono::steady_clock::now() + pause < until;
        if (again) {
            std::this_thread::sleep_for(pause);
            continue;
        }
        if (!unknown) return why;
        // A try whose answer was lost may have been carried out, or still be, whatever became of
        // the later ones.
        transactor_.forget_identity();
        return Error(is_unknown(why.code) ? why.code : ErrorCode::connection_closed,
                     "nobody knows whether the transaction was written: " + why.message());
    }
}

Result<TransactionReceipt> TransactionParts::commit() {
    if (transactor_.core().has_turn())
        return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
    if (empty()) return TransactionReceipt{};
    const milliseconds timeout = transactor_.options().timeout;
    const auto until = std::chrono::steady_clock::now() + timeout;
    CASC_TRY(const auto identity, transactor_.identity(timeout));
    auto reply = send_until_answered(encode(identity), until);
    if (!reply) {
        const Error why = std::move(reply).error();
        // The broker has forgotten the producer, or what it had: nothing was written.
        if (why.code == ErrorCode::unknown_producer || why.code == ErrorCode::sequence_gap)
            transactor_.forget_identity();
        if (why.code == ErrorCode::unknown_topic || why.code == ErrorCode::unknown_partition)
            transactor_.forget_topics();
        return why;
    }
    auto receipt = written(*reply);
    if (!receipt) transactor_.forget_identity();
    return receipt;
}

Result<TransactionReceipt> TransactionParts::written(const Reply& reply) {
    CASC_TRY(const auto* body, wire::view<wire::fb::AtomicWriteReply>(reply.body));
    const std::size_t told = body->batches() == nullptr ? 0 : body->batches()->size();
    if (told != batches_.size()) return ErrorCode::malformed_message;
    TransactionReceipt receipt;
    std::uint32_t i = 0;
    for (const auto& [log, batch] : batches_) {
        const BatchDelivery delivery(log.partition(), log.lane(), *body->batches()->Get(i++));
        receipt.duplicate = receipt.duplicate || delivery.duplicate();
        receipt.batches.push_back({batch.topic, delivery.of(0), batch.builder.event_count()});
        transactor_.count(log, batch.builder.event_count());
        auto& sticky = (*transactor_.topic(batch.topic))->sticky;
        sticky = (sticky + 1) % (*transactor_.topic(batch.topic))->partitions;
    }
    for (const Positions& of : positions_)
        of.consumer->mark_committed(of.positions);
    for (Done& done : done_)
        done.queue->let_go_of(done.events);
    done_.clear();
    return receipt;
}

// ---- Transaction --------------------------------------------------------------------------------

Transactor::Transactor(std::shared_ptr<TransactorImpl> impl) : impl_(std::move(impl)) {}

Result<Transactor> Client::make_transactor(TransactorOptions options) {
    if (options.timeout <= milliseconds(0))
        return Error(ErrorCode::invalid_config, "timeout must be more than 0");
    auto impl = std::make_shared<TransactorImpl>(core_, std::move(options));
    // Whoever had the name before is fenced from now on, not from the first commit on.
    CASC_TRY_VOID(impl->identity({}));
    return Transactor(std::move(impl));
}

Transaction::Transaction(Transactor& transactor)
    : transactor_(transactor.impl_), parts_(std::make_unique<TransactionParts>(*transactor_)) {}

Transaction::~Transaction() = default;

Result<void> Transaction::send(std::string_view topic, const Event& event) {
    return parts_ ? parts_->send(topic, event) : over();
}
Result<void> Transaction::commit_positions(Consumer& consumer) {
    return parts_ ? parts_->add(*consumer.impl_) : over();
}
Result<void> Transaction::done(QueueConsumer& queue, const EventId& event) {
    return parts_ ? parts_->done(*queue.impl_, event) : over();
}
Result<void> Transaction::done(QueueConsumer& queue, const EventBatch& events) {
    return parts_ ? parts_->done(*queue.impl_, events) : over();
}
Result<TransactionReceipt> Transaction::commit() {
    if (!parts_) return over();
    const auto parts = std::move(parts_);
    return parts->commit();
}
void Transaction::discard() {
    parts_.reset();
}

}  // namespace casc::client
