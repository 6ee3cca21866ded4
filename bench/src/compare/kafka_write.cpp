// Kafka: events are handed to librdkafka, which makes batches of them and reports each delivery.

#include "kafka_client.hpp"

#include <exception>
#include <stdexcept>

namespace casc::bench::compare {
namespace {

constexpr std::uint64_t kKafkaBlockMax = 500;
constexpr std::size_t kKafkaWindowBytesMax = 64u << 20;  // over all writers

class KafkaWriter final : public Writer {
public:
    KafkaWriter(const KafkaTopic& topic, const Case& asked)
        : window_events_(kafka_window_events(asked)),
          handle_(make_kafka_handle(RD_KAFKA_PRODUCER, topic.address,
                                    {{"acks", "all"},
                                     {"enable.idempotence", "true"},
                                     {"linger.ms", "5"},
                                     {"batch.size", "1000000"},
                                     {"delivery.timeout.ms", std::to_string(kKafkaPatienceMs)}},
                                    note_delivery, this)),
          topic_(rd_kafka_topic_new(handle_.get(), topic.name.c_str(), nullptr)) {}

    // Several to a window: one that fills it would be sent, waited for, and only then the next.
    std::uint64_t block_events() const override {
        return std::clamp<std::uint64_t>(window_events_ / 4, 1, kKafkaBlockMax);
    }
    std::uint64_t window_events() const override { return window_events_; }

    void put(std::span<const std::byte> payload) override {
        // It copies, and does not write to what it is given.
        if (rd_kafka_produce(topic_.get(), kKafkaPartition, RD_KAFKA_MSG_F_COPY,
                             const_cast<std::byte*>(payload.data()), payload.size(), nullptr, 0,
                             nullptr) != 0)
            throw std::runtime_error(kafka_complaint("sending", rd_kafka_last_error()));
    }
    void send() override { rd_kafka_poll(handle_.get(), 0); }  // it sends by itself
    std::uint64_t wait() override {
        for (int waited = 0; waited < kKafkaPatienceMs; waited += kKafkaTickMs) {
            if (const std::uint64_t there = delivered(); there > 0) return there;
            rd_kafka_poll(handle_.get(), kKafkaTickMs);
        }
        throw std::runtime_error("Kafka has not acknowledged anything for 30 s");
    }
    std::uint64_t poll() override {
        rd_kafka_poll(handle_.get(), 0);
        return delivered();
    }

private:
    // While it is polled, so on our thread.
    static void note_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
        auto& writer = *static_cast<KafkaWriter*>(opaque);
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            ++writer.delivered_;
        else
            writer.error_ = message->err;
    }
    std::uint64_t delivered() {
        if (error_ != RD_KAFKA_RESP_ERR_NO_ERROR)
            throw std::runtime_error(kafka_complaint("delivering an event", error_));
        return std::exchange(delivered_, 0);
    }

    const std::uint64_t window_events_;
    std::uint64_t delivered_ = 0;
    rd_kafka_resp_err_t error_ = RD_KAFKA_RESP_ERR_NO_ERROR;
    // The topic goes before the client that it belongs to.
    KafkaHandle handle_;
    KafkaTopicHandle topic_;
};

}  // namespace

std::uint64_t kafka_window_events(const Case& asked) {
    // librdkafka itself keeps 100 000 at most.
    return events_within(kKafkaWindowBytesMax / asked.producer_count, asked.payload_bytes, 50'000);
}

std::unique_ptr<Writer> make_kafka_writer(const KafkaTopic& topic, const Case& asked) {
    return std::make_unique<KafkaWriter>(topic, asked);
}

}  // namespace casc::bench::compare
