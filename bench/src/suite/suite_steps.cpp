#include "suite_steps.hpp"

#include "child_process.hpp"
#include "progress.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

namespace casc::bench::suite {
namespace {

namespace json = boost::json;
using compare::ChildProcess;

constexpr std::chrono::minutes kStepPatience{30};
constexpr std::chrono::milliseconds kLook{200};

bool reads(std::string_view name, std::string_view flag) {
    const auto found = std::ranges::find(workloads(), name, &Workload::name);
    return std::ranges::find(found->flags, flag) != found->flags.end();
}

class Steps {
public:
    Steps(const std::vector<Step>& steps, const std::vector<std::string>& settings,
          const std::filesystem::path& folder, SuiteResult& result)
        : steps_(steps), settings_(settings), folder_(folder), result_(result), progress_("suite") {
        for (const Step& step : steps_)
            seconds_in_all_ += step.seconds * rounds_of(step);
    }

    void run() {
        compare::adopt_orphans();
        for (std::uint32_t round = 0; round < result_.round_count; ++round) {
            for (const Step& step : steps_) {
                if (round >= rounds_of(step)) continue;
                take(step, round);
                seconds_done_ += step.seconds;
            }
        }
    }

private:
    [[nodiscard]] std::uint32_t rounds_of(const Step& step) const {
        return step.is_once_enough ? 1 : result_.round_count;
    }

    void take(const Step& step, std::uint32_t round) {
        if (::isatty(STDERR_FILENO) == 0)
            std::fprintf(stderr, "suite: round %u of %u: %s\n", round + 1, rounds_of(step),
                         step.name.c_str());
        auto& reports = result_.reports[step.name];
        try {
            reports.push_back(report_of(step));
        } catch (const std::exception& error) {
            reports.emplace_back(nullptr);
            result_.troubles.emplace(step.name, error.what());
        }
        compare::end_orphans();
    }

    json::value report_of(const Step& step) {
        // Of its own, so that its log is the step's and nobody else's.
        const std::filesystem::path folder = folder_ / ("step-" + std::to_string(++taken_));
        std::filesystem::create_directory(folder);
        ChildProcess bench({.name = "casc-bench",
                            // Not its name, under which another may lie by now.
                            .program = "/proc/self/exe",
                            .arguments = arguments_of(step),
                            .environment = {},
                            .folder = folder});
        watch(bench, step);
        const int status = bench.wait(kLook);
        boost::system::error_code malformed;
        json::value report = json::parse(bench.output(), malformed);
        if (status == 1 && !malformed) throw std::runtime_error(complaint_of(report));
        if (status != 0) bench.fail("it ended with exit code " + std::to_string(status));
        if (malformed) bench.fail("it has printed something else than JSON");
        return report;
    }

    // It ran to its end, and something was not as it must be.
    static std::string complaint_of(const json::value& report) {
        std::string text = "it counted errors";
        const json::object& all = report.as_object();
        if (const json::value* const errors = all.if_contains("errors"))
            text += ": " + json::serialize(*errors);
        if (const json::value* const details = all.if_contains("details")) {
            for (const char* const name : {"first_error", "trouble", "read_back"}) {
                if (const json::value* const why = details->as_object().if_contains(name))
                    text += ", " + std::string(name) + " " + json::serialize(*why);
            }
        }
        return text;
    }

    void watch(ChildProcess& bench, const Step& step) {
        const auto began = std::chrono::steady_clock::now();
        while (!bench.ends_within(kLook)) {
            const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - began;
            if (elapsed > kStepPatience) bench.fail("it has not ended after half an hour");
            progress_.show(
                (seconds_done_ + std::min<double>(elapsed.count(), step.seconds)) / seconds_in_all_,
                step.name);
        }
    }

    std::vector<std::string> arguments_of(const Step& step) const {
        std::istringstream words(step.command);
        std::vector<std::string> all(std::istream_iterator<std::string>(words), {});
        const std::string workload = all.front();
        for (const std::string& setting : settings_) {
            if (!reads(workload, "--set")) break;
            all.emplace_back("--set");
            all.push_back(setting);
        }
        if (reads(workload, "--data-dir")) {
            all.emplace_back("--data-dir");
            all.push_back(folder_.string());
        }
        all.emplace_back("-o");
        all.emplace_back("json");
        return all;
    }

    const std::vector<Step>& steps_;
    const std::vector<std::string>& settings_;
    const std::filesystem::path& folder_;
    SuiteResult& result_;
    Progress progress_;
    std::size_t taken_ = 0;
    double seconds_done_ = 0;
    double seconds_in_all_ = 0;
};

}  // namespace

void run_steps(const std::vector<Step>& steps, const std::vector<std::string>& settings,
               const std::filesystem::path& folder, SuiteResult& result) {
    Steps(steps, settings, folder, result).run();
}

}  // namespace casc::bench::suite
