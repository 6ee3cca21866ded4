#include "filling.hpp"

#include "progress.hpp"

#include <chrono>
#include <random>
#include <stdexcept>
#include <thread>

namespace casc::bench {

std::uint64_t payload_bytes_of(const Options& options) {
    return options.size_bytes.value_or(100);
}

std::uint64_t event_count_of(const Options& options) {
    return options.event_count.value_or(10'000'000);
}

ReadPlan reading_of(const LoadPlan& plan, const Load& load, std::uint32_t partition_count) {
    ReadPlan reading;
    reading.topics = plan.topics;
    reading.partition_count = partition_count;
    reading.lane = plan.lane;
    reading.payload_bytes = plan.payload_bytes;
    reading.run = plan.run;
    reading.acknowledged = load.acknowledged_by_producer();
    return reading;
}

void send_everything(Load& load, std::uint64_t event_count, const std::string& workload) {
    Progress progress(workload + ": filling");
    load.start();
    while (!load.has_sent_everything()) {
        progress.show(static_cast<double>(load.acknowledged()) / static_cast<double>(event_count));
        std::this_thread::sleep_for(
            std::chrono::milliseconds(10));  // a watcher's pace; finish() is what waits
    }
    load.finish();
    if (load.failed() > 0) throw std::runtime_error("filling the topic: " + load.first_error());
}

ReadPlan fill_topics(const Target& target, const Options& options, const std::string& workload,
                     Report& report) {
    LoadPlan plan;
    plan.payload_bytes = payload_bytes_of(options);
    plan.event_count = event_count_of(options);
    plan.key_count = options.key_count;
    plan.lane = lane_of(options.lane);
    plan.run = std::random_device{}();
    plan.producer = producer_options(options);
    const auto client = target.connect();
    plan.topics = create_topics(
        *client,
        {.prefix = workload,
         .topic_count = options.topic_count,
         .partition_count = options.partition_count,
         .durability = options.acks == "memory" ? Durability::memory : Durability::durable});
    Load load(target, plan);
    send_everything(load, *plan.event_count, workload);
    report.details["filled_events"] = load.acknowledged();

    return reading_of(plan, load, options.partition_count);
}

}  // namespace casc::bench
