#pragma once
// tools/admin/event_json.hpp: an event as one line of JSON: what `consume -o json` prints and
// `produce --json` reads, so that one can be piped into the other.
// Thread: any (free functions, values).

#include <casc/client/event_batch.hpp>
#include <casc/client/producer.hpp>
#include <casc/types/result.hpp>

#include <boost/json.hpp>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace casc::admin {

// Bytes that are not text become value_base64 and key_base64; fields that are not set are left out.
[[nodiscard]] boost::json::object event_to_json(const client::ConsumedEvent& event);

// An event that owns what it refers to.
struct EventText {
    std::string value;
    std::optional<std::string> key;
    std::vector<std::pair<std::string, std::string>> headers;
    std::optional<Lane> lane;
    std::optional<std::uint32_t> partition;
    std::optional<std::int64_t> timestamp_ns;
    std::string type;
    std::string correlation_id;
    std::string source;
    std::string destination;
    std::uint32_t schema_version = 0;
    std::uint32_t time_to_live_ms = 0;
    std::optional<std::int64_t> deliver_at_ns;
    std::optional<std::array<std::byte, 16>> message_id;
};

// Fields that only a stored event has (topic, offset, append_time_ns) are passed over; an unknown
// one is a mistake. Fails with invalid_request.
[[nodiscard]] Result<EventText> event_from_json(std::string_view line);

}  // namespace casc::admin
