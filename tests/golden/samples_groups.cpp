#include "sample_frames.hpp"

namespace casc::golden {
namespace {

using namespace wire;

void fill(fb::TopicPartitionT& partition) {
    partition.topic_id = 7;
    partition.partition = 3;
}

void fill(fb::AssignedPartitionT& partition) {
    partition.topic_id = 7;
    partition.topic = "orders";
    partition.partition = 4;
    auto& position = append(partition.positions);
    position.lane = 2;
    position.offset = 1'002;
}

void fill(fb::GroupSummaryT& group) {
    group.name = "billing";
    group.state = 2;
    group.members = 2;
    group.epoch = 12;
}

void membership(std::vector<Sample>& samples) {
    fb::JoinGroupT join;
    join.group = "billing";
    join.member_id = "billing-0001";
    join.instance_id = "host-a";
    join.topics = {"orders", "refunds"};
    join.session_timeout_ms = 10'000;
    join.rebalance_timeout_ms = 30'000;
    samples.push_back(request("join_group", join));
    fb::JoinGroupReplyT joined;
    joined.member_id = "billing-0001";
    joined.epoch = 12;
    samples.push_back(response<fb::JoinGroupT>("join_group", joined));

    fb::AssignmentT assignment;
    assignment.group = "billing";
    assignment.member_id = "billing-0001";
    assignment.epoch = 12;
    fill(append(assignment.assign));
    fill(append(assignment.revoke));
    assignment.error = 4012;
    samples.push_back({"assignment.push", frame_of(FrameKind::push, Api::assignment, assignment)});

    fb::ReleasePartitionsT release;
    release.group = "billing";
    release.member_id = "billing-0001";
    fill(append(release.partitions));
    samples.push_back(request("release_partitions", release));

    fb::LeaveGroupT leave;
    leave.group = "billing";
    leave.member_id = "billing-0001";
    samples.push_back(request("leave_group", leave));
}

void positions(std::vector<Sample>& samples) {
    fb::CommitT commit;
    commit.group = "billing";
    commit.member_id = "billing-0001";
    commit.epoch = 12;
    auto& position = append(commit.positions);
    position.topic_id = 7;
    position.partition = 3;
    position.lane = 2;
    position.offset = 1'002;
    samples.push_back(request("commit", commit));
    samples.push_back(response<fb::CommitT>("commit", {}));

    fb::CommittedT committed;
    committed.group = "billing";
    committed.topics = {7, 8};
    samples.push_back(request("committed", committed));
    fb::CommittedReplyT reply;
    auto& found = append(reply.positions);
    found.topic_id = 7;
    found.partition = 3;
    found.lane = 2;
    found.offset = 1'002;
    found.committed_ns = 1'700'000'000'000'000'000;
    samples.push_back(response<fb::CommittedT>("committed", reply));

    fb::ResetGroupT reset;
    reset.group = "billing";
    reset.topic = "orders";
    reset.to = 3;
    reset.time_ns = 1'700'000'000'000'000'000;
    reset.offset = 500;
    reset.dry_run = true;
    samples.push_back(request("reset_group", reset));
    fb::ResetGroupReplyT moved;
    auto& from = append(moved.positions);
    from.topic = "orders";
    from.partition = 3;
    from.lane = 2;
    from.before = -1;
    from.after = 500;
    samples.push_back(response<fb::ResetGroupT>("reset_group", moved));
}

void looking(std::vector<Sample>& samples) {
    fb::ListGroupsT list;
    list.prefix = "bill";
    samples.push_back(request("list_groups", list));
    fb::ListGroupsReplyT listed;
    fill(append(listed.groups));
    samples.push_back(response<fb::ListGroupsT>("list_groups", listed));

    fb::DescribeGroupT describe;
    describe.group = "billing";
    samples.push_back(request("describe_group", describe));
    fb::DescribeGroupReplyT described;
    described.group = std::make_unique<fb::GroupSummaryT>();
    fill(*described.group);
    auto& member = append(described.members);
    member.member_id = "billing-0001";
    member.instance_id = "host-a";
    member.client_id = "shop-1";
    member.address = "127.0.0.1:50000";
    member.connected = true;
    member.session_timeout_ms = 10'000;
    fill(append(member.partitions));
    fill(append(member.revoking));
    auto& lag = append(described.lag);
    lag.topic_id = 7;
    lag.topic = "orders";
    lag.partition = 3;
    lag.lane = 2;
    lag.committed = 1'000;
    lag.start = 900;
    lag.visible_end = 1'002;
    lag.committed_ns = 1'700'000'000'000'000'000;
    lag.last_append_ns = 1'700'000'000'005'000'000;
    lag.member_id = "billing-0001";
    samples.push_back(response<fb::DescribeGroupT>("describe_group", described));

    fb::DeleteGroupT remove;
    remove.group = "billing";
    samples.push_back(request("delete_group", remove));
}

}  // namespace

std::vector<Sample> group_samples() {
    std::vector<Sample> samples;
    membership(samples);
    positions(samples);
    looking(samples);
    return samples;
}

}  // namespace casc::golden
