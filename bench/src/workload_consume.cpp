// The `consume` workload: how fast a group catches up. Events are loaded, the broker is started
// again, and everything is read several times by a new group each, committing every second: first
// cold, then from whatever the broker and the kernel have kept.

#include "bystanders.hpp"
#include "event_budget.hpp"
#include "filling.hpp"
#include "limits_disk.hpp"
#include "load.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "reading.hpp"
#include "target.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

namespace casc::bench {
namespace {

namespace json = boost::json;

struct Pass {
    ReadOutcome outcome;
    CpuSeconds cpu_seconds;
    [[nodiscard]] double events_per_second() const {
        return static_cast<double>(outcome.event_count) / outcome.seconds;
    }
};

Pass one_pass(const Target& target, ReadPlan plan, std::uint32_t number, EventBudget& budget) {
    plan.group += '-' + std::to_string(number);
    Pass pass;
    budget.start();
    pass.outcome = read_all(target, plan);
    pass.cpu_seconds = budget.stop(static_cast<double>(pass.outcome.event_count),
                                   static_cast<double>(pass.outcome.payload_bytes));
    return pass;
}

json::object describe(const Pass& pass, const char* kind) {
    json::object object{{"pass", kind},
                        {"events_per_second", pass.events_per_second()},
                        {"bytes_per_second",
                         static_cast<double>(pass.outcome.payload_bytes) / pass.outcome.seconds},
                        {"seconds", pass.outcome.seconds},
                        {"seconds_to_first", pass.outcome.seconds_to_first},
                        {"missing", pass.outcome.missing_count},
                        {"misplaced", pass.outcome.misplaced_count},
                        {"cpu_seconds_client", pass.cpu_seconds.client},
                        {"cpu_seconds_broker", pass.cpu_seconds.broker}};
    if (!pass.outcome.trouble.empty()) object["trouble"] = pass.outcome.trouble;
    return object;
}

// A broker of our own starts again, with nothing in its memory and, where we may, nothing in the
// kernel's.
void make_cold(Target& target, Report& report) {
    if (!target.is_own()) return;
    report.details["restart_seconds"] = target.restart_seconds();
    report.details["page_cache_dropped"] = drop_page_cache();
}

// The same bytes as the cold pass: everything that the broker has stored. After the pass, so that a
// host that keeps what was read once favours this one.
void measure_limit(const Target& target, const Pass& cold, Report& report) {
    if (!target.is_own()) return;
    const RawRead raw = raw_cold_read(target.data_folder(), ".sst");
    report.limit.name = std::string("the stored files read cold, ") +
                        (raw.direct ? "O_DIRECT" : "buffered") + ", 1 MiB at a time";
    report.limit.bytes_per_second = raw.bytes_per_second();
    report.details["stored_bytes"] = raw.bytes;
    report.details["raw_cold_read_seconds"] = raw.seconds;
    report.share_of_limit = raw.seconds / cold.outcome.seconds;
}

void run_consume(const Options& options, Report& report) {
    const client::ConsumerOptions defaults;
    report.parameters = {{"payload_bytes", payload_bytes_of(options)},
                         {"events", event_count_of(options)},
                         {"consumers", std::max(1u, options.consumer_count)},
                         {"group", options.group.empty() ? "bench" : options.group},
                         {"commit_interval_ms", defaults.auto_commit_interval.count()},
                         {"credit_bytes", defaults.credit_bytes},
                         {"batch_bytes", producer_options(options).batch_bytes},
                         {"topics", options.topic_count},
                         {"partitions", options.partition_count},
                         {"lane", options.lane},
                         {"compression", options.compression},
                         {"keys", options.key_count},
                         {"passes", options.pass_count}};
    Target target(options, report.parameters);
    print_banner(report);
    ReadPlan plan = fill_topics(target, options, "consume", report);
    plan.consumer_count = std::max(1u, options.consumer_count);
    plan.group = options.group.empty() ? "bench" : options.group;
    make_cold(target, report);
    Bystanders bystanders(target, options, plan.topics, SlowKind::reader);

    json::array passes;
    std::vector<double> warm;
    EventBudget cold_budget(target);
    EventBudget warm_budget(target);
    Progress progress("consume: reading");
    for (std::uint32_t number = 0; number < options.pass_count; ++number) {
        const Pass pass = one_pass(target, plan, number, number == 0 ? cold_budget : warm_budget);
        passes.push_back(describe(pass, number == 0 ? "cold" : "warm"));
        report.error_count += pass.outcome.error_count();
        report.cpu_seconds.client += pass.cpu_seconds.client;
        report.cpu_seconds.broker += pass.cpu_seconds.broker;
        if (number == 0) {
            measure_limit(target, pass, report);
            report.details["cold_events_per_second"] = pass.events_per_second();
        }
        if (number > 0 || options.pass_count == 1) warm.push_back(pass.events_per_second());
        progress.show(static_cast<double>(number + 1) / options.pass_count);
    }
    bystanders.end(report);
    report.details["passes"] = std::move(passes);
    report.budget = (options.pass_count > 1 ? warm_budget : cold_budget).so_far();
    if (cold_budget.so_far())
        report.details["cold_budget_per_event"] = cold_budget.so_far()->to_json();
    report.events_per_second = median(warm);
    report.bytes_per_second = report.events_per_second * static_cast<double>(plan.payload_bytes);
    report.rss_bytes_max = target.broker_rss_bytes_max();
}

constexpr std::array<std::string_view, 17> kConsumeFlags{
    "--size",        "--events",       "--consumers", "--group",       "--batch-bytes",
    "--topics",      "--partitions",   "--lane",      "--compression", "--passes",
    "--address",     "--data-dir",     "--set",       "--keys",        "--idle-connections",
    "--idle-topics", "--slow-consumer"};

}  // namespace

extern const Workload kConsumeWorkload;
const Workload kConsumeWorkload{"consume",
                                "How fast does a group catch up after a restart, cold and warm?",
                                kConsumeFlags, run_consume};

}  // namespace casc::bench
