#include "consumer_impl.hpp"

namespace casc::client {
namespace {

// Deliveries in flight between the threads; what is beyond waits in the port, within the credit.
constexpr std::size_t kInboxItems = 4096;

}  // namespace

ConsumerImpl::ConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription,
                           ConsumerOptions options)
    : ConsumerImpl(std::move(core), subscription, std::move(options),
                   std::make_shared<ring::Waker>(), nullptr) {}

ConsumerImpl::ConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription,
                           ConsumerOptions options, const std::shared_ptr<ring::Waker>& waker,
                           std::nullptr_t)
    : ConsumerImpl(std::move(core), subscription, std::move(options), waker,
                   ring::make_ring<InboxItem>(kInboxItems, waker)) {}

ConsumerImpl::ConsumerImpl(std::shared_ptr<Core> core, std::uint32_t subscription,
                           ConsumerOptions options, std::shared_ptr<ring::Waker> waker,
                           ring::Ring<InboxItem> inbox)
    : core_(std::move(core)),
      options_(std::move(options)),
      waker_(std::move(waker)),
      port_(std::make_shared<ConsumerPort>(core_, subscription, options_.group,
                                           options_.credit_bytes, std::move(inbox.producer))),
      inbox_(std::move(inbox.consumer)),
      queue_(options_.order == Order::priority),
      subscription_(*port_, subscription, options_),
      backoff_(core_->options().backoff_first, core_->options().backoff_max, subscription) {
    core_->attach(port_);
}

ConsumerImpl::~ConsumerImpl() {
    if (!closed_) static_cast<void>(close());
}

Result<void> ConsumerImpl::subscribe(std::vector<std::string> topics,
                                     RebalanceCallbacks callbacks) {
    if (topics.empty()) return Error(ErrorCode::invalid_request, "no topic is given");
    if (options_.group.empty()) return follow(std::move(topics));
    wanted_topics_ = std::move(topics);
    callbacks_ = std::move(callbacks);
    if (connection_ != 0) join();
    return {};
}

Result<void> ConsumerImpl::follow(std::vector<std::string> topics) {
    if (options_.reset == Reset::error)
        return Error(ErrorCode::invalid_request,
                     "without a group there is no position to begin at; reset says earliest or "
                     "latest");
    if (!subscription_.sources().empty() || subscription_.follows())
        return Error(ErrorCode::invalid_request, "something is read already");
    subscription_.follow(std::move(topics));
    return {};
}

void ConsumerImpl::matched(const wire::fb::TopicsMatchedT& news) {
    for (const auto& topic : news.topics) {
        const TopicId id(topic->topic_id);
        if (!topic->gone) topics_[id] = topic->topic;
    }
    subscription_.matched(news);
}

Result<void> ConsumerImpl::assign(const std::vector<Place>& places) {
    if (!wanted_topics_.empty() || subscription_.follows())
        return Error(ErrorCode::invalid_request, "the group assigns the partitions");
    std::vector<std::pair<LogId, Source>> sources;
    for (const Place& place : places) {
        CASC_TRY(const LogId log, log_of(place.topic, place.partition, place.lane));
        sources.emplace_back(log, Source{place.offset.value(), place.offset.value(), 0, false});
    }
    subscription_.clear();
    owned_.clear();
    for (const auto& [log, source] : sources)
        owned_.emplace(log.topic(), log.partition());
    subscription_.add(sources);
    return {};
}

Result<void> ConsumerImpl::seek(const Place& to) {
    CASC_TRY(const LogId log, log_of(to.topic, to.partition, to.lane));
    if (subscription_.find(log) == nullptr)
        return Error(ErrorCode::invalid_request, "that log is not read here");
    subscription_.move(log, to.offset.value());
    return {};
}

Result<void> ConsumerImpl::seek_to_time(const std::string& topic, PartitionId partition,
                                        EpochNanos time) {
    CASC_TRY(const TopicId id, topic_id(topic));
    const auto logs = lanes_of(id, partition);
    if (logs.empty()) return Error(ErrorCode::invalid_request, "that partition is not read here");
    CASC_TRY(const Positions positions, list_offsets(logs, 2, time));
    for (const auto& [log, offset] : positions)
        subscription_.move(log, offset);
    return {};
}

Result<void> ConsumerImpl::pause(const std::string& topic, PartitionId partition, bool paused) {
    CASC_TRY(const TopicId id, topic_id(topic));
    const auto logs = lanes_of(id, partition);
    if (logs.empty()) return Error(ErrorCode::invalid_request, "that partition is not read here");
    if (paused)
        subscription_.pause(logs);
    else
        subscription_.resume(logs);
    return {};
}

Result<Offset> ConsumerImpl::position(const std::string& topic, PartitionId partition, Lane lane) {
    CASC_TRY(const LogId log, log_of(topic, partition, lane));
    const Source* source = subscription_.find(log);
    if (source == nullptr) return Error(ErrorCode::invalid_request, "that log is not read here");
    return Offset(source->position);
}

std::vector<TopicPartition> ConsumerImpl::assignment() const {
    if (!subscription_.follows()) return named({owned_.begin(), owned_.end()});
    std::set<Partition> read;  // so far
    for (const auto& [log, source] : subscription_.sources())
        read.emplace(log.topic(), log.partition());
    return named({read.begin(), read.end()});
}

void ConsumerImpl::when_ready(std::function<void()> done) {
    auto shared = std::make_shared<std::function<void()>>(std::move(done));
    port_->when_ready([shared] { (*shared)(); });
    // What had come before the callback was set announced itself to nobody.
    if ((!queue_.empty() || !errors_.empty() || inbox_.ready()) && port_->forget_ready())
        (*shared)();
}

Result<void> ConsumerImpl::close() {
    if (std::exchange(closed_, true)) return {};
    Result<void> outcome;
    if (connection_ != 0 && !core_->is_closed() && !core_->has_turn()) {
        if (options_.auto_commit && !options_.group.empty())
            outcome = commit_now(uncommitted(), {});
        if (member_) {
            wire::fb::LeaveGroupT leave;
            leave.group = options_.group;
            leave.member_id = member_id_;
            if (auto left = blocking_call(*core_, leave); !left && outcome)
                outcome = std::move(left).error();
        }
        subscription_.clear();
    }
    batches_.finish_all();
    batches_.release();
    queue_.clear();
    core_->detach(port_);
    return outcome;
}

// ---- names --------------------------------------------------------------------------------------

Result<TopicId> ConsumerImpl::topic_id(const std::string& name) {
    for (const auto& [id, known] : topics_)
        if (known == name) return id;
    wire::fb::DescribeTopicT request;
    request.name = name;
    CASC_TRY(const auto reply, blocking_call(*core_, request));
    if (!reply.topic) return ErrorCode::malformed_message;
    const TopicId id(reply.topic->topic_id);
    topics_[id] = name;
    return id;
}

Result<LogId> ConsumerImpl::log_of(const std::string& topic, PartitionId partition, Lane lane) {
    CASC_TRY(const TopicId id, topic_id(topic));
    return LogId(id, partition, lane);
}

std::vector<LogId> ConsumerImpl::lanes_of(TopicId topic, PartitionId partition) const {
    std::vector<LogId> logs;
    for (const Lane lane : kLanes)
        if (const LogId log(topic, partition, lane); subscription_.sources().contains(log))
            logs.push_back(log);
    return logs;
}

std::vector<TopicPartition> ConsumerImpl::named(const std::vector<Partition>& partitions) const {
    std::vector<TopicPartition> all;
    for (const auto& [topic, partition] : partitions) {
        const auto found = topics_.find(topic);
        all.push_back({topic, found == topics_.end() ? std::string() : found->second, partition});
    }
    return all;
}

std::vector<LogId> ConsumerImpl::logs_of(const std::vector<Partition>& partitions) const {
    std::vector<LogId> all;
    for (const auto& [topic, partition] : partitions)
        for (const Lane lane : kLanes)
            all.emplace_back(topic, partition, lane);
    return all;
}

}  // namespace casc::client
