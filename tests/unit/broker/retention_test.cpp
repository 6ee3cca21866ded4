// Which logs retention looks at, and when it looks again.

#include "retention.hpp"

#include "store_folder.hpp"

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

using namespace casc;
using namespace casc::broker;

namespace {

constexpr std::uint32_t kPartitions = 1500;  // more than one tick looks at

struct RetentionFixture {
    StoreFolder at;
    boost::asio::io_context io;
    Config config;
    Core core{io, config, *at.store};
    Retention retention{core};
    const Topic* topic = nullptr;

    RetentionFixture() {
        TopicSettings settings;
        settings.partitions = kPartitions;
        settings.retention_events = 2;
        const auto created = core.topics.create("t", settings, EpochNanos(1), kPartitions);
        REQUIRE(created);
        topic = created->topic;
    }
    [[nodiscard]] LogId log(std::uint32_t partition) const {
        return {topic->id, PartitionId(partition), Lane::normal};
    }
    void append(std::uint32_t partition, int events) {
        for (int i = 0; i < events; ++i) {
            at.append(log(partition), batch_of(1));
            retention.on_append(*topic, log(partition));
        }
    }
    [[nodiscard]] std::uint64_t start(std::uint32_t partition) const {
        return core.store.log_state(log(partition))->start.value();
    }
};

}  // namespace

TEST_CASE_FIXTURE(RetentionFixture,
                  "retention: what is not durable yet when it looks is counted when it is") {
    // The log was taken off the list and stayed over its bound until the next append.
    append(0, 3);
    retention.tick(core.now());
    CHECK(start(0) == 0);
    at.settle();
    retention.tick(core.now());
    CHECK(start(0) == 1);
}

TEST_CASE_FIXTURE(RetentionFixture, "retention: many logs that grow all the time take turns") {
    // The first ones that were found came first with every tick.
    for (int tick = 0; tick < 2; ++tick) {
        for (std::uint32_t partition = 0; partition < kPartitions; ++partition)
            append(partition, 3);
        at.settle();
        CHECK(retention.tick(core.now()));  // there is more
    }
    for (std::uint32_t partition = 0; partition < kPartitions; ++partition)
        CHECK(start(partition) >= 1);
}
