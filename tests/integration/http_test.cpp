// The HTTP port of a real broker. What the server does with odd requests is in
// tests/unit/broker/http_test.cpp.

#include "metrics_page.hpp"
#include "raw_connection.hpp"
#include "test_broker.hpp"

#include <casc/wire/batch_builder.hpp>

#include <doctest/doctest.h>

#include <sstream>
#include <text.hpp>

using namespace casc;
using namespace casc::test;
namespace fb = casc::wire::fb;

TEST_CASE("broker/http: a serving broker is live and ready") {
    const TestBroker broker;
    CHECK(contains(http_get(broker.http_endpoint(), "/livez"), "\r\n\r\n{\"status\":\"live\"}"));
    CHECK(contains(http_get(broker.http_endpoint(), "/readyz"), "\r\n\r\n{\"status\":\"ready\"}"));
    const std::string verbose = http_get(broker.http_endpoint(), "/readyz?verbose");
    CHECK(contains(verbose, R"({"name":"recovered","passed":true})"));
    CHECK(contains(http_get(broker.http_endpoint(), "/version"), R"("name":"casc-broker")"));
    CHECK(http_get(broker.http_endpoint(), "/nothing").starts_with("HTTP/1.1 404 "));
}

TEST_CASE("broker/http: /metrics counts what was produced") {
    const TestBroker broker;
    RawConnection raw(broker.endpoint());
    raw.hello();
    fb::CreateTopicT create;
    create.name = "counted";
    const auto topic = raw.call(create);
    REQUIRE_MESSAGE(topic.has_value(), topic.error().message());
    wire::BatchBuilder builder(Lane::high);
    for (int i = 0; i < 7; ++i)
        builder.add_payload(std::as_bytes(std::span("payload", 7)), EpochNanos(1));
    std::vector<std::byte> buffer;
    fb::ProduceT produce;
    produce.topic_id = topic->topic_id;
    produce.acks = static_cast<std::uint8_t>(Acks::durable);
    REQUIRE(raw.call(produce, builder.finish({}, buffer)).has_value());

    const std::string page = http_get(broker.http_endpoint(), "/metrics");
    CHECK(metric(page, "casc_events_in_total") == 7);
    CHECK(metric(page, "casc_connections") == 1);
    CHECK(metric(page, "casc_topics") == 1);
    CHECK(metric(page, "casc_build_info") == 1);
    CHECK(metric(page, "process_resident_memory_bytes") > 0);
    CHECK(metric(page, "no_such_metric") == -1);
}

TEST_CASE("broker/http: every family has its type and help, and every sample belongs to one") {
    const TestBroker broker;
    const std::string answer = http_get(broker.http_endpoint(), "/metrics");
    CHECK(check_families(answer) > 20);
}

TEST_CASE("broker/http: alerts and dashboards name metrics that exist") {
    const TestBroker broker;
    const std::string page = http_get(broker.http_endpoint(), "/metrics");
    const std::filesystem::path source(CASC_SOURCE_DIR);
    for (const char* file : {"ops/prometheus/alerts.yml", "ops/grafana/overview.json"})
        check_metrics_named_in(source / file, page);
}

TEST_CASE("broker/http: switched off there is none") {
    const TestBroker broker({.settings = {"listen.http="}});
    CHECK(broker.http_endpoint().empty());
    RawConnection(broker.endpoint()).hello();
}
