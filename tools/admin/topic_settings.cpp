#include "topic_settings.hpp"

#include <limits>

namespace casc::admin {

namespace {

std::uint32_t to_u32(std::uint64_t value) {
    // The broker refuses what is beyond its own limits; what does not fit is beyond any of them.
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

Result<std::int64_t> parse_window(const std::string& text) {
    if (text == "off") return 0;
    CASC_TRY(const milliseconds window, parse_duration(text));
    return window.count();
}

Result<std::uint8_t> parse_lanes(const std::string& text) {
    std::uint8_t lanes = 0;
    if (text == "none") return lanes;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t comma = std::min(text.find(',', at), text.size());
        CASC_TRY(const Lane lane, parse_lane(text.substr(at, comma - at)));
        lanes = static_cast<std::uint8_t>(lanes | 1u << static_cast<unsigned>(lane));
        at = comma + 1;
    }
    return lanes;
}

Result<std::uint8_t> parse_cleanup(const std::string& text) {
    if (text == "delete") return std::uint8_t{0};
    if (text == "compact") return std::uint8_t{1};
    return Error(ErrorCode::invalid_request, "'" + text + "' is not delete or compact");
}

Result<bool> parse_on_off(const std::string& text) {
    if (text == "on") return true;
    if (text == "off") return false;
    return Error(ErrorCode::invalid_request, "'" + text + "' is not on or off");
}

Result<std::int64_t> parse_absence(const std::string& text) {
    if (text == "never") return 0;
    CASC_TRY(const milliseconds absence, parse_duration(text));
    return absence.count();
}

std::string lanes_text(std::uint8_t lanes) {
    std::string text;
    for (const Lane lane : kLanes)
        if ((lanes >> static_cast<unsigned>(lane) & 1u) != 0)
            text += (text.empty() ? "" : ",") + std::string(to_string(lane));
    return text.empty() ? "none" : text;
}

template <class Optional>
json::value or_null(const Optional& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

}  // namespace

bool TopicSettingsFlags::empty() const noexcept {
    return !partitions && !durability && !retention_ms && !retention_bytes && !retention_events &&
           !event_bytes_max && !dedup_window_ms && !paused_lanes && !cleanup &&
           !compaction_lag_ms && !tombstones_ms && !delete_consumed && !absent_group_ms;
}

std::unique_ptr<fb::TopicSettingsT> TopicSettingsFlags::message() const {
    auto settings = std::make_unique<fb::TopicSettingsT>();
    if (partitions) settings->partitions = to_u32(*partitions);
    if (durability) settings->durability = static_cast<std::uint8_t>(*durability);
    if (retention_ms) settings->retention_ms = *retention_ms;
    if (retention_bytes) settings->retention_bytes = *retention_bytes;
    if (retention_events) settings->retention_events = *retention_events;
    if (event_bytes_max) settings->event_bytes_max = to_u32(*event_bytes_max);
    if (dedup_window_ms)
        settings->dedup_window_ms = to_u32(static_cast<std::uint64_t>(*dedup_window_ms));
    if (paused_lanes) settings->paused_lanes = *paused_lanes;
    const auto ms = [](std::int64_t value) { return to_u32(static_cast<std::uint64_t>(value)); };
    if (cleanup) settings->cleanup = *cleanup;
    if (compaction_lag_ms) settings->compaction_lag_ms = ms(*compaction_lag_ms);
    if (tombstones_ms) settings->tombstones_ms = ms(*tombstones_ms);
    if (delete_consumed) settings->delete_consumed = *delete_consumed;
    if (absent_group_ms) settings->absent_group_ms = ms(*absent_group_ms);
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
        add_parsed(verb, "--cleanup", into.cleanup, parse_cleanup, "POLICY",
                   "delete (default): events go by age and size; compact: of each key the last "
                   "event stays");
    }
    add_parsed(verb, "--retention", into.retention_ms, parse_duration_limit, "DURATION",
               "How long events are kept: 7d, or unlimited");
    add_parsed(verb, "--retention-bytes", into.retention_bytes, parse_bytes_limit, "SIZE",
               "How much is kept per lane of a partition: 10GiB, or unlimited");
    add_parsed(verb, "--retention-events", into.retention_events, parse_number_limit, "COUNT",
               "How many events are kept per lane of a partition, or unlimited");
    add_parsed(verb, "--event-bytes-max", into.event_bytes_max, parse_bytes, "SIZE",
               "The largest event that is accepted");
    add_parsed(verb, "--dedup-window", into.dedup_window_ms, parse_window, "DURATION",
               "How long an event's message id is remembered, to store it once; off: not at all");
    add_parsed(verb, "--compaction-lag", into.compaction_lag_ms, parse_window, "DURATION",
               "Of a compacted topic: how long an event that was replaced stays at least; off");
    add_parsed(verb, "--tombstones", into.tombstones_ms, parse_window, "DURATION",
               "Of a compacted topic: how long an event that deletes its key stays at least");
    add_parsed(verb, "--delete-consumed", into.delete_consumed, parse_on_off, "ON",
               "on: events go when every group that reads the topic has done with them");
    add_parsed(verb, "--absent-group", into.absent_group_ms, parse_absence, "DURATION",
               "With --delete-consumed: a group without members for so long holds nothing; never");
    if (create == CreateOnly::yes) return;
    add_parsed(verb, "--pause-lanes", into.paused_lanes, parse_lanes, "LANES",
               "Give readers nothing of these lanes for now: low,normal; none: of all lanes again");
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
        {"dedup_window_ms", "DEDUP WINDOW", Style::duration_limit,
         or_null(settings.dedup_window_ms)},
        {"paused_lanes", "PAUSED LANES", Style::text,
         json::value(lanes_text(settings.paused_lanes.value_or(0)))},
        {"cleanup", "CLEANUP", Style::text,
         json::value(settings.cleanup.value_or(0) == 1 ? "compact" : "delete")},
        {"keys", "KEYS", Style::count, json::value(topic.keys)},
        {"compaction_lag_ms", "COMPACTION LAG", Style::duration_limit,
         or_null(settings.compaction_lag_ms)},
        {"tombstones_ms", "TOMBSTONES", Style::duration_limit, or_null(settings.tombstones_ms)},
        {"delete_consumed", "DELETE CONSUMED", Style::text, or_null(settings.delete_consumed)},
        {"absent_group_ms", "ABSENT GROUP", Style::duration_limit,
         or_null(settings.absent_group_ms)},
        {"created_ns", "CREATED", Style::time_ns, json::value(topic.created_ns)},
        {"topic_id", "ID", Style::count, json::value(topic.topic_id)},
    };
}

}  // namespace casc::admin
