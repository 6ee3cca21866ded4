#pragma once
// client/src/event_input.hpp: the event that a program gives, as the batch builder takes it.

#include <casc/client/producer.hpp>

namespace casc::client {

[[nodiscard]] inline bool is_plain(const Event& event) noexcept {
    return !event.key && event.headers.empty() && !event.message_id && !event.timestamp &&
           event.type.empty() && event.correlation_id.empty() && event.source.empty() &&
           event.destination.empty() && event.schema_version == 0 && event.time_to_live_ms == 0 &&
           event.deliver_at == EpochNanos{};
}

// What the event adds to its batch; a little more than the truth, and for a plain event exactly it.
[[nodiscard]] inline std::size_t bytes_of(const Event& event) noexcept {
    std::size_t bytes = event.payload.size() + sizeof(std::uint32_t);
    if (is_plain(event)) return bytes;
    constexpr std::size_t kFixedColumns = 16 + 8 + 4 + 4 + 8 + 6 * sizeof(std::uint32_t);
    bytes += kFixedColumns + event.type.size() + event.correlation_id.size() + event.source.size() +
             event.destination.size();
    if (event.key) bytes += event.key->size();
    for (const wire::HeaderInput& header : event.headers)
        bytes += header.name.size() + header.value.size() + 6;
    return bytes;
}

[[nodiscard]] inline wire::EventInput input_of(const Event& event) noexcept {
    return {event.payload,         event.key,
            event.headers,         event.message_id,
            event.timestamp,       event.type,
            event.correlation_id,  event.source,
            event.destination,     event.schema_version,
            event.time_to_live_ms, event.deliver_at};
}

}  // namespace casc::client
