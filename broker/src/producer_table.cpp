#include "producer_table.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

using storage::StateTable;

constexpr std::string_view kNextProducerId = "next_producer_id";
constexpr std::string_view kNamedPrefix = "producer/";

}  // namespace

RowWriter ProducerTable::row_key(const Key& key, std::uint32_t slot) {
    return RowWriter{}
        .put(key.log.value())
        .put(key.producer.value())
        .put(static_cast<std::uint8_t>(slot));
}

void ProducerTable::load() {
    store_.scan(StateTable::broker, [&](std::string_view key, std::string_view value) {
        RowReader row(value);
        if (key == kNextProducerId) {
            next_id_ = row.get<std::uint64_t>();
        } else if (key.starts_with(kNamedPrefix)) {
            const ProducerId id(row.get<std::uint64_t>());
            const auto epoch = row.get<std::uint32_t>();
            named_.emplace(key.substr(kNamedPrefix.size()), std::pair(id, epoch));
            fences_[id] = epoch;
        }
    });
    store_.scan(StateTable::producer, [&](std::string_view key, std::string_view value) {
        RowReader key_reader(key);
        const LogId log(key_reader.get<std::uint64_t>());
        const ProducerId producer(key_reader.get<std::uint64_t>());
        const auto slot_index = key_reader.get<std::uint8_t>();
        RowReader row(value);
        const auto epoch = row.get<std::uint32_t>();
        const auto batch_number = row.get<std::uint64_t>();
        Slot slot;
        slot.base_sequence = row.get<std::uint32_t>();
        slot.event_count = row.get<std::uint32_t>();
        slot.base = Offset(row.get<std::uint64_t>());
        const EpochNanos used(row.get<std::int64_t>());

        Window& window = windows_[Key{log, producer}];
        // Slots of an older epoch are leftovers that the newer one has not overwritten yet.
        if (epoch < window.epoch) return;
        if (epoch > window.epoch)
            window = Window{
                .epoch = epoch, .next_sequence = 0, .batches = 0, .last_used = {}, .slots = {}};
        if (window.slots.size() <= slot_index) window.slots.resize(slot_index + 1u);
        window.slots[slot_index] = slot;
        if (batch_number >= window.batches) {
            window.batches = batch_number + 1;
            window.next_sequence = slot.base_sequence + slot.event_count;
            window.last_used = used;
        }
    });
}

Result<ProducerTable::Identity> ProducerTable::init(std::string_view name) {
    if (const auto found = named_.find(std::string(name)); !name.empty() && found != named_.end()) {
        auto& [id, epoch] = found->second;
        CASC_TRY(const JournalSequence sequence,
                 store_.put(StateTable::broker, std::string(kNamedPrefix) + std::string(name),
                            RowWriter{}.put(id.value()).put(epoch + 1).view()));
        fences_[id] = ++epoch;
        return Identity{id, epoch, sequence};
    }
    const ProducerId id(next_id_);
    CASC_TRY(JournalSequence sequence,
             store_.put(StateTable::broker, kNextProducerId, RowWriter{}.put(next_id_ + 1).view()));
    ++next_id_;
    constexpr std::uint32_t first_epoch = 1;
    if (!name.empty()) {
        CASC_TRY(sequence,
                 store_.put(StateTable::broker, std::string(kNamedPrefix) + std::string(name),
                            RowWriter{}.put(id.value()).put(first_epoch).view()));
        named_.emplace(name, std::pair(id, first_epoch));
        fences_[id] = first_epoch;
    }
    return Identity{id, first_epoch, sequence};
}

Result<ProducerTable::Check> ProducerTable::check(LogId log,
                                                  const wire::BatchHeader& header) const {
    const ProducerId producer(header.producer_id);
    if (header.producer_id >= next_id_) return Error(ErrorCode::unknown_producer);
    if (const auto fence = fences_.find(producer);
        fence != fences_.end() && header.producer_epoch != fence->second)
        return Error(ErrorCode::producer_fenced);

    const auto found = windows_.find(Key{log, producer});
    const bool same_epoch = found != windows_.end() && found->second.epoch == header.producer_epoch;
    if (found != windows_.end() && header.producer_epoch < found->second.epoch)
        return Error(ErrorCode::producer_fenced);
    const std::uint32_t next = same_epoch ? found->second.next_sequence : 0;
    if (header.base_sequence == next) return Check{};
    // Sequences wrap; the signed distance says on which side of the expected one this batch lies.
    if (!same_epoch || static_cast<std::int32_t>(header.base_sequence - next) > 0)
        return Error(ErrorCode::sequence_gap, "expected " + std::to_string(next) + ", got " +
                                                  std::to_string(header.base_sequence));
    for (const Slot& slot : found->second.slots)
        if (slot.base_sequence == header.base_sequence && slot.event_count == header.event_count)
            return Check{Verdict::duplicate, slot.base, true, slot.sequence};
    return Error(ErrorCode::sequence_too_old);
}

Result<JournalSequence> ProducerTable::remember(LogId log, const wire::BatchHeader& header,
                                                const storage::AppendTicket& ticket,
                                                EpochNanos now) {
    const Key key{log, ProducerId(header.producer_id)};
    Window& window = windows_[key];
    if (window.epoch != header.producer_epoch)
        window = Window{.epoch = header.producer_epoch,
                        .next_sequence = 0,
                        .batches = 0,
                        .last_used = {},
                        .slots = {}};
    const auto index = static_cast<std::uint32_t>(window.batches % kWindow);
    const std::uint64_t batch_number = window.batches++;
    window.next_sequence = header.base_sequence + header.event_count;
    window.last_used = now;
    if (window.slots.size() <= index) window.slots.resize(index + 1u);
    window.slots[index] =
        Slot{header.base_sequence, header.event_count, ticket.base, ticket.sequence};
    return store_.put(StateTable::producer, row_key(key, index).view(),
                      RowWriter{}
                          .put(header.producer_epoch)
                          .put(batch_number)
                          .put(header.base_sequence)
                          .put(header.event_count)
                          .put(ticket.base.value())
                          .put(now.value())
                          .view(),
                      storage::Urgency::soon);  // as urgent as its batch
}

std::optional<ProducerId> ProducerTable::find(std::string_view name) const {
    const auto found = named_.find(std::string(name));
    if (found == named_.end()) return std::nullopt;
    return found->second.first;
}

std::vector<ProducerTable::Known> ProducerTable::describe(std::span<const ProducerId> wanted,
                                                          std::size_t logs_max) const {
    std::vector<Known> known;
    std::unordered_map<ProducerId, std::size_t> places;
    for (const ProducerId id : wanted) {
        if (!places.emplace(id, known.size()).second) continue;
        const auto fence = fences_.find(id);
        known.push_back({.id = id, .epoch = fence == fences_.end() ? 0 : fence->second});
    }
    for (const auto& [name, identity] : named_)
        if (const auto place = places.find(identity.first); place != places.end())
            known[place->second].name = name;
    const JournalSequence durable = store_.durable_through();
    for (const auto& [key, window] : windows_) {
        const auto place = places.find(key.producer);
        if (place == places.end()) continue;
        Known& producer = known[place->second];
        // One without a name has no newer instance that fences it.
        if (producer.name.empty()) producer.epoch = std::max(producer.epoch, window.epoch);
        const auto waiting =
            std::count_if(window.slots.begin(), window.slots.end(),
                          [&](const Slot& slot) { return slot.sequence > durable; });
        producer.logs.push_back({key.log, window.epoch, window.next_sequence, window.last_used,
                                 static_cast<std::uint32_t>(waiting)});
    }
    for (Known& producer : known) {
        std::sort(producer.logs.begin(), producer.logs.end(),
                  [](const LogUse& a, const LogUse& b) { return a.last_used > b.last_used; });
        producer.more_logs = producer.logs.size() > logs_max;
        producer.logs.resize(std::min(producer.logs.size(), logs_max));
        logs_max -= producer.logs.size();
        for (LogUse& log : producer.logs)
            if (log.epoch != producer.epoch) log.next_sequence = 0;
    }
    return known;
}

void ProducerTable::expire(EpochNanos before) {
    forget_if([&](const auto& entry) { return entry.second.last_used < before; });
}

void ProducerTable::forget_topic(TopicId topic) {
    forget_if([&](const auto& entry) { return entry.first.log.topic() == topic; });
}

template <class Predicate>
void ProducerTable::forget_if(Predicate&& chosen) {
    boost::unordered::erase_if(windows_, [&](const auto& entry) {
        if (!chosen(entry)) return false;
        for (std::uint32_t slot = 0; slot < entry.second.slots.size(); ++slot)
            if (!store_.erase(StateTable::producer, row_key(entry.first, slot).view()))
                return false;  // disk full: next time
        return true;
    });
}

}  // namespace casc::broker
