#include "fake_broker.hpp"

#include <casc/types/clock.hpp>
#include <casc/wire/batch_builder.hpp>
#include <casc/wire/compression.hpp>

#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace casc::test {
namespace {

constexpr std::chrono::seconds kAnswerPatience{10};

int listen_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    ::unlink(path.c_str());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CASC_ASSERT(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, errno);
    return fd;
}

int listen_tcp(std::uint16_t port, std::string& endpoint) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    CASC_ASSERT(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, errno);
    socklen_t bytes = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes);
    endpoint = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    return fd;
}

}  // namespace

FakeBroker::FakeBroker(std::string endpoint) : endpoint_(std::move(endpoint)) {
    if (endpoint_.starts_with("unix://"))
        listener_ = listen_unix(endpoint_.substr(7));
    else
        listener_ = listen_tcp(
            endpoint_.empty()
                ? std::uint16_t{0}
                : static_cast<std::uint16_t>(std::stoul(endpoint_.substr(endpoint_.find(':') + 1))),
            endpoint_);
    CASC_ASSERT(::listen(listener_, 16) == 0, errno);
    acceptor_ = std::thread([this] { accept_loop(); });
}

FakeBroker::~FakeBroker() {
    stop();
}

void FakeBroker::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (stopped_) return;
        stopped_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        for (Connection& connection : connections_)
            ::shutdown(connection.fd, SHUT_RDWR);
    }
    acceptor_.join();
    ::close(listener_);
    for (Connection& connection : connections_) {
        connection.thread.join();
        ::close(connection.fd);
    }
}

void FakeBroker::cut_all() {
    const std::lock_guard lock(mutex_);
    for (Connection& connection : connections_)
        ::shutdown(connection.fd, SHUT_RDWR);
}

void FakeBroker::accept_loop() {
    for (;;) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        const std::lock_guard lock(mutex_);
        if (stopped_) {
            ::close(fd);
            return;
        }
        Connection& connection = connections_.emplace_back(Connection{fd, ++connections_seen_, {}});
        connection.thread = std::thread([this, &connection] { serve(connection); });
        changed_.notify_all();
    }
}

void FakeBroker::serve(Connection& connection) {
    std::vector<std::byte> received;
    std::vector<std::byte> chunk(1 << 20);
    bool open = true;
    while (open) {
        const ssize_t bytes = ::recv(connection.fd, chunk.data(), chunk.size(), 0);
        if (bytes <= 0) break;
        received.insert(received.end(), chunk.begin(), chunk.begin() + bytes);
        while (open) {
            const auto header = wire::peek_frame(received, wire::kFrameBytesMax);
            if (!header || !*header || (*header)->frame_bytes > received.size()) break;
            const auto frame = wire::open_frame(std::span(received).first((*header)->frame_bytes));
            CASC_ASSERT(frame.has_value());
            open = handle(connection, *frame);
            received.erase(received.begin(), received.begin() + (*header)->frame_bytes);
        }
    }
    const std::lock_guard lock(mutex_);
    ::shutdown(connection.fd, SHUT_RDWR);
    std::erase_if(subscriptions_,
                  [&](const auto& entry) { return entry.first.first == connection.number; });
    changed_.notify_all();
}

bool FakeBroker::handle(Connection& connection, const wire::Frame& frame) {
    const std::lock_guard lock(mutex_);
    Request request{frame.header.kind,
                    frame.header.api,
                    frame.header.correlation_id,
                    {frame.body.begin(), frame.body.end()},
                    {frame.attachments.begin(), frame.attachments.end()},
                    connection.number};
    requests_.push_back(request);
    const auto refuse = [&](const Error& error) {
        fb::ErrorReplyT reply;
        reply.code = static_cast<std::uint16_t>(error.code);
        reply.name = to_string(error.code);
        reply.message = error.detail;
        reply.retryable = error_info(error.code).retryable;
        send(connection.fd, wire::FrameKind::error, request.api, request.correlation_id,
             encoded(reply));
    };
    const auto ask = [&](const Hook& hook) { return hook ? hook(request) : Verdict{}; };
    changed_.notify_all();

    Verdict verdict = ask(before_);
    if (verdict.kind == Verdict::cut) return false;
    if (verdict.kind == Verdict::silent) return true;
    if (verdict.kind == Verdict::refuse) {
        refuse(verdict.code);
        return true;
    }
    const auto reply = carry_out(request);
    verdict = ask(after_);
    if (verdict.kind == Verdict::cut) return false;
    if (verdict.kind == Verdict::silent || request.kind == wire::FrameKind::one_way) {
        deliver();
        return true;
    }
    if (!reply)
        refuse(reply.error());
    else
        send(connection.fd, wire::FrameKind::response, request.api, request.correlation_id, *reply);
    deliver();
    changed_.notify_all();
    return true;
}

Result<std::vector<std::byte>> FakeBroker::carry_out(const Request& request) {
    switch (request.api) {
        case wire::Api::hello: {
            fb::HelloReplyT reply;
            reply.version = wire::kProtocolVersion;
            reply.broker_id = "fake";
            reply.heartbeat_ms = heartbeat_ms;
            reply.idle_timeout_ms = idle_timeout_ms;
            reply.frame_bytes_max = wire::kFrameBytesMax;
            reply.batch_bytes_max = wire::kBatchBytesMax;
            reply.event_bytes_max = 1 << 20;
            return encoded(reply);
        }
        case wire::Api::ping:
            return encoded(fb::PingReplyT{});
        case wire::Api::describe_topic: {
            const auto asked = wire::decode<fb::DescribeTopic>(request.body);
            const auto found = topics_.find(asked->name);
            if (found == topics_.end()) return Error(ErrorCode::unknown_topic, asked->name);
            fb::DescribeTopicReplyT reply;
            reply.topic = std::make_unique<fb::TopicSummaryT>();
            reply.topic->topic_id = found->second.first;
            reply.topic->name = asked->name;
            reply.topic->settings = std::make_unique<fb::TopicSettingsT>();
            reply.topic->settings->partitions = found->second.second;
            return encoded(reply);
        }
        case wire::Api::list_topics: {
            fb::ListTopicsReplyT reply;
            for (const auto& [name, topic] : topics_) {
                auto& row = reply.topics.emplace_back(std::make_unique<fb::TopicSummaryT>());
                row->name = name;
                row->topic_id = topic.first;
            }
            return encoded(reply);
        }
        case wire::Api::init_producer: {
            const auto asked = wire::decode<fb::InitProducer>(request.body);
            fb::InitProducerReplyT reply;
            auto& id = named_producers_[asked->name];
            if (asked->name.empty() || id == 0) id = next_producer_++;
            reply.producer_id = id;
            reply.epoch = ++producers_[id].epoch;
            producers_[id].logs.clear();
            return encoded(reply);
        }
        case wire::Api::produce:
            return produce(request);
        case wire::Api::list_offsets: {
            const auto asked = wire::decode<fb::ListOffsets>(request.body);
            fb::ListOffsetsReplyT reply;
            for (const auto& query : asked->queries) {
                const Log& log =
                    logs_[LogId(TopicId(query->topic_id), PartitionId(query->partition),
                                static_cast<Lane>(query->lane))
                              .value()];
                auto& answer = reply.answers.emplace_back(std::make_unique<fb::OffsetAnswerT>());
                answer->topic_id = query->topic_id;
                answer->partition = query->partition;
                answer->lane = query->lane;
                answer->offset = query->at == 0 ? log.start : log.end;
                if (query->at != 2) continue;
                for (auto it = log.batches.rbegin(); it != log.batches.rend(); ++it) {
                    const auto batch = wire::BatchView::parse(it->bytes);
                    if (batch->stamp().append_time >= query->time_ns)
                        answer->offset = batch->stamp().base_offset;
                }
            }
            return encoded(reply);
        }
        case wire::Api::subscribe:
            subscribe(request);
            return encoded(fb::DoneT{});
        case wire::Api::update_subscription:
            update(request);
            return encoded(fb::DoneT{});
        case wire::Api::credit:
            add_credit(request);
            return encoded(fb::DoneT{});
        case wire::Api::join_group: {
            const auto asked = wire::decode<fb::JoinGroup>(request.body);
            fb::JoinGroupReplyT reply;
            reply.member_id = asked->member_id.empty() ? "m" + std::to_string(request.connection)
                                                       : asked->member_id;
            reply.epoch = 1;
            return encoded(reply);
        }
        case wire::Api::commit: {
            const auto asked = wire::decode<fb::Commit>(request.body);
            for (const auto& p : asked->positions)
                committed_[{p->topic_id, p->partition, p->lane}] = p->offset;
            return encoded(fb::DoneT{});
        }
        case wire::Api::committed: {
            fb::CommittedReplyT reply;
            for (const auto& [key, offset] : committed_) {
                auto& row =
                    reply.positions.emplace_back(std::make_unique<fb::CommittedPositionT>());
                row->topic_id = static_cast<std::uint32_t>(key[0]);
                row->partition = static_cast<std::uint32_t>(key[1]);
                row->lane = static_cast<std::uint8_t>(key[2]);
                row->offset = offset;
            }
            return encoded(reply);
        }
        default:
            return encoded(fb::DoneT{});
    }
}

Result<std::vector<std::byte>> FakeBroker::produce(const Request& request) {
    const auto asked = wire::decode<fb::Produce>(request.body);
    const auto batch = wire::BatchView::parse(request.attachments);
    CASC_ASSERT(batch.has_value());
    if (!batch->verify_body()) return Error(ErrorCode::batch_corrupt);
    const LogId id(TopicId(asked->topic_id), PartitionId(asked->partition), batch->header().lane);
    fb::ProduceReplyT reply;
    reply.level = asked->acks;
    reply.epoch = 1;
    if (batch->header().producer_id != 0) {
        const auto producer = producers_.find(batch->header().producer_id);
        if (producer == producers_.end()) return Error(ErrorCode::unknown_producer);
        if (batch->header().producer_epoch < producer->second.epoch)
            return Error(ErrorCode::producer_fenced);
        auto& seen = producer->second.logs[id.value()];
        const std::uint64_t expected = seen.empty() ? 0 : seen.back()[0] + seen.back()[1];
        if (batch->header().base_sequence > expected) return Error(ErrorCode::sequence_gap);
        if (batch->header().base_sequence < expected) {
            for (const auto& entry : seen)
                if (entry[0] == batch->header().base_sequence && entry[1] == batch->event_count()) {
                    reply.base_offset = entry[2];
                    reply.duplicate = true;
                    return encoded(reply);
                }
            return Error(ErrorCode::sequence_too_old);
        }
        seen.push_back(
            {batch->header().base_sequence, batch->event_count(), logs_[id.value()].end});
    }
    Log& log = logs_[id.value()];
    std::vector<std::byte> stored = request.attachments;
    wire::stamp_batch(stored, Offset(log.end), wall_now(), log.batches.size(), 1);
    reply.base_offset = log.end;
    log.end += batch->event_count();
    log.batches.push_back({std::move(stored)});
    return encoded(reply);
}

std::uint64_t FakeBroker::append(LogId id, std::vector<std::byte> batch) {
    const std::lock_guard lock(mutex_);
    Log& log = logs_[id.value()];
    const auto view = wire::BatchView::parse(batch);
    CASC_ASSERT(view.has_value());
    const std::uint64_t base = log.end;
    wire::stamp_batch(batch, Offset(base), wall_now(), log.batches.size(), 1);
    log.end += view->event_count();
    log.batches.push_back({std::move(batch)});
    deliver();
    return base;
}

void FakeBroker::subscribe(const Request& request) {
    Subscription subscription{
        *wire::decode<fb::Subscribe>(request.body), request.connection, {}, 0, 0, 0};
    for (const auto& source : subscription.request.sources)
        subscription.next[LogId(TopicId(source->topic_id), PartitionId(source->partition),
                                static_cast<Lane>(source->lane))
                              .value()] = source->offset;
    subscription.credit_bytes = static_cast<std::int64_t>(subscription.request.credit_bytes);
    subscription.credit_events = static_cast<std::int64_t>(subscription.request.credit_events);
    const auto id = subscription.request.subscription_id;
    subscriptions_.insert_or_assign({request.connection, id}, std::move(subscription));
}

void FakeBroker::update(const Request& request) {
    const auto asked = wire::decode<fb::UpdateSubscription>(request.body);
    const auto found = subscriptions_.find({request.connection, asked->subscription_id});
    if (found == subscriptions_.end()) return;
    found->second.generation = asked->generation;
    const auto log_of = [](const auto& s) {
        return LogId(TopicId(s->topic_id), PartitionId(s->partition), static_cast<Lane>(s->lane))
            .value();
    };
    for (const auto& source : asked->remove)
        found->second.next.erase(log_of(source));
    for (const auto& source : asked->add)
        found->second.next[log_of(source)] = source->offset;
}

void FakeBroker::add_credit(const Request& request) {
    const auto asked = wire::decode<fb::Credit>(request.body);
    const auto found = subscriptions_.find({request.connection, asked->subscription_id});
    if (found == subscriptions_.end()) return;
    found->second.credit_bytes += static_cast<std::int64_t>(asked->bytes);
    found->second.credit_events += static_cast<std::int64_t>(asked->events);
}

void FakeBroker::deliver() {
    for (auto& [key, subscription] : subscriptions_) {
        int fd = -1;
        for (Connection& connection : connections_)
            if (connection.number == subscription.connection) fd = connection.fd;
        for (auto it = subscription.next.begin(); it != subscription.next.end();) {
            auto& [id, next] = *it;
            Log& log = logs_[id];
            const LogId at(id);
            fb::DeliverT push;
            push.subscription_id = subscription.request.subscription_id;
            push.topic_id = at.topic().value();
            push.partition = at.partition().value();
            push.lane = static_cast<std::uint8_t>(at.lane());
            push.generation = subscription.generation;
            push.visible_end = log.end;
            push.start = log.start;
            if (next < log.start || next > log.end) {
                push.error = static_cast<std::uint16_t>(ErrorCode::offset_out_of_range);
                send(fd, wire::FrameKind::push, wire::Api::deliver, 0, encoded(push));
                it = subscription.next.erase(it);
                continue;
            }
            for (const StoredBatch& stored : log.batches) {
                const auto batch = wire::BatchView::parse(stored.bytes);
                if (!batch || batch->end_offset().value() <= next ||
                    batch->base_offset().value() < log.start)
                    continue;
                if (subscription.credit_bytes <= 0 || subscription.credit_events <= 0) break;
                send(fd, wire::FrameKind::push, wire::Api::deliver, 0, encoded(push), stored.bytes);
                subscription.credit_bytes -= static_cast<std::int64_t>(stored.bytes.size());
                subscription.credit_events -= batch->event_count();
                next = batch->end_offset().value();
            }
            ++it;
        }
    }
}

void FakeBroker::push(wire::Api api, std::span<const std::byte> body,
                      std::span<const std::byte> attachments) {
    const std::lock_guard lock(mutex_);
    for (const Connection& connection : connections_)
        send(connection.fd, wire::FrameKind::push, api, 0, body, attachments);
}

void FakeBroker::send(int fd, wire::FrameKind kind, wire::Api api, std::uint32_t id,
                      std::span<const std::byte> body, std::span<const std::byte> attachments) {
    std::vector<std::byte> frame(wire::framed_bytes(body.size()));
    wire::write_frame(frame, kind, api, id, body, attachments.size());
    frame.insert(frame.end(), attachments.begin(), attachments.end());
    for (std::size_t sent = 0; sent < frame.size();) {
        const ssize_t bytes = ::send(fd, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
        if (bytes <= 0) return;
        sent += static_cast<std::size_t>(bytes);
    }
}

std::uint32_t FakeBroker::add_topic(const std::string& name, std::uint32_t partitions) {
    const std::lock_guard lock(mutex_);
    const auto id = static_cast<std::uint32_t>(topics_.size() + 1);
    topics_[name] = {id, partitions};
    return id;
}

FakeBroker::HookScope FakeBroker::on_request(Hook before, Hook after) {
    const std::lock_guard lock(mutex_);
    CASC_ASSERT(!before_ && !after_);
    before_ = std::move(before);
    after_ = std::move(after);
    return HookScope(*this);
}

FakeBroker::HookScope::~HookScope() {
    const std::lock_guard lock(broker_.mutex_);
    broker_.before_ = nullptr;
    broker_.after_ = nullptr;
}

bool FakeBroker::wait_until(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + kAnswerPatience;
    std::unique_lock lock(mutex_);
    for (;;) {
        lock.unlock();
        if (condition()) return true;
        lock.lock();
        // The condition may depend on the client too, so it is looked at again now and then.
        changed_.wait_for(lock, std::chrono::milliseconds(2));
        if (std::chrono::steady_clock::now() > until) return false;
    }
}

std::vector<FakeBroker::Request> FakeBroker::requests(wire::Api api) {
    const std::lock_guard lock(mutex_);
    std::vector<Request> found;
    for (const Request& request : requests_)
        if (request.api == api) found.push_back(request);
    return found;
}

unsigned FakeBroker::connections() {
    const std::lock_guard lock(mutex_);
    return connections_seen_;
}

FakeBroker::Log FakeBroker::log(LogId id) {
    const std::lock_guard lock(mutex_);
    return logs_[id.value()];
}

std::vector<std::string> FakeBroker::payloads(LogId id) {
    std::vector<std::string> all;
    for (const StoredBatch& stored : log(id).batches) {
        const auto batch = wire::BatchView::parse(stored.bytes);
        wire::Decompressor decompressor;
        const auto opened = decompressor.open(*batch);
        for (std::uint32_t i = 0; i < batch->event_count(); ++i) {
            const auto payload = batch->payload(i, *opened);
            all.emplace_back(reinterpret_cast<const char*>(payload.data()), payload.size());
        }
    }
    return all;
}

std::map<std::uint64_t, std::uint64_t> FakeBroker::committed() {
    const std::lock_guard lock(mutex_);
    std::map<std::uint64_t, std::uint64_t> all;
    for (const auto& [key, offset] : committed_)
        all[LogId(TopicId(static_cast<std::uint32_t>(key[0])),
                  PartitionId(static_cast<std::uint32_t>(key[1])), static_cast<Lane>(key[2]))
                .value()] = offset;
    return all;
}

std::int64_t FakeBroker::credit_bytes_left() {
    const std::lock_guard lock(mutex_);
    return subscriptions_.empty() ? 0 : subscriptions_.begin()->second.credit_bytes;
}

std::vector<std::byte> make_batch(const std::vector<std::string>& payloads, Lane lane,
                                  wire::Codec codec) {
    wire::BatchBuilder builder(lane);
    for (const std::string& payload : payloads)
        builder.add({.payload = std::as_bytes(std::span(payload))}, wall_now());
    std::vector<std::byte> bytes;
    wire::FinishOptions options;
    options.codec = codec;
    options.compress_bytes_min = 1;
    builder.finish(options, bytes);
    return bytes;
}

}  // namespace casc::test
