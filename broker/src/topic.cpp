#include "topic.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

Error bad_setting(std::string_view name, std::string_view why) {
    return Error(ErrorCode::invalid_config, std::string(name) + " " + std::string(why));
}

// -1 means "no bound"; anything else has to be positive.
bool is_bound(std::int64_t value) {
    return value == -1 || value > 0;
}

// Those of which events are deleted, and which are not.
Result<void> apply_cleanup(TopicSettings& base, const wire::fb::TopicSettingsT& change) {
    if (change.cleanup) {
        if (*change.cleanup > static_cast<std::uint8_t>(Cleanup::compact))
            return bad_setting("cleanup", "must be delete or compact");
        base.cleanup = static_cast<Cleanup>(*change.cleanup);
    }
    if (change.compaction_lag_ms) base.compaction_lag_ms = *change.compaction_lag_ms;
    if (change.tombstones_ms) base.tombstones_ms = *change.tombstones_ms;
    if (change.delete_consumed) base.delete_consumed = *change.delete_consumed;
    if (change.absent_group_ms) base.absent_group_ms = *change.absent_group_ms;
    const bool is_volatile = base.durability == Durability::volatile_;
    if (base.delete_consumed && is_volatile)
        return Error(ErrorCode::not_supported,
                     "delete_consumed: nothing of a volatile topic is stored");
    if (base.cleanup != Cleanup::compact) return {};
    if (is_volatile)
        return Error(ErrorCode::not_supported,
                     "cleanup compact: nothing of a volatile topic is stored");
    if (base.delete_consumed)
        return bad_setting("delete_consumed", "is not for compacted topics, which keep their keys");
    if (base.retention_ms >= 0 || base.retention_bytes >= 0 || base.retention_events >= 0)
        return bad_setting("cleanup",
                           "compact keeps the last event of each key: there is no retention_ms, "
                           "retention_bytes or retention_events beside it");
    return {};
}

}  // namespace

storage::RetentionClass TopicSettings::retention_class() const noexcept {
    using storage::RetentionClass;
    if (cleanup == Cleanup::compact) return RetentionClass::compacted;
    if (retention_ms < 0) return RetentionClass::unlimited;
    if (retention_ms <= kHourMs) return RetentionClass::hour;
    if (retention_ms <= 24 * kHourMs) return RetentionClass::day;
    if (retention_ms <= 7 * 24 * kHourMs) return RetentionClass::week;
    if (retention_ms <= 30 * 24 * kHourMs) return RetentionClass::month;
    return RetentionClass::unlimited;
}

wire::fb::TopicSettingsT TopicSettings::to_message() const {
    wire::fb::TopicSettingsT message;
    message.partitions = partitions;
    message.durability = static_cast<std::uint8_t>(durability);
    message.retention_ms = retention_ms;
    message.retention_bytes = retention_bytes;
    message.retention_events = retention_events;
    message.event_bytes_max = event_bytes_max;
    message.dedup_window_ms = dedup_window_ms;
    message.paused_lanes = paused_lanes;
    message.cleanup = static_cast<std::uint8_t>(cleanup);
    message.compaction_lag_ms = compaction_lag_ms;
    message.tombstones_ms = tombstones_ms;
    message.delete_consumed = delete_consumed;
    message.absent_group_ms = absent_group_ms;
    return message;
}

Result<TopicSettings> apply_settings(TopicSettings base, const wire::fb::TopicSettingsT& change) {
    if (change.partitions) {
        if (*change.partitions == 0 || *change.partitions > kPartitionsMax)
            return bad_setting("partitions",
                               "must be between 1 and " + std::to_string(kPartitionsMax));
        base.partitions = *change.partitions;
    }
    if (change.durability) {
        if (*change.durability > static_cast<std::uint8_t>(Durability::replicated))
            return bad_setting("durability", "must be volatile, memory or durable");
        base.durability = static_cast<Durability>(*change.durability);
    }
    if (base.durability == Durability::replicated)
        return Error(ErrorCode::not_supported,
                     "durability replicated; this version has volatile, memory and durable");
    // What new topics get by default is not for those that are compacted.
    if (change.cleanup == static_cast<std::uint8_t>(Cleanup::compact))
        base.retention_ms = base.retention_bytes = base.retention_events = -1;
    const auto bound = [&](std::string_view name, const auto& from,
                           std::int64_t& into) -> Result<void> {
        if (!from) return {};
        if (!is_bound(*from)) return bad_setting(name, "must be positive, or -1 for no bound");
        into = *from;
        return {};
    };
    CASC_TRY_VOID(bound("retention_ms", change.retention_ms, base.retention_ms));
    CASC_TRY_VOID(bound("retention_bytes", change.retention_bytes, base.retention_bytes));
    CASC_TRY_VOID(bound("retention_events", change.retention_events, base.retention_events));
    if (change.event_bytes_max) {
        if (*change.event_bytes_max == 0 || *change.event_bytes_max > wire::kBatchBytesMax / 2)
            return bad_setting("event_bytes_max",
                               "must be between 1 and " + std::to_string(wire::kBatchBytesMax / 2));
        base.event_bytes_max = *change.event_bytes_max;
    }
    constexpr std::uint32_t window_ms_max = 7u * 24 * 3600 * 1000;
    if (change.dedup_window_ms) {
        if (*change.dedup_window_ms > window_ms_max)
            return bad_setting("dedup_window_ms",
                               "must be 0 (off) to " + std::to_string(window_ms_max));
        base.dedup_window_ms = *change.dedup_window_ms;
    }
    if (change.paused_lanes) {
        if (*change.paused_lanes >> kLaneCount != 0)
            return bad_setting("paused_lanes", "has a bit for each of the four lanes");
        base.paused_lanes = *change.paused_lanes;
    }
    CASC_TRY_VOID(apply_cleanup(base, change));
    return base;
}

Result<void> check_name(std::string_view what, std::string_view name) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    };
    if (!name.empty() && name.size() <= 249 && name.front() != '.' &&
        std::all_of(name.begin(), name.end(), allowed))
        return {};
    return Error(ErrorCode::invalid_request,
                 std::string(what) +
                     " must be 1 to 249 letters, digits, '.', '_' or '-' and must not "
                     "start with '.'");
}

void for_each_log(const storage::Store& store, TopicId topic,
                  const std::function<void(LogId, const storage::LogState&)>& visit) {
    store.for_each_log(LogId(topic, PartitionId(0), Lane::critical),
                       LogId(topic, PartitionId(0xFFFFFF), Lane::low), visit);
}

}  // namespace casc::broker
