#include "topic_settings.hpp"

#include <limits>

namespace casc::admin {

namespace {

std::uint32_t to_u32(std::uint64_t value) {
    // The broker refuses what is beyond its own limits; what does not fit is beyond any of them.
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

template <class Optional>
json::value or_null(const Optional& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

}  // namespace

bool TopicSettingsFlags::empty() const noexcept {
    return !partitions && !durability && !retention_ms && !retention_bytes && !retention_events &&
           !event_bytes_max;
}

std::unique_ptr<fb::TopicSettingsT> TopicSettingsFlags::message() const {
    auto settings = std::make_unique<fb::TopicSettingsT>();
    if (partitions) settings->partitions = to_u32(*partitions);
    if (durability) settings->durability = static_cast<std::uint8_t>(*durability);
    if (retention_ms) settings->retention_ms = *retention_ms;
    if (retention_bytes) settings->retention_bytes = *retention_bytes;
    if (retention_events) settings->retention_events = *retention_events;
    if (event_bytes_max) settings->event_bytes_max = to_u32(*event_bytes_max);
    return settings;
}

void add_settings_options(CLI::App* verb, TopicSettingsFlags& into, CreateOnly create) {
    if (create == CreateOnly::yes) {
        add_parsed(verb, "-p,--partitions", into.partitions, parse_number, "COUNT",
                   "How many partitions");
        add_parsed(verb, "--durability", into.durability, parse_durability, "LEVEL",
                   "When consumers may see an event: volatile (at once, never stored), memory (at "
                   "once) or "
                   "durable (on disk)");
    }
    add_parsed(verb, "--retention", into.retention_ms, parse_duration_limit, "DURATION",
               "How long events are kept: 7d, or unlimited");
    add_parsed(verb, "--retention-bytes", into.retention_bytes, parse_bytes_limit, "SIZE",
               "How much is kept per lane of a partition: 10GiB, or unlimited");
    add_parsed(verb, "--retention-events", into.retention_events, parse_number_limit, "COUNT",
               "How many events are kept per lane of a partition, or unlimited");
    add_parsed(verb, "--event-bytes-max", into.event_bytes_max, parse_bytes, "SIZE",
               "The largest event that is accepted");
}

std::vector<Field> topic_fields(const fb::TopicSummaryT& topic) {
    static const fb::TopicSettingsT none;
    const fb::TopicSettingsT& settings = topic.settings ? *topic.settings : none;
    json::value durability;
    if (settings.durability)
        durability = json::value(to_string(static_cast<Durability>(*settings.durability & 3)));
    return {
        {"name", "NAME", Style::text, json::value(topic.name)},
        {"partitions", "PARTITIONS", Style::count, or_null(settings.partitions)},
        {"durability", "DURABILITY", Style::text, std::move(durability)},
        {"events", "EVENTS", Style::count, json::value(topic.events)},
        {"bytes", "SIZE", Style::bytes, json::value(topic.bytes)},
        {"retention_ms", "RETENTION", Style::duration_limit, or_null(settings.retention_ms)},
        {"retention_bytes", "MAX SIZE", Style::bytes_limit, or_null(settings.retention_bytes)},
        {"retention_events", "MAX EVENTS", Style::count_limit, or_null(settings.retention_events)},
        {"event_bytes_max", "LARGEST EVENT", Style::bytes, or_null(settings.event_bytes_max)},
        {"created_ns", "CREATED", Style::time_ns, json::value(topic.created_ns)},
        {"topic_id", "ID", Style::count, json::value(topic.topic_id)},
    };
}

}  // namespace casc::admin
