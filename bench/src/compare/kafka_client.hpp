#pragma once
// Kafka as a client of librdkafka uses it best.
//
// Thread: one at a time, each object.

#include "case.hpp"
#include "kafka_handle.hpp"
#include "roles.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace casc::bench::compare {

// Makes it, with one partition; a cluster without a controller makes it at its first use. Throws
// NotInstalled when nobody answers there.
void make_kafka_topic(const KafkaTopic& topic);
// As far as the broker lets us; what cannot be deleted stays.
void delete_kafka_topic(const KafkaTopic& topic);
// Behind the last event.
[[nodiscard]] std::uint64_t kafka_end_offset(const KafkaTopic& topic);

// acks=all, each event once (enable.idempotence), in batches. So many on their way.
[[nodiscard]] std::uint64_t kafka_window_events(const Case& asked);
[[nodiscard]] std::unique_ptr<Writer> make_kafka_writer(const KafkaTopic& topic, const Case& asked);

enum class KeptPosition : std::uint8_t { by_reader, by_broker };
// From the first event on. With KeptPosition::by_broker the position of `group` is committed every
// second.
[[nodiscard]] std::unique_ptr<Reader> make_kafka_reader(const KafkaTopic& topic,
                                                        const std::string& group,
                                                        KeptPosition position);

}  // namespace casc::bench::compare
