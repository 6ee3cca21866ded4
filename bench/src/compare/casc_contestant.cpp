// casc takes part as `casc-bench` measures it: this program runs itself with the workload of that
// question, and reads the JSON that it prints.

#include "child_process.hpp"
#include "comparison.hpp"
#include "flips.hpp"
#include "host.hpp"
#include "peers.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace casc::bench::compare {
namespace {

namespace json = boost::json;

// A broker that recovers, fills and reads back takes longer than what is measured.
constexpr std::chrono::minutes kRunPatience{10};

// Which of casc's two lines: they differ in `produce`.
enum class Line : std::uint8_t { durable, memory };

std::string casc_guarantee(const Case& asked, Line line) {
    if (line == Line::memory)
        return "in the broker's memory before the acknowledgement, on the disk (fsync) within 10 "
               "ms, so that these can be lost; no duplicate after a retry";
    switch (asked.question) {
        case Question::produce:
        case Question::produce_fsync:
            return "on the disk (fsync) before the acknowledgement; no duplicate after a retry";
        case Question::consume:
        case Question::consume_log:
            return "in log order; the group's position committed every second";
        case Question::queue:
            return "at least once; each event settled by itself, on the disk (fsync); one in 100 "
                   "is refused and comes again";
        case Question::e2e:
            return "seen when in the broker's memory; on the disk within 10 ms (a memory topic)";
        case Question::e2e_fsync:
            return "seen when on the disk (fsync)";
        case Question::request:
            return "kept nowhere; who asked is told when nobody answers";
        case Question::volatile_:
            return "kept nowhere; the producer waits for the slowest, nothing is dropped";
    }
    return {};
}

// The workload and its flags, as one would type them.
std::string workload_command(const Case& asked, Line line) {
    const std::string acks = line == Line::memory ? "memory" : "durable";
    const std::string size = " --size " + std::to_string(asked.payload_bytes);
    const std::string duration = " --duration " + std::to_string(asked.duration.count()) + "ms";
    const std::string events = " --events " + std::to_string(asked.stored_events());
    const std::string width = std::to_string(asked.width);
    const std::string producers = asked.producer_count > 1
                                      ? " --producers " + std::to_string(asked.producer_count)
                                      : std::string();
    switch (asked.question) {
        case Question::produce:
        case Question::produce_fsync:
            return "produce --acks " + acks + producers + size + duration;
        case Question::consume:
        case Question::consume_log:
            return "consume --passes 4" + size + events;  // the first is cold
        case Question::queue:
            return "queue --passes 2" + size + events;
        case Question::e2e:
        case Question::e2e_fsync:
            return "e2e --rate " + std::to_string(asked.rate) + size + duration;
        case Question::request:
            return "request --in-flight " + width + size + duration;
        case Question::volatile_:
            return "volatile --passes 1" + producers + " --consumers " + width + size + duration;
    }
    return {};
}

json::object latency_of(const json::object& report, const Case& asked) {
    if (asked.question == Question::e2e) return report.at("details").at("memory_us").as_object();
    if (asked.question == Question::e2e_fsync)
        return report.at("details").at("durable_us").as_object();
    return report.at("latency_us").as_object();
}

Sample sample_of(const json::object& report, const Case& asked) {
    const json::object latency = latency_of(report, asked);
    const auto us = [&](const char* percentile) {
        const json::value* found = latency.if_contains(percentile);
        return found == nullptr ? 0 : found->to_number<double>();
    };
    return {report.at("events_per_second").to_number<double>(), us("p50"), us("p99")};
}

class CascContestant final : public Contestant {
public:
    CascContestant(Line line, std::vector<std::string> settings, const Options& flips)
        : line_(line), settings_(std::move(settings)), flips_(flips) {}

    std::string name() const override {
        return is_second_line() ? std::string(kCascMemoryName) : "casc";
    }
    bool is_second_line() const override { return line_ == Line::memory; }
    std::string package() const override { return {}; }
    std::string version() const override { return commit_name(); }

    std::optional<Terms> terms(const Case& asked) const override {
        if (is_second_line() && asked.question != Question::produce) return {};
        std::string command = "casc-bench " + flipped_command(asked);
        for (const std::string& setting : settings_)
            command += " --set " + setting;
        return Terms{casc_guarantee(asked, line_), command};
    }

    void start(const std::filesystem::path& folder, const Case&) override { folder_ = folder; }

    Sample run(const Case& asked) override {
        Command command{.name = "casc-bench",
                        // Not its name, under which another may lie by now.
                        .program = "/proc/self/exe",
                        .arguments = arguments(asked),
                        .environment = {},
                        .folder = folder_};
        for (const char* argument : {"-o", "json", "--data-dir"})
            command.arguments.emplace_back(argument);
        command.arguments.push_back(folder_.string());
        bench_ = std::make_unique<ChildProcess>(std::move(command));
        const int status = bench_->wait(kRunPatience);
        if (status != 0) bench_->fail("it ended with exit code " + std::to_string(status));
        boost::system::error_code malformed;
        const json::value report = json::parse(bench_->output(), malformed);
        if (malformed || !report.is_object())
            bench_->fail("it has printed something else than JSON");
        return sample_of(report.as_object(), asked);
    }

    void stop() noexcept override { bench_.reset(); }

private:
    std::string flipped_command(const Case& asked) const {
        const std::string command = workload_command(asked, line_);
        const auto known = workloads();
        const auto workload =
            std::ranges::find(known, command.substr(0, command.find(' ')), &Workload::name);
        return command + flip_flags(flips_, workload->flags);
    }
    std::vector<std::string> arguments(const Case& asked) const {
        std::istringstream words(flipped_command(asked));
        std::vector<std::string> all(std::istream_iterator<std::string>(words), {});
        for (const std::string& setting : settings_) {
            all.emplace_back("--set");
            all.push_back(setting);
        }
        return all;
    }

    const Line line_;
    const std::vector<std::string> settings_;
    const Options flips_;
    std::filesystem::path folder_;
    std::unique_ptr<ChildProcess> bench_;
};

}  // namespace

std::unique_ptr<Contestant> make_casc(std::vector<std::string> settings, const Options& flips) {
    return std::make_unique<CascContestant>(Line::durable, std::move(settings), flips);
}

std::unique_ptr<Contestant> make_casc_memory(std::vector<std::string> settings,
                                             const Options& flips) {
    return std::make_unique<CascContestant>(Line::memory, std::move(settings), flips);
}

}  // namespace casc::bench::compare
