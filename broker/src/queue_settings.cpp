#include "queue_settings.hpp"

#include "topic.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kLeaseMsMax = 12u * 3600 * 1000;

Result<void> take_ms(milliseconds& into, const flatbuffers::Optional<std::uint32_t>& from,
                     const char* name, std::uint32_t min, std::uint32_t max) {
    if (!from) return {};
    if (*from < min || *from > max)
        return Error(ErrorCode::invalid_config, std::string(name) + " must be between " +
                                                    std::to_string(min) + " and " +
                                                    std::to_string(max));
    into = milliseconds(*from);
    return {};
}

}  // namespace

milliseconds QueueSettings::delay_after(std::uint32_t attempts) const noexcept {
    return std::min(retry_delay * std::max<std::uint32_t>(attempts, 1), retry_delay_max);
}

wire::fb::QueueSettingsT QueueSettings::to_message() const {
    wire::fb::QueueSettingsT message;
    message.lease_ms = static_cast<std::uint32_t>(lease.count());
    message.deliveries_max = deliveries_max;
    message.retry_delay_ms = static_cast<std::uint32_t>(retry_delay.count());
    message.retry_delay_max_ms = static_cast<std::uint32_t>(retry_delay_max.count());
    message.in_flight_events_max = in_flight_events_max;
    message.order = static_cast<std::uint8_t>(order);
    message.dead_letter_topic = dead_letter_topic;
    message.expired = buries_expired ? 1 : 0;
    return message;
}

Result<QueueSettings> apply_settings(QueueSettings base, const wire::fb::QueueSettingsT& change) {
    CASC_TRY_VOID(take_ms(base.lease, change.lease_ms, "lease_ms", 100, kLeaseMsMax));
    CASC_TRY_VOID(
        take_ms(base.retry_delay, change.retry_delay_ms, "retry_delay_ms", 0, kLeaseMsMax));
    CASC_TRY_VOID(take_ms(base.retry_delay_max, change.retry_delay_max_ms, "retry_delay_max_ms", 0,
                          kLeaseMsMax));
    base.deliveries_max = change.deliveries_max.value_or(base.deliveries_max);
    // A bit per event is kept, and an ack of any of them may be the next to come.
    constexpr std::uint32_t in_flight_max = 1u << 20;
    base.in_flight_events_max = change.in_flight_events_max.value_or(base.in_flight_events_max);
    if (base.in_flight_events_max == 0 || base.in_flight_events_max > in_flight_max)
        return Error(ErrorCode::invalid_config,
                     "in_flight_events_max must be between 1 and " + std::to_string(in_flight_max));
    if (change.order) {
        if (*change.order > static_cast<std::uint8_t>(QueueOrder::single_active))
            return Error(ErrorCode::invalid_config,
                         "order must be 0 (shared), 1 (by key) or 2 (single active)");
        base.order = static_cast<QueueOrder>(*change.order);
    }
    if (change.expired) {
        if (*change.expired > 1)
            return Error(ErrorCode::invalid_config,
                         "expired must be 0 (settled) or 1 (a dead letter)");
        base.buries_expired = *change.expired == 1;
    }
    if (!change.dead_letter_topic.empty()) {
        CASC_TRY_VOID(check_name("a dead letter topic", change.dead_letter_topic));
        base.dead_letter_topic = change.dead_letter_topic;
    }
    return base;
}

}  // namespace casc::broker
