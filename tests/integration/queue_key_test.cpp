// Queue groups in order of keys, over the wire: the events of one key come one at a time, in order,
// whatever becomes of the one before.

#include "queue_fixture.hpp"

#include <algorithm>

using namespace casc;
using namespace casc::test;

namespace {

using Events = std::vector<std::pair<std::string, std::string>>;

struct KeyedFixture : QueueFixture {
    void fill_keyed(const Events& events, Lane lane = Lane::normal,
                    std::uint32_t time_to_live_ms = 0, wire::FinishOptions options = {}) {
        must(produce(*raw, topic, keyed_batch_of(events, lane, options, time_to_live_ms)));
    }
    static fb::JoinQueueReplyT join(QueueMember& member, std::uint32_t deliveries_max = 20) {
        auto request = member.join_request("g");
        request.settings->order = 1;
        request.settings->deliveries_max = deliveries_max;
        return must(member.call(request));
    }
};

}  // namespace

TEST_CASE_FIXTURE(KeyedFixture, "broker/queue_key: of a key one event at a time is out, in order") {
    fill_keyed(
        {{"a", "a1"}, {"a", "a2"}, {"b", "b1"}, {"", "free"}, {"a", "a3"}, {"", "free too"}});
    QueueMember anna(broker);
    QueueMember bert(broker);
    CHECK(join(anna).settings->order == 1);
    join(bert);
    auto first = anna.take(anna.held());
    const auto other = bert.take(bert.held());
    first.insert(first.end(), other.begin(), other.end());
    std::vector<std::string> texts;
    for (const Leased& event : first)
        texts.push_back(event.text);
    std::sort(texts.begin(), texts.end());
    CHECK(texts == std::vector<std::string>{"a1", "b1", "free", "free too"});
    CHECK(log("g").blocked == 2);
    CHECK(log("g").leased == 4);

    // The next one of "a" goes to whoever has room, and no other.
    for (const Leased& event : first) {
        QueueMember& member = std::count(other.begin(), other.end(), event) != 0 ? bert : anna;
        CHECK(member.done({event}).refused.empty());
    }
    std::string next;
    wait_for([&] {
        for (QueueMember* member : {&anna, &bert})
            for (const Leased& event : member->take(member->held())) {
                CHECK(event.attempts == 1);
                next += event.text;
                CHECK(member->done({event}).refused.empty());
            }
        return next.size() >= 4;
    });
    CHECK(next == "a2a3");
    CHECK(log("g").floor == 6);
}

TEST_CASE_FIXTURE(KeyedFixture,
                  "broker/queue_key: what is refused, or lost with its member, keeps those behind "
                  "it waiting") {
    fill_keyed({{"a", "a1"}, {"a", "a2"}, {"b", "b1"}});
    auto anna = std::make_unique<QueueMember>(broker);
    join(*anna);
    auto events = anna->take(2);
    CHECK(events[0].text == "a1");
    anna->say(events[0], QueueMember::kRefused, "not now", 3'600'000);
    CHECK(anna->held() == 0);
    CHECK(log("g").delayed == 1);
    CHECK(log("g").blocked == 1);
    anna->done({events[1]});
    fill_keyed({{"b", "b2"}, {"a", "a3"}});
    const auto b2 = anna->take(1);
    CHECK(b2[0].text == "b2");
    fill_keyed({{"b", "b3"}});
    anna->vanish();

    QueueMember bert(broker);
    join(bert);
    const auto again = bert.take(1);
    CHECK(again[0] == Leased{3, "b2", 2, Lane::normal});
    CHECK(bert.held() == 0);
    bert.done(again);
    CHECK(bert.texts(1) == std::vector<std::string>{"b3"});
}

TEST_CASE_FIXTURE(KeyedFixture, "broker/queue_key: a key is one in all lanes and partitions") {
    fill_keyed({{"a", "normal"}});
    QueueMember anna(broker);
    join(anna);
    const auto normal = anna.take(1);
    fill_keyed({{"a", "critical"}, {"b", "other"}}, Lane::critical);
    CHECK(anna.texts(1) == std::vector<std::string>{"other"});
    CHECK(log("g", Lane::critical).blocked == 1);
    anna.done(normal);
    CHECK(anna.texts(1) == std::vector<std::string>{"critical"});
}

TEST_CASE_FIXTURE(
    KeyedFixture,
    "broker/queue_key: a restart remembers who waits for whom, and counts no delivery "
    "that was none") {
    Events many;
    for (int i = 0; i < 100; ++i)
        many.emplace_back(i % 2 == 0 ? "even" : "odd", std::to_string(i));
    fill_keyed(many, Lane::normal, 0, {.codec = wire::Codec::lz4, .compress_bytes_min = 0});
    {
        QueueMember anna(broker);
        join(anna, /*deliveries_max=*/2);
        const auto events = anna.take(2);
        CHECK(anna.held() == 0);
        CHECK(anna.done({events[0]}).refused.empty());
        CHECK(anna.texts(1) == std::vector<std::string>{"2"});
        anna.say(events[1], QueueMember::kRefused, "later", 3'600'000);
        wait_for([&] { return log("g").delayed == 1; });
        broker.kill_hard();
    }
    broker.restart();
    connect_again();
    fill_keyed({{"odd", "new"}, {"third", "third"}});
    QueueMember bert(broker);
    join(bert);
    // "1" waits for its hour, and with it all odd ones; "2" had been out.
    const auto events = bert.take(2);
    CHECK(events[0] == Leased{2, "2", 2, Lane::normal});
    CHECK(events[1] == Leased{101, "third", 1, Lane::normal});
    CHECK(bert.held() == 0);
    CHECK(bert.done(events).refused.empty());
    for (int i = 4; i < 100; i += 2) {
        const auto next = bert.take(1);
        CHECK(next[0] == Leased{static_cast<std::uint64_t>(i), std::to_string(i), 1, Lane::normal});
        bert.done(next);
    }
    CHECK(bert.held() == 0);
    CHECK(log("g").given_up == 0);
}

TEST_CASE_FIXTURE(KeyedFixture,
                  "broker/queue_key: what becomes a dead letter, expires or falls to retention "
                  "makes room for the next of its key") {
    fill_keyed({{"a", "a1"}, {"a", "a2"}});
    QueueMember anna(broker);
    join(anna);
    anna.say(anna.take(1)[0], QueueMember::kGivenUp, "never");
    const auto a2 = anna.take(1);
    CHECK(a2[0].text == "a2");

    fill_keyed({{"a", "short-lived"}}, Lane::normal, 1);
    fill_keyed({{"a", "a4"}});
    wait_for([&] { return log("g").next == 4; });
    const auto passed = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    wait_for([&] { return std::chrono::steady_clock::now() > passed; });  // its time to live
    anna.done(a2);
    const auto a4 = anna.take(1);
    CHECK(a4[0].text == "a4");

    fill_keyed({{"a", "a5"}, {"a", "a6"}});
    wait_for([&] { return log("g").blocked == 2; });
    fb::PurgeTopicT purge;
    purge.name = "t";
    auto& position = purge.positions.emplace_back(std::make_unique<fb::PurgePositionT>());
    position->lane = static_cast<std::uint8_t>(Lane::normal);
    position->before = a4[0].offset + 2;  // "a4", which is out, and "a5", which waits for it
    must(raw->call(purge));
    CHECK(anna.texts(1) == std::vector<std::string>{"a6"});
}

TEST_CASE_FIXTURE(
    KeyedFixture,
    "broker/queue_key: a backlog of few keys is read in stretches and not one by one") {
    constexpr std::size_t kEvents = 2000;
    for (std::size_t i = 0; i < kEvents; i += 10) {
        Events events;
        for (std::size_t j = i; j < i + 10; ++j)
            events.emplace_back("key " + std::to_string(j % 4), std::to_string(j));
        fill_keyed(events);
    }
    broker.restart();  // nothing is cached
    const double before = figure_of(broker, "casc_cold_reads_total");
    QueueMember anna(broker);
    join(anna);
    std::size_t done = 0;
    wait_for([&] {
        const auto events = anna.take(anna.held());
        if (!events.empty()) CHECK(anna.done(events).refused.empty());
        done += events.size();
        return done == kEvents;
    });
    CHECK(done == kEvents);
    // One for each of the four keys' next events, before.
    CHECK(figure_of(broker, "casc_cold_reads_total") - before < kEvents / 10.0);
}

TEST_CASE_FIXTURE(KeyedFixture, "broker/queue_key: a topic that goes lets go of its keys") {
    const auto second = create_topic(*raw, "u");
    QueueMember anna(broker);
    auto request = anna.join_request("g");
    request.topics = {"t", "u"};
    request.settings->order = 1;
    must(anna.call(request));
    fill_keyed({{"a", "of t"}});
    anna.take(1);
    must(produce(*raw, second, keyed_batch_of(Events{{"a", "of u"}})));
    CHECK(anna.held() == 0);
    fb::DeleteTopicT gone;
    gone.name = "t";
    must(raw->call(gone));
    CHECK(anna.texts(1) == std::vector<std::string>{"of u"});
}
