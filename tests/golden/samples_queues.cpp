#include "sample_frames.hpp"

namespace casc::golden {
namespace {

using namespace wire;

std::unique_ptr<fb::QueueSettingsT> queue_settings() {
    auto settings = std::make_unique<fb::QueueSettingsT>();
    settings->lease_ms = 30'000;
    settings->deliveries_max = 5;
    settings->retry_delay_ms = 1'000;
    settings->retry_delay_max_ms = 60'000;
    settings->in_flight_events_max = 262'144;
    settings->order = 2;
    settings->dead_letter_topic = "packing.dead";
    return settings;
}

void queue_membership(std::vector<Sample>& samples) {
    fb::JoinQueueT join;
    join.group = "packing";
    join.subscription_id = 4;
    join.topics = {"orders"};
    join.settings = queue_settings();
    join.start = 1;
    join.prefetch_events = 1'000;
    join.prefetch_bytes = 4u << 20;
    samples.push_back(request("join_queue", join));
    fb::JoinQueueReplyT joined;
    joined.member = 17;
    joined.settings = queue_settings();
    samples.push_back(response<fb::JoinQueueT>("join_queue", joined));

    fb::LeaveQueueT leave;
    leave.subscription_id = 4;
    samples.push_back(request("leave_queue", leave));
}

void queue_events(std::vector<Sample>& samples) {
    fb::LeaseT lease;
    lease.subscription_id = 4;
    lease.topic_id = 7;
    lease.partition = 3;
    lease.lane = 1;
    lease.first = 1'000;
    lease.end = 1'010;
    lease.leased = {0x0001'0000'0000ull, 0x3};
    lease.attempts = 2;
    lease.lease_ms = 30'000;
    samples.push_back({"lease.push", frame_of(FrameKind::push, Api::lease, lease)});
    lease.topic = "orders";
    samples.push_back({"lease_named.push", frame_of(FrameKind::push, Api::lease, lease)});

    fb::SettleT settle;
    settle.subscription_id = 4;
    auto& log = append(settle.logs);
    log.topic_id = 7;
    log.partition = 3;
    log.lane = 1;
    log.base = 960;
    log.done = {0x0001'0000'0000ull};
    auto& refused = append(log.others);
    refused.offset = 1'001;
    refused.verdict = 1;
    refused.delay_ms = 500;
    refused.error = "no stock";
    settle.renew_all = true;
    samples.push_back(request("settle", settle));
    fb::SettleReplyT settled;
    auto& told = append(settled.refused);
    told.topic_id = 7;
    told.partition = 3;
    told.lane = 1;
    told.offsets = {1'002, 1'003};
    samples.push_back(response<fb::SettleT>("settle", settled));
}

void queue_views(std::vector<Sample>& samples) {
    fb::DescribeQueueT describe;
    describe.group = "packing";
    samples.push_back(request("describe_queue", describe));
    fb::DescribeQueueReplyT described;
    described.topics = {"orders"};
    described.settings = queue_settings();
    auto& member = append(described.members);
    member.member = 17;
    member.client_id = "packer-1";
    member.address = "127.0.0.1:40012";
    member.in_flight_events = 9;
    member.in_flight_bytes = 1'800;
    member.prefetch_events = 1'000;
    auto& log = append(described.logs);
    log.topic_id = 7;
    log.topic = "orders";
    log.partition = 3;
    log.lane = 1;
    log.floor = 990;
    log.next = 1'010;
    log.visible_end = 5'000;
    log.leased = 9;
    log.ready = 2;
    log.delayed = 1;
    log.given_up = 1;
    samples.push_back(response<fb::DescribeQueueT>("describe_queue", described));

    fb::ListPendingT list;
    list.group = "packing";
    list.limit = 50;
    list.after = std::make_unique<fb::PendingRunT>();
    list.after->topic_id = 7;
    list.after->partition = 3;
    list.after->lane = 1;
    list.after->end = 1'001;
    samples.push_back(request("list_pending", list));
    fb::ListPendingReplyT listed;
    auto& run = append(listed.runs);
    run.topic_id = 7;
    run.topic = "orders";
    run.partition = 3;
    run.lane = 1;
    run.first = 1'001;
    run.end = 1'010;
    run.events = 8;
    run.state = 2;
    run.member = 17;
    run.attempts = 2;
    run.wait_ms = 450;
    run.error = "no stock";
    listed.more = true;
    samples.push_back(response<fb::ListPendingT>("list_pending", listed));
}

}  // namespace

std::vector<Sample> queue_samples() {
    std::vector<Sample> samples;
    queue_membership(samples);
    queue_events(samples);
    queue_views(samples);
    return samples;
}

}  // namespace casc::golden
