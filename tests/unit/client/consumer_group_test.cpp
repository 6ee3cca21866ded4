// A consumer as a member of a group: the fake broker's part of the coordinator is played by the
// cases themselves.
#include "client_fixture.hpp"

using namespace casc;
using namespace casc::client;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

struct GroupFixture : ClientFixture {
    std::vector<std::string> calls;
    RebalanceCallbacks callbacks = recording();
    ConsumerOptions options = [] {
        ConsumerOptions o;
        o.group = "billing";
        return o;
    }();

    RebalanceCallbacks recording() {
        const auto note = [this](std::string what) {
            return [this, what](const std::vector<TopicPartition>& partitions) {
                std::string line = what;
                for (const auto& p : partitions)
                    line += " " + p.topic + "/" + std::to_string(p.partition.value());
                calls.push_back(line);
            };
        };
        return {note("assigned"), note("revoked"), note("lost")};
    }

    Consumer member() {
        auto made = client->make_consumer(options);
        REQUIRE(made);
        REQUIRE(made->subscribe({"orders"}, callbacks));
        return std::move(*made);
    }

    // Polls until the member has joined on the newest connection.
    void until_joined(Consumer& reading, std::size_t joins = 1) {
        REQUIRE(broker.wait_until([&] {
            static_cast<void>(reading.poll(1, 1ms));
            return broker.requests(wire::Api::join_group).size() >= joins &&
                   !reading.member_id().empty();
        }));
    }

    void push_assignment(const std::string& member, std::uint32_t epoch,
                         const std::vector<std::uint32_t>& assign,
                         const std::vector<std::uint32_t>& revoke = {},
                         ErrorCode error = ErrorCode::ok, std::uint64_t committed = 0) {
        fb::AssignmentT push;
        push.group = "billing";
        push.member_id = member;
        push.epoch = epoch;
        push.error = static_cast<std::uint16_t>(error);
        for (const std::uint32_t partition : assign) {
            auto& row = push.assign.emplace_back(std::make_unique<fb::AssignedPartitionT>());
            row->topic_id = topic;
            row->topic = "orders";
            row->partition = partition;
            if (committed == 0) continue;
            auto& position = row->positions.emplace_back(std::make_unique<fb::LanePositionT>());
            position->lane = static_cast<std::uint8_t>(Lane::normal);
            position->offset = committed;
        }
        for (const std::uint32_t partition : revoke) {
            auto& row = push.revoke.emplace_back(std::make_unique<fb::TopicPartitionT>());
            row->topic_id = topic;
            row->partition = partition;
        }
        broker.push_message(wire::Api::assignment, push);
    }

    // Polls until `condition`, returning the payloads that came.
    std::vector<std::string> poll_until(Consumer& reading, const std::function<bool()>& condition) {
        std::vector<std::string> all;
        const auto until = std::chrono::steady_clock::now() + kPatience;
        while (!condition() && std::chrono::steady_clock::now() < until) {
            const auto events = reading.poll(100, 5ms);
            REQUIRE(events);
            for (const ConsumedEvent& e : *events)
                all.emplace_back(reinterpret_cast<const char*>(e.event.payload.data()),
                                 e.event.payload.size());
        }
        CHECK(condition());
        return all;
    }
};

}  // namespace

TEST_CASE_FIXTURE(GroupFixture,
                  "client/group: an assignment is read on all lanes from its committed positions") {
    broker.append(log(1), make_batch({"a", "b", "c"}));
    broker.append(log(1, Lane::critical), make_batch({"urgent"}, Lane::critical));
    auto reading = member();
    until_joined(reading);
    push_assignment(reading.member_id(), 2, {1}, {}, ErrorCode::ok, 2);
    std::vector<std::string> all;
    while (all.size() < 2)
        for (auto& text : poll_until(reading, [&, n = 0]() mutable { return n++ > 0; }))
            all.push_back(text);
    std::ranges::sort(all);
    CHECK(all == std::vector<std::string>{"c", "urgent"});
    CHECK(calls == std::vector<std::string>{"assigned orders/1"});
    CHECK(reading.assignment().size() == 1);
    CHECK(reading.close());
    CHECK(broker.committed().at(log(1).value()) == 3);
    CHECK(broker.requests(wire::Api::leave_group).size() == 1);
}

TEST_CASE_FIXTURE(GroupFixture,
                  "client/group: a revoked partition is committed, released, and read no more") {
    broker.append(log(0), make_batch({"a", "b"}));
    broker.append(log(1), make_batch({"c"}));
    auto reading = member();
    until_joined(reading);
    push_assignment(reading.member_id(), 2, {0, 1});
    int events = 0;
    while (events < 3) {
        const auto some = reading.poll(100, kPatience);
        REQUIRE(some);
        events += static_cast<int>(some->size());
    }
    push_assignment(reading.member_id(), 3, {}, {0});
    poll_until(reading, [&] { return broker.requests(wire::Api::release_partitions).size() == 1; });
    CHECK(calls == std::vector<std::string>{"assigned orders/0 orders/1", "revoked orders/0"});
    CHECK(broker.committed().at(log(0).value()) == 2);
    const auto commit = wire::decode<fb::Commit>(broker.requests(wire::Api::commit).back().body);
    CHECK(commit->epoch == 3);
    broker.append(log(0), make_batch({"not ours"}));
    broker.append(log(1), make_batch({"ours"}));
    const auto some = reading.poll(100, kPatience);
    REQUIRE(some);
    REQUIRE(some->size() == 1);
    CHECK((*some->begin()).partition == PartitionId(1));
}

TEST_CASE_FIXTURE(GroupFixture,
                  "client/group: a member that was removed is told, and joins again") {
    auto reading = member();
    until_joined(reading);
    const std::string id = reading.member_id();
    push_assignment(id, 2, {0});
    poll_until(reading, [&] { return calls.size() == 1; });
    push_assignment(id, 3, {}, {}, ErrorCode::unknown_member);
    poll_until(reading, [&] { return broker.requests(wire::Api::join_group).size() == 2; });
    CHECK(calls.back() == "lost orders/0");
    CHECK(wire::decode<fb::JoinGroup>(broker.requests(wire::Api::join_group).back().body)
              ->member_id == id);
}

TEST_CASE_FIXTURE(
    GroupFixture,
    "client/group: after a reconnect the member takes up its place and its own positions") {
    options.auto_commit = false;
    broker.append(log(0), make_batch({"a", "b"}));
    auto reading = member();
    until_joined(reading);
    const std::string id = reading.member_id();
    push_assignment(id, 2, {0, 1});
    CHECK(poll_until(reading, [&] {
              return calls.size() == 1 &&
                     reading.position("orders", PartitionId(0), Lane::normal).value() == Offset(2);
          }) == std::vector<std::string>{"a", "b"});
    broker.cut_all();
    poll_until(reading, [&] { return broker.requests(wire::Api::join_group).size() == 2; });
    CHECK(wire::decode<fb::JoinGroup>(broker.requests(wire::Api::join_group).back().body)
              ->member_id == id);
    REQUIRE(broker.wait_until([&] { return broker.connections() == 2; }));
    broker.append(log(0), make_batch({"c"}));
    // The broker knows no position; partition 1 went to somebody else meanwhile.
    poll_until(reading, [&, n = 0]() mutable { return n++ > 3; });
    push_assignment(id, 4, {0});
    poll_until(reading, [&] { return calls.size() == 2; });
    CHECK(calls.back() == "lost orders/1");
    CHECK(poll_until(reading, [&] {
              return reading.position("orders", PartitionId(0), Lane::normal).value() == Offset(3);
          }) == std::vector<std::string>{"c"});
}

// Events came a second time, below positions that the group had committed, when the broker was
// killed and the members came back in another order.
TEST_CASE_FIXTURE(GroupFixture,
                  "client/group: what others read of a partition meanwhile is not read again") {
    options.auto_commit = false;
    broker.append(log(0), make_batch({"a"}));
    auto reading = member();
    until_joined(reading);
    const std::string id = reading.member_id();
    push_assignment(id, 2, {0});
    CHECK(poll_until(reading, [&] {
              return calls.size() == 1 &&
                     reading.position("orders", PartitionId(0), Lane::normal).value() == Offset(1);
          }) == std::vector<std::string>{"a"});
    broker.cut_all();
    broker.append(log(0), make_batch({"b"}));
    broker.append(log(0), make_batch({"c"}));
    poll_until(reading, [&] { return broker.requests(wire::Api::join_group).size() == 2; });
    REQUIRE(broker.wait_until([&] { return broker.connections() == 2; }));
    // Nothing is read before the group has said what is ours, and from where.
    CHECK(poll_until(reading, [n = 0]() mutable { return n++ > 10; }).empty());
    push_assignment(id, 4, {0}, {}, ErrorCode::ok, 2);
    CHECK(poll_until(reading, [&] {
              return reading.position("orders", PartitionId(0), Lane::normal).value() == Offset(3);
          }) == std::vector<std::string>{"c"});
}

TEST_CASE_FIXTURE(GroupFixture,
                  "client/group: commits say what was handed out; auto commit does it in passing") {
    options.auto_commit_interval = 1ms;
    broker.append(log(0), make_batch({"a", "b", "c"}));
    auto reading = member();
    until_joined(reading);
    push_assignment(reading.member_id(), 2, {0});
    poll_until(reading, [&] { return broker.committed()[log(0).value()] == 3; });
    const auto known = reading.committed();
    REQUIRE(known);
    CHECK(std::ranges::any_of(
        *known, [](const Place& p) { return p.topic == "orders" && p.offset == Offset(3); }));
}

TEST_CASE_FIXTURE(GroupFixture, "client/group: without a committed position Reset::error says so") {
    options.reset = Reset::error;
    broker.append(log(0), make_batch({"a"}));
    auto reading = member();
    until_joined(reading);
    push_assignment(reading.member_id(), 2, {0});
    const auto until = std::chrono::steady_clock::now() + kPatience;
    Result<EventBatch> answer = EventBatch();
    while (answer && std::chrono::steady_clock::now() < until)
        answer = reading.poll(1, 5ms);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::no_committed_offset);
}

TEST_CASE_FIXTURE(GroupFixture,
                  "client/group: a group that refuses the member is an error of poll") {
    const auto hooks = broker.on_request([](const auto& r) {
        return r.api == wire::Api::join_group
                   ? Verdict{Verdict::refuse, ErrorCode::permission_denied}
                   : Verdict{};
    });
    auto reading = member();
    const auto answer = reading.poll(1, kPatience);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::permission_denied);
}

TEST_CASE_FIXTURE(GroupFixture,
                  "client/group: a manual commit needs a group and says when it fails") {
    auto alone = client->make_consumer({});
    CHECK(alone->commit().error().code == ErrorCode::invalid_request);
    broker.append(log(0), make_batch({"a"}));
    options.auto_commit = false;
    auto reading = member();
    until_joined(reading);
    push_assignment(reading.member_id(), 2, {0});
    poll_until(reading, [&] {
        return !calls.empty() &&
               reading.position("orders", PartitionId(0), Lane::normal).value() == Offset(1);
    });
    {
        const auto hooks = broker.on_request([](const auto& r) {
            return r.api == wire::Api::commit
                       ? Verdict{Verdict::refuse, ErrorCode::stale_group_epoch}
                       : Verdict{};
        });
        CHECK(reading.commit().error().code == ErrorCode::stale_group_epoch);
    }
    CHECK(reading.commit());
    CHECK(broker.committed().at(log(0).value()) == 1);
}
