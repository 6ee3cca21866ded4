#pragma once
// A topic and its resolved settings.

#include <casc/storage/store.hpp>
#include <casc/types/vocabulary.hpp>
#include <casc/wire/batch.hpp>
#include <casc/wire/messages.hpp>

#include <functional>
#include <string>

namespace casc::broker {

struct TopicSettings {
    std::uint32_t partitions = 1;
    Durability durability = Durability::durable;
    std::int64_t retention_ms = -1;      // -1: for ever
    std::int64_t retention_bytes = -1;   // per log
    std::int64_t retention_events = -1;  // per log
    std::uint32_t event_bytes_max = 0;
    std::uint32_t dedup_window_ms = 0;  // of message ids; 0: they are not looked at
    std::uint8_t paused_lanes = 0;      // a bit for each

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
};

// The stored logs of a topic that have ever had an event, by partition and lane.
void for_each_log(const storage::Store& store, TopicId topic,
                  const std::function<void(LogId, const storage::LogState&)>& visit);

}  // namespace casc::broker
