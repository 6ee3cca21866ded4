#pragma once
// A client of librdkafka that ends itself, and what it complains of.
//
// Thread: as librdkafka has it: any, but callbacks come where it is polled.

#include <initializer_list>
#include <librdkafka/rdkafka.h>
#include <memory>
#include <string>
#include <utility>

namespace casc::bench::compare {

// Of a broker that somebody else has started.
struct KafkaTopic {
    std::string address;  // HOST:PORT
    std::string name;     // all of it is in partition 0
};

using KafkaSettings = std::initializer_list<std::pair<const char*, std::string>>;
using DeliveryReport = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void* opaque);

struct KafkaHandleEnd {
    void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
};
using KafkaHandle = std::unique_ptr<rd_kafka_t, KafkaHandleEnd>;

struct KafkaTopicEnd {
    void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
};
using KafkaTopicHandle = std::unique_ptr<rd_kafka_topic_t, KafkaTopicEnd>;

inline constexpr int kKafkaPartition = 0;
inline constexpr int kKafkaTickMs = 50;
// Nobody who works takes longer to answer.
inline constexpr int kKafkaPatienceMs = 30'000;

// `opaque` is given to `report`, which is called for every event that has been delivered or not.
[[nodiscard]] KafkaHandle make_kafka_handle(rd_kafka_type_t type, const std::string& address,
                                            KafkaSettings settings, DeliveryReport report = nullptr,
                                            void* opaque = nullptr);

[[nodiscard]] std::string kafka_complaint(const char* doing, rd_kafka_resp_err_t error);

}  // namespace casc::bench::compare
