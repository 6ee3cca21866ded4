#include "sample_frames.hpp"

namespace casc::golden {

using namespace wire;

namespace {

std::unique_ptr<fb::MatchedTopicT> matched(std::uint32_t id, const char* name) {
    auto topic = std::make_unique<fb::MatchedTopicT>();
    topic->topic_id = id;
    topic->topic = name;
    return topic;
}

}  // namespace

std::vector<Sample> filter_samples() {
    std::vector<Sample> samples;
    fb::SubscribeT subscribe;
    subscribe.subscription_id = 6;
    subscribe.order = 1;
    subscribe.credit_bytes = 8u << 20;
    subscribe.credit_events = 100'000;
    subscribe.deliver_bytes_max = 1u << 20;
    subscribe.filter = "type == \"order.created\" && json.amount >= 100";
    subscribe.patterns = {"orders.*", "invoices.>"};
    subscribe.start = 1;
    samples.push_back(request("subscribe_filtered", subscribe));

    fb::DeliverT deliver;
    deliver.subscription_id = 6;
    deliver.topic_id = 9;
    deliver.partition = 3;
    deliver.lane = 2;
    deliver.visible_end = 2'000;
    deliver.next = 1'500;
    deliver.matches = {0b10};
    samples.push_back({"deliver_matches.push",
                       frame_of(FrameKind::push, Api::deliver, deliver, example_batch(true))});
    deliver.matches.clear();
    samples.push_back({"deliver_progress.push", frame_of(FrameKind::push, Api::deliver, deliver)});

    fb::TapT tap;
    tap.subscription_id = 7;
    tap.topics = {"prices.>"};
    tap.credit_bytes = 1u << 20;
    tap.credit_events = 10'000;
    tap.filter = "key =~ prefix \"eu-\"";
    samples.push_back(request("tap_filtered", tap));

    fb::JoinQueueT join;
    join.group = "large-orders";
    join.subscription_id = 8;
    join.topics = {"orders.*"};
    join.prefetch_events = 100;
    join.prefetch_bytes = 1u << 20;
    join.filter = "json.amount >= 1000";
    samples.push_back(request("join_queue_filtered", join));
    fb::DescribeQueueReplyT described;
    described.topics = {"orders.*"};
    described.filter = join.filter;
    samples.push_back(response<fb::DescribeQueueT>("describe_queue_filtered", described));

    fb::AssignmentT assignment;
    assignment.group = "billing";
    assignment.member_id = "m-1";
    assignment.epoch = 4;
    auto& assigned = assignment.assign.emplace_back(std::make_unique<fb::AssignedPartitionT>());
    assigned->topic_id = 12;
    assigned->topic = "orders.eu";
    assigned->from_oldest = true;
    samples.push_back(
        {"assignment_from_oldest.push", frame_of(FrameKind::push, Api::assignment, assignment)});

    fb::TopicsMatchedT news;
    news.subscription_id = 6;
    news.topics.push_back(matched(12, "orders.eu"));
    auto& position =
        news.topics.back()->positions.emplace_back(std::make_unique<fb::PartitionPositionT>());
    position->topic_id = 12;
    position->partition = 1;
    position->lane = 2;
    position->offset = 1'234;
    news.topics.push_back(matched(13, "orders.us"));
    news.topics.back()->gone = true;
    samples.push_back(
        {"topics_matched.push", frame_of(FrameKind::push, Api::topics_matched, news)});
    return samples;
}

}  // namespace casc::golden
