// Kafka: a partition that is assigned, so that nobody waits for a group to form, read in batches.

#include "kafka_client.hpp"

#include <array>
#include <stdexcept>

namespace casc::bench::compare {
namespace {

constexpr std::size_t kEventsPerCall = 1000;

struct PartitionListEnd {
    void operator()(rd_kafka_topic_partition_list_t* list) const {
        rd_kafka_topic_partition_list_destroy(list);
    }
};
struct ReaderQueueEnd {
    void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};

class KafkaReader final : public Reader {
public:
    KafkaReader(const KafkaTopic& topic, const std::string& group, KeptPosition position)
        : handle_(make_kafka_handle(
              RD_KAFKA_CONSUMER, topic.address,
              {{"group.id", group},
               {"enable.auto.commit", position == KeptPosition::by_broker ? "true" : "false"},
               {"auto.commit.interval.ms", "1000"},
               {"auto.offset.reset", "earliest"}})) {
        rd_kafka_poll_set_consumer(handle_.get());
        const std::unique_ptr<rd_kafka_topic_partition_list_t, PartitionListEnd> list(
            rd_kafka_topic_partition_list_new(1));
        rd_kafka_topic_partition_list_add(list.get(), topic.name.c_str(), kKafkaPartition)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
        if (const auto error = rd_kafka_assign(handle_.get(), list.get()); error != 0)
            throw std::runtime_error(kafka_complaint("reading", error));
        queue_.reset(rd_kafka_queue_get_consumer(handle_.get()));
    }
    ~KafkaReader() override {
        queue_.reset();
        rd_kafka_consumer_close(handle_.get());  // commits where it is, when it is to
    }

    void receive(const Take& take) override {
        std::array<rd_kafka_message_t*, kEventsPerCall> messages{};
        const auto count = rd_kafka_consume_batch_queue(queue_.get(), kKafkaTickMs, messages.data(),
                                                        messages.size());
        rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
        for (auto at = messages.begin(); at < messages.begin() + count; ++at) {
            const rd_kafka_message_t& message = **at;
            if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR)
                take({static_cast<const std::byte*>(message.payload), message.len});
            else
                error = message.err;
            rd_kafka_message_destroy(*at);
        }
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
            throw std::runtime_error(kafka_complaint("reading", error));
    }

private:
    KafkaHandle handle_;
    std::unique_ptr<rd_kafka_queue_t, ReaderQueueEnd> queue_;
};

}  // namespace

std::unique_ptr<Reader> make_kafka_reader(const KafkaTopic& topic, const std::string& group,
                                          KeptPosition position) {
    return std::make_unique<KafkaReader>(topic, group, position);
}

}  // namespace casc::bench::compare
