#include "sample_frames.hpp"

namespace casc::golden {
namespace {

using namespace wire;

void fill(fb::FetchSourceT& source) {
    source.topic_id = 7;
    source.partition = 3;
    source.lane = 2;
    source.offset = 1'001;
}

fb::DescribeProducerReplyT described_producer() {
    fb::DescribeProducerReplyT reply;
    fb::KnownProducerT known;
    known.producer_id = 0x0102030405060708;
    known.name = "shop-writer";
    known.epoch = 9;
    known.more_logs = true;
    fb::ProducerLogT log;
    log.topic_id = 7;
    log.topic = "shop.orders";
    log.partition = 3;
    log.lane = 1;
    log.next_sequence = 1'000;
    log.last_append_ns = 1'790'000'000'000'000'000;
    log.batches_not_durable = 2;
    log.epoch = 9;
    known.logs.push_back(std::make_unique<fb::ProducerLogT>(log));
    reply.producers.push_back(std::make_unique<fb::KnownProducerT>(known));
    fb::ProducingConnectionT connection;
    connection.client_id = "till-4";
    connection.address = "127.0.0.1:40000";
    connection.producers = {0x0102030405060708};
    connection.idle_ms = 1'500;
    connection.queued_bytes = 4'096;
    connection.held_by = 2;
    connection.tap_client_id = "wall-display";
    connection.refused_code = static_cast<std::uint16_t>(ErrorCode::sequence_gap);
    connection.refused_message = "expected 999, got 1001";
    connection.refused_ms = 60'000;
    reply.connections.push_back(std::make_unique<fb::ProducingConnectionT>(connection));
    reply.refused_code = static_cast<std::uint16_t>(ErrorCode::disk_full);
    reply.refused_message = "no room";
    return reply;
}

void producing(std::vector<Sample>& samples) {
    fb::InitProducerT init;
    init.name = "shop-writer";
    samples.push_back(request("init_producer", init));
    fb::InitProducerReplyT initialised;
    initialised.producer_id = 0x0102030405060708;
    initialised.epoch = 9;
    samples.push_back(response<fb::InitProducerT>("init_producer", initialised));

    fb::DescribeProducerT describe;
    describe.producer = "shop-writer";
    samples.push_back(request("describe_producer", describe));
    samples.push_back(response<fb::DescribeProducerT>("describe_producer", described_producer()));

    fb::ProduceT produce;
    produce.topic_id = 7;
    produce.partition = 3;
    produce.acks = 2;
    samples.push_back(request("produce", produce, example_batch(false)));
    produce.acks = 0;
    samples.push_back({"produce.one-way",
                       frame_of(FrameKind::one_way, Api::produce, produce, example_batch(false))});
    fb::ProduceReplyT produced;
    produced.base_offset = 1'000;
    produced.append_time_ns = 1'700'000'000'005'000'000;
    produced.level = 2;
    produced.duplicate = true;
    produced.epoch = 3;
    samples.push_back(response<fb::ProduceT>("produce", produced));
}

void fetching(std::vector<Sample>& samples) {
    fb::FetchT fetch;
    fill(append(fetch.sources));
    fetch.bytes_min = 1;
    fetch.bytes_max = 1'048'576;
    fetch.max_wait_ms = 500;
    samples.push_back(request("fetch", fetch));
    const Bytes batch = example_batch(true);
    fb::FetchReplyT fetched;
    auto& source = append(fetched.sources);
    source.topic_id = 7;
    source.partition = 3;
    source.lane = 2;
    source.start = 900;
    source.visible_end = 1'002;
    source.bytes = static_cast<std::uint32_t>(batch.size());
    auto& failed = append(fetched.sources);
    failed.topic_id = 8;
    failed.error = 4003;
    samples.push_back(response<fb::FetchT>("fetch", fetched, batch));

    fb::ListOffsetsT list;
    auto& query = append(list.queries);
    query.topic_id = 7;
    query.partition = 3;
    query.lane = 2;
    query.at = 2;
    query.time_ns = 1'700'000'000'000'000'000;
    samples.push_back(request("list_offsets", list));
    fb::ListOffsetsReplyT listed;
    auto& answer = append(listed.answers);
    answer.topic_id = 7;
    answer.partition = 3;
    answer.lane = 2;
    answer.error = 4010;
    answer.offset = 1'000;
    answer.time_ns = 1'700'000'000'005'000'000;
    samples.push_back(response<fb::ListOffsetsT>("list_offsets", listed));
}

void subscribing(std::vector<Sample>& samples) {
    fb::SubscribeT subscribe;
    subscribe.subscription_id = 5;
    fill(append(subscribe.sources));
    subscribe.order = 1;
    subscribe.credit_bytes = 8'388'608;
    subscribe.credit_events = 100'000;
    subscribe.deliver_bytes_max = 262'144;
    samples.push_back(request("subscribe", subscribe));
    samples.push_back(response<fb::SubscribeT>("subscribe", {}));

    fb::UpdateSubscriptionT update;
    update.subscription_id = 5;
    fill(append(update.add));
    fill(append(update.remove));
    update.generation = 2;
    samples.push_back(request("update_subscription", update));

    fb::UnsubscribeT unsubscribe;
    unsubscribe.subscription_id = 5;
    samples.push_back(request("unsubscribe", unsubscribe));

    fb::CreditT credit;
    credit.subscription_id = 5;
    credit.bytes = 262'144;
    credit.events = 2'000;
    samples.push_back({"credit.one-way", frame_of(FrameKind::one_way, Api::credit, credit)});

    fb::DeliverT deliver;
    deliver.subscription_id = 5;
    deliver.topic_id = 7;
    deliver.partition = 3;
    deliver.lane = 2;
    deliver.generation = 2;
    deliver.visible_end = 1'002;
    deliver.start = 900;
    Bytes batches = example_batch(true);
    const Bytes again = example_batch(true);
    batches.insert(batches.end(), again.begin(), again.end());
    samples.push_back({"deliver.push", frame_of(FrameKind::push, Api::deliver, deliver, batches)});
    deliver.error = 4010;
    samples.push_back({"deliver-error.push", frame_of(FrameKind::push, Api::deliver, deliver)});
}

}  // namespace

std::vector<Sample> event_samples() {
    std::vector<Sample> samples;
    producing(samples);
    fetching(samples);
    subscribing(samples);
    return samples;
}

}  // namespace casc::golden
