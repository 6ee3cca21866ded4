#include "case.hpp"

#include <algorithm>

namespace casc::bench::compare {
namespace {

std::string size_text(std::size_t bytes) {
    return bytes % 1024 == 0 ? std::to_string(bytes / 1024) + " KiB" : std::to_string(bytes) + " B";
}

}  // namespace

std::string_view to_string(Question question) {
    switch (question) {
        case Question::produce:
            return "produce";
        case Question::produce_fsync:
            return "produce-fsync";
        case Question::consume:
            return "consume";
        case Question::consume_log:
            return "consume-log";
        case Question::queue:
            return "queue";
        case Question::e2e:
            return "e2e";
        case Question::e2e_fsync:
            return "e2e-fsync";
        case Question::request:
            return "request";
        case Question::volatile_:
            return "volatile";
    }
    return "";
}

std::string Case::name() const {
    std::string text = std::string(to_string(question)) + ", " + size_text(payload_bytes);
    if (question == Question::request) text += ", " + std::to_string(width) + " in flight";
    if (question == Question::volatile_)
        text += ", " + std::to_string(producer_count) + " to " + std::to_string(width);
    else if (producer_count > 1)
        text += ", " + std::to_string(producer_count) + " producers";
    return text;
}

std::uint64_t Case::stored_events() const {
    // So many that joining a group is little beside reading, and few enough for the slowest peer to
    // fill in some seconds.
    constexpr double kBytesPerSecond = 200e6;
    constexpr double kEventsPerSecondMax = 1e6;
    constexpr double kSecondsMax = 5;
    const double seconds = std::min(kSecondsMax, std::chrono::duration<double>(duration).count());
    const double events_per_second =
        std::min(kEventsPerSecondMax, kBytesPerSecond / static_cast<double>(payload_bytes));
    return std::max<std::uint64_t>(1000, static_cast<std::uint64_t>(events_per_second * seconds));
}

std::vector<Metric> metrics_of(const Case& asked) {
    const Metric throughput{"events/s", &Sample::events_per_second, true};
    const Metric p50{"p50 us", &Sample::latency_us_p50, false};
    const Metric p99{"p99 us", &Sample::latency_us_p99, false};
    switch (asked.question) {
        case Question::e2e:
        case Question::e2e_fsync:
            return {p50, p99};
        case Question::request:
            return asked.width == 1 ? std::vector{p50, p99} : std::vector{throughput, p99};
        default:
            return {throughput};
    }
}

}  // namespace casc::bench::compare
