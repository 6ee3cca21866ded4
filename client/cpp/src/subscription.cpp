#include "subscription.hpp"

#include "blocking_call.hpp"

namespace casc::client {

Subscription::Subscription(ConsumerPort& port, std::uint32_t id,
                           const ConsumerOptions& options) noexcept
    : port_(port), id_(id), options_(options), returns_(port, options.credit_bytes) {}

std::unique_ptr<wire::fb::FetchSourceT> Subscription::source_of(LogId log, std::uint64_t offset) {
    auto source = std::make_unique<wire::fb::FetchSourceT>();
    source->topic_id = log.topic().value();
    source->partition = log.partition().value();
    source->lane = static_cast<std::uint8_t>(log.lane());
    source->offset = offset;
    return source;
}

void Subscription::begin(std::uint32_t connection) {
    connection_ = connection;
    subscribed_ = false;
    generation_ = 0;
    returns_.begin(0);
    for (auto& [log, source] : sources_)
        source.since = 0;
    if (!sources_.empty() || !patterns_.empty()) subscribe();
}

void Subscription::follow(std::vector<std::string> patterns) {
    patterns_ = std::move(patterns);
    if (connection_ != 0) subscribe();
}

void Subscription::matched(const wire::fb::TopicsMatchedT& news) {
    if (news.topics.empty()) following_ = true;
    for (const auto& topic : news.topics) {
        const TopicId id(topic->topic_id);
        if (topic->gone) {
            matched_.erase(id);
            std::erase_if(sources_, [&](const auto& s) { return s.first.topic() == id; });
            continue;
        }
        matched_.insert(id);
        for (const auto& position : topic->positions) {
            if (position->lane >= kLaneCount) continue;
            const LogId log(id, PartitionId(position->partition),
                            static_cast<Lane>(position->lane));
            sources_.try_emplace(log, Source{position->offset, position->offset, 0, false});
        }
    }
}

void Subscription::subscribe() {
    wire::fb::SubscribeT request;
    request.subscription_id = id_;
    for (const auto& [log, source] : sources_)
        if (!source.paused) request.sources.push_back(source_of(log, source.position));
    request.order = static_cast<std::uint8_t>(options_.order);
    request.credit_bytes = options_.credit_bytes;
    request.credit_events = CreditReturns::kEvents;
    request.deliver_bytes_max = static_cast<std::uint32_t>(options_.deliver_bytes_max);
    request.filter = options_.filter;
    request.patterns = patterns_;
    // Only the first time: what has come since is read from its beginning.
    request.start = options_.reset == Reset::latest && !following_ ? 1 : 0;
    port_.send(
        connection_, wire::Api::subscribe, encoded(request),
        [connection = connection_, follows = !patterns_.empty()](InboxPort& port,
                                                                 Result<Reply> reply) {
            if (!reply)
                return port.tell(
                    {.kind = Notice::Kind::failed, .connection = connection, .why = reply.error()});
            if (follows)
                port.tell({.kind = Notice::Kind::matched,
                           .connection = connection,
                           .matched = std::make_unique<wire::fb::TopicsMatchedT>()});
        });
    subscribed_ = true;
    returns_.begin(connection_);
    // Those that a pattern has brought in again.
    Sources paused;
    for (const auto& [log, source] : sources_)
        if (source.paused && matched_.contains(log.topic())) paused.push_back(source_of(log, 0));
    update({}, std::move(paused));
}

void Subscription::update(Sources add, Sources remove) {
    if (add.empty() && remove.empty()) return;
    wire::fb::UpdateSubscriptionT request;
    request.subscription_id = id_;
    request.add = std::move(add);
    request.remove = std::move(remove);
    request.generation = generation_;
    port_.send(connection_, wire::Api::update_subscription, encoded(request));
}

void Subscription::add(const std::vector<std::pair<LogId, Source>>& sources) {
    ++generation_;
    Sources added;
    for (const auto& [log, source] : sources) {
        Source& mine = sources_[log] = source;
        mine.since = generation_;
        if (!mine.paused) added.push_back(source_of(log, mine.position));
    }
    if (connection_ == 0) return;
    if (subscribed_) return update(std::move(added), {});
    generation_ = 0;
    for (auto& [log, source] : sources_)
        source.since = 0;
    subscribe();
}

void Subscription::remove(const std::vector<LogId>& logs) {
    ++generation_;
    Sources removed;
    for (const LogId log : logs)
        if (sources_.erase(log) != 0) removed.push_back(source_of(log, 0));
    if (subscribed_ && connection_ != 0) update({}, std::move(removed));
}

void Subscription::move(LogId log, std::uint64_t offset) {
    Source* source = find(log);
    source->position = offset;
    source->since = ++generation_;
    if (source->paused || !subscribed_ || connection_ == 0) return;
    Sources added;
    added.push_back(source_of(log, offset));
    update(std::move(added), {});
}

void Subscription::pause(const std::vector<LogId>& logs) {
    Sources removed;
    ++generation_;
    for (const LogId log : logs) {
        Source* source = find(log);
        if (source == nullptr || source->paused) continue;
        source->paused = true;
        source->since = generation_;
        removed.push_back(source_of(log, 0));
    }
    if (subscribed_ && connection_ != 0) update({}, std::move(removed));
}

void Subscription::resume(const std::vector<LogId>& logs) {
    Sources added;
    ++generation_;
    for (const LogId log : logs) {
        Source* source = find(log);
        if (source == nullptr || !source->paused) continue;
        source->paused = false;
        source->since = generation_;
        added.push_back(source_of(log, source->position));
    }
    if (subscribed_ && connection_ != 0) update(std::move(added), {});
}

void Subscription::clear() {
    std::vector<LogId> all;
    for (const auto& [log, source] : sources_)
        all.push_back(log);
    remove(all);
}

Source* Subscription::find(LogId log) noexcept {
    const auto found = sources_.find(log);
    return found == sources_.end() ? nullptr : &found->second;
}

bool Subscription::wants(const InboxItem& item) noexcept {
    const Source* source = find(item.log);
    if (source == nullptr && matched_.contains(item.log.topic()))
        source = &sources_.emplace(item.log, Source{}).first->second;  // its first event
    return source != nullptr && !source->paused && item.generation >= source->since;
}

}  // namespace casc::client
