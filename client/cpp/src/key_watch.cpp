#include "key_watch.hpp"

#include "raw_call.hpp"

#include <casc/types/key_partition.hpp>
#include <casc/wire/tombstone.hpp>

#include <algorithm>

namespace casc::client {
namespace {

constexpr std::uint32_t kFetchBytes = 1u << 20;
constexpr std::size_t kEventsPerPoll = 500;

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool has_tombstone_header(const wire::EventView& event) {
    wire::HeaderCursor cursor(event.headers);
    for (std::string_view name, value; cursor.next(name, value);)
        if (name == wire::kTombstoneHeader) return true;
    return false;
}

}  // namespace

KeyValueEntry entry_of(const wire::EventView& event, PartitionId partition) {
    return {.key = event.key ? text_of(*event.key) : std::string(),
            .value = text_of(event.payload),
            .revision = event.offset.value() + 1,
            .partition = partition,
            .time = event.append_time,
            .removed = event.payload.empty() && has_tombstone_header(event)};
}

// ---- where to begin -----------------------------------------------------------------------------

Result<void> WatchImpl::begin() {
    wire::fb::DescribeTopicT ask;
    ask.name = topic_;
    CASC_TRY(const auto topic, blocking_call(*core_, ask));
    const std::uint32_t partitions = topic.topic->settings->partitions.value_or(1);
    for (std::uint32_t i = 0; i < partitions; ++i) {
        if (options_.key) {
            const auto key = std::as_bytes(std::span(*options_.key));
            if (partition_of_key(key, partitions) != PartitionId(i)) continue;
        }
        Part& part =
            parts_.emplace_back(Part{.partition = PartitionId(i), .next = {}, .until = {}});
        CASC_TRY_VOID(place(part, topic));
    }
    if (options_.start != WatchStart::current) return go_live();
    return {};
}

Result<void> WatchImpl::place(Part& part, const wire::fb::DescribeTopicReplyT& topic) const {
    wire::fb::LogInfoT log;
    for (const auto& one : topic.logs)
        if (one->partition == part.partition.value() &&
            one->lane == static_cast<std::uint8_t>(Lane::normal))
            log = *one;
    part.until = Offset(log.visible_end);
    part.next = Offset(options_.start == WatchStart::current ? log.start : log.visible_end);
    if (options_.start != WatchStart::resume) return {};
    const auto at = std::find_if(options_.positions.begin(), options_.positions.end(),
                                 [&](const Place& one) { return one.partition == part.partition; });
    if (at == options_.positions.end())
        return Error(ErrorCode::invalid_request, "no position to resume from in partition " +
                                                     std::to_string(part.partition.value()));
    part.next = std::max(at->offset, Offset(log.start));
    if (at->offset > Offset(log.start) && at->offset.value() < log.complete_from)
        return Error(ErrorCode::revision_compacted,
                     "partition " + std::to_string(part.partition.value()) + " at " +
                         std::to_string(at->offset.value()));
    return {};
}

bool WatchImpl::wants(std::string_view key) const {
    return options_.key ? key == *options_.key : key.starts_with(options_.prefix);
}

// ---- the current values -------------------------------------------------------------------------

Result<void> WatchImpl::read_current() {
    for (Part& part : parts_) {
        if (part.is_read) continue;
        return read_part(part);
    }
    KeyChange mark;
    mark.is_mark = true;
    waiting_.push_back({std::move(mark), parts_.size(), {}});
    return go_live();
}

Result<void> WatchImpl::read_part(Part& part) {
    const auto index = static_cast<std::size_t>(&part - parts_.data());
    if (part.next >= part.until) {
        part.is_read = true;
        return {};
    }
    wire::fb::FetchT fetch;
    auto source = std::make_unique<wire::fb::FetchSourceT>();
    source->topic_id = id_.value();
    source->partition = part.partition.value();
    source->lane = static_cast<std::uint8_t>(Lane::normal);
    source->offset = part.next.value();
    fetch.sources.push_back(std::move(source));
    fetch.bytes_max = kFetchBytes;
    CASC_TRY(const auto answered, raw_call(*core_, fetch));
    if (answered.message.sources.size() != 1) return ErrorCode::malformed_message;
    const auto& fetched = *answered.message.sources.front();
    if (fetched.error != 0) return Error(static_cast<ErrorCode>(fetched.error), topic_);
    // Nothing up to the end: it has been compacted away.
    if (answered.batches.empty()) part.is_read = true;
    const Offset from = part.next;
    Offset end = from;
    CASC_TRY_VOID(open_batches(answered.batches, [&](const auto& batch, auto payloads) {
        end = std::max(end, batch.end_offset());
        for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
            const auto event = batch.event(i, payloads);
            if (event.offset < from) continue;
            auto entry = entry_of(event, part.partition);
            if (wants(entry.key))
                waiting_.push_back(
                    {{false, std::move(entry)}, index, event.offset + OffsetDelta(1)});
        }
    }));
    part.next = end;
    return {};
}

// ---- what comes ---------------------------------------------------------------------------------

Result<void> WatchImpl::go_live() {
    std::vector<Place> places;
    for (const Part& part : parts_)
        places.push_back({topic_, part.partition, Lane::normal, part.next});
    CASC_TRY_VOID(consumer_.assign(places));
    is_live_ = true;
    return {};
}

Result<void> WatchImpl::take(milliseconds timeout) {
    CASC_TRY(const EventBatch events, consumer_.poll(kEventsPerPoll, timeout));
    for (const ConsumedEvent& one : events) {
        const auto part = std::find_if(parts_.begin(), parts_.end(), [&](const Part& of) {
            return of.partition == one.partition;
        });
        if (part == parts_.end()) continue;
        part->next = one.event.offset + OffsetDelta(1);
        auto entry = entry_of(one.event, one.partition);
        if (wants(entry.key))
            waiting_.push_back({{false, std::move(entry)},
                                static_cast<std::size_t>(part - parts_.begin()),
                                part->next});
    }
    return {};
}

Result<std::optional<KeyChange>> WatchImpl::next(milliseconds timeout) {
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (waiting_.empty()) {
        if (!is_live_) {
            CASC_TRY_VOID(read_current());
            continue;
        }
        const auto left =
            std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
        CASC_TRY_VOID(take(std::max(left, milliseconds(0))));
        if (waiting_.empty() && left <= milliseconds(0)) return std::optional<KeyChange>();
    }
    KeyChange change = std::move(waiting_.front().change);
    waiting_.pop_front();
    return std::optional(std::move(change));
}

// What waits has not been told: a watch that resumes begins with it.
std::vector<Place> WatchImpl::positions() const {
    std::vector<Place> places;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        Offset next = parts_[i].next;
        const auto first = std::find_if(waiting_.begin(), waiting_.end(),
                                        [&](const Waiting& one) { return one.part == i; });
        if (first != waiting_.end()) next = Offset(first->next.value() - 1);
        places.push_back({topic_, parts_[i].partition, Lane::normal, next});
    }
    return places;
}

KeyWatch::KeyWatch(std::unique_ptr<WatchImpl> impl) : impl_(std::move(impl)) {}
KeyWatch::~KeyWatch() = default;
KeyWatch::KeyWatch(KeyWatch&&) noexcept = default;
KeyWatch& KeyWatch::operator=(KeyWatch&&) noexcept = default;

Result<std::optional<KeyChange>> KeyWatch::next(milliseconds timeout) {
    return impl_->next(timeout);
}
std::vector<Place> KeyWatch::positions() const {
    return impl_->positions();
}

}  // namespace casc::client
