// What volatile logs keep, and what goes first.

#include "volatile_logs.hpp"

#include "store_folder.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::broker;

namespace {

struct VolatileLogsFixture {
    Config::Volatile bounds{.memory_bytes = 64_MiB, .log_bytes = 8_MiB};
    VolatileLogs logs{EpochNanos(5'000'000'000)};
    Topic topic{TopicId(3), "t", EpochNanos(1), {}};

    [[nodiscard]] LogId log(std::uint32_t partition = 0) const {
        return {topic.id, PartitionId(partition), Lane::normal};
    }
    Offset append(std::uint32_t events, std::uint32_t partition = 0, EpochNanos now = EpochNanos(7),
                  std::size_t payload_bytes = 16) {
        const auto batch = batch_of(events, Lane::normal, {}, payload_bytes);
        return logs.append(topic, log(partition), batch, now, bounds).base;
    }
    std::vector<storage::BatchRef> read(Offset from, Offset until, std::size_t bytes_max = 1_MiB) {
        std::vector<storage::BatchRef> batches;
        logs.read(log(), from, until, bytes_max, batches);
        return batches;
    }
    static std::uint64_t base_of(const storage::BatchRef& batch) {
        const auto view = wire::BatchView::parse(batch.bytes);
        REQUIRE(view);
        CHECK(view->verify_stamp());
        CHECK(view->verify_body());
        return view->stamp().base_offset;
    }
};

}  // namespace

TEST_CASE_FIXTURE(VolatileLogsFixture,
                  "broker/volatile_logs: offsets begin at the start of the broker, epochs too") {
    CHECK(logs.state(log()).start == Offset(5'000'000'000));
    CHECK(logs.state(log()).end == Offset(5'000'000'000));
    CHECK(logs.state(log()).epoch == 5);
    CHECK(append(3) == Offset(5'000'000'000));
    CHECK(append(2) == Offset(5'000'000'003));
    CHECK(logs.state(log()).end == Offset(5'000'000'005));
    // A broker that starts a second later begins above whatever this one can have reached by then.
    CHECK(VolatileLogs(EpochNanos(6'000'000'000)).state(log()).start >
          Offset(5'000'000'000 + 900'000'000));
}

TEST_CASE_FIXTURE(VolatileLogsFixture, "broker/volatile_logs: reads from any offset to any other") {
    const Offset first = append(2);
    for (int i = 0; i < 99; ++i)
        append(2);
    const auto at = [&](std::uint64_t n) { return first + OffsetDelta(n); };
    CHECK(read(at(0), at(200)).size() == 100);
    CHECK(base_of(read(at(7), at(9)).front()) == at(6).value());
    CHECK(read(at(7), at(9)).size() == 2);
    CHECK(read(at(7), at(8)).size() == 1);
    CHECK(base_of(read(at(199), at(200)).front()) == at(198).value());
    CHECK(read(at(200), at(200)).empty());
    CHECK(read(at(0), at(200), 1).size() == 1);  // at least one, however large
}

TEST_CASE_FIXTURE(VolatileLogsFixture, "broker/volatile_logs: the newest stay, within the bounds") {
    topic.settings.retention_events = 5;
    for (int i = 0; i < 10; ++i)
        append(2);
    auto state = logs.state(log());
    CHECK((state.end - state.start).value() == 6);  // whole batches, at least five events
    topic.settings.retention_events = -1;
    bounds.log_bytes = 3 * batch_of(2).size();
    append(2);
    state = logs.state(log());
    CHECK((state.end - state.start).value() == 6);
    CHECK(state.bytes == bounds.log_bytes);
    topic.settings.retention_bytes = 1;
    append(2);
    state = logs.state(log());
    CHECK((state.end - state.start).value() == 2);  // the newest, whatever its size
}

TEST_CASE_FIXTURE(VolatileLogsFixture,
                  "broker/volatile_logs: what is older than its topic keeps it goes") {
    topic.settings.retention_ms = 10;
    append(1, 0, EpochNanos(0));
    const Offset second = append(1, 0, EpochNanos(20'000'000));
    const auto find = [&](TopicId) -> const Topic* { return &topic; };
    logs.expire(find, EpochNanos(9'000'000));
    CHECK(logs.state(log()).start < second);
    logs.expire(find, EpochNanos(25'000'000));
    CHECK(logs.state(log()).start == second);
    CHECK(logs.find_time(log(), EpochNanos(15'000'000)).offset == second);
    logs.expire(find, EpochNanos(40'000'000));
    CHECK(logs.state(log()).start == logs.state(log()).end);
    CHECK(append(1) == second + OffsetDelta(1));
}

TEST_CASE_FIXTURE(VolatileLogsFixture, "broker/volatile_logs: together they stay within theirs") {
    bounds.memory_bytes = 4_MiB;
    for (std::uint32_t round = 0; round < 20; ++round)
        for (std::uint32_t partition = 0; partition < 40; ++partition)
            append(20, partition, EpochNanos(7), 1000);
    CHECK(logs.bytes() <= 4_MiB);
    CHECK(logs.evicted() > 0);
    std::uint64_t kept = 0;
    logs.for_each(topic.id, [&](LogId, const storage::LogState& s) { kept += s.bytes; });
    CHECK(kept > 1_MiB);
    CHECK(kept <= logs.bytes());
    // The batch that came last is there.
    CHECK(logs.state(log(39)).bytes > 0);
    logs.forget_topic(topic.id);
    CHECK(logs.bytes() == 0);
}

TEST_CASE_FIXTURE(
    VolatileLogsFixture,
    "broker/volatile_logs: a reader's batches stay, and count as long as it has them") {
    bounds.log_bytes = 64_KiB;
    append(20, 0, EpochNanos(7), 1000);
    const auto held = read(logs.state(log()).start, logs.state(log()).end);
    const std::uint64_t base = base_of(held.front());
    for (int i = 0; i < 200; ++i)
        append(20, 0, EpochNanos(7), 1000);
    CHECK(logs.state(log()).start.value() > base);
    CHECK(base_of(held.front()) == base);
    CHECK_FALSE(logs.pressed(bounds));
    bounds.memory_bytes = 1;
    CHECK(logs.pressed(bounds));
}

TEST_CASE_FIXTURE(VolatileLogsFixture, "broker/volatile_logs: neighbours lie side by side") {
    for (int i = 0; i < 100; ++i)
        append(1);
    const auto batches = read(logs.state(log()).start, logs.state(log()).end);
    std::size_t side_by_side = 0;
    for (std::size_t i = 1; i < batches.size(); ++i)
        side_by_side +=
            batches[i - 1].bytes.data() + batches[i - 1].bytes.size() == batches[i].bytes.data();
    CHECK(side_by_side >= 97);  // all but where a block begins
}
