#include "key_index.hpp"

#include "store_folder.hpp"

#include <casc/types/key_partition.hpp>
#include <casc/wire/batch_builder.hpp>
#include <casc/wire/tombstone.hpp>

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::broker;

namespace {

std::span<const std::byte> octets(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

struct KeyIndexFixture : StoreFolder {
    TopicRegistry topics{*store};
    DeletedEvents deleted{*store, topics};
    KeyIndex keys{*store, topics, deleted};
    const Topic* topic = nullptr;

    KeyIndexFixture() {
        TopicSettings settings;
        settings.cleanup = Cleanup::compact;
        settings.partitions = 2;
        topic = topics.create("kv", settings, EpochNanos(1), 10)->topic;
    }
    static std::vector<std::byte> batch_of(std::string_view key, bool tombstone = false,
                                           Lane lane = Lane::normal) {
        wire::BatchBuilder builder(lane);
        const wire::HeaderInput mark{wire::kTombstoneHeader, ""};
        builder.add(
            {.payload = tombstone ? octets("") : octets("v"),
             .key = octets(key),
             .headers = tombstone ? std::span(&mark, 1) : std::span<const wire::HeaderInput>()},
            EpochNanos(1));
        std::vector<std::byte> bytes;
        builder.finish({}, bytes);
        return bytes;
    }
    void put(std::string_view key, bool tombstone = false) {
        const LogId log(topic->id, partition_of_key(octets(key), 2), Lane::normal);
        const auto batch = batch_of(key, tombstone);
        const auto ticket =
            store->append(log, storage::RetentionClass::compacted, batch, EpochNanos(1));
        REQUIRE(ticket);
        keys.apply(*topic, log, *wire::BatchView::parse(batch), EpochNanos(1), *ticket);
    }
    std::string names(const KeyIndex::Range& range = {}) const {
        std::string out;
        keys.for_each(topic->id, range, [&](const std::string& key, const auto&) {
            out += key + " ";
            return true;
        });
        return out;
    }
    ErrorCode check(std::span<const std::byte> batch, std::uint32_t partition,
                    std::uint64_t memory = 1_MiB) const {
        const auto checked =
            keys.check(*topic, PartitionId(partition), *wire::BatchView::parse(batch), memory);
        return checked ? ErrorCode::ok : checked.error().code;
    }
};

}  // namespace

TEST_CASE_FIXTURE(KeyIndexFixture,
                  "broker/key_index: the last event of a key counts, a tombstone ends it") {
    put("a");
    put("b");
    const auto first = keys.find(topic->id, "a")->revision();
    put("a");
    CHECK(keys.find(topic->id, "a")->revision() > first);
    CHECK(keys.count() == 2);
    CHECK(keys.bytes() > 0);
    put("a", true);
    CHECK(keys.find(topic->id, "a") == nullptr);
    CHECK(keys.count() == 1);
    put("b", true);
    CHECK(keys.bytes() == 0);
    CHECK(keys.find(TopicId(99), "a") == nullptr);
}

TEST_CASE_FIXTURE(KeyIndexFixture,
                  "broker/key_index: ranges are in order of the keys, over all partitions") {
    for (const char* key : {"b", "a", "ab", "c", "abc"})
        put(key);
    CHECK(names() == "a ab abc b c ");
    CHECK(names({.prefix = "ab"}) == "ab abc ");
    CHECK(names({.from = "ab", .until = "c"}) == "ab abc b ");
    CHECK(names({.after = "abc"}) == "b c ");
    CHECK(names({.prefix = "a", .after = "a"}) == "ab abc ");
    CHECK(names({.prefix = "b", .after = "a"}) == "b ");
    CHECK(names({.prefix = "x"}) == "");
}

TEST_CASE_FIXTURE(KeyIndexFixture, "broker/key_index: what was replaced is counted, log by log") {
    put("a");
    const LogId log(topic->id, partition_of_key(octets("a"), 2), Lane::normal);
    CHECK(keys.replaced(log) == 0);
    put("a");
    put("a");
    CHECK(keys.replaced(log) == 2);
    put("a", true);
    CHECK(keys.replaced(log) == 4);  // the tombstone, too
    keys.on_compacted(log, 3, Offset(2));
    CHECK(keys.replaced(log) == 1);
    CHECK(keys.log_keys(log).complete_from == Offset(2));
}

TEST_CASE_FIXTURE(KeyIndexFixture,
                  "broker/key_index: events that cannot be in a compacted topic are refused") {
    const std::uint32_t right = partition_of_key(octets("a"), 2).value();
    CHECK(check(batch_of("a"), right) == ErrorCode::ok);
    CHECK(check(batch_of("a"), 1 - right) == ErrorCode::wrong_partition);
    CHECK(check(batch_of(""), right) == ErrorCode::key_required);
    CHECK(check(batch_of("a", false, Lane::low), right) == ErrorCode::unknown_lane);
    CHECK(check(batch_of(std::string(4097, 'k')), right) == ErrorCode::invalid_request);
    // Full: what is there may change, and go.
    put("a");
    CHECK(check(batch_of("a"), right, 10) == ErrorCode::ok);
    CHECK(check(batch_of("a", true), right, 10) == ErrorCode::ok);
    const std::uint32_t other = partition_of_key(octets("other"), 2).value();
    CHECK(check(batch_of("other"), other, 10) == ErrorCode::overloaded);
    CHECK(check(batch_of("other", true), other, 10) == ErrorCode::ok);
}
