#include "consumer_impl.hpp"
#include "key_watch.hpp"
#include "raw_call.hpp"

#include <casc/client/client.hpp>
#include <casc/types/clock.hpp>
#include <casc/wire/batch_builder.hpp>
#include <casc/wire/tombstone.hpp>

namespace casc::client {
namespace {

std::vector<std::uint8_t> octets(std::string_view text) {
    return {text.begin(), text.end()};
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

Result<void> check_key(std::string_view key) {
    if (!key.empty() && key.size() <= wire::kCompactedKeyBytesMax) return {};
    return Error(ErrorCode::invalid_request,
                 "a key has 1 to " + std::to_string(wire::kCompactedKeyBytesMax) + " bytes");
}

// The one event of a batch, as put() sends it.
Result<std::vector<std::byte>> batch_of(std::string_view key, std::string_view value,
                                        bool is_tombstone) {
    const wire::HeaderInput tombstone{wire::kTombstoneHeader, ""};
    const wire::EventInput event{
        .payload = bytes_of(value),
        .key = bytes_of(key),
        .headers = is_tombstone ? std::span(&tombstone, 1) : std::span<const wire::HeaderInput>()};
    CASC_TRY_VOID(wire::check_event(event));
    wire::BatchBuilder builder;
    builder.add(event, wall_now());
    std::vector<std::byte> batch;
    static_cast<void>(builder.finish({.codec = wire::Codec::lz4}, batch));
    return batch;
}

}  // namespace

Result<KeyValue> Client::open_key_value(std::string_view topic) {
    wire::fb::DescribeTopicT ask;
    ask.name = topic;
    CASC_TRY(const auto told, blocking_call(*core_, ask));
    if (told.topic->settings->cleanup.value_or(0) != 1)
        return Error(ErrorCode::not_compacted, std::string(topic));
    return KeyValue(core_, std::string(topic), TopicId(told.topic->topic_id));
}

KeyValue::KeyValue(std::shared_ptr<Core> core, std::string topic, TopicId id)
    : core_(std::move(core)), topic_(std::move(topic)), id_(id) {}

Result<std::optional<KeyValueEntry>> KeyValue::get(std::string_view key) const {
    CASC_TRY_VOID(check_key(key));
    wire::fb::KvGetT ask;
    ask.topic_id = id_.value();
    ask.key = octets(key);
    CASC_TRY(const auto answered, raw_call(*core_, ask));
    std::optional<KeyValueEntry> found;
    const PartitionId partition(answered.message.partition);
    CASC_TRY_VOID(open_batches(answered.batches, [&](const auto& batch, auto payloads) {
        found = entry_of(batch.event(0, payloads), partition);
    }));
    return found;
}

Result<Written> KeyValue::put(std::string_view key, std::string_view value,
                              std::optional<Revision> expected) const {
    return write(key, value, false, expected);
}

Result<Written> KeyValue::remove(std::string_view key, std::optional<Revision> expected) const {
    return write(key, {}, true, expected);
}

Result<Written> KeyValue::write(std::string_view key, std::string_view value, bool is_tombstone,
                                std::optional<Revision> expected) const {
    CASC_TRY_VOID(check_key(key));
    CASC_TRY(const auto batch, batch_of(key, value, is_tombstone));
    wire::fb::KvPutT ask;
    ask.topic_id = id_.value();
    if (expected) ask.expected = *expected;
    CASC_TRY(const auto answered, raw_call(*core_, ask, batch));
    const auto error = static_cast<ErrorCode>(answered.message.error);
    if (error != ErrorCode::ok && error != ErrorCode::revision_conflict)
        return Error(error, topic_);
    return Written{error == ErrorCode::ok, answered.message.revision};
}

Result<KeyPage> KeyValue::list(const KeyListOptions& options) const {
    wire::fb::KvListT ask;
    ask.topic_id = id_.value();
    ask.prefix = octets(options.prefix);
    ask.from = octets(options.from);
    ask.until = octets(options.until);
    ask.after = octets(options.after);
    ask.limit = options.limit;
    CASC_TRY(const auto told, blocking_call(*core_, ask));
    KeyPage page{.keys = {}, .more = told.more};
    for (const auto& one : told.keys)
        page.keys.push_back({.key = {one->key.begin(), one->key.end()},
                             .revision = one->revision,
                             .partition = PartitionId(one->partition),
                             .time = EpochNanos(one->append_time_ns),
                             .value_bytes = one->value_bytes});
    return page;
}

Result<KeyWatch> KeyValue::watch(WatchOptions options) const {
    if (core_->has_turn())
        return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
    if (options.key) CASC_TRY_VOID(check_key(*options.key));
    if (core_->is_closed()) return Error(ErrorCode::cancelled, "the client is closed");
    Consumer consumer(
        std::make_shared<ConsumerImpl>(core_, core_->next_subscription(), ConsumerOptions{}));
    auto impl =
        std::make_unique<WatchImpl>(core_, topic_, id_, std::move(options), std::move(consumer));
    CASC_TRY_VOID(impl->begin());
    return KeyWatch(std::move(impl));
}

Result<std::vector<KeyValueEntry>> KeyValue::history(std::string_view key,
                                                     std::size_t limit) const {
    CASC_TRY_VOID(check_key(key));
    std::deque<KeyValueEntry> found;
    std::uint64_t from = 0;
    for (bool more = true; more;) {
        wire::fb::KvHistoryT ask;
        ask.topic_id = id_.value();
        ask.key = octets(key);
        ask.from = from;
        CASC_TRY(const auto answered, raw_call(*core_, ask));
        const PartitionId partition(answered.message.partition);
        CASC_TRY_VOID(open_batches(answered.batches, [&](const auto& batch, auto payloads) {
            found.push_back(entry_of(batch.event(0, payloads), partition));
            if (found.size() > limit) found.pop_front();
        }));
        more = answered.message.more && answered.message.next > from;
        from = answered.message.next;
    }
    return std::vector<KeyValueEntry>(std::make_move_iterator(found.begin()),
                                      std::make_move_iterator(found.end()));
}

}  // namespace casc::client
