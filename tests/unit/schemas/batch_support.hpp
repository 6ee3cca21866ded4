#pragma once
// Events as plain values, so that a test can say what goes into a batch and compare it with what
// comes out.

#include <casc/wire/batch_builder.hpp>
#include <casc/wire/compression.hpp>
#include <casc/wire/crc32c.hpp>

#include <cstring>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace casc::wire::test {

using Bytes = std::vector<std::byte>;
using MessageId = std::array<std::byte, 16>;

inline Bytes bytes_of(std::string_view text) {
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    return {first, first + text.size()};
}

struct Event {
    Bytes payload{};
    std::optional<Bytes> key{};
    std::vector<std::pair<std::string, std::string>> headers{};
    std::optional<MessageId> message_id{};
    std::optional<EpochNanos> timestamp{};
    std::string type{}, correlation_id{}, source{}, destination{};
    std::uint32_t schema_version = 0;
    std::uint32_t time_to_live_ms = 0;
    EpochNanos deliver_at{};

    bool operator==(const Event&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Event& event) {
    return out << "event of " << event.payload.size() << " bytes, type '" << event.type << "'";
}

inline void add(BatchBuilder& builder, const Event& event, EpochNanos now) {
    std::vector<HeaderInput> headers;
    for (const auto& [name, value] : event.headers)
        headers.push_back({name, value});
    builder.add(
        {.payload = event.payload,
         .key = event.key ? std::optional<std::span<const std::byte>>(*event.key) : std::nullopt,
         .headers = headers,
         .message_id = event.message_id,
         .timestamp = event.timestamp,
         .type = event.type,
         .correlation_id = event.correlation_id,
         .source = event.source,
         .destination = event.destination,
         .schema_version = event.schema_version,
         .time_to_live_ms = event.time_to_live_ms,
         .deliver_at = event.deliver_at},
        now);
}

inline Bytes batch_of(const std::vector<Event>& events, EpochNanos now = EpochNanos(1'000),
                      const FinishOptions& options = {}, Lane lane = Lane::normal) {
    BatchBuilder builder(lane);
    for (const Event& event : events)
        add(builder, event, now);
    Bytes buffer;
    const auto batch = builder.finish(options, buffer);
    return {batch.begin(), batch.end()};
}

inline Event read(const EventView& view) {
    Event event;
    event.payload.assign(view.payload.begin(), view.payload.end());
    if (view.key) event.key.emplace(view.key->begin(), view.key->end());
    HeaderCursor cursor(view.headers);
    std::string_view name, value;
    while (cursor.next(name, value))
        event.headers.emplace_back(name, value);
    if (view.message_id)
        std::memcpy(event.message_id.emplace().data(), view.message_id->data(), 16);
    event.timestamp = view.timestamp;
    event.type = view.type;
    event.correlation_id = view.correlation_id;
    event.source = view.source;
    event.destination = view.destination;
    event.schema_version = view.schema_version;
    event.time_to_live_ms = view.time_to_live_ms;
    event.deliver_at = view.deliver_at;
    return event;
}

inline std::vector<Event> events_of(const BatchView& batch) {
    Decompressor decompressor;
    const auto payloads = decompressor.open(batch).value();
    std::vector<Event> events;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i)
        events.push_back(read(batch.event(i, payloads)));
    return events;
}

// What a reader gets: an event without its own time has its batch's.
inline std::vector<Event> as_read(std::vector<Event> events, EpochNanos now) {
    for (Event& event : events)
        event.timestamp = event.timestamp.value_or(now);
    return events;
}

inline Bytes random_bytes(std::mt19937_64& random, std::size_t bytes_max) {
    Bytes bytes(random() % (bytes_max + 1));
    for (auto& byte : bytes)
        byte = static_cast<std::byte>(random());
    return bytes;
}

inline std::string random_text(std::mt19937_64& random, std::size_t bytes_max) {
    std::string text(random() % (bytes_max + 1), ' ');
    for (auto& character : text)
        character = static_cast<char>('a' + random() % 26);
    return text;
}

// An event that uses the columns of `columns` (bits as in BatchHeader::columns).
inline Event random_event(std::mt19937_64& random, unsigned columns) {
    const auto uses = [&](Column column) {
        return (columns >> static_cast<unsigned>(column) & 1u) != 0;
    };
    Event event;
    event.payload = random_bytes(random, 200);
    if (uses(Column::keys)) event.key = random_bytes(random, 20);
    if (uses(Column::message_ids)) {
        event.message_id.emplace();
        for (auto& byte : *event.message_id)
            byte = static_cast<std::byte>(random() | 1);
    }
    if (uses(Column::timestamps)) event.timestamp = EpochNanos(static_cast<std::int64_t>(random()));
    if (uses(Column::headers))
        for (std::size_t i = random() % 4 + 1; i > 0; --i)
            event.headers.emplace_back(random_text(random, 12), random_text(random, 30));
    if (uses(Column::types)) event.type = 't' + random_text(random, 10);
    if (uses(Column::correlation_ids)) event.correlation_id = 'c' + random_text(random, 10);
    if (uses(Column::sources)) event.source = 's' + random_text(random, 10);
    if (uses(Column::destinations)) event.destination = 'd' + random_text(random, 10);
    if (uses(Column::schema_versions))
        event.schema_version = static_cast<std::uint32_t>(random() | 1);
    if (uses(Column::time_to_live))
        event.time_to_live_ms = static_cast<std::uint32_t>(random() | 1);
    if (uses(Column::deliver_at))
        event.deliver_at = EpochNanos(static_cast<std::int64_t>(random() | 1));
    return event;
}

// Changes part of a batch and nothing else: the result has a wrong checksum until sealed() gives it
// a right one.
template <class T>
Bytes patched(Bytes batch, std::size_t at, T value) {
    std::memcpy(batch.data() + at, &value, sizeof value);
    return batch;
}

template <class T>
T loaded(std::span<const std::byte> batch, std::size_t at) {
    T value;
    std::memcpy(&value, batch.data() + at, sizeof value);
    return value;
}

// A body_crc as a malicious producer computes it over wrong lengths.
inline Bytes sealed(Bytes batch) {
    const auto crc = crc32c(std::span(batch).subspan(sizeof(BatchStamp)));
    return patched(std::move(batch), offsetof(BatchStamp, body_crc), crc);
}

// Where a header field lies in a batch.
constexpr std::size_t in_header(std::size_t field) {
    return sizeof(BatchStamp) + field;
}

}  // namespace casc::wire::test
