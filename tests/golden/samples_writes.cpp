#include "sample_frames.hpp"

namespace casc::golden {
namespace {

using namespace wire;

void outcomes(fb::ProduceReplyT& reply) {
    reply.base_offset = 1'000;
    reply.append_time_ns = 1'700'000'000'005'000'000;
    reply.level = 2;
    reply.epoch = 3;
    auto& duplicate = append(reply.duplicates);
    duplicate.index = 4;
    duplicate.count = 2;
    duplicate.partition = 1;
    duplicate.lane = 2;
    duplicate.offset = 77;
    duplicate.schedule_id = 12;
    auto& scheduled = append(reply.scheduled);
    scheduled.index = 6;
    scheduled.count = 3;
    scheduled.schedule_id = 1'700'000'000'000'000'001;
    scheduled.due_ns = 1'700'000'060'000'000'000;
}

void atomic_write(std::vector<Sample>& samples) {
    fb::AtomicWriteT write;
    auto& batch = append(write.batches);
    batch.topic_id = 7;
    batch.partition = 3;
    auto& commit = append(write.commits);
    commit.group = "billing";
    commit.member_id = "billing-0001";
    commit.epoch = 5;
    auto& position = append(commit.positions);
    position.topic_id = 8;
    position.partition = 1;
    position.lane = 2;
    position.offset = 500;
    auto& settle = append(write.settles);
    settle.subscription_id = 4;
    auto& log = append(settle.logs);
    log.topic_id = 9;
    log.lane = 1;
    log.base = 64;
    log.done = {0x5};
    samples.push_back(request("atomic_write", write, example_batch(false)));
    fb::AtomicWriteReplyT written;
    outcomes(append(written.batches));
    samples.push_back(response<fb::AtomicWriteT>("atomic_write", written));

    fb::ProduceReplyT produced;
    outcomes(produced);
    samples.push_back(response<fb::ProduceT>("produce_parts", produced));
}

void schedules(std::vector<Sample>& samples) {
    fb::CreateScheduleT create;
    create.name = "nightly";
    create.topic_id = 7;
    create.partition = 3;
    create.due_ns = 1'700'000'060'000'000'000;
    create.cron = "30 2 * * mon-fri";
    samples.push_back(request("create_schedule", create, example_batch(false)));
    fb::CreateScheduleReplyT created;
    created.schedule_id = 1'700'000'000'000'000'001;
    created.due_ns = 1'700'000'100'000'000'000;
    samples.push_back(response<fb::CreateScheduleT>("create_schedule", created));

    fb::ListSchedulesT list;
    list.topic = "orders";
    list.after = 1'700'000'000'000'000'000;
    list.limit = 10;
    samples.push_back(request("list_schedules", list));
    fb::ListSchedulesReplyT listed;
    auto& one = append(listed.schedules);
    one.schedule_id = created.schedule_id;
    one.name = create.name;
    one.topic_id = 7;
    one.topic = "orders";
    one.partition = 3;
    one.lane = 2;
    one.due_ns = created.due_ns;
    one.cron = create.cron;
    one.created_ns = 1'700'000'000'000'000'000;
    one.events = 2;
    one.bytes = 208;
    listed.more = true;
    samples.push_back(response<fb::ListSchedulesT>("list_schedules", listed));

    fb::CancelScheduleT cancel;
    cancel.schedule_id = created.schedule_id;
    cancel.name = create.name;
    samples.push_back(request("cancel_schedule", cancel));
}

void settings(std::vector<Sample>& samples) {
    fb::AlterTopicT alter;
    alter.name = "orders";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->dedup_window_ms = 120'000;
    alter.settings->paused_lanes = 0b1000;
    samples.push_back(request("alter_topic_lanes", alter));
}

}  // namespace

std::vector<Sample> write_samples() {
    std::vector<Sample> samples;
    atomic_write(samples);
    schedules(samples);
    settings(samples);
    return samples;
}

}  // namespace casc::golden
