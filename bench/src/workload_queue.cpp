// The `queue` workload: how fast members of a queue group take events and settle each by itself.
// Events are loaded; members take them, refuse one in a hundred at its first delivery, and settle
// the others in random order within a thousand; several times, by a new group each. The limit is
// the same events read as a log, which settles none of them.

#include "bystanders.hpp"
#include "event_budget.hpp"
#include "filling.hpp"
#include "load.hpp"
#include "need.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "queue_reading.hpp"
#include "target.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <future>
#include <string>
#include <vector>

namespace casc::bench {
namespace {

namespace json = boost::json;

// Groups with a member each, which wait for the events of a topic that gets none.
class IdleGroups {
public:
    IdleGroups(const Target& target, std::uint32_t count) : client_(target.connect()) {
        if (count == 0) return;
        const auto topics = create_topics(*client_, {.prefix = "idle"});
        std::vector<std::future<Result<wire::fb::JoinQueueReplyT>>> joining;
        Progress progress("queue: idle groups");
        for (std::uint32_t number = 1; number <= count; ++number) {
            wire::fb::JoinQueueT join;
            join.group = "idle-" + std::to_string(number);
            join.subscription_id = number;
            join.topics = topics;
            join.prefetch_events = 100;
            join.prefetch_bytes = 1 << 20;
            auto promise = std::make_shared<std::promise<Result<wire::fb::JoinQueueReplyT>>>();
            joining.push_back(promise->get_future());
            client_->call_async(join, {}, [promise](Result<wire::fb::JoinQueueReplyT> reply) {
                promise->set_value(std::move(reply));
            });
            if (joining.size() < kAtATime && number < count) continue;
            for (auto& reply : joining)
                static_cast<void>(need(reply.get(), "joining an idle group"));
            joining.clear();
            progress.show(static_cast<double>(number) / count);
        }
    }

private:
    static constexpr std::size_t kAtATime = 500;
    const std::unique_ptr<client::Client> client_;
};

QueuePlan queue_plan(const Options& options, const ReadPlan& filled) {
    QueuePlan plan;
    plan.topics = filled.topics;
    plan.payload_bytes = filled.payload_bytes;
    plan.run = filled.run;
    plan.acknowledged = filled.acknowledged;
    plan.member_count = std::max(1u, options.consumer_count);
    plan.group = options.group.empty() ? "bench" : options.group;
    return plan;
}

json::object describe(const QueueOutcome& outcome, const CpuSeconds& cpu) {
    json::object object{
        {"events_per_second", static_cast<double>(outcome.done_count) / outcome.seconds},
        {"seconds", outcome.seconds},
        {"refused", outcome.refused_count},
        {"missing", outcome.missing_count},
        {"misplaced", outcome.misplaced_count},
        {"cpu_seconds_client", cpu.client},
        {"cpu_seconds_broker", cpu.broker}};
    if (!outcome.trouble.empty()) object["trouble"] = outcome.trouble;
    return object;
}

void run_queue(const Options& options, Report& report) {
    const QueuePlan defaults;
    report.parameters = {{"payload_bytes", payload_bytes_of(options)},
                         {"events", event_count_of(options)},
                         {"acks", options.acks},
                         {"consumers", std::max(1u, options.consumer_count)},
                         {"prefetch_events", defaults.prefetch_events},
                         {"settled_in_random_order_within", defaults.in_hand_events},
                         {"refused_one_in", defaults.refused_one_in},
                         {"idle_groups", options.idle_group_count},
                         {"batch_bytes", producer_options(options).batch_bytes},
                         {"topics", options.topic_count},
                         {"partitions", options.partition_count},
                         {"lane", options.lane},
                         {"compression", options.compression},
                         {"keys", options.key_count},
                         {"passes", options.pass_count}};
    Target target(options, report.parameters);
    print_banner(report);
    ReadPlan filled = fill_topics(target, options, "queue", report);
    const IdleGroups idle(target, options.idle_group_count);
    Bystanders bystanders(target, options, filled.topics, SlowKind::member);

    json::array passes;
    std::vector<double> rates;
    std::vector<double> log_rates;
    EventBudget budget(target);
    Progress progress("queue: working");
    for (std::uint32_t number = 0; number < options.pass_count; ++number) {
        QueuePlan plan = queue_plan(options, filled);
        plan.group += '-' + std::to_string(number);
        budget.start();
        const QueueOutcome outcome = work_off(target, plan);
        const auto done = static_cast<double>(outcome.done_count);
        const CpuSeconds cpu = budget.stop(done, done * static_cast<double>(plan.payload_bytes));
        passes.push_back(describe(outcome, cpu));
        rates.push_back(done / outcome.seconds);
        report.error_count += outcome.error_count();
        report.cpu_seconds.client += cpu.client;
        report.cpu_seconds.broker += cpu.broker;

        filled.group = "as-log-" + std::to_string(number);
        const ReadOutcome as_log = read_all(target, filled);
        log_rates.push_back(static_cast<double>(as_log.event_count) / as_log.seconds);
        report.error_count += as_log.error_count();
        progress.show(static_cast<double>(number + 1) / options.pass_count);
    }
    bystanders.end(report);
    report.details["passes"] = std::move(passes);
    report.budget = budget.so_far();
    report.events_per_second = median(rates);
    report.bytes_per_second = report.events_per_second * static_cast<double>(filled.payload_bytes);
    report.limit.name = "the same events read as a log, in turn";
    report.limit.events_per_second = median(log_rates);
    report.share_of_limit = report.events_per_second / median(log_rates);
    report.rss_bytes_max = target.broker_rss_bytes_max();
}

constexpr std::array<std::string_view, 19> kQueueFlags{
    "--size",        "--events",           "--acks",        "--consumers",    "--group",
    "--idle-groups", "--batch-bytes",      "--topics",      "--partitions",   "--lane",
    "--compression", "--passes",           "--address",     "--data-dir",     "--set",
    "--keys",        "--idle-connections", "--idle-topics", "--slow-consumer"};

}  // namespace

extern const Workload kQueueWorkload;
const Workload kQueueWorkload{
    "queue", "How fast do members of a queue group take events and settle each by itself?",
    kQueueFlags, run_queue};

}  // namespace casc::bench
