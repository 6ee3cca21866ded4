#include "sample_frames.hpp"

namespace casc::golden {
namespace {

using namespace wire;

std::unique_ptr<fb::TopicSettingsT> all_settings() {
    auto settings = std::make_unique<fb::TopicSettingsT>();
    settings->partitions = 8;
    settings->durability = std::uint8_t{2};
    settings->retention_ms = 86'400'000;
    settings->retention_bytes = -1;
    settings->retention_events = 0;  // given, and zero
    settings->event_bytes_max = 1'048'576;
    return settings;
}

void fill(fb::TopicSummaryT& topic) {
    topic.topic_id = 7;
    topic.name = "orders";
    topic.created_ns = 1'700'000'000'000'000'000;
    topic.settings = all_settings();
    topic.bytes = 123'456'789'012;
    topic.events = 1'000'000;
}

void connection(std::vector<Sample>& samples) {
    fb::HelloT hello;
    hello.version_min = 1;
    hello.version_max = 1;
    hello.client_id = "shop-1";
    hello.software = "casc-cpp/0.1.0";
    hello.features = 5;
    samples.push_back(request("hello", hello));
    fb::HelloReplyT reply;
    reply.version = 1;
    reply.broker_id = "broker-a";
    reply.software = "casc-broker/0.1.0";
    reply.features = 4;
    reply.frame_bytes_max = 16'842'752;
    reply.batch_bytes_max = 16'777'216;
    reply.event_bytes_max = 8'388'608;
    reply.heartbeat_ms = 3'000;
    reply.idle_timeout_ms = 10'000;
    samples.push_back(response<fb::HelloT>("hello", reply));
    samples.push_back(request("ping", fb::PingT{}));
    samples.push_back(response<fb::PingT>("ping", {}));
    fb::ErrorReplyT error;
    error.code = 5004;
    error.name = "OVERLOADED";
    error.message = "the tail cache is full";
    error.retryable = true;
    error.retry_after_ms = 250;
    samples.push_back({"produce.error", frame_of(FrameKind::error, Api::produce, error)});
}

void topics(std::vector<Sample>& samples) {
    fb::CreateTopicT create;
    create.name = "orders";
    create.settings = all_settings();
    create.validate_only = true;
    samples.push_back(request("create_topic", create));
    fb::CreateTopicReplyT created;
    created.topic_id = 7;
    samples.push_back(response<fb::CreateTopicT>("create_topic", created));

    fb::DeleteTopicT remove;
    remove.name = "orders";
    samples.push_back(request("delete_topic", remove));
    samples.push_back(response<fb::DeleteTopicT>("delete_topic", {}));

    fb::AlterTopicT alter;
    alter.name = "orders";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->retention_ms = -1;
    alter.validate_only = true;
    samples.push_back(request("alter_topic", alter));

    fb::ListTopicsT list;
    list.prefix = "or";
    list.after = "orange";
    list.limit = 100;
    samples.push_back(request("list_topics", list));
    fb::ListTopicsReplyT listed;
    fill(append(listed.topics));
    append(listed.topics).name = "orders-dead";
    listed.more = true;
    samples.push_back(response<fb::ListTopicsT>("list_topics", listed));

    fb::DescribeTopicT describe;
    describe.name = "orders";
    samples.push_back(request("describe_topic", describe));
    fb::DescribeTopicReplyT described;
    described.topic = std::make_unique<fb::TopicSummaryT>();
    fill(*described.topic);
    auto& log = append(described.logs);
    log.partition = 3;
    log.lane = 1;
    log.start = 10;
    log.visible_end = 20;
    log.bytes = 30;
    log.last_append_ns = 40;
    log.epoch = 50;
    samples.push_back(response<fb::DescribeTopicT>("describe_topic", described));

    fb::PurgeTopicT purge;
    purge.name = "orders";
    auto& position = append(purge.positions);
    position.partition = 3;
    position.lane = 1;
    position.before = 15;
    samples.push_back(request("purge_topic", purge));
}

void node(std::vector<Sample>& samples) {
    samples.push_back(request("node_info", fb::NodeInfoT{}));
    fb::NodeInfoReplyT info;
    info.broker_id = "broker-a";
    info.software = "casc-broker/0.1.0";
    info.pid = 4711;
    info.uptime_ms = 86'400'001;
    info.data_directory = "/var/lib/casc";
    info.disk = "io_uring";
    info.endpoints = {"tcp://127.0.0.1:7440", "unix:///run/casc/casc.sock"};
    auto& figure = append(info.figures);
    figure.name = "casc_events_in_total";
    figure.value = 1.5;
    samples.push_back(response<fb::NodeInfoT>("node_info", info));

    samples.push_back(request("node_config", fb::NodeConfigT{}));
    fb::NodeConfigReplyT config;
    auto& entry = append(config.entries);
    entry.key = "listen.port";
    entry.value = "7440";
    entry.origin = "default";
    entry.reloadable = true;
    samples.push_back(response<fb::NodeConfigT>("node_config", config));

    fb::BackupT backup;
    backup.target = "/var/backups/casc";
    samples.push_back(request("backup", backup));
    fb::BackupReplyT backed_up;
    backed_up.bytes = 1'099'511'627'776;
    samples.push_back(response<fb::BackupT>("backup", backed_up));
}

}  // namespace

std::vector<Sample> topic_samples() {
    std::vector<Sample> samples;
    connection(samples);
    topics(samples);
    node(samples);
    return samples;
}

}  // namespace casc::golden
