// Kafka, or who speaks its protocol, at an address: somebody else has started it, and how it is set
// up is its own.

#include "kafka_client.hpp"
#include "peers.hpp"
#include "server_peer.hpp"

#include <random>
#include <utility>

namespace casc::bench::compare {
namespace {

std::string kafka_guarantee(const Case& asked) {
    switch (asked.question) {
        case Question::produce:
            return "as the broker is set up: by default in the page cache of every replica in "
                   "sync, written back by the kernel; no duplicate after a retry";
        case Question::consume:
            return "in log order; the group's position committed every second";
        case Question::consume_log:
            return "in log order; the reader keeps its position";
        default:
            return {};
    }
}

std::string kafka_configuration(const Case& asked) {
    switch (asked.question) {
        case Question::produce:
            return "one partition; acks=all, enable.idempotence, linger.ms=5, "
                   "batch.size=1000000, " +
                   std::to_string(kafka_window_events(asked)) + " on their way" +
                   on_connections(asked);
        case Question::consume:
            return "the partition assigned (no group forms), fetched ahead as librdkafka does, "
                   "auto.commit.interval.ms=1000";
        case Question::consume_log:
            return "the partition assigned, fetched ahead as librdkafka does";
        default:
            return {};
    }
}

class KafkaPeer final : public ServerPeer {
public:
    explicit KafkaPeer(std::string address) : address_(std::move(address)) {}
    ~KafkaPeer() override { stop(); }

    std::string name() const override { return "kafka"; }
    std::string package() const override { return {}; }  // it is somebody else's
    std::string version() const override {
        return "at " + address_ + " (librdkafka " + rd_kafka_version_str() + ")";
    }
    std::optional<Terms> terms(const Case& asked) const override {
        std::string guarantee = kafka_guarantee(asked);
        if (guarantee.empty()) return {};
        return Terms{std::move(guarantee), kafka_configuration(asked)};
    }

    // A topic of its own for each run, since nobody starts the broker afresh.
    void start(const std::filesystem::path&, const Case&) override {
        const KafkaTopic topic{address_, "casc-bench-" + std::to_string(std::random_device{}())};
        make_kafka_topic(topic);
        topic_ = topic;  // from now on there is something to delete
    }
    void stop() noexcept override {
        if (topic_.name.empty()) return;
        try {
            delete_kafka_topic(topic_);
        } catch (const std::exception&) {
            // Then it stays: the run is over, and the broker is not ours.
        }
        topic_ = {};
    }

protected:
    std::unique_ptr<Writer> make_writer(const Case& asked) override {
        return make_kafka_writer(topic_, asked);
    }
    std::unique_ptr<Reader> make_reader(const Case& asked, std::uint32_t pass) override {
        return make_kafka_reader(topic_, topic_.name + "-" + std::to_string(pass),
                                 asked.question == Question::consume ? KeptPosition::by_broker
                                                                     : KeptPosition::by_reader);
    }
    std::uint64_t stored_events() override { return kafka_end_offset(topic_); }

private:
    const std::string address_;
    KafkaTopic topic_;
};

}  // namespace

std::unique_ptr<Contestant> make_kafka(const std::string& address) {
    return std::make_unique<KafkaPeer>(address);
}

}  // namespace casc::bench::compare
