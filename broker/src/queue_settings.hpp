#pragma once
// What a queue group does with its events; given by whoever creates it.

#include <casc/types/result.hpp>
#include <casc/wire/messages.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace casc::broker {

enum class QueueOrder : std::uint8_t {
    shared = 0,        // whoever has room
    by_key = 1,        // events of one key one at a time, in order
    single_active = 2  // the member that joined first; the others stand by
};

struct QueueSettings {
    std::chrono::milliseconds lease{30'000};
    std::uint32_t deliveries_max = 20;  // 0: without bound
    std::chrono::milliseconds retry_delay{1000};
    std::chrono::milliseconds retry_delay_max{60'000};
    std::uint32_t in_flight_events_max = 262'144;
    QueueOrder order = QueueOrder::shared;
    bool buries_expired = false;  // what outlived its time to live: a dead letter, not nothing
    std::string dead_letter_topic;

    // Before an event that was delivered `attempts` times is delivered again.
    [[nodiscard]] std::chrono::milliseconds delay_after(std::uint32_t attempts) const noexcept;
    [[nodiscard]] wire::fb::QueueSettingsT to_message() const;
};

// `base` with what `change` sets laid over it. Fails with invalid_config or not_supported, naming
// the setting.
[[nodiscard]] Result<QueueSettings> apply_settings(QueueSettings base,
                                                   const wire::fb::QueueSettingsT& change);

}  // namespace casc::broker
