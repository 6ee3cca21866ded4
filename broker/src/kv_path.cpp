#include "kv_path.hpp"

#include "batch_parts.hpp"

#include <casc/types/key_partition.hpp>
#include <casc/wire/tombstone.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

constexpr std::uint32_t kKeysListed = 1000;
constexpr std::uint32_t kKeysListedMax = 10'000;
constexpr std::size_t kListedBytesMax = 4_MiB;
constexpr std::uint32_t kHistoryEvents = 100;
constexpr std::uint32_t kHistoryEventsMax = 1000;
// Looked through, and answered with, in one request.
constexpr std::size_t kHistoryReadBytesMax = 16_MiB;
constexpr std::size_t kHistoryFoundBytesMax = 8_MiB;
// An event that is replaced between look-up and read may be compacted away just then.
constexpr int kGetTries = 5;

std::string_view view_of(const std::vector<std::uint8_t>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

// By its sequence or its message id.
bool was_here(const IncomingBatch& incoming) {
    return incoming.repeated || (incoming.parts.size() == 1 &&
                                 incoming.parts.front().fate == BatchPart::Fate::duplicate);
}

}  // namespace

Result<const Topic*> KvPath::compacted_topic(std::uint32_t id) const {
    CASC_TRY(const Topic* topic, core_.topic(id));
    if (!topic->is_compacted()) return Error(ErrorCode::not_compacted, topic->name);
    return topic;
}

// ---- put ----------------------------------------------------------------------------------------

void KvPath::on_put(Session& session, const wire::Frame& frame) {
    const Responder responder(core_, session, frame.header);
    const auto request = wire::decode<wire::fb::KvPut>(frame.body);
    if (!request) return responder.error(request.error());
    const auto put = check_put(session, *request, frame.attachments);
    if (!put) return responder.error(put.error());

    const TopicId topic = put->incoming.place.topic->id;
    wire::fb::KvPutReplyT reply;
    reply.partition = put->incoming.place.log.partition().value();
    const KeyIndex::Entry* entry = core_.keys.find(topic, put->key);
    reply.revision = entry == nullptr ? 0 : entry->revision();
    // What comes again is answered as it was the first time, whatever has become of the key.
    const bool is_new = !was_here(put->incoming);
    const bool conflict = is_new && request->expected && *request->expected != reply.revision;
    const bool nothing_to_delete = is_new && put->is_delete && entry == nullptr;
    if (conflict || nothing_to_delete) {
        if (conflict) {
            ++conflicts_;
            reply.error = static_cast<std::uint16_t>(ErrorCode::revision_conflict);
        }
        // What it lost against, or what deleted the key, may have come only just now.
        const JournalSequence last = core_.keys.last_change(topic);
        core_.store.hurry(last);
        return responder.reply_when_durable(last, reply);
    }
    const auto accepted = write(*put);
    if (!accepted) return responder.error(accepted.error());
    // By its message id it may have been here before.
    const Offset offset =
        accepted->duplicates.empty() ? accepted->base : Offset(accepted->duplicates.front().offset);
    reply.revision = offset.value() + 1;
    core_.store.hurry(accepted->sequence);
    responder.reply_when_durable(accepted->sequence, reply);
}

Result<KvPath::Put> KvPath::check_put(Session& session, const wire::fb::KvPutT& request,
                                      std::span<const std::byte> attachment) {
    CASC_TRY(const Topic* topic, compacted_topic(request.topic_id));
    CASC_TRY(const wire::BatchView batch, wire::BatchView::parse(attachment));
    if (batch.event_count() != 1)
        return Error(ErrorCode::invalid_request, "a put has one event; produce batches of more");
    if (batch.has(wire::Column::deliver_at))
        return Error(ErrorCode::not_supported, "a put is done at once; produce a delayed event");
    const auto key = batch.value(wire::Column::keys, 0);
    if (!key) return ErrorCode::key_required;
    const PartitionId partition = partition_of_key(*key, topic->settings.partitions);
    produce_.admission().begin();
    CASC_TRY(IncomingBatch incoming,
             produce_.admission().admit(session, request.topic_id, partition.value(), attachment));
    return Put{std::move(incoming),
               {reinterpret_cast<const char*>(key->data()), key->size()},
               wire::is_tombstone(batch, 0)};
}

Result<AcceptedBatch> KvPath::write(const Put& put) {
    CASC_TRY_VOID(produce_.prepare(put.incoming));
    if (!put.incoming.repeated)
        CASC_TRY_VOID(core_.store.keep_together(ProducePath::batch_bytes(put.incoming),
                                                ProducePath::row_bytes(put.incoming)));
    return produce_.append(put.incoming);
}

// ---- get ----------------------------------------------------------------------------------------

void KvPath::on_get(const wire::fb::KvGetT& request, const Responder& responder) {
    const auto topic = compacted_topic(request.topic_id);
    if (!topic) return responder.error(topic.error());
    get(std::make_shared<Get>(Get{responder, (*topic)->id, std::string(view_of(request.key))}));
}

void KvPath::get(const std::shared_ptr<Get>& asked) {
    const Topic* topic = core_.topics.find(asked->topic);
    if (topic == nullptr) return asked->responder.error(ErrorCode::unknown_topic);
    const KeyIndex::Entry* entry = core_.keys.find(asked->topic, asked->key);
    wire::fb::KvGetReplyT none;
    none.partition = partition_of_key(bytes_of(asked->key), topic->settings.partitions).value();
    if (entry == nullptr)
        return asked->responder.reply_when_durable(core_.keys.last_change(asked->topic), none);
    const LogId log(asked->topic, PartitionId(entry->partition), Lane::normal);
    const Offset offset(entry->offset);
    if (offset >= core_.visibility.visible_end(*topic, log)) {
        const JournalSequence last = core_.keys.log_keys(log).last;
        core_.store.hurry(last);
        return core_.waits.after(last, [this, asked](const Error* failure) {
            if (failure != nullptr) return asked->responder.error(*failure);
            get(asked);
        });
    }
    if (asked->tries++ == kGetTries)
        return asked->responder.error(
            Error(ErrorCode::overloaded, "the key is being replaced faster than it is read", 10));
    std::vector<storage::BatchRef> batches;
    if (core_.store.read_tail(log, offset, offset + OffsetDelta(1), 1, batches))
        return take(asked, *entry, batches);
    core_.cold_reads.post(log, offset, offset + OffsetDelta(1), 1,
                          [this, asked, found = *entry](auto read) {
                              if (!read) return asked->responder.error(read.error());
                              take(asked, found, *read);
                          });
}

void KvPath::take(const std::shared_ptr<Get>& asked, KeyIndex::Entry entry,
                  const std::vector<storage::BatchRef>& batches) {
    const Offset offset(entry.offset);
    const LogId log(asked->topic, PartitionId(entry.partition), Lane::normal);
    const bool is_there = !batches.empty() && stored_extent(batches.front()).base <= offset &&
                          stored_extent(batches.front()).end > offset &&
                          !core_.deleted.contains(log, offset);
    if (!is_there) return get(asked);
    const storage::BatchRef event =
        part_of(core_, batches.front(), offset, offset + OffsetDelta(1), Cut::always);
    asked->responder.reply_with(
        [&](flatbuffers::FlatBufferBuilder& builder) {
            return wire::fb::CreateKvGetReply(builder, entry.revision(), entry.partition);
        },
        std::span(&event, 1));
}

// ---- list ---------------------------------------------------------------------------------------

void KvPath::on_list(const wire::fb::KvListT& request, const Responder& responder) {
    const auto topic = compacted_topic(request.topic_id);
    if (!topic) return responder.error(topic.error());
    const std::uint32_t limit =
        request.limit == 0 ? kKeysListed : std::min(request.limit, kKeysListedMax);
    wire::fb::KvListReplyT reply;
    std::size_t bytes = 0;
    const KeyIndex::Range range{.prefix = view_of(request.prefix),
                                .from = view_of(request.from),
                                .until = view_of(request.until),
                                .after = view_of(request.after)};
    core_.keys.for_each((*topic)->id, range, [&](const std::string& key, const auto& entry) {
        if (reply.keys.size() == limit || bytes >= kListedBytesMax) {
            reply.more = true;
            return false;
        }
        auto told = std::make_unique<wire::fb::KvKeyT>();
        told->key.assign(key.begin(), key.end());
        told->revision = entry.revision();
        told->partition = entry.partition;
        told->append_time_ns = entry.append_time;
        told->value_bytes = entry.value_bytes;
        bytes += key.size() + 64;
        reply.keys.push_back(std::move(told));
        return true;
    });
    const JournalSequence last = core_.keys.last_change((*topic)->id);
    core_.store.hurry(last);
    responder.reply_when_durable(last, std::move(reply));
}

// ---- history ------------------------------------------------------------------------------------

void KvPath::on_history(const wire::fb::KvHistoryT& request, const Responder& responder) {
    const auto topic = compacted_topic(request.topic_id);
    if (!topic) return responder.error(topic.error());
    const PartitionId partition =
        partition_of_key(bytes_of(view_of(request.key)), (*topic)->settings.partitions);
    const LogId log((*topic)->id, partition, Lane::normal);
    const auto state = core_.store.log_state(log);
    const Offset start = state ? state->start : Offset(0);
    auto asked = std::make_shared<History>(History{
        .responder = responder,
        .topic = (*topic)->id,
        .log = log,
        .key = std::string(view_of(request.key)),
        .next = std::max(Offset(request.from), start),
        .limit = request.limit == 0 ? kHistoryEvents : std::min(request.limit, kHistoryEventsMax)});
    asked->until = core_.visibility.visible_end(**topic, log);
    look_on(asked);
}

void KvPath::look_on(const std::shared_ptr<History>& asked) {
    while (asked->next < asked->until) {
        const bool enough = asked->found.size() >= asked->limit ||
                            asked->read_bytes >= kHistoryReadBytesMax ||
                            asked->found_bytes >= kHistoryFoundBytesMax;
        if (enough) break;
        std::vector<storage::BatchRef> batches;
        if (!core_.store.read_tail(asked->log, asked->next, asked->until, 1_MiB, batches)) {
            core_.cold_reads.post(asked->log, asked->next, asked->until, 1_MiB,
                                  [this, asked](auto read) {
                                      if (!read) return asked->responder.error(read.error());
                                      if (!take(*asked, *read)) return answer(*asked);
                                      look_on(asked);
                                  });
            return;
        }
        if (!take(*asked, batches)) break;
    }
    answer(*asked);
}

bool KvPath::take(History& asked, const std::vector<storage::BatchRef>& batches) {
    if (batches.empty()) asked.next = asked.until;  // the rest has been compacted away
    for (const storage::BatchRef& ref : batches) {
        asked.read_bytes += ref.bytes.size();
        if (const auto searched = search(asked, ref); !searched) {
            asked.next = stored_extent(ref).end;  // nothing can be told of what is damaged
            return false;
        }
        if (asked.found.size() >= asked.limit || asked.found_bytes >= kHistoryFoundBytesMax)
            return false;
    }
    return asked.next < asked.until;
}

Result<void> KvPath::search(History& asked, const storage::BatchRef& ref) {
    const StoredExtent extent = stored_extent(ref);
    CASC_TRY(const wire::BatchView batch, wire::BatchView::parse(ref.bytes));
    const Offset from = std::max(asked.next, extent.base);
    asked.next = extent.end;
    for (Offset at = from; at < extent.end; at = at + OffsetDelta(1)) {
        const auto key =
            batch.value(wire::Column::keys, static_cast<std::uint32_t>((at - extent.base).value()));
        const bool is_it = key && std::ranges::equal(*key, bytes_of(asked.key));
        if (!is_it || core_.deleted.contains(asked.log, at)) continue;
        asked.found.push_back(part_of(core_, ref, at, at + OffsetDelta(1), Cut::always));
        asked.found_bytes += asked.found.back().bytes.size();
        if (asked.found.size() < asked.limit && asked.found_bytes < kHistoryFoundBytesMax) continue;
        asked.next = at + OffsetDelta(1);
        return {};
    }
    return {};
}

void KvPath::answer(History& asked) {
    asked.responder.reply_with(
        [&](flatbuffers::FlatBufferBuilder& builder) {
            return wire::fb::CreateKvHistoryReply(builder, asked.log.partition().value(),
                                                  asked.next.value(), asked.next < asked.until);
        },
        asked.found);
}

}  // namespace casc::broker
