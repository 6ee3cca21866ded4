#include "report.hpp"

#include "host.hpp"
#include "quantities.hpp"

#include <boost/json.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>

namespace casc::bench {
namespace {

namespace json = boost::json;

double micros(std::uint64_t nanos) {
    return static_cast<double>(nanos) / 1000.0;
}

json::object latency_object(const Histogram& latency_ns) {
    if (latency_ns.count() == 0) return {};
    return {{"p50", micros(latency_ns.percentile(50))},
            {"p90", micros(latency_ns.percentile(90))},
            {"p99", micros(latency_ns.percentile(99))},
            {"p999", micros(latency_ns.percentile(99.9))},
            {"max", micros(latency_ns.max())}};
}

json::object limit_object(const Limit& limit) {
    json::object object{{"name", limit.name}};
    if (limit.events_per_second) object["events_per_second"] = *limit.events_per_second;
    if (limit.bytes_per_second) object["bytes_per_second"] = *limit.bytes_per_second;
    if (limit.latency_us) object["latency_us"] = *limit.latency_us;
    return object;
}

json::object to_json(const Report& report) {
    json::object object{
        {"workload", report.workload},
        {"parameters", report.parameters},
        {"host", json::object{{"cpu", cpu_name()},
                              {"cpus", cpu_count()},
                              {"memory_bytes", memory_bytes()},
                              {"kernel", kernel_name()}}},
        {"commit", commit_name()},
        {"events_per_second", report.events_per_second},
        {"bytes_per_second", report.bytes_per_second},
        {"latency_us", latency_object(report.latency_ns)},
        {"errors", report.error_count},
        {"limit", limit_object(report.limit)},
        {"share_of_limit", report.share_of_limit},
        {"rss_bytes_max", report.rss_bytes_max},
        {"cpu_seconds", json::object{{"client", report.cpu_seconds.client},
                                     {"broker", report.cpu_seconds.broker},
                                     {"stolen_by_host", report.stolen_seconds}}},
    };
    if (report.budget) object["budget_per_event"] = report.budget->to_json();
    if (!report.details.empty()) object["details"] = report.details;
    return object;
}

// Details are small objects and lists of objects; one line for each that holds only plain values.
void print_details(const json::value& value, const std::string& indent) {
    const auto flat = [](const json::object& object) {
        for (const auto& member : object) {
            if (member.value().is_structured()) return false;
        }
        return true;
    };
    if (const auto* list = value.if_array()) {
        for (const json::value& element : *list)
            print_details(element, indent);
        return;
    }
    const auto& object = value.as_object();
    std::string line = indent;
    for (const auto& member : object) {
        const auto& [key, inner] = std::pair(std::string(member.key()), &member.value());
        if (inner->is_structured()) {
            std::cout << indent << key << ":\n";
            print_details(*inner, indent + "  ");
        } else if (inner->is_double()) {
            std::array<char, 32> number{};
            std::snprintf(number.data(), number.size(), "%.4g", inner->as_double());
            line += key + ' ' + number.data() + "  ";
        } else {
            line +=
                key + ' ' +
                (inner->is_string() ? std::string(inner->as_string()) : json::serialize(*inner)) +
                "  ";
        }
    }
    if (flat(object) || line.size() > indent.size()) std::cout << line << '\n';
}

void print_text(const Report& report) {
    std::cout << "throughput    " << format_count(report.events_per_second) << " events/s, "
              << format_bytes(report.bytes_per_second) << "/s\n";
    if (report.latency_ns.count() != 0) {
        std::cout << "latency       ";
        const auto show = [&](const char* name, std::uint64_t nanos) {
            std::cout << name << ' ' << format_duration(std::chrono::nanoseconds(nanos)) << "  ";
        };
        show("p50", report.latency_ns.percentile(50));
        show("p90", report.latency_ns.percentile(90));
        show("p99", report.latency_ns.percentile(99));
        show("p99.9", report.latency_ns.percentile(99.9));
        show("max", report.latency_ns.max());
        std::cout << '\n';
    }
    std::cout << "errors        " << report.error_count << '\n';
    std::array<char, 32> share{};
    std::snprintf(share.data(), share.size(), "%.3f", report.share_of_limit);
    std::cout << "limit         " << report.limit.name;
    if (report.limit.events_per_second)
        std::cout << ", " << format_count(*report.limit.events_per_second) << " events/s";
    if (report.limit.bytes_per_second)
        std::cout << ", " << format_bytes(*report.limit.bytes_per_second) << "/s";
    if (report.limit.latency_us) std::cout << ", " << *report.limit.latency_us << " us";
    std::cout << "; reached " << share.data() << " of it\n";
    std::cout << "memory        " << format_bytes(static_cast<double>(report.rss_bytes_max))
              << " resident at most\n"
              << "cpu           " << report.cpu_seconds.client << " s client, "
              << report.cpu_seconds.broker << " s broker";
    if (report.stolen_seconds > 0)
        std::cout << "; " << report.stolen_seconds << " s taken by the host";
    std::cout << '\n';
    if (report.budget) std::cout << report.budget->to_text();
    if (!report.table.empty()) {
        std::cout << report.table;
    } else if (!report.details.empty()) {
        print_details(report.details, "");
    }
}

}  // namespace

void print_banner(const Report& report) {
    std::cerr << "casc-bench " << report.workload << " on " << cpu_name() << " (" << cpu_count()
              << " cpus), commit " << commit_name() << '\n';
    for (const auto& parameter : report.parameters) {
        std::cerr << "  " << parameter.key() << " = " << json::serialize(parameter.value()) << '\n';
    }
}

void print(const Report& report, Output output) {
    if (output == Output::json) {
        std::cout << json::serialize(to_json(report)) << std::endl;
    } else {
        print_text(report);
    }
}

}  // namespace casc::bench
