// Consumer groups with real members: sharing, moving, crashing, coming back, committing, resetting.

#include "broker_verbs.hpp"

#include <algorithm>
#include <map>
#include <set>

using namespace casc;
using namespace casc::test;

namespace {

// One member that speaks frame by frame, so that the test decides when it lets go.
struct RawMember {
    RawConnection raw;
    std::string group, id;
    std::set<std::uint32_t> owned, asked_back;
    std::map<std::uint32_t, std::map<std::uint8_t, std::uint64_t>> positions;
    ErrorCode removed = ErrorCode::ok;

    RawMember(const TestBroker& broker, std::string group_name)
        : raw(broker.endpoint()), group(std::move(group_name)) {
        raw.hello();
    }
    Result<fb::JoinGroupReplyT> join(const std::string& member = {},
                                     const std::string& instance = {},
                                     std::uint32_t session_ms = 30'000,
                                     std::uint32_t rebalance_ms = 60'000) {
        fb::JoinGroupT request;
        request.group = group;
        request.member_id = member;
        request.instance_id = instance;
        request.topics = {"orders"};
        request.session_timeout_ms = session_ms;
        request.rebalance_timeout_ms = rebalance_ms;
        auto reply = call(request);
        if (reply) id = reply->member_id;
        return reply;
    }
    // A request whose answer may come behind pushes.
    template <class Request>
    Result<typename wire::Rpc<Request>::ReplyMessage> call(const Request& request) {
        const std::uint32_t mine = ++correlation;
        raw.send(request_bytes(request, mine));
        for (;;) {
            const auto frame = raw.receive();
            if (!frame) return Error(ErrorCode::connection_closed);
            if (frame->header.kind == wire::FrameKind::push) {
                take(*frame);
                continue;
            }
            REQUIRE(frame->header.correlation_id == mine);
            if (frame->error != ErrorCode::ok) return Error(frame->error, frame->message);
            return wire::decode<typename wire::Rpc<Request>::Reply>(frame->body);
        }
    }
    void take(const RawFrame& frame) {
        REQUIRE(frame.header.api == wire::Api::assignment);
        const auto assignment = must(wire::decode<fb::Assignment>(frame.body));
        if (assignment.error != 0) removed = static_cast<ErrorCode>(assignment.error);
        for (const auto& partition : assignment.assign) {
            owned.insert(partition->partition);
            for (const auto& position : partition->positions)
                positions[partition->partition][position->lane] = position->offset;
        }
        for (const auto& partition : assignment.revoke) {
            asked_back.insert(partition->partition);
            if (assignment.error != 0) owned.erase(partition->partition);
        }
    }
    // Takes assignments until `done`.
    template <class Done>
    void wait(Done done) {
        while (!done()) {
            const auto frame = raw.receive();
            REQUIRE_MESSAGE(frame, "the broker has hung up");
            take(*frame);
        }
    }
    void catch_up() { must(call(fb::PingT{})); }
    void release(const std::set<std::uint32_t>& partitions, std::uint32_t topic) {
        fb::ReleasePartitionsT request;
        request.group = group;
        request.member_id = id;
        for (const std::uint32_t partition : partitions) {
            auto& one = request.partitions.emplace_back(std::make_unique<fb::TopicPartitionT>());
            one->topic_id = topic;
            one->partition = partition;
            owned.erase(partition);
            asked_back.erase(partition);
        }
        must(call(request));
    }
    ErrorCode commit(std::uint32_t topic, std::uint32_t partition, std::uint64_t offset) {
        fb::CommitT request;
        request.group = group;
        request.member_id = id;
        auto& position = request.positions.emplace_back(std::make_unique<fb::PartitionPositionT>());
        position->topic_id = topic;
        position->partition = partition;
        position->lane = 2;
        position->offset = offset;
        return code_of(call(request));
    }
    std::uint32_t correlation = 0;
};

struct GroupsFixture {
    TestBroker broker;
    std::unique_ptr<client::Client> client = connect(broker);
    std::uint32_t topic = create_topic(*client, "orders", partitions(4));

    fb::DescribeGroupReplyT describe(const std::string& group) {
        fb::DescribeGroupT request;
        request.group = group;
        return must(client->call(request));
    }
    client::Consumer consumer(client::Client& of, const std::string& group,
                              const std::string& instance = {}) {
        client::ConsumerOptions options;
        options.group = group;
        options.instance_id = instance;
        options.auto_commit = false;
        options.session_timeout = 30s;
        return must(of.make_consumer(options));
    }
};

}  // namespace

TEST_CASE_FIXTURE(GroupsFixture,
                  "broker/groups: two members share, and what one keeps is not touched") {
    RawMember a(broker, "g"), b(broker, "g");
    must(a.join());
    a.wait([&] { return a.owned.size() == 4; });
    must(b.join());
    a.wait([&] { return a.asked_back.size() == 2; });
    b.catch_up();
    CHECK(b.owned.empty());  // not before they are let go of
    const auto moving = a.asked_back;
    a.release({*moving.begin()}, topic);
    b.wait([&] { return b.owned.size() == 1; });
    a.release({*moving.rbegin()}, topic);
    b.wait([&] { return b.owned.size() == 2; });
    CHECK(b.owned == moving);
    a.catch_up();
    CHECK(a.owned.size() == 2);
    CHECK(a.asked_back.empty());
}

TEST_CASE_FIXTURE(
    GroupsFixture,
    "broker/groups: when a member leaves, the other gets its partitions and keeps its own") {
    RawMember a(broker, "g"), b(broker, "g");
    must(a.join());
    a.wait([&] { return a.owned.size() == 4; });
    must(b.join());
    a.wait([&] { return a.asked_back.size() == 2; });
    a.release(std::set(a.asked_back), topic);
    b.wait([&] { return b.owned.size() == 2; });
    fb::LeaveGroupT leave;
    leave.group = "g";
    leave.member_id = b.id;
    must(b.call(leave));
    a.wait([&] { return a.owned.size() == 4; });
    CHECK(a.asked_back.empty());
    CHECK(b.commit(topic, 0, 0) == ErrorCode::unknown_member);
}

TEST_CASE_FIXTURE(GroupsFixture,
                  "broker/groups: a member that crashes is replaced after its session timeout") {
    RawMember b(broker, "g");
    {
        RawMember a(broker, "g");
        must(a.join({}, {}, 1000));
        a.wait([&] { return a.owned.size() == 4; });
        must(b.join());
        a.raw.abort();
    }
    b.wait([&] { return b.owned.size() == 4; });
    CHECK(describe("g").members.size() == 1);
}

TEST_CASE_FIXTURE(
    GroupsFixture,
    "broker/groups: a refused connection does not keep the sessions of those who are away alive") {
    // A connection that was turned away had the number 0, which also says that a member is away.
    TestBrokerOptions options;
    options.settings = {"limits.connections=2"};
    TestBroker small(options);
    RawMember b(small, "g");
    create_topic(b.raw, "orders", partitions(4));
    {
        RawMember a(small, "g");
        must(a.join({}, {}, 1000));
        a.wait([&] { return a.owned.size() == 4; });
        a.raw.abort();
    }
    must(b.join());
    // The place of the one that went is taken as soon as the broker has noticed.
    fb::HelloT hello;
    hello.version_min = hello.version_max = wire::kProtocolVersion;
    auto filler = std::make_unique<RawConnection>(small.endpoint());
    while (!filler->call(hello))
        filler = std::make_unique<RawConnection>(small.endpoint());
    std::size_t refused = 0;
    while (b.owned.size() < 4) {  // each refusal would have begun the second of a anew
        RawConnection turned_away(small.endpoint());
        const auto frame = turned_away.receive();
        refused += frame && frame->error == ErrorCode::too_many_connections;
        b.catch_up();
    }
    CHECK(refused > 0);
}

TEST_CASE_FIXTURE(GroupsFixture,
                  "broker/groups: a member that comes back in time keeps its partitions") {
    auto a = std::make_unique<RawMember>(broker, "g");
    must(a->join());
    a->wait([&] { return a->owned.size() == 4; });
    const std::string id = a->id;
    a->raw.abort();
    RawMember again(broker, "g");
    auto joined = again.join(id);
    while (code_of(joined) == ErrorCode::member_in_use)
        joined = again.join(id);  // the end is not noticed yet
    must(joined);
    again.wait([&] { return again.owned.size() == 4; });
    CHECK(again.id == id);
}

TEST_CASE_FIXTURE(GroupsFixture,
                  "broker/groups: a second consumer with the same member id is refused") {
    RawMember a(broker, "g"), thief(broker, "g");
    must(a.join());
    CHECK(code_of(thief.join(a.id)) == ErrorCode::member_in_use);
    CHECK(a.commit(topic, 0, 0) == ErrorCode::ok);
}

TEST_CASE_FIXTURE(GroupsFixture,
                  "broker/groups: a static member's place goes to whoever comes with its name") {
    RawMember old(broker, "g"), fresh(broker, "g"), other(broker, "g");
    must(old.join({}, "till-3"));
    old.wait([&] { return old.owned.size() == 4; });
    must(fresh.join({}, "till-3"));
    CHECK(fresh.id == old.id);
    fresh.wait([&] { return fresh.owned.size() == 4; });
    old.wait([&] { return old.removed == ErrorCode::member_in_use; });
    // The end of the old connection is not the end of the member.
    old.raw.abort();
    must(other.join());
    fresh.wait([&] { return fresh.asked_back.size() == 2; });
}

TEST_CASE_FIXTURE(GroupsFixture,
                  "broker/groups: a partition that is not let go of is taken, and its old owner "
                  "cannot commit it") {
    RawMember slow(broker, "g"), b(broker, "g");
    must(slow.join({}, {}, 30'000, 1000));
    slow.wait([&] { return slow.owned.size() == 4; });
    must(b.join());
    b.wait([&] { return b.owned.size() == 2; });
    slow.wait([&] { return slow.removed == ErrorCode::stale_group_epoch; });
    CHECK(slow.owned.size() == 2);
    CHECK(slow.commit(topic, *b.owned.begin(), 0) == ErrorCode::stale_group_epoch);
    CHECK(slow.commit(topic, *slow.owned.begin(), 0) == ErrorCode::ok);
}

TEST_CASE_FIXTURE(GroupsFixture, "broker/groups: what is being asked back may still be committed") {
    RawMember a(broker, "g"), b(broker, "g");
    must(a.join());
    a.wait([&] { return a.owned.size() == 4; });
    must(b.join());
    a.wait([&] { return a.asked_back.size() == 2; });
    const std::uint32_t moving = *a.asked_back.begin();
    must(produce(b.raw, topic, batch_of({"x"}), Acks::durable, moving));
    CHECK(a.commit(topic, moving, 1) == ErrorCode::ok);
    a.release({moving}, topic);
    b.wait([&] { return b.owned.contains(moving); });
    CHECK(b.positions[moving][2] == 1);
}

TEST_CASE_FIXTURE(GroupsFixture,
                  "broker/groups: committed positions survive a crash of the broker") {
    {
        RawMember a(broker, "g");
        must(a.join());
        a.wait([&] { return a.owned.size() == 4; });
        must(produce(a.raw, topic, batch_of({"x", "y", "z"}), Acks::durable, 3));
        CHECK(a.commit(topic, 3, 4) == ErrorCode::offset_out_of_range);
        CHECK(a.commit(topic, 3, 2) == ErrorCode::ok);
    }
    client.reset();
    broker.kill_hard();
    broker.restart();
    RawMember again(broker, "g");
    must(again.join());
    again.wait([&] { return again.owned.size() == 4; });
    CHECK(again.positions[3][2] == 2);
}

TEST_CASE_FIXTURE(GroupsFixture, "broker/groups: partitions that are added are given out") {
    RawMember a(broker, "g");
    must(a.join());
    a.wait([&] { return a.owned.size() == 4; });
    fb::AlterTopicT alter;
    alter.name = "orders";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->partitions = 6;
    must(client->call(alter));
    a.wait([&] { return a.owned.size() == 6; });
    CHECK(a.asked_back.empty());
}

TEST_CASE_FIXTURE(
    GroupsFixture,
    "broker/groups: a topic that comes later is picked up, one that goes is asked back") {
    RawMember a(broker, "g");
    fb::JoinGroupT request;
    request.group = "g";
    request.topics = {"later"};
    request.session_timeout_ms = 30'000;
    a.id = must(a.call(request)).member_id;
    CHECK(a.owned.empty());
    create_topic(*client, "later", partitions(3));
    a.wait([&] { return a.owned.size() == 3; });
    fb::DeleteTopicT remove;
    remove.name = "later";
    must(client->call(remove));
    a.wait([&] { return a.asked_back.size() == 3; });
}

TEST_CASE_FIXTURE(GroupsFixture, "broker/groups: joins that make no sense are refused") {
    RawMember a(broker, "g");
    CHECK(code_of(a.join({}, {}, 10)) == ErrorCode::invalid_request);
    CHECK(code_of(a.join(std::string(300, 'm'))) == ErrorCode::invalid_request);
    a.group = "no such/name";
    CHECK(code_of(a.join()) == ErrorCode::invalid_request);
}

TEST_CASE_FIXTURE(
    GroupsFixture,
    "broker/groups: reset tells with dry_run what it would do, and waits for an empty group") {
    send_many(*client, "orders", 10, "e", Lane::normal, PartitionId(0));
    fb::ResetGroupT reset;
    reset.group = "g";
    reset.topic = "orders";
    reset.to = 1;
    {
        RawMember a(broker, "g");
        must(a.join());
        a.wait([&] { return a.owned.size() == 4; });
        REQUIRE(a.commit(topic, 0, 3) == ErrorCode::ok);
        CHECK(code_of(client->call(reset)) == ErrorCode::group_not_empty);
        reset.dry_run = true;
        const auto plan = must(client->call(reset));
        REQUIRE(plan.positions.size() == 1);
        CHECK(plan.positions[0]->before == 3);
        CHECK(plan.positions[0]->after == 10);
        CHECK(a.commit(topic, 0, 3) == ErrorCode::ok);
        fb::LeaveGroupT leave;
        leave.group = "g";
        leave.member_id = a.id;
        must(a.call(leave));
    }
    const auto committed = [&] {
        fb::CommittedT request;
        request.group = "g";
        return must(client->call(request)).positions.at(0)->offset;
    };
    CHECK(committed() == 3);
    reset.dry_run = false;
    must(client->call(reset));
    CHECK(committed() == 10);
    reset.to = 3;
    reset.offset = 1'000'000;  // brought into range
    CHECK(must(client->call(reset)).positions.at(0)->after == 10);
    reset.to = 0;
    must(client->call(reset));
    CHECK(committed() == 0);
    fb::DeleteGroupT remove;
    remove.group = "g";
    must(client->call(remove));
    CHECK(code_of(client->call(reset)) == ErrorCode::unknown_group);
}

TEST_CASE_FIXTURE(
    GroupsFixture,
    "broker/groups: two consumers of the client library get every event, together, once") {
    const auto second = connect(broker);
    auto a = consumer(*client, "g"), b = consumer(*second, "g");
    REQUIRE(a.subscribe({"orders"}));
    std::vector<std::string> of_a, of_b;
    REQUIRE(poll_until(a, of_a, [&] { return a.assignment().size() == 4; }));
    REQUIRE(b.subscribe({"orders"}));
    while (b.assignment().size() != 2) {
        REQUIRE(poll_until(a, of_a, [&, once = 0]() mutable { return once++ != 0; }));
        REQUIRE(poll_until(b, of_b, [&, once = 0]() mutable { return once++ != 0; }));
    }
    CHECK(a.assignment().size() == 2);
    send_many(*client, "orders", 1000);
    REQUIRE(poll_until(a, of_a, [&, once = 0]() mutable { return once++ != 0; }));
    std::set<std::string> all;
    while (all.size() < 1000) {
        REQUIRE(poll_until(a, of_a, [&, once = 0]() mutable { return once++ != 0; }));
        REQUIRE(poll_until(b, of_b, [&, once = 0]() mutable { return once++ != 0; }));
        all = {of_a.begin(), of_a.end()};
        all.insert(of_b.begin(), of_b.end());
    }
    CHECK(of_a.size() + of_b.size() == 1000);
    CHECK(!of_a.empty());
    CHECK(!of_b.empty());
    REQUIRE(a.commit());
    REQUIRE(b.commit());
    std::uint64_t lag = 0;
    for (const auto& log : describe("g").lag)
        lag += log->visible_end - log->committed;
    CHECK(lag == 0);
}

TEST_CASE_FIXTURE(GroupsFixture,
                  "broker/groups: the next consumer goes on where the last one committed") {
    send_many(*client, "orders", 100, "e", Lane::high, PartitionId(1));
    std::vector<std::string> first, second;
    {
        auto a = consumer(*client, "g");
        REQUIRE(a.subscribe({"orders"}));
        REQUIRE(poll_until(a, first, [&] { return first.size() >= 100; }));
        REQUIRE(a.commit());
        REQUIRE(a.close());
    }
    send_many(*client, "orders", 5, "later", Lane::high, PartitionId(1));
    auto b = consumer(*client, "g");
    REQUIRE(b.subscribe({"orders"}));
    REQUIRE(poll_until(b, second, [&] { return second.size() >= 5; }));
    CHECK(second == std::vector<std::string>{"later0", "later1", "later2", "later3", "later4"});
}
