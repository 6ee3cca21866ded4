// Queue groups over the wire: who gets what, what becomes of it, and what a restart remembers.

#include "queue_fixture.hpp"

#include <map>
#include <set>

using namespace casc;
using namespace casc::test;

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: every event goes to one member, until it is done") {
    fill(numbered(10));
    QueueMember anna(broker);
    CHECK(anna.join("g").settings->lease_ms == 30'000);
    const auto events = anna.take(10);
    CHECK(events[3] == Leased{3, "3", 1, Lane::normal});
    CHECK(anna.done({events[3], events[0]}).refused.empty());
    CHECK(log("g").floor == 1);
    CHECK(log("g").leased == 8);
    CHECK(anna.done({events[1], events[2], events[4]}).refused.empty());
    CHECK(log("g").floor == 5);
    fill({"new"});
    CHECK(anna.texts(1) == std::vector<std::string>{"new"});
}

TEST_CASE_FIXTURE(QueueFixture,
                  "broker/queue: members share, within their windows, batches or not") {
    QueueMember anna(broker);
    QueueMember bert(broker);
    anna.join("g", 3);
    bert.join("g", 5);
    fill(numbered(50));
    const auto of_anna = anna.take(3);
    const auto of_bert = bert.take(5);
    CHECK(anna.held() == 0);
    CHECK(bert.held() == 0);
    std::set<std::uint64_t> offsets;
    for (const auto& events : {of_anna, of_bert})
        for (const Leased& event : events)
            CHECK(offsets.insert(event.offset).second);
    CHECK(*offsets.rbegin() == 7);
    anna.done(of_anna);
    CHECK(anna.take(3).back().offset == 10);
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: parts of compressed batches come whole") {
    fill(std::vector<std::string>(40, std::string(500, 'z')), Lane::normal,
         {.codec = wire::Codec::lz4});
    QueueMember anna(broker);
    anna.join("g", 7);
    for (const Leased& event : anna.take(7))
        CHECK(event.text == std::string(500, 'z'));
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: critical events come first") {
    fill(numbered(100), Lane::low);
    fill({"now"}, Lane::critical);
    QueueMember anna(broker);
    anna.join("g", 10);
    CHECK(anna.take(1).front().lane == Lane::critical);
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: refused events come again, and count") {
    fill(numbered(5));
    QueueMember anna(broker);
    anna.join("g");
    const auto events = anna.take(5);
    CHECK(anna.say(events[2], QueueMember::kRefused, "busy").refused.empty());
    CHECK(anna.take(1).front() == Leased{2, "2", 2, Lane::normal});
    CHECK(anna.say(events[4], QueueMember::kReleased).refused.empty());
    CHECK(anna.take(1).front() == Leased{4, "4", 1, Lane::normal});
    anna.say(events[1], QueueMember::kRefused, "not now", 3'600'000);
    CHECK(log("g").delayed == 1);
    CHECK(anna.held() == 0);
    // What was said about others' events, or settled ones, changes nothing.
    anna.done({events[0]});
    const auto refused = anna.done({events[0], events[1], {77, "", 1, Lane::normal}}).refused;
    REQUIRE(refused.size() == 1);
    CHECK(refused[0]->offsets == std::vector<std::uint64_t>{0, 1, 77});
    CHECK(!anna.say(events[0], QueueMember::kRenewed).refused.empty());
}

TEST_CASE_FIXTURE(QueueFixture,
                  "broker/queue: the events of a lost member go to another one at once") {
    fill(numbered(20));
    auto anna = std::make_unique<QueueMember>(broker);
    anna->join("g");
    const auto events = anna->take(20);
    anna->done({events[0], events[7]});
    QueueMember bert(broker);
    bert.join("g");
    CHECK(bert.held() == 0);
    anna->vanish();
    const auto again = bert.take(18);
    CHECK(again.front() == Leased{1, "1", 2, Lane::normal});
    std::set<std::uint64_t> offsets;
    for (const Leased& event : again)
        offsets.insert(event.offset);
    CHECK(offsets.size() == 18);
    CHECK(!offsets.contains(7));
    CHECK(bert.done(again).refused.empty());
    CHECK(log("g").floor == 20);
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: who leaves in order gives back without a penalty") {
    fill(numbered(3));
    QueueMember anna(broker);
    anna.join("g");
    anna.take(3);
    fb::LeaveQueueT leave;
    leave.subscription_id = 1;
    must(anna.call(leave));
    CHECK(code_of(anna.call(leave)) == ErrorCode::unknown_subscription);
    QueueMember bert(broker);
    bert.join("g");
    for (const Leased& event : bert.take(3))
        CHECK(event.attempts == 1);
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: a lease that runs out goes to another member") {
    fill(numbered(2));
    QueueMember anna(broker);
    auto request = anna.join_request("g");
    request.settings->lease_ms = 200;
    must(anna.call(request));
    const auto events = anna.take(2);
    QueueMember bert(broker);
    bert.join("g", 1);
    const auto again = bert.take(1);
    CHECK(again[0].attempts >= 2);
    const auto refused = anna.done({again[0]}).refused;
    REQUIRE(refused.size() == 1);
    CHECK(refused[0]->offsets == std::vector<std::uint64_t>{again[0].offset});
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: a renewed lease does not run out") {
    fill(numbered(1));
    QueueMember anna(broker);
    auto request = anna.join_request("g");
    request.settings->lease_ms = 300;
    must(anna.call(request));
    const auto events = anna.take(1);
    const auto until = std::chrono::steady_clock::now() + 1s;
    while (std::chrono::steady_clock::now() < until) {
        fb::SettleT renew;
        renew.subscription_id = 1;
        renew.renew_all = true;
        must(anna.call(renew));
    }
    CHECK(anna.done(events).refused.empty());
}

TEST_CASE_FIXTURE(QueueFixture,
                  "broker/queue: a poison event becomes a dead letter, once, with its story") {
    fill({"good", "poison", "fine"});
    QueueMember anna(broker);
    auto request = anna.join_request("g");
    request.settings->deliveries_max = 3;
    must(anna.call(request));
    auto events = anna.take(3);
    anna.done({events[0], events[2]});
    for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
        CHECK(events[1].attempts == attempt);
        anna.say(events[1], QueueMember::kRefused, "exploded " + std::to_string(attempt));
        if (attempt < 3) events[1] = anna.take(1)[0];
    }
    wait_for([&] { return log("g").floor == 3; });
    auto client = connect(broker);
    auto consumer = must(client->make_consumer({}));
    must(consumer.assign({{"g.dead", PartitionId(0), Lane::normal, Offset(0)}}));
    const auto dead = must(consumer.poll(10, kPatience));
    REQUIRE(dead.size() == 1);
    for (const auto& consumed : dead) {
        const wire::EventView& event = consumed.event;
        CHECK(std::string(reinterpret_cast<const char*>(event.payload.data()),
                          event.payload.size()) == "poison");
        std::map<std::string, std::string> headers;
        wire::HeaderCursor cursor(event.headers);
        std::string_view name, value;
        while (cursor.next(name, value))
            headers.emplace(name, value);
        CHECK(headers["casc-dead-group"] == "g");
        CHECK(headers["casc-dead-topic"] == "t");
        CHECK(headers["casc-dead-offset"] == "1");
        CHECK(headers["casc-dead-attempts"] == "3");
        CHECK(headers["casc-dead-error"] == "exploded 3");
    }
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: given up is a dead letter at once") {
    fill(numbered(2));
    QueueMember anna(broker);
    anna.join("g");
    const auto events = anna.take(2);
    anna.say(events[0], QueueMember::kGivenUp, "no such customer");
    wait_for([&] { return log("g").floor == 1; });
    CHECK(describe_topic(*connect(broker), "g.dead").topic->events == 1);
}

TEST_CASE_FIXTURE(QueueFixture,
                  "broker/queue: a restart remembers what was settled, refused and delayed") {
    fill(numbered(10));
    {
        QueueMember anna(broker);
        anna.join("g");
        const auto events = anna.take(10);
        anna.done({events[0], events[5]});
        anna.say(events[1], QueueMember::kRefused, "later", 3'600'000);
        anna.say(events[2], QueueMember::kRefused, "again", 0);
        CHECK(anna.take(1)[0].attempts == 2);
        broker.kill_hard();
    }
    broker.restart();
    connect_again();
    CHECK(log("g").floor == 1);
    CHECK(log("g").delayed == 1);
    QueueMember bert(broker);
    bert.join("g");
    std::map<std::uint64_t, std::uint32_t> attempts;
    for (const Leased& event : bert.take(7))
        attempts[event.offset] = event.attempts;
    CHECK(attempts.size() == 7);
    CHECK(!attempts.contains(0));
    CHECK(!attempts.contains(1));
    CHECK(!attempts.contains(5));
    CHECK(attempts[2] >= 2);
    CHECK(attempts[9] == 2);
    CHECK(bert.held() == 0);
}

TEST_CASE_FIXTURE(QueueFixture,
                  "broker/queue: only the first member of a single-active group "
                  "gets events, until it goes") {
    auto anna = std::make_unique<QueueMember>(broker);
    auto request = anna->join_request("g");
    request.settings->order = 2;
    must(anna->call(request));
    QueueMember bert(broker);
    bert.join("g");
    fill(numbered(5));
    anna->take(5);
    CHECK(bert.held() == 0);
    anna->vanish();
    CHECK(bert.take(5)[0].attempts == 2);
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: a group may begin with what comes from now on") {
    fill(numbered(5));
    QueueMember anna(broker);
    auto request = anna.join_request("g");
    request.start = 1;
    must(anna.call(request));
    fill({"new"});
    CHECK(anna.texts(1) == std::vector<std::string>{"new"});
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: what retention takes is not waited for") {
    fb::AlterTopicT alter;
    alter.name = "t";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->retention_events = 3;
    for (int i = 0; i < 10; ++i)
        fill({std::to_string(i)});
    QueueMember anna(broker);
    anna.join("g", 4);
    const auto events = anna.take(4);
    must(raw->call(alter));
    wait_for([&] { return log("g").floor == 7; });
    CHECK(anna.texts(3) == std::vector<std::string>{"7", "8", "9"});
    CHECK(!anna.done(events).refused.empty());
}

TEST_CASE_FIXTURE(QueueFixture,
                  "broker/queue: topics that come later are read, those that go are "
                  "forgotten") {
    QueueMember anna(broker);
    auto request = anna.join_request("g");
    request.topics = {"later"};
    must(anna.call(request));
    topic = create_topic(*raw, "later");
    fill({"x"});
    CHECK(anna.texts(1) == std::vector<std::string>{"x"});
    fb::DeleteTopicT remove;
    remove.name = "later";
    must(raw->call(remove));
    topic = create_topic(*raw, "later");
    fill({"y"});
    CHECK(anna.texts(1) == std::vector<std::string>{"y"});
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: bad requests are told what is wrong with them") {
    QueueMember anna(broker);
    auto request = anna.join_request("g");
    request.topics = {};
    CHECK(code_of(anna.call(request)) == ErrorCode::invalid_request);
    request = anna.join_request("g");
    request.topics = {"t", "g.dead"};
    CHECK(code_of(anna.call(request)) == ErrorCode::invalid_request);
    request = anna.join_request("g");
    request.start = 2;
    CHECK(code_of(anna.call(request)) == ErrorCode::invalid_request);
    request = anna.join_request("g", 0);
    CHECK(code_of(anna.call(request)) == ErrorCode::invalid_request);
    request = anna.join_request("g");
    request.settings->lease_ms = 1;
    CHECK(code_of(anna.call(request)) == ErrorCode::invalid_config);
    request = anna.join_request("g");
    request.settings->order = 3;
    CHECK(code_of(anna.call(request)) == ErrorCode::invalid_config);
    fb::SettleT settle;
    settle.subscription_id = 1;
    CHECK(code_of(anna.call(settle)) == ErrorCode::unknown_subscription);
    anna.join("g");
    CHECK(code_of(anna.call(anna.join_request("g"))) == ErrorCode::already_subscribed);
    auto& log = settle.logs.emplace_back(std::make_unique<fb::LogVerdictsT>());
    log->topic_id = topic;
    log->lane = 9;
    CHECK(code_of(anna.call(settle)) == ErrorCode::unknown_lane);
    log->lane = static_cast<std::uint8_t>(Lane::normal);
    log->base = 3;
    CHECK(code_of(anna.call(settle)) == ErrorCode::invalid_request);
    log->base = ~std::uint64_t{63};
    log->done = {1};
    CHECK(code_of(anna.call(settle)) == ErrorCode::invalid_request);
    log->base = 0;
    log->done.assign(8193, ~std::uint64_t{0});
    CHECK(code_of(anna.call(settle)) == ErrorCode::invalid_request);
    log->done.assign(8192, ~std::uint64_t{0});
    CHECK(must(anna.call(settle)).refused.at(0)->offsets.size() == 8192 * 64);
    // The two kinds of groups do not mix.
    fb::JoinGroupT stream;
    stream.group = "g";
    stream.topics = {"t"};
    stream.session_timeout_ms = 10'000;
    CHECK(code_of(anna.call(stream)) == ErrorCode::wrong_group_kind);
    fb::DescribeGroupT describe;
    describe.group = "g";
    CHECK(code_of(anna.call(describe)) == ErrorCode::wrong_group_kind);
    fb::DeleteGroupT remove;
    remove.group = "g";
    CHECK(code_of(anna.call(remove)) == ErrorCode::group_not_empty);
    fb::ListGroupsT list;
    const auto groups = must(anna.call(list)).groups;
    REQUIRE(groups.size() == 1);
    CHECK(groups[0]->kind == 1);
}

TEST_CASE_FIXTURE(QueueFixture,
                  "broker/queue: verdicts about a topic that is gone do not spoil the others") {
    const auto other = create_topic(*raw, "other");
    must(produce(*raw, other, batch_of({"x"}, Lane::normal)));
    fill({"a"});
    QueueMember anna(broker);
    auto request = anna.join_request("g");
    request.topics = {"t", "other"};
    must(anna.call(request));
    anna.take(2);
    fb::DeleteTopicT remove;
    remove.name = "other";
    must(raw->call(remove));
    fb::SettleT settle;
    settle.subscription_id = 1;
    for (const std::uint32_t number : {other, topic}) {
        auto& log = settle.logs.emplace_back(std::make_unique<fb::LogVerdictsT>());
        log->topic_id = number;
        log->lane = static_cast<std::uint8_t>(Lane::normal);
        log->done = {1};
        auto& verdict = log->others.emplace_back(std::make_unique<fb::EventVerdictT>());
        verdict->offset = 70;
        verdict->verdict = 2;
    }
    const auto reply = must(anna.call(settle));
    REQUIRE(reply.refused.size() == 2);
    CHECK(reply.refused[0]->topic_id == other);
    CHECK(reply.refused[0]->offsets == std::vector<std::uint64_t>{0, 70});
    CHECK(reply.refused[1]->offsets == std::vector<std::uint64_t>{70});
    CHECK(log("g").floor == 1);
}

TEST_CASE_FIXTURE(QueueFixture, "broker/queue: what is pending is listed, page by page") {
    fill(numbered(20));
    QueueMember anna(broker);
    anna.join("g");
    const auto events = anna.take(20);
    // Every second one is refused: a run each.
    for (std::size_t i = 0; i < 20; i += 2)
        anna.say(events[i], QueueMember::kRefused, "no", 3'600'000);
    std::vector<std::uint64_t> firsts;
    fb::ListPendingT request;
    request.group = "g";
    request.limit = 7;
    for (bool more = true; more;) {
        auto reply = must(raw->call(request));
        CHECK(reply.runs.size() <= 7);
        for (const auto& run : reply.runs) {
            CHECK(run->state == (run->first % 2 == 0 ? 2 : 0));
            CHECK(run->end == run->first + 1);
            firsts.push_back(run->first);
        }
        more = reply.more;
        if (more) request.after = std::move(reply.runs.back());
    }
    std::vector<std::uint64_t> all(20);
    for (std::uint64_t i = 0; i < 20; ++i)
        all[i] = i;
    CHECK(firsts == all);
    request = {};
    request.group = "nobody";
    CHECK(code_of(raw->call(request)) == ErrorCode::unknown_group);
}
