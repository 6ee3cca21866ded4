#include "suite_plan.hpp"

namespace casc::bench::suite {
namespace {

void add_accompanied(std::vector<Step>& steps) {
    constexpr std::uint32_t kSeconds = 10;
    for (const Accompanied& workload : kAccompanied) {
        steps.push_back({std::string(workload.name), std::string(workload.command), kSeconds});
        for (const Company& company : kCompanies)
            steps.push_back({step_name(workload, company),
                             std::string(workload.command) + ' ' + std::string(company.flag),
                             2 * kSeconds});
    }
}

// No bar asks for them: they are for whoever looks.
void add_the_rest(std::vector<Step>& steps) {
    for (const char* const command : {"codec", "queue", "filter", "priority", "topics"})
        steps.push_back({command, command, 60});
    for (const char* const what : {"partitions", "connections", "groups", "size", "backlog"}) {
        steps.push_back(
            {std::string("scale over ") + what, std::string("scale --over ") + what, 300, true});
    }
}

}  // namespace

std::string step_name(const Accompanied& workload, const Company& company) {
    return std::string(workload.name) + ", beside " + std::string(company.name);
}

std::vector<Step> steps_of(bool is_full, bool has_extras) {
    std::vector<Step> steps{
        {std::string(kStorageStep),
         "storage --acks durable --batch-bytes 65536 --total " +
             std::string(is_full ? "8GiB" : "2GiB"),
         is_full ? 60u : 20u},
        {std::string(kRingStep), "ring", 10},
        {std::string(kConsumeStep), "consume", 15},
        {std::string(kE2eStep),
         std::string("e2e --rate 10000 --size 1024 --duration ") + (is_full ? "10s" : "5s"),
         is_full ? 40u : 25u},
        {std::string(kIngestStep),
         "produce --durability volatile --acks memory --size 1024 --duration 3s", 8}};
    add_accompanied(steps);
    if (has_extras) add_the_rest(steps);
    return steps;
}

compare::CompareOptions comparison_of(bool is_full, std::uint32_t round_count) {
    compare::CompareOptions options;
    options.round_count = round_count;
    options.is_full = is_full;
    options.is_brief = !is_full;
    return options;
}

}  // namespace casc::bench::suite
