// Compacted topics get shorter and lose no key; single events are deleted for good.

#include "key_value_fixture.hpp"

#include <casc/wire/crc32c.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

using namespace casc;
using namespace casc::test;

namespace {

using Texts = std::vector<std::string>;

struct CompactionFixture : KeyValueFixture {
    // What the fetches of a reader of the whole log bring.
    Texts all_of(const std::string& topic) {
        RawConnection raw(broker.endpoint());
        raw.hello();
        const auto described = describe_topic(*client, topic);
        std::uint64_t next = described.logs.at(0)->start;
        const std::uint64_t end = described.logs.at(0)->visible_end;
        Texts texts;
        while (next < end) {
            fb::FetchT fetch;
            auto source = std::make_unique<fb::FetchSourceT>();
            source->topic_id = described.topic->topic_id;
            source->lane = described.logs.at(0)->lane;
            source->offset = next;
            fetch.sources.push_back(std::move(source));
            fetch.bytes_max = 1 << 20;
            REQUIRE(raw.send(request_bytes(fetch, 5)));
            const auto frame = raw.receive();
            REQUIRE(frame);
            REQUIRE(frame->error == ErrorCode::ok);
            std::span<const std::byte> batches = frame->attachments;
            if (batches.empty()) break;
            for (auto& text : events_in(batches))
                texts.push_back(std::move(text));
            while (!batches.empty()) {
                const std::size_t bytes = must(wire::BatchView::peek_bytes(batches));
                next = must(wire::BatchView::parse(batches.first(bytes))).end_offset().value();
                batches = batches.subspan(bytes);
            }
        }
        return texts;
    }
    Result<fb::DoneT> delete_event(const std::string& topic, std::uint64_t offset,
                                   Lane lane = Lane::normal) {
        fb::DeleteEventT request;
        request.topic = topic;
        request.lane = static_cast<std::uint8_t>(lane);
        request.offset = offset;
        return client->call(request);
    }
};

void compact_at_once(fb::TopicSettingsT& settings) {
    settings.compaction_lag_ms = 0;
    settings.tombstones_ms = 0;
}

// Less than a thousand replaced events may stay for good: they do not make a pass worth it.
constexpr double kMayStay = 999;

}  // namespace

TEST_CASE_FIXTURE(CompactionFixture,
                  "broker/compaction: a log gets shorter, keeps every key, and its offsets") {
    auto kv = open("kv", compact_at_once);
    const std::string value(2000, 'v');
    {
        auto producer = must(client->make_producer("kv"));
        for (int i = 0; i < 5000; ++i) {
            const std::string key = "k" + std::to_string(i % 10);
            const std::string text = std::to_string(i) + value;
            REQUIRE(producer.send(
                {.payload = std::as_bytes(std::span(text)), .key = std::as_bytes(std::span(key))}));
        }
        REQUIRE(producer.close(kPatience));
    }
    CHECK(eventually([&] { return figure("casc_compaction_events_total") >= 4990 - kMayStay; }));
    CHECK(eventually([&] { return figure("casc_storage_bytes") < 3'000'000; }));
    CHECK(describe_topic(*client, "kv").topic->bytes < 3'000'000);
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 10; ++i) {
            const auto entry = must(kv.get("k" + std::to_string(i)));
            REQUIRE(entry);
            CHECK(entry->value == std::to_string(4990 + i) + value);
            CHECK(entry->revision == static_cast<std::uint64_t>(4991 + i));
        }
        CHECK(replay("kv").size() == 10);
        broker.restart();
    }
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "broker/compaction: what was too young for a pass is taken out when it is old "
                  "enough, however long tombstones stay") {
    // It waited as long as the tombstones' age, a day, and heard of no append meanwhile.
    auto kv = open("kv", [](auto& settings) { settings.compaction_lag_ms = 2000; });
    for (int i = 0; i < 4000; ++i)
        must(kv.put("k", std::to_string(i)));
    CHECK(eventually([&] { return figure("casc_compaction_events_total") >= 3999 - kMayStay; }));
    CHECK(must(kv.get("k"))->value == "3999");
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "broker/compaction: deletions go, and who resumes too far back is told") {
    auto kv = open("kv", compact_at_once);
    must(kv.put("first", "1"));
    auto watch = must(kv.watch({.start = client::WatchStart::current}));
    REQUIRE(must(watch.next(kPatience)));
    const auto positions = watch.positions();
    for (int i = 0; i < 1200; ++i)
        must(kv.put("gone", std::to_string(i)));
    must(kv.remove("gone"));
    // A thousand replaced events make a pass worth it; the tombstone goes with the next one.
    for (int i = 0; i < 1200; ++i)
        must(kv.put("other", std::to_string(i)));
    CHECK(eventually([&] { return describe_topic(*client, "kv").logs.at(0)->complete_from > 0; }));
    CHECK(code_of(kv.watch({.start = client::WatchStart::resume, .positions = positions})) ==
          ErrorCode::revision_compacted);
    CHECK(replay("kv") == std::map<std::string, std::string>{{"first", "1"}, {"other", "1199"}});
    broker.restart();
    CHECK(describe_topic(*client, "kv").logs.at(0)->complete_from > 0);
    CHECK_FALSE(must(kv.get("gone")));
}

TEST_CASE_FIXTURE(CompactionFixture, "broker/compaction: a queue group passes over what is gone") {
    auto kv = open("kv", compact_at_once);
    for (int i = 0; i < 1500; ++i)
        must(kv.put("k", std::to_string(i)));
    CHECK(eventually([&] { return figure("casc_compaction_events_total") >= 1499 - kMayStay; }));
    broker.restart();  // nothing is cached
    auto consumer = join_queue("g", "kv");
    std::string last;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (last != "1499" && std::chrono::steady_clock::now() < deadline) {
        const auto events = must(consumer.poll(100, 100ms));
        for (const auto event : events) {
            last = text_of(event);
            must(consumer.done(event.id()));
        }
    }
    CHECK(last == "1499");
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "broker/compaction: what was to be delivered again and is gone is settled") {
    auto kv = open("kv", compact_at_once);
    must(kv.put("k", "first"));
    {
        auto consumer = join_queue("g", "kv");
        const auto events = must(consumer.poll(1, kPatience));
        REQUIRE(events.size() == 1);
        must(consumer.refuse((*events.begin()).id(), "not now", 200ms));
        must(consumer.close());
    }
    for (int i = 0; i < 1500; ++i)
        must(kv.put("k", std::to_string(i)));
    CHECK(eventually([&] { return figure("casc_compaction_events_total") >= 1499 - kMayStay; }));
    broker.restart();  // nothing is cached
    auto consumer = join_queue("g", "kv");
    const auto is_settled = [&] {
        for (const auto event : must(consumer.poll(100, 50ms)))
            must(consumer.done(event.id()));
        fb::ListPendingT ask;
        ask.group = "g";
        fb::DescribeQueueT describe;
        describe.group = "g";
        const auto queue = must(client->call(describe));
        const bool has_all = std::any_of(queue.logs.begin(), queue.logs.end(),
                                         [](const auto& log) { return log->floor == 1501; });
        return has_all && must(client->call(ask)).runs.empty();
    };
    CHECK(eventually(is_settled));
}

TEST_CASE_FIXTURE(CompactionFixture, "broker/delete: nobody gets a deleted event any more, ever") {
    const std::uint32_t topic = create_topic(*client, "t");
    RawConnection raw(broker.endpoint());
    raw.hello();
    must(produce(raw, topic, batch_of({"a", "secret", "c"})));
    must(produce(raw, topic, batch_of({"secret too"})));
    must(produce(raw, topic, batch_of({"e"})));
    must(delete_event("t", 1));
    must(delete_event("t", 3));
    must(delete_event("t", 3));  // done already
    const Texts left{"a", "c", "e"};
    CHECK(all_of("t") == left);
    for (int round = 0; round < 3; ++round) {
        auto consumer = must(client->make_consumer({}));
        must(consumer.assign({{"t", PartitionId(0), Lane::normal, Offset(0)}}));
        std::vector<std::string> texts;
        CHECK(poll_until(consumer, texts, [&] { return texts.size() >= 3; }));
        CHECK(texts == left);
        auto queue = join_queue("g" + std::to_string(round), "t");
        texts.clear();
        while (texts.size() < 3) {
            for (const auto event : must(queue.poll(10, kPatience))) {
                texts.push_back(text_of(event));
                must(queue.done(event.id()));
            }
        }
        CHECK(texts == left);
        CHECK(all_of("t") == left);
        if (round == 0) broker.kill_hard();
        broker.restart();
    }
    CHECK(code_of(delete_event("t", 5)) == ErrorCode::offset_out_of_range);
    CHECK(code_of(delete_event("other", 0)) == ErrorCode::unknown_topic);
    create_topic(*client, "v", [](auto& s) { s.durability = 0; });
    CHECK(code_of(delete_event("v", 0)) == ErrorCode::not_supported);
}

TEST_CASE_FIXTURE(CompactionFixture, "broker/delete: the bytes of a deleted event leave the disk") {
    const std::uint32_t topic = create_topic(*client, "t", [](auto& s) { s.retention_ms = -1; });
    RawConnection raw(broker.endpoint());
    raw.hello();
    const std::string secret = "a secret that must not be found";
    must(produce(raw, topic, batch_of({"a", secret, "c"})));
    must(delete_event("t", 1));
    const auto is_found = [&] {
        const auto rocks = broker.data_directory() / "rocks";
        for (const auto& file : std::filesystem::directory_iterator(rocks)) {
            if (file.path().extension() != ".sst") continue;
            std::ifstream in(file.path(), std::ios::binary);
            const std::string content{std::istreambuf_iterator<char>(in), {}};
            if (content.find(secret) != std::string::npos) return true;
        }
        return false;
    };
    // Into the slice, out of it, and the slice is rewritten.
    CHECK(eventually([&] { return figure("casc_storage_bytes") > 0; }));
    CHECK(eventually([&] { return !is_found(); }));
    CHECK(all_of("t") == Texts{"a", "c"});
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "broker/delete: a key whose last event is deleted has no value") {
    auto kv = open("kv", compact_at_once);
    must(kv.put("a", "1"));
    const auto last = must(kv.put("a", "2"));
    must(delete_event("kv", last.revision - 1));
    CHECK_FALSE(must(kv.get("a")));
    CHECK(must(kv.list()).keys.empty());
    broker.restart();
    CHECK_FALSE(must(kv.get("a")));
    CHECK(must(kv.put("a", "3", 0)).stored);
    CHECK(value_of(kv, "a") == "3");
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "broker/delete: a batch that cannot be opened stays, and harms nothing else") {
    RawConnection raw(broker.endpoint());
    raw.hello();
    const std::uint32_t topic = create_topic(raw, "t");
    // What it says is compressed is not; its checksum is that of what it has.
    auto batch = batch_of({std::string(5000, 'x'), std::string(5000, 'y')}, Lane::normal,
                          {.codec = wire::Codec::lz4, .compress_bytes_min = 0});
    wire::BatchStamp stamp;
    std::memcpy(static_cast<void*>(&stamp), batch.data(), sizeof stamp);
    std::fill(batch.end() - 24, batch.end(), std::byte{0xFF});
    stamp.body_crc = wire::crc32c(std::span<const std::byte>(batch).subspan(sizeof stamp));
    std::memcpy(batch.data(), &stamp, sizeof stamp);
    const auto bad = must(produce(raw, topic, batch));
    must(produce(raw, topic, batch_of({"a", "b"})));
    must(delete_event("t", bad.base_offset));
    must(delete_event("t", bad.base_offset + 2));
    CHECK(broker.wait_for_log("deleted_events_stay"));
    must(produce(raw, topic, batch_of({"c"})));
    broker.kill_hard();
    broker.restart();
    const auto again = connect(broker);
    RawConnection reading(broker.endpoint());
    reading.hello();
    must(produce(reading, topic, batch_of({"d"})));
    CHECK(describe_topic(*again, "t").logs.at(0)->visible_end == 6);
}
