#include "key_index.hpp"

#include <casc/types/key_partition.hpp>
#include <casc/wire/tombstone.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

// A node of the map, the entry, and what the allocator adds; besides the key itself.
constexpr std::uint64_t kKeyOverheadBytes = 128;

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

LogId log_of(TopicId topic, std::uint32_t partition) {
    return {topic, PartitionId(partition), Lane::normal};
}

}  // namespace

void KeyIndex::load() {
    store_.scan_compacted([&](LogId log, const storage::CompactedState& state) {
        if (topics_.find(log.topic()) == nullptr) return;
        logs_[log].taken_out = state.events;
        logs_[log].complete_from = state.complete_from;
    });
    store_.scan_keys([&](LogId log, std::string_view key, const storage::KeyState& state) {
        if (topics_.find(log.topic()) == nullptr || state.is_tombstone) return;
        const Entry entry{.offset = state.offset.value(),
                          .append_time = state.append_time.value(),
                          .partition = log.partition().value(),
                          .value_bytes = state.value_bytes};
        if (is_there(log.topic(), entry)) set(log.topic(), topics_keys_[log.topic()], key, entry);
    });
    for (auto& [log, keys] : logs_)
        bound_taken_out(log, keys);
}

// What was taken out below the start of the log does not count any more.
void KeyIndex::bound_taken_out(LogId log, LogKeys& keys) const {
    const auto state = store_.log_state(log);
    const std::uint64_t all = state ? (state->end - state->start).value() : 0;
    keys.taken_out = std::min(keys.taken_out, all > keys.live ? all - keys.live : 0);
}

// ---- what may come in ---------------------------------------------------------------------------

Result<void> KeyIndex::check(const Topic& topic, PartitionId partition,
                             const wire::BatchView& batch, std::uint64_t memory_bytes_max) const {
    // One log for a key, so that what was written last is what counts.
    if (batch.header().lane != Lane::normal)
        return Error(ErrorCode::unknown_lane,
                     "the compacted topic " + topic.name + " has the lane normal only");
    if (batch.has(wire::Column::time_to_live))
        return Error(ErrorCode::not_supported,
                     "events of the compacted topic " + topic.name + " have no time to live");
    std::uint64_t bytes = bytes_;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
        const auto key = batch.value(wire::Column::keys, i);
        const auto which = [&] { return "event " + std::to_string(i) + " of the batch"; };
        if (!key || key->empty()) return Error(ErrorCode::key_required, which());
        if (key->size() > wire::kCompactedKeyBytesMax)
            return Error(ErrorCode::invalid_request,
                         which() + ": a key of a compacted topic has at most " +
                             std::to_string(wire::kCompactedKeyBytesMax) + " bytes");
        const PartitionId right = partition_of_key(*key, topic.settings.partitions);
        if (right != partition)
            return Error(ErrorCode::wrong_partition,
                         which() + " belongs to partition " + std::to_string(right.value()));
        bytes += key->size() + kKeyOverheadBytes;
    }
    // Mostly there is room for all of them, whether or not they are new.
    if (bytes <= memory_bytes_max) return {};
    bytes = bytes_;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
        const auto key = text_of(*batch.value(wire::Column::keys, i));
        if (!wire::is_tombstone(batch, i) && find(topic.id, key) == nullptr)
            bytes += key.size() + kKeyOverheadBytes;
    }
    if (bytes == bytes_ || bytes <= memory_bytes_max) return {};
    return Error(ErrorCode::overloaded,
                 "the keys of compacted topics take " + std::to_string(bytes_) +
                     " bytes of memory, and may take " + std::to_string(memory_bytes_max) +
                     " (topics.keys_memory_bytes): delete some, or raise it",
                 1000);
}

// ---- changing -----------------------------------------------------------------------------------

void KeyIndex::set(TopicId topic, TopicKeys& of, std::string_view key, const Entry& entry) {
    const auto [at, is_new] = of.keys.try_emplace(std::string(key), entry);
    at->second = entry;
    if (!is_new) return;
    ++count_;
    bytes_ += key.size() + kKeyOverheadBytes;
    ++logs_[log_of(topic, entry.partition)].live;
}

KeyIndex::Keys::iterator KeyIndex::erase(TopicId topic, TopicKeys& of, Keys::iterator at) {
    --count_;
    bytes_ -= at->first.size() + kKeyOverheadBytes;
    --logs_[log_of(topic, at->second.partition)].live;
    return of.keys.erase(at);
}

void KeyIndex::apply(const Topic& topic, LogId log, const wire::BatchView& batch, EpochNanos now,
                     const storage::AppendTicket& ticket) {
    TopicKeys& of = topics_keys_[topic.id];
    of.last = std::max(of.last, ticket.sequence);
    logs_[log].last = ticket.sequence;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
        const auto key = text_of(*batch.value(wire::Column::keys, i));
        if (wire::is_tombstone(batch, i)) {
            if (const auto at = of.keys.find(key); at != of.keys.end()) erase(topic.id, of, at);
            continue;
        }
        set(topic.id, of, key,
            {.offset = ticket.base.value() + i,
             .append_time = now.value(),
             .partition = log.partition().value(),
             .value_bytes = wire::payload_bytes(batch, i)});
    }
}

void KeyIndex::on_compacted(LogId log, std::uint64_t taken_out, Offset complete_from) {
    LogKeys& keys = logs_[log];
    keys.taken_out += taken_out;
    keys.complete_from = std::max(keys.complete_from, complete_from);
}

// Everything that is below the start of the log now.
void KeyIndex::on_trimmed(LogId log) {
    const auto found = topics_keys_.find(log.topic());
    if (found == topics_keys_.end()) return;
    for (auto at = found->second.keys.begin(); at != found->second.keys.end();)
        at = is_there(log.topic(), at->second) ? std::next(at)
                                               : erase(log.topic(), found->second, at);
    bound_taken_out(log, logs_[log]);
}

void KeyIndex::forget_topic(TopicId topic) {
    const auto found = topics_keys_.find(topic);
    if (found != topics_keys_.end()) {
        count_ -= found->second.keys.size();
        for (const auto& [key, entry] : found->second.keys)
            bytes_ -= key.size() + kKeyOverheadBytes;
        topics_keys_.erase(found);
    }
    boost::unordered::erase_if(logs_,
                               [&](const auto& entry) { return entry.first.topic() == topic; });
}

// ---- asking -------------------------------------------------------------------------------------

const KeyIndex::TopicKeys* KeyIndex::find(TopicId topic) const {
    const auto found = topics_keys_.find(topic);
    return found == topics_keys_.end() ? nullptr : &found->second;
}

// Its event may have been deleted, or trimmed away: then the key has no value.
bool KeyIndex::is_there(TopicId topic, const Entry& entry) const {
    const LogId log = log_of(topic, entry.partition);
    if (deleted_.contains(log, Offset(entry.offset))) return false;
    const auto state = store_.log_state(log);
    return state && Offset(entry.offset) >= state->start;
}

const KeyIndex::Entry* KeyIndex::find(TopicId topic, std::string_view key) const {
    const TopicKeys* of = find(topic);
    if (of == nullptr) return nullptr;
    const auto at = of->keys.find(key);
    return at == of->keys.end() || !is_there(topic, at->second) ? nullptr : &at->second;
}

void KeyIndex::for_each(
    TopicId topic, const Range& range,
    const std::function<bool(const std::string& key, const Entry&)>& visit) const {
    const TopicKeys* of = find(topic);
    if (of == nullptr) return;
    const std::string_view from = std::max(range.prefix, range.from);
    auto at = range.after >= from && !range.after.empty() ? of->keys.upper_bound(range.after)
                                                          : of->keys.lower_bound(from);
    for (; at != of->keys.end() && at->first.starts_with(range.prefix); ++at) {
        if (!range.until.empty() && at->first >= range.until) return;
        if (is_there(topic, at->second) && !visit(at->first, at->second)) return;
    }
}

JournalSequence KeyIndex::last_change(TopicId topic) const {
    const TopicKeys* of = find(topic);
    return of == nullptr ? JournalSequence() : of->last;
}

KeyIndex::LogKeys KeyIndex::log_keys(LogId log) const {
    const auto found = logs_.find(log);
    return found == logs_.end() ? LogKeys{} : found->second;
}

std::uint64_t KeyIndex::replaced(LogId log) const {
    const auto state = store_.log_state(log);
    if (!state) return 0;
    const LogKeys keys = log_keys(log);
    const std::uint64_t all = (state->end - state->start).value();
    const std::uint64_t gone = keys.live + keys.taken_out;
    return all > gone ? all - gone : 0;
}

std::uint64_t KeyIndex::keys(TopicId topic) const {
    const TopicKeys* of = find(topic);
    return of == nullptr ? 0 : of->keys.size();
}

}  // namespace casc::broker
