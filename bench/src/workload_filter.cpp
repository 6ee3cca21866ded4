// The `filter` workload: what a filter at the broker costs and saves. Events with a type, a key, a
// header and a JSON payload are loaded; then they are read again and again, with filters of
// different kinds in turn, from the same position to the same end. The limit is the same log read
// without a filter.

#include "filling.hpp"
#include "host.hpp"
#include "need.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "target.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace casc::bench {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kRareOneIn = 1000;
constexpr std::uint64_t kAmounts = 100;

struct Kind {
    const char* name;
    const char* filter;
    std::uint64_t (*matching)(std::uint64_t events);
};

std::uint64_t all(std::uint64_t events) {
    return events;
}
std::uint64_t none(std::uint64_t) {
    return 0;
}
std::uint64_t rare(std::uint64_t events) {
    return (events + kRareOneIn - 1) / kRareOneIn;
}
std::uint64_t half(std::uint64_t events) {
    return events / kAmounts * (kAmounts / 2) + std::min(events % kAmounts, kAmounts / 2);
}

constexpr std::array<Kind, 9> kKinds{{
    {"no filter", "", all},
    {"type, all match", "type =~ prefix \"order.\"", all},
    {"type, header and key, all match",
     "type in (\"order.created\", \"order.refunded\") && header.region == \"eu\" && has key", all},
    {"JSON, all match", "json.id >= 0", all},
    {"JSON, half match", "json.amount < 50", half},
    {"type, one in 1000 matches", "type == \"order.refunded\"", rare},
    {"type and JSON, one in 1000 matches", "type == \"order.refunded\" && json.id >= 0", rare},
    {"type, none match", "type == \"invoice\"", none},
    {"JSON, none match", "json.none == 1", none},
}};

// About `bytes` of JSON.
std::string payload_of(std::uint64_t number, std::size_t bytes) {
    char text[96];
    const int written =
        std::snprintf(text, sizeof text, "{\"id\":%" PRIu64 ",\"amount\":%" PRIu64 ",\"name\":\"",
                      number, number % kAmounts);
    std::string payload(text, static_cast<std::size_t>(written));
    while (payload.size() + 2 < bytes)
        payload += static_cast<char>('a' + (number + payload.size()) % 26);
    return payload + "\"}";
}

void fill(const Target& target, const Options& options, const std::string& topic) {
    const auto client = target.connect();
    client::ProducerOptions how = producer_options(options);
    how.acks = Acks::durable;
    auto producer = need(client->make_producer(topic, how), "a producer");
    Progress progress("filter: filling");
    const std::uint64_t events = event_count_of(options);
    const std::array<wire::HeaderInput, 1> headers{{{"region", "eu"}}};
    for (std::uint64_t number = 0; number < events; ++number) {
        const std::string payload = payload_of(number, payload_bytes_of(options));
        const std::string key = "k" + std::to_string(number % 1000);
        client::Event event{.payload = std::as_bytes(std::span(payload))};
        event.key = std::as_bytes(std::span(key));
        event.headers = headers;
        event.type = number % kRareOneIn == 0 ? "order.refunded" : "order.created";
        event.partition = PartitionId(0);
        need(producer.send(event), "sending");
        if (number % 65536 == 0)
            progress.show(static_cast<double>(number) / static_cast<double>(events));
    }
    need(producer.close(std::chrono::minutes(5)), "closing the producer");
}

// How many events it was given on its way to the end.
std::uint64_t read_to_end(const Target& target, const std::string& topic, const char* filter,
                          std::uint64_t end) {
    const auto client = target.connect();
    client::ConsumerOptions options;
    options.filter = filter;
    auto consumer = need(client->make_consumer(options), "a consumer");
    need(consumer.assign({{topic, PartitionId(0), Lane::normal, Offset(0)}}), "reading");
    std::uint64_t events = 0;
    auto last_progress = Clock::now();
    for (Offset at(0); at < Offset(end);) {
        events += need(consumer.poll_batches(std::chrono::milliseconds(100)), "polling").size();
        const Offset now = need(consumer.position(topic, PartitionId(0), Lane::normal), "asking");
        if (now != at) last_progress = Clock::now();
        if (Clock::now() - last_progress > std::chrono::seconds(30))
            throw std::runtime_error("the reader is stuck at " + std::to_string(at.value()));
        at = now;
    }
    return events;
}

struct FilterPass {
    double seconds = 0;
    std::uint64_t wrong_count = 0;
    CpuSeconds cpu;
};

FilterPass one_pass(const Target& target, const std::string& topic, const Kind& kind,
                    std::uint32_t readers, std::uint64_t events) {
    FilterPass pass;
    const double client_before = own_cpu_seconds();
    const double broker_before = target.broker_cpu_seconds();
    const auto began = Clock::now();
    std::vector<std::uint64_t> got(readers);
    std::vector<std::string> trouble(readers);
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < readers; ++i)
        threads.emplace_back([&, i] {
            try {
                got[i] = read_to_end(target, topic, kind.filter, events);
            } catch (const std::exception& error) {
                trouble[i] = error.what();
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    pass.seconds = std::chrono::duration<double>(Clock::now() - began).count();
    pass.cpu = {own_cpu_seconds() - client_before, target.broker_cpu_seconds() - broker_before};
    for (std::uint32_t i = 0; i < readers; ++i) {
        if (!trouble[i].empty()) throw std::runtime_error(trouble[i]);
        if (got[i] != kind.matching(events)) ++pass.wrong_count;
    }
    return pass;
}

void run_filter(const Options& options, Report& report) {
    const std::uint64_t events = event_count_of(options);
    const std::uint32_t readers = std::max(1u, options.consumer_count);
    report.parameters = {{"payload_bytes", payload_bytes_of(options)},
                         {"events", events},
                         {"consumers", readers},
                         {"batch_bytes", producer_options(options).batch_bytes},
                         {"compression", options.compression},
                         {"passes", options.pass_count}};
    Target target(options, report.parameters);
    print_banner(report);
    const auto topic = create_topics(*target.connect(), {.prefix = "filter"}).front();
    fill(target, options, topic);

    std::map<std::string, std::vector<double>> rates;
    std::map<std::string, CpuSeconds> cpu;
    Progress progress("filter: reading");
    for (std::uint32_t number = 0; number < options.pass_count; ++number) {
        for (const Kind& kind : kKinds) {
            const FilterPass pass = one_pass(target, topic, kind, readers, events);
            rates[kind.name].push_back(static_cast<double>(events) * readers / pass.seconds);
            cpu[kind.name].client += pass.cpu.client;
            cpu[kind.name].broker += pass.cpu.broker;
            report.error_count += pass.wrong_count;
        }
        progress.show(static_cast<double>(number + 1) / options.pass_count);
    }
    json::array kinds;
    const double unfiltered = median(rates[kKinds[0].name]);
    for (const Kind& kind : kKinds) {
        const double rate = median(rates[kind.name]);
        kinds.push_back(json::object{{"kind", kind.name},
                                     {"filter", kind.filter},
                                     {"events_read_over_per_second", rate},
                                     {"of_unfiltered", rate / unfiltered},
                                     {"cpu_seconds_client", cpu[kind.name].client},
                                     {"cpu_seconds_broker", cpu[kind.name].broker}});
        report.cpu_seconds.client += cpu[kind.name].client;
        report.cpu_seconds.broker += cpu[kind.name].broker;
    }
    report.details["kinds"] = std::move(kinds);
    report.events_per_second = median(rates[kKinds[1].name]);
    report.bytes_per_second =
        report.events_per_second * static_cast<double>(payload_bytes_of(options));
    report.limit.name = "the same log read without a filter";
    report.limit.events_per_second = unfiltered;
    report.share_of_limit = report.events_per_second / unfiltered;
    report.rss_bytes_max = target.broker_rss_bytes_max();
}

constexpr std::array<std::string_view, 9> kFilterFlags{
    "--size",   "--events",  "--consumers", "--batch-bytes", "--compression",
    "--passes", "--address", "--data-dir",  "--set"};

}  // namespace

extern const Workload kFilterWorkload;
const Workload kFilterWorkload{"filter", "What does a filter at the broker cost, and save?",
                               kFilterFlags, run_filter};

}  // namespace casc::bench
