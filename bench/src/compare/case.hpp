#pragma once
// What is asked of casc and of every peer alike: one workload at one size.
//
// Thread: any.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace casc::bench::compare {

enum class Question : std::uint8_t {
    produce,        // acknowledged as the peer does by default
    produce_fsync,  // acknowledged when on the disk
    consume,        // catching up as a group, whose progress the broker keeps
    consume_log,    // the same in log order, nothing kept
    queue,          // the same as a queue, each event settled by itself
    e2e,            // open loop, from due until in the consumer's hands
    e2e_fsync,      // the same, seen when on the disk
    request,        // request and reply
    volatile_,      // kept nowhere
};
inline constexpr std::array kQuestions{
    Question::produce,     Question::produce_fsync, Question::consume,
    Question::consume_log, Question::queue,         Question::e2e,
    Question::e2e_fsync,   Question::request,       Question::volatile_};
[[nodiscard]] std::string_view to_string(Question question);

struct Case {
    Question question = Question::produce;
    std::size_t payload_bytes = 100;
    std::uint32_t width = 1;  // request: in flight; volatile: consumers, each of which gets all
    std::chrono::milliseconds duration{3000};
    std::uint64_t rate = 10'000;       // e2e: events per second
    std::uint32_t producer_count = 1;  // produce, volatile: each a connection, numbering its own
    std::uint32_t idle_connection_count = 0;  // beside those that are used

    // "produce, 1 KiB", unique among the cases of a run.
    [[nodiscard]] std::string name() const;
    [[nodiscard]] bool is_durable() const {
        return question == Question::produce_fsync || question == Question::e2e_fsync;
    }
    // Of `consume`.
    [[nodiscard]] std::uint64_t stored_events() const;
};

// What one run of one contestant found. A metric that the question has no use for is 0.
struct Sample {
    double events_per_second = 0;
    double latency_us_p50 = 0;
    double latency_us_p99 = 0;
};

// A column of Sample that makes a row of the table.
struct Metric {
    std::string_view name;
    double Sample::*value;
    bool is_more_better;
};
// The rows that a case has.
[[nodiscard]] std::vector<Metric> metrics_of(const Case& asked);

}  // namespace casc::bench::compare
