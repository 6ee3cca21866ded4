// Kafka: a topic for a run, made and deleted, and how much it holds.

#include "child_process.hpp"
#include "kafka_client.hpp"

#include <algorithm>
#include <span>
#include <stdexcept>

namespace casc::bench::compare {
namespace {

constexpr int kReachMs = 5'000;

struct QueueEnd {
    void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
struct EventEnd {
    void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
};
struct MetadataEnd {
    void operator()(const rd_kafka_metadata_t* metadata) const {
        rd_kafka_metadata_destroy(metadata);
    }
};
struct NewTopicEnd {
    void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
};
struct DeleteTopicEnd {
    void operator()(rd_kafka_DeleteTopic_t* topic) const { rd_kafka_DeleteTopic_destroy(topic); }
};
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, QueueEnd>;
using KafkaEvent = std::unique_ptr<rd_kafka_event_t, EventEnd>;

// The answer to the one request that `queue` waits for. Null: none came.
KafkaEvent answer_on(const KafkaQueue& queue) {
    return KafkaEvent(rd_kafka_queue_poll(queue.get(), kKafkaPatienceMs));
}

// Asks who they are, and says whether one of them makes and deletes topics: a request to a
// controller that is not among them would wait until its time is over. Throws NotInstalled when
// nobody answers.
bool has_controller(const KafkaHandle& handle, const std::string& address) {
    const rd_kafka_metadata_t* raw = nullptr;
    const auto error = rd_kafka_metadata(handle.get(), 0, nullptr, &raw, kReachMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw NotInstalled("no Kafka broker answers at " + address + " (" +
                           rd_kafka_err2str(error) +
                           "); start one, or name with --kafka where it listens");
    const std::unique_ptr<const rd_kafka_metadata_t, MetadataEnd> metadata(raw);
    const std::span brokers(raw->brokers, static_cast<std::size_t>(raw->broker_cnt));
    const std::int32_t controller = rd_kafka_controllerid(handle.get(), 0);
    return std::ranges::find(brokers, controller, &rd_kafka_metadata_broker_t::id) != brokers.end();
}

// What the request or its one topic failed with.
rd_kafka_resp_err_t creation_error(const KafkaEvent& event) {
    if (event == nullptr) return RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (const auto error = rd_kafka_event_error(event.get()); error != 0) return error;
    std::size_t count = 0;
    const auto* topics = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event.get()), &count);
    return count == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_topic_result_error(topics[0]);
}

}  // namespace

void make_kafka_topic(const KafkaTopic& topic) {
    const auto handle = make_kafka_handle(RD_KAFKA_PRODUCER, topic.address, {});
    if (!has_controller(handle, topic.address)) return;
    const std::unique_ptr<rd_kafka_NewTopic_t, NewTopicEnd> wanted(
        rd_kafka_NewTopic_new(topic.name.c_str(), 1, 1, nullptr, 0));
    const KafkaQueue queue(rd_kafka_queue_new(handle.get()));
    rd_kafka_NewTopic_t* raw = wanted.get();
    rd_kafka_CreateTopics(handle.get(), &raw, 1, nullptr, queue.get());
    const auto error = creation_error(answer_on(queue));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw std::runtime_error(kafka_complaint("making a topic", error));
}

void delete_kafka_topic(const KafkaTopic& topic) {
    const auto handle = make_kafka_handle(RD_KAFKA_PRODUCER, topic.address, {});
    if (!has_controller(handle, topic.address)) return;
    const std::unique_ptr<rd_kafka_DeleteTopic_t, DeleteTopicEnd> doomed(
        rd_kafka_DeleteTopic_new(topic.name.c_str()));
    const KafkaQueue queue(rd_kafka_queue_new(handle.get()));
    rd_kafka_DeleteTopic_t* raw = doomed.get();
    rd_kafka_DeleteTopics(handle.get(), &raw, 1, nullptr, queue.get());
    static_cast<void>(answer_on(queue));
}

std::uint64_t kafka_end_offset(const KafkaTopic& topic) {
    const auto handle = make_kafka_handle(RD_KAFKA_PRODUCER, topic.address, {});
    std::int64_t first = 0;
    std::int64_t end = 0;
    const auto error = rd_kafka_query_watermark_offsets(
        handle.get(), topic.name.c_str(), kKafkaPartition, &first, &end, kKafkaPatienceMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw std::runtime_error(kafka_complaint("asking for the end of a topic", error));
    return static_cast<std::uint64_t>(end);
}

}  // namespace casc::bench::compare
