#pragma once
// tools/admin/topic_settings.hpp: the settings of a topic, from flags and in listings.
// Thread: any (values and free functions).

#include "commands.hpp"
#include "listing.hpp"

#include <casc/wire/messages.hpp>

namespace casc::admin {

// What the user has said; the rest keeps its default (create) or its value (alter).
struct TopicSettingsFlags {
    std::optional<std::uint64_t> partitions;
    std::optional<Durability> durability;
    std::optional<std::int64_t> retention_ms;
    std::optional<std::int64_t> retention_bytes;
    std::optional<std::int64_t> retention_events;
    std::optional<std::uint64_t> event_bytes_max;
    std::optional<std::int64_t> dedup_window_ms;
    std::optional<std::uint8_t> paused_lanes;  // a bit for each
    std::optional<std::uint8_t> cleanup;       // 0 delete, 1 compact
    std::optional<std::int64_t> compaction_lag_ms;
    std::optional<std::int64_t> tombstones_ms;
    std::optional<bool> delete_consumed;
    std::optional<std::int64_t> absent_group_ms;  // 0: never too long

    [[nodiscard]] bool empty() const noexcept;
    [[nodiscard]] std::unique_ptr<fb::TopicSettingsT> message() const;
};

enum class CreateOnly : bool { no, yes };  // also those that are fixed once the topic is there
void add_settings_options(CLI::App* verb, TopicSettingsFlags& into, CreateOnly create);

// The fields of topic ls and topic info, in the same order.
[[nodiscard]] std::vector<Field> topic_fields(const fb::TopicSummaryT& topic);

}  // namespace casc::admin
