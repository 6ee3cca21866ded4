#pragma once
// A topic and its resolved settings.

#include <casc/storage/store.hpp>
#include <casc/types/vocabulary.hpp>
#include <casc/wire/batch.hpp>
#include <casc/wire/messages.hpp>

#include <functional>
#include <string>

namespace casc::broker {

// What becomes of old events.
enum class Cleanup : std::uint8_t {
    remove = 0,  // by age and size
    compact = 1  // of each key the last one stays
};

struct TopicSettings {
    std::uint32_t partitions = 1;
    Durability durability = Durability::durable;
    std::int64_t retention_ms = -1;      // -1: for ever
    std::int64_t retention_bytes = -1;   // per log
    std::int64_t retention_events = -1;  // per log
    std::uint32_t event_bytes_max = 0;
    std::uint32_t dedup_window_ms = 0;  // of message ids; 0: they are not looked at
    std::uint8_t paused_lanes = 0;      // a bit for each
    Cleanup cleanup = Cleanup::remove;
    std::uint32_t compaction_lag_ms = 0;
    std::uint32_t tombstones_ms = 24u * 3600 * 1000;
    bool delete_consumed = false;
    std::uint32_t absent_group_ms = 7u * 24 * 3600 * 1000;

    [[nodiscard]] bool is_paused(Lane lane) const noexcept {
        return (paused_lanes >> static_cast<unsigned>(lane) & 1u) != 0;
    }

    [[nodiscard]] storage::RetentionClass retention_class() const noexcept;
    [[nodiscard]] wire::fb::TopicSettingsT to_message() const;
};

// `base` with what `change` sets laid over it. Fails with invalid_config or not_supported, naming
// the setting.
[[nodiscard]] Result<TopicSettings> apply_settings(TopicSettings base,
                                                   const wire::fb::TopicSettingsT& change);

// Letters, digits, '.', '_', '-'; 1 to 249 of them, not starting with '.'. Fails with
// invalid_request.
[[nodiscard]] Result<void> check_name(std::string_view what, std::string_view name);

struct Topic {
    TopicId id;
    std::string name;
    EpochNanos created;
    TopicSettings settings;

    // Nothing of it is stored.
    [[nodiscard]] bool is_volatile() const noexcept {
        return settings.durability == Durability::volatile_;
    }
    // Of a group without members: whether it does not hold events of this topic any more.
    [[nodiscard]] bool is_absent(EpochNanos empty_since, EpochNanos now) const noexcept {
        const std::chrono::nanoseconds bound = std::chrono::milliseconds(settings.absent_group_ms);
        return settings.absent_group_ms != 0 && (now - empty_since).value() > bound.count();
    }
    [[nodiscard]] bool is_compacted() const noexcept {
        return settings.cleanup == Cleanup::compact;
    }
};

// The stored logs of a topic that have ever had an event, by partition and lane.
void for_each_log(const storage::Store& store, TopicId topic,
                  const std::function<void(LogId, const storage::LogState&)>& visit);

}  // namespace casc::broker
