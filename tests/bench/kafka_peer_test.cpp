// Kafka's part of casc-bench compare, against the broker that librdkafka itself pretends to be,
// over loopback.

#include "child_process.hpp"
#include "kafka_client.hpp"
#include "payload.hpp"
#include "peers.hpp"

#include <doctest/doctest.h>

#include <librdkafka/rdkafka_mock.h>
#include <stdexcept>
#include <string>

using namespace casc::bench::compare;

namespace {

struct MockEnd {
    void operator()(rd_kafka_mock_cluster_t* cluster) const {
        rd_kafka_mock_cluster_destroy(cluster);
    }
};

// The contestant beside a broker that keeps the last 5 MB.
struct KafkaFixture {
    KafkaHandle holder = make_kafka_handle(RD_KAFKA_PRODUCER, "127.0.0.1:9", {});
    std::unique_ptr<rd_kafka_mock_cluster_t, MockEnd> cluster{
        rd_kafka_mock_cluster_new(holder.get(), 1)};
    std::unique_ptr<Contestant> kafka = make_kafka(rd_kafka_mock_cluster_bootstraps(cluster.get()));

    Sample run(const Case& asked) {
        kafka->start({}, asked);
        const Sample sample = kafka->run(asked);
        kafka->stop();
        return sample;
    }
};

}  // namespace

TEST_CASE_FIXTURE(KafkaFixture, "bench/kafka_peer: what producers got acknowledged is stored") {
    // ServerPeer::run() holds the two counts against each other.
    const std::chrono::milliseconds moment(20);
    CHECK_NOTHROW(run({.question = Question::produce, .duration = moment}));
    CHECK_NOTHROW(run({.question = Question::produce, .duration = moment, .producer_count = 4}));
}

TEST_CASE_FIXTURE(KafkaFixture, "bench/kafka_peer: all that was written is read, once, in order") {
    for (const Question question : {Question::consume, Question::consume_log})
        CHECK(run({.question = question, .duration = std::chrono::milliseconds(10)})
                  .events_per_second > 0);
}

TEST_CASE_FIXTURE(KafkaFixture, "bench/kafka_peer: a refused event is no acknowledgement") {
    const Case asked{.question = Question::produce, .duration = std::chrono::milliseconds(10)};
    kafka->start({}, asked);
    constexpr std::int16_t kProduceRequest = 0;
    rd_kafka_mock_push_request_errors(cluster.get(), kProduceRequest, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    CHECK_THROWS_AS(static_cast<void>(kafka->run(asked)), std::runtime_error);
    kafka->stop();
}

TEST_CASE("bench/kafka_peer: a broker that does not answer is not there") {
    const auto kafka = make_kafka("127.0.0.1:9");
    CHECK_THROWS_WITH_AS(kafka->start({}, {}), doctest::Contains("no Kafka broker answers at"),
                         NotInstalled);
}

TEST_CASE("bench/kafka_peer: Kafka takes no part in what it has not got") {
    const auto kafka = make_kafka("127.0.0.1:9");
    CHECK(kafka->terms({.question = Question::consume}));
    CHECK_FALSE(kafka->terms({.question = Question::produce_fsync}));
    CHECK_FALSE(kafka->terms({.question = Question::volatile_}));
}
