#pragma once
// What the request paths of one shard share. Plain data with an owner: the Shard.

#include "consumed_topics.hpp"
#include "deleted_events.hpp"
#include "durable_waits.hpp"
#include "filter_scan.hpp"
#include "key_index.hpp"
#include "log_watch.hpp"
#include "logs.hpp"
#include "opened_batch.hpp"
#include "producer_table.hpp"
#include "recent_reads.hpp"
#include "session.hpp"
#include "stored_batch.hpp"
#include "topic_observers.hpp"
#include "topic_registry.hpp"
#include "visibility.hpp"

#include <casc/broker/config.hpp>
#include <casc/storage/store.hpp>
#include <casc/types/clock.hpp>
#include <casc/wire/messages.hpp>
#include <casc/wire/rpc.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <unordered_map>

namespace casc::broker {

// Counted by the shard, read by it for /metrics.
struct Counters {
    struct PerLane {
        std::uint64_t events_in = 0;
        std::uint64_t bytes_in = 0;
        std::uint64_t events_out = 0;
        std::uint64_t bytes_out = 0;
        std::uint64_t batches_out = 0;
        std::uint64_t waited_ns = 0;  // of those, from being appended to being pushed
    };
    std::array<PerLane, kLaneCount> lanes;
    std::uint64_t batches_in = 0;
    std::uint64_t batches_duplicate = 0;
    std::uint64_t events_expired = 0;  // not delivered, once for each reader
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;
    std::uint64_t connections_accepted = 0;
    std::uint64_t connections_refused = 0;
    std::uint64_t read_pauses = 0;  // times a producer was held back
    std::uint64_t rebalances = 0;
    std::uint64_t tap_events_skipped = 0;  // because a tap was full, and told
    std::uint64_t tap_producer_holds = 0;  // times a producer was held back for one
    std::uint64_t taps_cut_off = 0;
};

// Cold reads in flight, by token.
class ColdReads {
public:
    using Callback = std::function<void(Result<std::vector<storage::BatchRef>>)>;

    explicit ColdReads(storage::Store& store) : store_(store) {}

    void post(LogId log, Offset from, Offset until, std::size_t bytes_max, Callback callback) {
        const std::uint64_t token = ++last_token_;
        waiting_.emplace(token, std::move(callback));
        store_.post_read({token, log, from, until, bytes_max});
    }
    void answer(storage::ReadAnswer& answer) {
        const auto found = waiting_.find(answer.token);
        if (found == waiting_.end()) return;
        const Callback callback = std::move(found->second);
        waiting_.erase(found);
        callback(std::move(answer.batches));
    }

private:
    storage::Store& store_;
    std::uint64_t last_token_ = 0;
    std::unordered_map<std::uint64_t, Callback> waiting_;
};

// Thread: owning shard.
struct Core {
    Core(boost::asio::io_context& io_context, Config& shard_config, storage::Store& shard_store)
        : io(io_context),
          config(shard_config),
          store(shard_store),
          topics(shard_store),
          deleted(shard_store, topics),
          keys(shard_store, topics, deleted),
          producers(shard_store),
          volatile_logs(wall_now()),
          logs(shard_store, topics, volatile_logs),
          visibility(shard_store, volatile_logs),
          cold_reads(shard_store) {}

    boost::asio::io_context& io;
    Config& config;
    storage::Store& store;
    TopicRegistry topics;
    DeletedEvents deleted;
    KeyIndex keys;  // of compacted topics
    ConsumedTopics consumed;
    TopicObservers topic_observers;
    ProducerTable producers;
    VolatileLogs volatile_logs;
    Logs logs;
    Visibility visibility;
    LogWatch watch;
    DurableWaits waits;
    ColdReads cold_reads;
    storage::BlockPool slices{64_KiB, 8_MiB};  // for parts of stored batches
    OpenedBatch opened;                        // what they are taken from
    RecentReads recent_reads;                  // where what comes back may still be found
    FilterScan filters;
    Counters counters;
    wire::Encoder encoder;

    // The wall clock. It stands still from the first who asks until forget_now(), so that what
    // belongs together has one time; it is forgotten with each turn and each sleep.
    [[nodiscard]] EpochNanos now() const {
        if (!now_) now_ = wall_now();
        return *now_;
    }
    void forget_now() noexcept { now_.reset(); }

    // Notes what a reader was pushed.
    void count_out(Lane lane, std::span<const storage::BatchRef> batches, std::uint64_t events) {
        auto& count = counters.lanes[static_cast<std::size_t>(lane)];
        count.events_out += events;
        count.batches_out += batches.size();
        for (const storage::BatchRef& batch : batches) {
            count.bytes_out += batch.bytes.size();
            // A clock that was set back has nobody wait for less than nothing.
            const std::int64_t waited = (now() - stored_append_time(batch)).value();
            count.waited_ns += static_cast<std::uint64_t>(std::max(waited, std::int64_t{0}));
        }
    }

    // The topic of a request, or why there is none. Fails with: unknown_topic, unknown_partition.
    [[nodiscard]] Result<const Topic*> topic(std::uint32_t id) const {
        if (const Topic* found = topics.find(TopicId(id))) return found;
        return Error(ErrorCode::unknown_topic, "topic number " + std::to_string(id));
    }
    [[nodiscard]] Result<const Topic*> topic(std::string_view name) const {
        if (const Topic* found = topics.find(name)) return found;
        return Error(ErrorCode::unknown_topic, "'" + std::string(name) + "'");
    }
    struct Place {
        const Topic* topic;
        LogId log;
    };
    [[nodiscard]] Result<Place> place(std::uint32_t topic_id, std::uint32_t partition,
                                      std::uint8_t lane) const {
        CASC_TRY(const Topic* found, topic(topic_id));
        if (partition >= found->settings.partitions)
            return Error(ErrorCode::unknown_partition,
                         found->name + "/" + std::to_string(partition));
        if (lane >= kLaneCount) return Error(ErrorCode::unknown_lane, std::to_string(lane));
        return Place{found, LogId(found->id, PartitionId(partition), static_cast<Lane>(lane))};
    }

private:
    mutable std::optional<EpochNanos> now_;
};

// Where the answer to one request goes; may outlive the connection, and is then silent.
class Responder {
public:
    Responder(Core& core, Session& session, const wire::FrameHeader& header)
        : core_(&core),
          session_(session.weak_from_this()),
          api_(header.api),
          correlation_id_(header.correlation_id) {}

    template <class Message>
    void reply(const Message& message) const {
        if (const auto session = session_.lock()) send(*session, core_->encoder.encode(message));
    }
    // `build(builder)` gives the root table; allocates nothing.
    template <class Build>
    void reply_built(Build&& build) const {
        if (const auto session = session_.lock()) send(*session, core_->encoder.build(build));
    }
    // The same with batches behind it.
    template <class Build>
    void reply_with(Build&& build, std::span<const storage::BatchRef> attachments) const {
        if (const auto session = session_.lock())
            session->send(wire::FrameKind::response, api_, correlation_id_,
                          core_->encoder.build(build), attachments);
    }
    void error(const Error& error) const {
        ++core_->counters.errors;
        if (const auto session = session_.lock()) session->send_error(api_, correlation_id_, error);
    }
    // Answers `message` once `sequence` is durable.
    template <class Message>
    void reply_when_durable(JournalSequence sequence, Message message) const {
        core_->waits.after(sequence,
                           [self = *this, message = std::move(message)](const Error* failure) {
                               if (failure != nullptr) return self.error(*failure);
                               self.reply(message);
                           });
    }

    [[nodiscard]] SessionPtr session() const { return session_.lock(); }
    [[nodiscard]] std::uint32_t correlation_id() const noexcept { return correlation_id_; }

private:
    void send(Session& session, std::span<const std::byte> body) const {
        if (body.size() <= wire::kBodyBytesMax)
            return session.send(wire::FrameKind::response, api_, correlation_id_, body);
        error(Error(ErrorCode::frame_too_large, "the answer would have " +
                                                    std::to_string(body.size()) +
                                                    " bytes; ask for less at a time"));
    }

    Core* core_;
    std::weak_ptr<Session> session_;
    wire::Api api_;
    std::uint32_t correlation_id_;
};

}  // namespace casc::broker
