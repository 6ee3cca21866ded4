// The text that Prometheus reads.

#include "../../../broker/src/prometheus.hpp"

#include <casc/broker/broker.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace casc::broker;

TEST_CASE("broker/prometheus: a family is help, type and its samples") {
    const MetricFamily family{"casc_events_in_total",
                              "Events accepted.",
                              "counter",
                              {{"casc_events_in_total", "lane=\"high\"", 3},
                               {"casc_events_in_total", "lane=\"low\"", 4}}};
    CHECK(render_prometheus({family}) ==
          "# HELP casc_events_in_total Events accepted.\n"
          "# TYPE casc_events_in_total counter\n"
          "casc_events_in_total{lane=\"high\"} 3\n"
          "casc_events_in_total{lane=\"low\"} 4\n");
}

TEST_CASE("broker/prometheus: numbers keep their value") {
    const double infinity = std::numeric_limits<double>::infinity();
    const MetricFamily family{"x",
                              "x",
                              "gauge",
                              {{"x", "", 12345678901234567.0},
                               {"x", "", 0.1},
                               {"x", "", 1e-9},
                               {"x", "", -2},
                               {"x", "", infinity},
                               {"x", "", std::numeric_limits<double>::quiet_NaN()}}};
    CHECK(render_prometheus({family}) ==
          "# HELP x x\n# TYPE x gauge\n"
          "x 12345678901234568\nx 0.1\nx 1e-09\nx -2\nx +Inf\nx NaN\n");
}

TEST_CASE("broker/prometheus: help and label values are escaped") {
    const MetricFamily family{
        "x", "one\ntwo \\ \"three\"", "gauge", {{"x", prometheus_label("t", "a\"b\\c\nd"), 1}}};
    CHECK(render_prometheus({family}) ==
          "# HELP x one\\ntwo \\\\ \"three\"\n# TYPE x gauge\n"
          "x{t=\"a\\\"b\\\\c\\nd\"} 1\n");
}

TEST_CASE("broker/prometheus: a family without samples is left out") {
    CHECK(render_prometheus({{"x", "x", "gauge", {}}}).empty());
}

TEST_CASE("broker/prometheus: the process families are those of this process") {
    double resident = 0;
    double descriptors = 0;
    double start = 0;
    for (const MetricFamily& family : process_metrics()) {
        REQUIRE(family.samples.size() == 1);
        if (family.name == "process_resident_memory_bytes") resident = family.samples[0].value;
        if (family.name == "process_open_fds") descriptors = family.samples[0].value;
        if (family.name == "process_start_time_seconds") start = family.samples[0].value;
    }
    CHECK(resident > 100'000);
    CHECK(descriptors >= 3);
    CHECK(start > 1'600'000'000);
}
