// A compacted topic as keys and values: put with an expected revision, get, remove, list, history.

#include "key_value_fixture.hpp"

#include <casc/types/key_partition.hpp>

#include <atomic>
#include <set>
#include <thread>

using namespace casc;
using namespace casc::test;

namespace {

std::vector<std::byte> keyed(const std::vector<std::pair<std::string, std::string>>& events,
                             Lane lane = Lane::normal) {
    wire::BatchBuilder builder(lane);
    for (const auto& [key, value] : events)
        builder.add(
            {.payload = std::as_bytes(std::span(value)), .key = std::as_bytes(std::span(key))},
            EpochNanos(1));
    std::vector<std::byte> bytes;
    builder.finish({}, bytes);
    return bytes;
}

}  // namespace

TEST_CASE_FIXTURE(KeyValueFixture, "broker/kv: what was put is there, and after a restart too") {
    auto kv = open();
    CHECK_FALSE(must(kv.get("a")));
    const auto first = must(kv.put("a", "1"));
    CHECK(first.stored);
    CHECK(first.revision == 1);
    const auto second = must(kv.put("b", ""));
    CHECK(second.revision == 2);
    CHECK(value_of(kv, "a") == "1");
    // An empty value is a value.
    CHECK(value_of(kv, "b") == "");
    CHECK(must(kv.get("a"))->revision == first.revision);
    broker.restart();
    CHECK(value_of(kv, "a") == "1");
    CHECK(value_of(kv, "b") == "");
    CHECK(must(kv.get("b"))->revision == second.revision);
    broker.kill_hard();
    broker.restart();
    CHECK(value_of(kv, "a") == "1");
    CHECK(must(kv.put("a", "2")).revision > second.revision);
}

TEST_CASE_FIXTURE(KeyValueFixture, "broker/kv: a put is refused when the key is not as expected") {
    auto kv = open();
    CHECK(must(kv.put("a", "1", 0)).stored);
    const auto again = must(kv.put("a", "2", 0));
    CHECK_FALSE(again.stored);
    CHECK(again.revision == 1);
    CHECK(value_of(kv, "a") == "1");
    CHECK_FALSE(must(kv.put("a", "2", 7)).stored);
    CHECK(must(kv.put("a", "2", again.revision)).stored);
    CHECK(value_of(kv, "a") == "2");
    // Of a key that is not there, too.
    const auto missing = must(kv.put("b", "1", 3));
    CHECK_FALSE(missing.stored);
    CHECK(missing.revision == 0);
    CHECK(figure("casc_kv_conflicts_total") == 3);
}

TEST_CASE_FIXTURE(KeyValueFixture, "broker/kv: a removed key has no value and can be made anew") {
    auto kv = open();
    const auto put = must(kv.put("a", "1"));
    CHECK_FALSE(must(kv.remove("a", put.revision + 5)).stored);
    CHECK(must(kv.remove("a", put.revision)).stored);
    CHECK_FALSE(must(kv.get("a")));
    CHECK(must(kv.list()).keys.empty());
    const auto nothing = must(kv.remove("a"));
    CHECK(nothing.stored);
    CHECK(nothing.revision == 0);
    broker.restart();
    CHECK_FALSE(must(kv.get("a")));
    const auto anew = must(kv.put("a", "2", 0));
    CHECK(anew.stored);
    CHECK(anew.revision > put.revision);
    const auto history = must(kv.history("a"));
    REQUIRE(history.size() == 3);
    CHECK(history[0].value == "1");
    CHECK(history[1].removed);
    CHECK(history[2].value == "2");
}

TEST_CASE_FIXTURE(KeyValueFixture,
                  "broker/kv: a put that comes again is answered as it was the first time") {
    auto kv = open("kv", [](auto& s) { s.dedup_window_ms = 60'000; });
    RawConnection raw(broker.endpoint());
    raw.hello();
    wire::BatchBuilder builder;
    std::array<std::byte, 16> id{};
    id[3] = std::byte{7};
    builder.add({.payload = std::as_bytes(std::span("v", 1)),
                 .key = std::as_bytes(std::span("k", 1)),
                 .message_id = id},
                EpochNanos(1));
    std::vector<std::byte> batch;
    builder.finish({}, batch);
    fb::KvPutT put;
    put.topic_id = describe_topic(*client, "kv").topic->topic_id;
    put.expected = 0;
    const auto first = must(raw.call(put, batch));
    const auto again = must(raw.call(put, batch));
    CHECK(first.error == 0);
    CHECK(again.error == 0);
    CHECK(again.revision == first.revision);
    CHECK(must(kv.history("k")).size() == 1);
}

TEST_CASE_FIXTURE(KeyValueFixture,
                  "broker/kv: keys are listed in order, by prefix, range and page") {
    auto kv = open("kv", [](auto& s) { s.partitions = 3; });
    for (const char* key : {"b/2", "a", "b/1", "c", "b/3"})
        must(kv.put(key, "v"));
    const auto names = [](const client::KeyPage& page) {
        std::vector<std::string> out;
        for (const auto& one : page.keys)
            out.push_back(one.key);
        return out;
    };
    using Names = std::vector<std::string>;
    CHECK(names(must(kv.list())) == Names{"a", "b/1", "b/2", "b/3", "c"});
    CHECK(names(must(kv.list({.prefix = "b/"}))) == Names{"b/1", "b/2", "b/3"});
    CHECK(names(must(kv.list({.from = "b/2", .until = "c"}))) == Names{"b/2", "b/3"});
    const auto page = must(kv.list({.limit = 2}));
    CHECK(page.more);
    CHECK(names(page) == Names{"a", "b/1"});
    const auto rest = must(kv.list({.after = "b/1"}));
    CHECK_FALSE(rest.more);
    CHECK(names(rest) == Names{"b/2", "b/3", "c"});
    CHECK(rest.keys.front().value_bytes == 1);
    CHECK(describe_topic(*client, "kv").topic->keys == 5);
}

TEST_CASE_FIXTURE(
    KeyValueFixture,
    "broker/kv: a counter that several clients add to by expected revision is exact") {
    auto kv = open();
    constexpr int kClients = 4;
    constexpr int kAdded = 50;
    std::vector<std::unique_ptr<client::Client>> clients;
    for (int i = 0; i < kClients; ++i)
        clients.push_back(connect(broker));
    std::atomic<int> conflicts{0};
    std::atomic<bool> failed{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < kClients; ++i)
        threads.emplace_back([&, i] {
            const auto mine = clients[static_cast<std::size_t>(i)]->open_key_value("kv");
            for (int added = 0; mine && added < kAdded && !failed;) {
                const auto now = mine->get("counter");
                if (!now) failed = true;
                if (failed) return;
                const int value = *now ? std::stoi((*now)->value) : 0;
                const auto put =
                    mine->put("counter", std::to_string(value + 1), *now ? (*now)->revision : 0);
                if (!put) failed = true;
                if (failed) return;
                if (put->stored) {
                    ++added;
                } else {
                    ++conflicts;
                }
            }
        });
    for (auto& thread : threads)
        thread.join();
    CHECK_FALSE(failed);
    CHECK(value_of(kv, "counter") == std::to_string(kClients * kAdded));
    CHECK(conflicts > 0);
}

TEST_CASE_FIXTURE(KeyValueFixture,
                  "broker/kv: what is produced is a change, and a put is an event") {
    auto kv = open("kv", [](auto& s) { s.partitions = 2; });
    {
        auto producer = must(client->make_producer("kv"));
        const std::string key = "k";
        for (const char* value : {"1", "2", "3"})
            REQUIRE(producer.send({.payload = std::as_bytes(std::span(std::string_view(value))),
                                   .key = std::as_bytes(std::span(key))}));
        REQUIRE(producer.close(kPatience));
    }
    CHECK(value_of(kv, "k") == "3");
    const auto entry = *must(kv.get("k"));
    CHECK(must(kv.put("k", "4", entry.revision)).stored);
    auto consumer = must(client->make_consumer({}));
    must(consumer.assign({{"kv", entry.partition, Lane::normal, Offset(0)}}));
    std::vector<std::string> texts;
    CHECK(poll_until(consumer, texts, [&] { return texts.size() == 4; }));
    CHECK(texts == std::vector<std::string>{"1", "2", "3", "4"});
    // A tombstone that was produced deletes.
    {
        auto producer = must(client->make_producer("kv"));
        const wire::HeaderInput header{wire::kTombstoneHeader, ""};
        const std::string key = "k";
        REQUIRE(producer.send({.payload = {},
                               .key = std::as_bytes(std::span(key)),
                               .headers = std::span(&header, 1)}));
        REQUIRE(producer.close(kPatience));
    }
    CHECK_FALSE(must(kv.get("k")));
}

TEST_CASE_FIXTURE(KeyValueFixture, "broker/kv: what a compacted topic cannot take is refused") {
    open("kv", [](auto& s) { s.partitions = 2; });
    RawConnection raw(broker.endpoint());
    raw.hello();
    const std::uint32_t topic = describe_topic(*client, "kv").topic->topic_id;
    CHECK(code_of(produce(raw, topic, batch_of({"no key"}))) == ErrorCode::key_required);
    CHECK(code_of(produce(raw, topic, keyed({{"", "v"}}))) == ErrorCode::key_required);
    CHECK(code_of(produce(raw, topic, keyed({{"a", "v"}}, Lane::high))) == ErrorCode::unknown_lane);
    CHECK(code_of(produce(raw, topic, keyed({{std::string(5000, 'k'), "v"}}))) ==
          ErrorCode::invalid_request);
    const std::uint32_t right = partition_of_key(std::as_bytes(std::span("a", 1)), 2).value();
    CHECK(code_of(produce(raw, topic, keyed({{"a", "v"}}), Acks::durable, 1 - right)) ==
          ErrorCode::wrong_partition);
    CHECK(produce(raw, topic, keyed({{"a", "v"}}), Acks::durable, right));
    // Put takes one event.
    fb::KvPutT put;
    put.topic_id = topic;
    CHECK(code_of(raw.call(put, keyed({{"a", "1"}, {"a", "2"}}))) == ErrorCode::invalid_request);
    CHECK(code_of(raw.call(put, batch_of({"no key"}))) == ErrorCode::key_required);
    CHECK(code_of(raw.call(put)) == ErrorCode::batch_malformed);
    auto torn = keyed({{"a", "value"}});
    torn[torn.size() - 9] ^= std::byte{1};
    CHECK(code_of(raw.call(put, torn)) == ErrorCode::batch_corrupt);
    // A topic that is not compacted has no keys.
    create_topic(*client, "log");
    CHECK(code_of(client->open_key_value("log")) == ErrorCode::not_compacted);
    fb::KvGetT get;
    get.topic_id = describe_topic(*client, "log").topic->topic_id;
    CHECK(code_of(client->call(get)) == ErrorCode::not_compacted);
    get.topic_id = 999;
    CHECK(code_of(client->call(get)) == ErrorCode::unknown_topic);
}

TEST_CASE_FIXTURE(KeyValueFixture,
                  "broker/kv: the settings of a compacted topic make sense or not") {
    const auto create = [&](const ChangeSettings& change) {
        return code_of(client->call(create_request("t", change)));
    };
    CHECK(create([](auto& s) { compacted(s), s.durability = 0; }) == ErrorCode::not_supported);
    CHECK(create([](auto& s) { compacted(s), s.retention_ms = 1000; }) ==
          ErrorCode::invalid_config);
    CHECK(create([](auto& s) { compacted(s), s.delete_consumed = true; }) ==
          ErrorCode::invalid_config);
    CHECK(create([](auto& s) { s.cleanup = 2; }) == ErrorCode::invalid_config);
    create_topic(*client, "kv", compacted);
    fb::AlterTopicT alter;
    alter.name = "kv";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->cleanup = 0;
    CHECK(code_of(client->call(alter)) == ErrorCode::invalid_config);
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->partitions = 4;
    CHECK(code_of(client->call(alter)) == ErrorCode::invalid_config);
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->compaction_lag_ms = 5;
    CHECK(client->call(alter));
}

TEST_CASE_FIXTURE(KeyValueFixture, "broker/kv: keys beyond the memory for them are refused") {
    broker.terminate();
    broker.options().settings.emplace_back("topics.keys_memory_bytes=1KiB");
    broker.start();
    auto kv = open();
    ErrorCode last = ErrorCode::ok;
    int stored = 0;
    for (; stored < 100 && last == ErrorCode::ok; ++stored)
        last = code_of(kv.put("key" + std::to_string(stored), "v"));
    CHECK(last == ErrorCode::overloaded);
    CHECK(stored > 3);
    CHECK(kv.put("key0", "new value"));
    CHECK(must(kv.remove("key1")).stored);
    CHECK(kv.put("another", "v"));
}

TEST_CASE_FIXTURE(KeyValueFixture, "broker/kv: a deleted topic takes its keys along") {
    auto kv = open();
    must(kv.put("a", "1"));
    fb::DeleteTopicT remove;
    remove.name = "kv";
    must(client->call(remove));
    CHECK(code_of(kv.get("a")) == ErrorCode::unknown_topic);
    auto again = open();
    CHECK_FALSE(must(again.get("a")));
    broker.restart();
    CHECK_FALSE(must(again.get("a")));
    CHECK(figure("casc_kv_keys") == 0);
}

TEST_CASE_FIXTURE(KeyValueFixture,
                  "client/kv: a watch tells the current values, a mark, and every change") {
    auto kv = open("kv", [](auto& s) { s.partitions = 2; });
    must(kv.put("a", "1"));
    must(kv.put("b", "1"));
    must(kv.put("x", "1"));
    must(kv.remove("b"));
    auto watch = must(kv.watch({.start = client::WatchStart::current}));
    std::map<std::string, std::string> state;
    for (bool marked = false; !marked;) {
        const auto change = must(watch.next(kPatience));
        REQUIRE(change);
        marked = change->is_mark;
        if (marked) break;
        if (change->entry.removed) {
            state.erase(change->entry.key);
        } else {
            state[change->entry.key] = change->entry.value;
        }
    }
    CHECK(state == std::map<std::string, std::string>{{"a", "1"}, {"x", "1"}});
    const auto put = must(kv.put("a", "2"));
    const auto change = must(watch.next(kPatience));
    REQUIRE(change);
    CHECK(change->entry.key == "a");
    CHECK(change->entry.value == "2");
    CHECK(change->entry.revision == put.revision);
    const auto positions = watch.positions();
    must(kv.put("c", "3"));
    auto resumed = must(kv.watch({.start = client::WatchStart::resume, .positions = positions}));
    const auto missed = must(resumed.next(kPatience));
    REQUIRE(missed);
    CHECK(missed->entry.key == "c");
    auto one = must(kv.watch({.key = "a"}));
    must(kv.put("z", "9"));
    must(kv.remove("a"));
    const auto removed = must(one.next(kPatience));
    REQUIRE(removed);
    CHECK(removed->entry.key == "a");
    CHECK(removed->entry.removed);
    CHECK_FALSE(must(one.next(10ms)));
}

TEST_CASE_FIXTURE(KeyValueFixture,
                  "client/kv: a watch misses nothing of what others put meanwhile") {
    auto kv = open("kv", [](auto& s) { s.partitions = 3; });
    std::atomic<bool> failed{false};
    std::thread writer([&] {
        for (int i = 0; i < 500 && !failed; ++i)
            if (!kv.put("k" + std::to_string(i), std::to_string(i))) failed = true;
    });
    auto watch = must(kv.watch({.start = client::WatchStart::current}));
    std::set<std::string> seen;
    while (seen.size() < 500 && !failed) {
        const auto change = must(watch.next(kPatience));
        REQUIRE(change);
        if (!change->is_mark) CHECK(seen.insert(change->entry.key).second);
    }
    writer.join();
    CHECK_FALSE(failed);
}
