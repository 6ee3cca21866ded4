#include "sample_frames.hpp"

namespace casc::golden {

using namespace wire;

namespace {

std::vector<std::uint8_t> octets(std::string_view text) {
    return {text.begin(), text.end()};
}

// Its settings are those that came with compaction and with retention by use.
Sample create_sample() {
    fb::CreateTopicT create;
    create.name = "config";
    create.settings = std::make_unique<fb::TopicSettingsT>();
    create.settings->cleanup = 1;
    create.settings->compaction_lag_ms = 60'000;
    create.settings->tombstones_ms = 86'400'000;
    create.settings->delete_consumed = false;
    create.settings->absent_group_ms = 3'600'000;
    return {"create_topic_compacted.request",
            frame_of(FrameKind::request, Api::create_topic, create)};
}

}  // namespace

std::vector<Sample> key_samples() {
    std::vector<Sample> samples{create_sample()};
    fb::KvPutT put;
    put.topic_id = 9;
    put.expected = 41;
    samples.push_back(request("kv_put", put, example_batch(false)));
    fb::KvPutReplyT stored;
    stored.revision = 42;
    stored.partition = 3;
    samples.push_back(response<fb::KvPutT>("kv_put", stored));
    stored.error = 4051;
    samples.push_back(response<fb::KvPutT>("kv_put_conflict", stored));

    fb::KvGetT get;
    get.topic_id = 9;
    get.key = octets("rate");
    samples.push_back(request("kv_get", get));
    fb::KvGetReplyT got;
    got.revision = 42;
    got.partition = 3;
    samples.push_back(response<fb::KvGetT>("kv_get", got, example_batch(true)));

    fb::KvListT list;
    list.topic_id = 9;
    list.prefix = octets("r");
    list.from = octets("ra");
    list.until = octets("rz");
    list.after = octets("rate");
    list.limit = 100;
    samples.push_back(request("kv_list", list));
    fb::KvListReplyT listed;
    auto& key = append(listed.keys);
    key.key = octets("role");
    key.revision = 17;
    key.partition = 2;
    key.append_time_ns = 1'700'000'000'000'000'000;
    key.value_bytes = 12;
    listed.more = true;
    samples.push_back(response<fb::KvListT>("kv_list", listed));

    fb::KvHistoryT history;
    history.topic_id = 9;
    history.key = octets("rate");
    history.from = 5;
    history.limit = 10;
    samples.push_back(request("kv_history", history));
    fb::KvHistoryReplyT told;
    told.partition = 3;
    told.next = 1'000;
    told.more = true;
    samples.push_back(response<fb::KvHistoryT>("kv_history", told, example_batch(true)));

    fb::DeleteEventT remove;
    remove.topic = "orders";
    remove.partition = 3;
    remove.lane = 1;
    remove.offset = 1'234;
    samples.push_back(request("delete_event", remove));
    samples.push_back(response<fb::DeleteEventT>("delete_event", {}));
    return samples;
}

}  // namespace casc::golden
