#pragma once
// client/src/event_input.hpp: what a program says of an event, as a batch takes it.

#include <casc/client/producer.hpp>
#include <casc/wire/batch_builder.hpp>

namespace casc::client {

[[nodiscard]] inline wire::EventInput input_of(const Event& event) {
    return {event.payload,         event.key,
            event.headers,         event.message_id,
            event.timestamp,       event.type,
            event.correlation_id,  event.source,
            event.destination,     event.schema_version,
            event.time_to_live_ms, event.deliver_at};
}

}  // namespace casc::client
