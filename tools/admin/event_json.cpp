#include "event_json.hpp"

#include "text_codec.hpp"
#include "values.hpp"

#include <functional>
#include <map>

namespace casc::admin {

namespace json = boost::json;

namespace {

void put_bytes(json::object& object, std::string_view key, std::string_view bytes) {
    if (is_utf8(bytes))
        object[key] = bytes;
    else
        object[std::string(key) + "_base64"] = to_base64(bytes);
}

json::array headers_to_json(std::span<const std::byte> encoded) {
    json::array headers;
    wire::HeaderCursor cursor(encoded);
    for (std::string_view name, value; cursor.next(name, value);) {
        json::object header;
        put_bytes(header, "name", name);
        put_bytes(header, "value", value);
        headers.push_back(std::move(header));
    }
    return headers;
}

Error wrong(std::string_view field, std::string_view expected) {
    return Error(ErrorCode::invalid_request,
                 "field '" + std::string(field) + "' is not " + std::string(expected));
}

Result<std::string> text_of(std::string_view field, const json::value& value) {
    if (!value.is_string()) return wrong(field, "a string");
    return std::string(value.get_string());
}

template <class Int>
Result<Int> number_of(std::string_view field, const json::value& value) {
    json::error_code failed;
    const Int number = value.to_number<Int>(failed);
    if (failed) return wrong(field, "a number in range");
    return number;
}

Result<std::string> base64_of(std::string_view field, const json::value& value) {
    CASC_TRY(const std::string text, text_of(field, value));
    return from_base64(text);
}

// {"a": "1", "a2": "2"} or [{"name": "a", "value": "1"}, ...], which can name one twice.
Result<std::vector<std::pair<std::string, std::string>>> headers_of(const json::value& value) {
    std::vector<std::pair<std::string, std::string>> headers;
    if (value.is_object()) {
        for (const auto& [name, item] : value.get_object()) {
            CASC_TRY(std::string text, text_of(name, item));
            headers.emplace_back(name, std::move(text));
        }
        return headers;
    }
    if (!value.is_array()) return wrong("headers", "an object or an array");
    for (const json::value& item : value.get_array()) {
        if (!item.is_object()) return wrong("headers", "an array of {\"name\", \"value\"}");
        std::string name;
        std::string text;
        for (const auto& [key, part] : item.get_object()) {
            std::string& into = key.starts_with("name") ? name : text;
            if (key == "name" || key == "value") {
                CASC_TRY(into, text_of(key, part));
            } else if (key == "name_base64" || key == "value_base64") {
                CASC_TRY(into, base64_of(key, part));
            } else {
                return wrong("headers", "an array of {\"name\", \"value\"}");
            }
        }
        headers.emplace_back(std::move(name), std::move(text));
    }
    return headers;
}

using Reader = Result<void> (*)(EventText&, std::string_view field, const json::value&);

template <auto Member>
Result<void> read_text(EventText& event, std::string_view field, const json::value& value) {
    CASC_TRY(event.*Member, text_of(field, value));
    return {};
}

template <auto Member, class Int>
Result<void> read_number(EventText& event, std::string_view field, const json::value& value) {
    CASC_TRY(event.*Member, number_of<Int>(field, value));
    return {};
}

Result<void> pass_over(EventText&, std::string_view, const json::value&) {
    return {};
}

const std::map<std::string_view, Reader>& readers() {
    static const std::map<std::string_view, Reader> all{
        {"value",
         [](EventText& event, std::string_view, const json::value& value) -> Result<void> {
             // A value that is no string is sent as the JSON that it is.
             event.value =
                 value.is_string() ? std::string(value.get_string()) : json::serialize(value);
             return {};
         }},
        {"value_base64",
         [](EventText& event, std::string_view field, const json::value& value) -> Result<void> {
             CASC_TRY(event.value, base64_of(field, value));
             return {};
         }},
        {"key",
         [](EventText& event, std::string_view field, const json::value& value) -> Result<void> {
             if (value.is_null()) return {};
             CASC_TRY(event.key, text_of(field, value));
             return {};
         }},
        {"key_base64",
         [](EventText& event, std::string_view field, const json::value& value) -> Result<void> {
             CASC_TRY(event.key, base64_of(field, value));
             return {};
         }},
        {"headers",
         [](EventText& event, std::string_view, const json::value& value) -> Result<void> {
             CASC_TRY(event.headers, headers_of(value));
             return {};
         }},
        {"lane",
         [](EventText& event, std::string_view field, const json::value& value) -> Result<void> {
             CASC_TRY(const std::string name, text_of(field, value));
             CASC_TRY(event.lane, parse_lane(name));
             return {};
         }},
        {"partition", read_number<&EventText::partition, std::uint32_t>},
        {"timestamp_ns", read_number<&EventText::timestamp_ns, std::int64_t>},
        {"type", read_text<&EventText::type>},
        {"correlation_id", read_text<&EventText::correlation_id>},
        {"source", read_text<&EventText::source>},
        {"destination", read_text<&EventText::destination>},
        {"schema_version", read_number<&EventText::schema_version, std::uint32_t>},
        {"time_to_live_ms", read_number<&EventText::time_to_live_ms, std::uint32_t>},
        {"deliver_at_ns", read_number<&EventText::deliver_at_ns, std::int64_t>},
        {"message_id",
         [](EventText& event, std::string_view field, const json::value& value) -> Result<void> {
             CASC_TRY(const std::string text, text_of(field, value));
             CASC_TRY(event.message_id, parse_message_id(text));
             return {};
         }},
        {"topic", pass_over},
        {"offset", pass_over},
        {"append_time_ns", pass_over},
    };
    return all;
}

}  // namespace

json::object event_to_json(const client::ConsumedEvent& consumed) {
    const wire::EventView& event = consumed.event;
    json::object object{{"topic", consumed.topic},
                        {"partition", consumed.partition.value()},
                        {"lane", to_string(event.lane)},
                        {"offset", event.offset.value()},
                        {"timestamp_ns", event.timestamp.value()},
                        {"append_time_ns", event.append_time.value()}};
    if (event.key) put_bytes(object, "key", as_text(*event.key));
    put_bytes(object, "value", as_text(event.payload));
    if (!event.headers.empty()) object["headers"] = headers_to_json(event.headers);
    const auto put_text = [&](std::string_view key, std::string_view text) {
        if (!text.empty()) put_bytes(object, key, text);
    };
    put_text("type", event.type);
    put_text("correlation_id", event.correlation_id);
    put_text("source", event.source);
    put_text("destination", event.destination);
    if (event.schema_version != 0) object["schema_version"] = event.schema_version;
    if (event.time_to_live_ms != 0) object["time_to_live_ms"] = event.time_to_live_ms;
    if (event.message_id) object["message_id"] = to_hex(as_text(*event.message_id));
    return object;
}

Result<EventText> event_from_json(std::string_view line) {
    json::error_code failed;
    const json::value parsed = json::parse({line.data(), line.size()}, failed);
    if (failed) return Error(ErrorCode::invalid_request, "not JSON: " + failed.message());
    if (!parsed.is_object()) return Error(ErrorCode::invalid_request, "not a JSON object");
    EventText event;
    for (const auto& [name, value] : parsed.get_object()) {
        const auto reader = readers().find(std::string_view(name.data(), name.size()));
        if (reader == readers().end())
            return Error(ErrorCode::invalid_request, "unknown field '" + std::string(name) + "'");
        CASC_TRY_VOID(reader->second(event, name, value));
    }
    return event;
}

}  // namespace casc::admin
