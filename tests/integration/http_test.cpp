// The HTTP port of a real broker. What the server does with odd requests is in
// tests/unit/broker/http_test.cpp.

#include "raw_connection.hpp"
#include "test_broker.hpp"

#include <casc/wire/batch_builder.hpp>

#include <doctest/doctest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <text.hpp>

using namespace casc;
using namespace casc::test;
namespace fb = casc::wire::fb;

namespace {

// The sum of a metric over all its labels, or -1 when it is not there.
double metric(const std::string& page, const std::string& name) {
    std::istringstream lines(page);
    double sum = 0;
    bool found = false;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(name) ||
            (line.size() > name.size() && line[name.size()] != ' ' && line[name.size()] != '{')) {
            continue;
        }
        sum += std::stod(line.substr(line.rfind(' ') + 1));
        found = true;
    }
    return found ? sum : -1;
}

// Every word that is a metric's name: casc_... and process_....
std::set<std::string> metric_names(const std::string& text) {
    const std::regex word("\\b(casc|process)_[a-z_]+\\b");
    return {std::sregex_token_iterator(text.begin(), text.end(), word),
            std::sregex_token_iterator()};
}

}  // namespace

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
    std::istringstream lines(answer.substr(answer.find("\r\n\r\n") + 4));
    std::string family;
    std::size_t samples = 0;
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        if (line.starts_with("# HELP ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            CHECK((family.starts_with("casc_") || family.starts_with("process_")));
        } else if (line.starts_with("# TYPE ")) {
            CHECK(line.substr(7, family.size()) == family);
            CHECK((line.ends_with(" counter") == family.ends_with("_total")));
        } else {
            CHECK(line.starts_with(family));
            ++samples;
        }
    }
    CHECK(samples > 20);
}

TEST_CASE("broker/http: alerts and dashboards name metrics that exist") {
    const TestBroker broker;
    const std::string page = http_get(broker.http_endpoint(), "/metrics");
    for (const char* file : {"ops/prometheus/alerts.yml", "ops/grafana/overview.json"}) {
        CAPTURE(file);
        std::ifstream in(std::filesystem::path(CASC_SOURCE_DIR) / file);
        std::ostringstream text;
        text << in.rdbuf();
        std::size_t named = 0;
        for (const std::string& name : metric_names(text.str())) {
            CAPTURE(name);
            CHECK(metric(page, name) >= 0);
            ++named;
        }
        CHECK(named >= 8);
    }
}

TEST_CASE("broker/http: switched off there is none") {
    const TestBroker broker({.settings = {"listen.http="}});
    CHECK(broker.http_endpoint().empty());
    RawConnection(broker.endpoint()).hello();
}
