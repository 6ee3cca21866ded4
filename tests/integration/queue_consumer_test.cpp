// The client's member of a queue group, against a real broker.

#include "broker_verbs.hpp"

#include <casc/client/queue_consumer.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>

using namespace casc;
using namespace casc::test;
using client::ConsumedEvent;
using client::EventId;
using client::QueueConsumer;
using client::QueueOptions;

namespace {

struct Taken {
    EventId id;
    std::string text;
    std::uint32_t attempts;
};

struct QueueConsumerFixture {
    TestBroker broker;
    std::unique_ptr<client::Client> client = connect(broker);
    std::uint32_t topic = create_topic(*client, "t", partitions(2));

    void fill(int count, std::uint32_t partition = 0, Lane lane = Lane::normal) {
        client::ProducerOptions options;
        auto producer = must(client->make_producer("t", options));
        for (int i = 0; i < count; ++i) {
            const std::string text = std::to_string(filled++);
            client::Event event;
            event.payload = std::as_bytes(std::span(text));
            event.partition = PartitionId(partition);
            event.lane = lane;
            must(producer.send(event));
        }
        must(producer.flush());
    }
    static QueueOptions options_of(const std::string& group) {
        QueueOptions options;
        options.group = group;
        options.topics = {"t"};
        options.settings.retry_delay = 0ms;
        return options;
    }
    QueueConsumer member(const std::string& group) { return member(options_of(group)); }
    QueueConsumer member(QueueOptions options) {
        return must(client->make_queue_consumer(std::move(options)));
    }
    // The next `count` events.
    static std::vector<Taken> take(QueueConsumer& queue, std::size_t count) {
        std::vector<Taken> taken;
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (taken.size() < count) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            for (const ConsumedEvent& e : must(queue.poll(count - taken.size(), 100ms)))
                taken.push_back({e.id(),
                                 {reinterpret_cast<const char*>(e.event.payload.data()),
                                  e.event.payload.size()},
                                 e.attempts});
        }
        return taken;
    }
    fb::QueueLogT log(const std::string& group, std::uint32_t partition = 0) {
        fb::DescribeQueueT request;
        request.group = group;
        for (const auto& log : must(client->call(request)).logs)
            if (log->topic_id == topic && log->partition == partition &&
                log->lane == static_cast<std::uint8_t>(Lane::normal))
                return *log;
        FAIL("the group does not know the log");
        return {};
    }
    std::size_t members(const std::string& group) {
        fb::DescribeQueueT request;
        request.group = group;
        return must(client->call(request)).members.size();
    }
    int filled = 0;
};

}  // namespace

TEST_CASE_FIXTURE(QueueConsumerFixture,
                  "client/queue_consumer: each event once, settled in any order") {
    auto queue = member("g");
    fill(3000, 0);
    fill(2000, 1);
    auto events = take(queue, 700);
    CHECK(queue.held() == 700);
    std::set<std::string> seen;
    std::mt19937 random(1);
    while (seen.size() < 5000) {
        std::shuffle(events.begin(), events.end(), random);
        for (std::size_t i = 0; i < events.size(); ++i) {
            CHECK(events[i].attempts == 1);
            CHECK(seen.insert(events[i].text).second);
            must(queue.done(events[i].id));
        }
        if (seen.size() < 5000)
            events = take(queue, std::min<std::size_t>(5000 - seen.size(), 700));
    }
    CHECK(queue.held() == 0);
    must(queue.flush());
    CHECK(log("g", 0).floor == 3000);
    CHECK(log("g", 1).floor == 2000);
}

TEST_CASE_FIXTURE(QueueConsumerFixture,
                  "client/queue_consumer: a whole poll is done with one call") {
    auto queue = member("g");
    fill(1500);
    for (std::size_t done = 0; done < 1500;) {
        const auto events = must(queue.poll(400, 100ms));
        done += events.size();
        must(queue.done(events));
        CHECK(code_of(queue.done(events)) ==
              (events.empty() ? ErrorCode::ok : ErrorCode::lease_lost));
    }
    must(queue.flush());
    CHECK(log("g").floor == 1500);
}

TEST_CASE_FIXTURE(
    QueueConsumerFixture,
    "client/queue_consumer: refused comes again and counts, released does not count") {
    auto options = options_of("g");
    options.settings.deliveries_max = 3;
    auto queue = member(options);
    fill(2);
    auto events = take(queue, 2);
    must(queue.refuse(events[0].id, "no paper"));
    must(queue.done(events[1].id));
    events = take(queue, 1);
    CHECK(events[0].text == "0");
    CHECK(events[0].attempts == 2);
    must(queue.release(events[0].id));
    events = take(queue, 1);
    CHECK(events[0].attempts == 2);
    must(queue.refuse(events[0].id, "no paper", 0ms));
    events = take(queue, 1);
    CHECK(events[0].attempts == 3);
    must(queue.refuse(events[0].id, "no ink"));
    must(queue.flush());

    // That was the last attempt.
    auto dead = member([] {
        auto of_dead = options_of("undertaker");
        of_dead.topics = {"g.dead"};
        return of_dead;
    }());
    const auto letter = take(dead, 1);
    CHECK(letter[0].text == "0");
    CHECK(log("g").floor == 2);
}

TEST_CASE_FIXTURE(
    QueueConsumerFixture,
    "client/queue_consumer: what is given up is a dead letter at once, with the reason") {
    auto queue = member("g");
    fill(1);
    must(queue.give_up(take(queue, 1)[0].id, "unreadable"));
    must(queue.flush());
    auto options = options_of("undertaker");
    options.topics = {"g.dead"};
    auto dead = member(options);
    std::map<std::string, std::string> headers;
    while (headers.empty()) {
        for (const ConsumedEvent& e : must(dead.poll(1, 100ms))) {
            wire::HeaderCursor cursor(e.event.headers);
            std::string_view name;
            std::string_view value;
            while (cursor.next(name, value))
                headers.emplace(name, value);
        }
    }
    CHECK(headers["casc-dead-error"] == "unreadable");
    CHECK(headers["casc-dead-topic"] == "t");
}

TEST_CASE_FIXTURE(
    QueueConsumerFixture,
    "client/queue_consumer: settling twice, or somebody else's event, is lease_lost") {
    auto anna = member("g");
    fill(2);
    const auto events = take(anna, 2);
    must(anna.done(events[0].id));
    CHECK(code_of(anna.done(events[0].id)) == ErrorCode::lease_lost);
    CHECK(code_of(anna.refuse(events[0].id, "")) == ErrorCode::lease_lost);
    auto bert = member("g");
    CHECK(code_of(bert.done(events[1].id)) == ErrorCode::lease_lost);
    CHECK(code_of(anna.done({LogId(TopicId(topic), PartitionId(1), Lane::low), Offset(7)})) ==
          ErrorCode::lease_lost);
    must(anna.flush());
    must(anna.done(events[1].id));
    must(anna.flush());
}

TEST_CASE_FIXTURE(
    QueueConsumerFixture,
    "client/queue_consumer: what a member leaves behind goes to the others, with gaps") {
    auto anna = member("g");
    fill(300);
    const auto events = take(anna, 300);
    std::set<std::string> left;
    for (const Taken& event : events) {
        if (event.id.offset.value() % 3 == 0)
            must(anna.done(event.id));
        else
            left.insert(event.text);
    }
    must(anna.close());
    CHECK(code_of(anna.poll(1, 0ms)) == ErrorCode::cancelled);

    auto bert = member("g");
    for (const Taken& event : take(bert, left.size())) {
        CHECK(left.erase(event.text) == 1);
        CHECK(event.attempts == 1);
        must(bert.done(event.id));
    }
    must(bert.flush());
    CHECK(log("g").floor == 300);
}

TEST_CASE_FIXTURE(
    QueueConsumerFixture,
    "client/queue_consumer: a busy member keeps its leases, one that hangs loses them") {
    auto options = options_of("g");
    options.settings.lease = 3000ms;
    auto busy = member(options);
    fill(1);
    const auto kept = take(busy, 1);
    // From here on it neither polls nor settles, for longer than a lease lasts.
    options.hold_max = 1ms;
    std::vector<EventId> lost;
    options.on_lost = [&](const EventId& event, const Error& why) {
        CHECK(why.code == ErrorCode::lease_lost);
        lost.push_back(event);
    };
    auto hangs = member(options);
    fill(1);
    const auto gone = take(hangs, 1);
    auto heir = member(options_of("g"));
    const auto inherited = take(heir, 1);
    CHECK(inherited[0].text == gone[0].text);
    CHECK(inherited[0].attempts == 2);
    must(heir.done(inherited[0].id));
    must(heir.flush());
    must(hangs.done(gone[0].id));  // it does not know yet
    CHECK(code_of(hangs.flush()) == ErrorCode::lease_lost);
    CHECK(lost == std::vector<EventId>{gone[0].id});
    must(hangs.flush());  // said once
    must(busy.done(kept[0].id));
    must(busy.flush());
}

TEST_CASE_FIXTURE(QueueConsumerFixture,
                  "client/queue_consumer: what the program forgets comes again") {
    auto options = options_of("g");
    options.hold_max = 20ms;
    int forgotten = 0;
    options.on_lost = [&](const EventId&, const Error&) { ++forgotten; };
    auto queue = member(options);
    fill(2);
    auto events = take(queue, 2);
    must(queue.done(events[1].id));
    events = take(queue, 1);
    CHECK(events[0].text == "0");
    CHECK(events[0].attempts >= 2);
    CHECK(forgotten >= 1);
}

TEST_CASE_FIXTURE(QueueConsumerFixture,
                  "client/queue_consumer: a broken connection costs an attempt, and nothing else") {
    auto options = options_of("g");
    std::vector<EventId> lost;
    options.on_lost = [&](const EventId& event, const Error&) { lost.push_back(event); };
    auto queue = member(options);
    fill(3);
    const auto before = take(queue, 3);
    must(queue.done(before[0].id));
    must(queue.flush());
    broker.kill_hard();
    broker.restart();
    std::map<std::string, std::uint32_t> again;
    for (const Taken& event : take(queue, 2))
        again[event.text] = event.attempts;
    CHECK(again == std::map<std::string, std::uint32_t>{{"1", 2}, {"2", 2}});
    CHECK(lost == std::vector<EventId>{before[1].id, before[2].id});
    must(queue.done(before[1].id));  // it is this member's again
    must(queue.done(before[2].id));
    CHECK(code_of(queue.flush()) == ErrorCode::lease_lost);  // those that were lost
    CHECK(log("g").floor == 3);
    must(queue.flush());
}

TEST_CASE_FIXTURE(QueueConsumerFixture,
                  "client/queue_consumer: joining what cannot be joined says why") {
    CHECK(code_of(client->make_queue_consumer({})) == ErrorCode::invalid_config);
    member("g");
    auto options = options_of("g");
    options.topics = {"other"};
    CHECK(code_of(client->make_queue_consumer(options)) == ErrorCode::invalid_request);
    options = options_of("h");
    options.settings.lease = 1ms;
    CHECK(code_of(client->make_queue_consumer(options)) == ErrorCode::invalid_config);
    auto stream = must(client->make_consumer([] {
        client::ConsumerOptions of_stream;
        of_stream.group = "stream";
        return of_stream;
    }()));
    must(stream.subscribe({"t"}));
    static_cast<void>(must(stream.poll(1, 0ms)));
    while (stream.assignment().empty())
        static_cast<void>(must(stream.poll(1, 10ms)));
    CHECK(code_of(client->make_queue_consumer(options_of("stream"))) ==
          ErrorCode::wrong_group_kind);
    client->close();
    CHECK(code_of(client->make_queue_consumer(options_of("g"))) == ErrorCode::cancelled);
}

TEST_CASE_FIXTURE(
    QueueConsumerFixture,
    "client/queue_consumer: closed, it says no to everything, and its client can be closed") {
    auto queue = member("g");
    fill(2);
    const auto events = take(queue, 2);
    must(queue.close());
    CHECK(queue.held() == 0);
    CHECK(code_of(queue.done(events[0].id)) == ErrorCode::lease_lost);
    CHECK(code_of(queue.flush()) == ErrorCode::cancelled);
    must(queue.close());
    // Waited for the renewal of leases that nobody held any more.
    client->close();
}

TEST_CASE_FIXTURE(QueueConsumerFixture,
                  "client/queue_consumer: when its client is closed every poll says so") {
    auto queue = member("g");
    fill(1);
    take(queue, 1);
    client->close();
    CHECK(code_of(queue.poll(1, 0ms)) == ErrorCode::cancelled);
    CHECK(code_of(queue.poll(1, 0ms)) == ErrorCode::cancelled);
}

TEST_CASE_FIXTURE(
    QueueConsumerFixture,
    "client/queue_consumer: nobody is left behind by closing after a broken connection") {
    auto queue = member("g");
    fill(1);
    take(queue, 1);
    broker.kill_hard();
    broker.restart();
    static_cast<void>(describe_topic(*client, "t"));  // connected again
    static_cast<void>(queue.close());
    CHECK(members("g") == 0);
    auto heir = member("g");
    CHECK(take(heir, 1)[0].text == "0");
}

TEST_CASE_FIXTURE(QueueConsumerFixture,
                  "client/queue_consumer: a member that hangs leaves the group, and comes back") {
    auto options = options_of("g");
    options.settings.lease = 100ms;
    options.settings.deliveries_max = 0;
    options.hold_max = 1ms;
    auto hangs = member(options);
    fill(3);
    const auto gone = take(hangs, 1);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (members("g") != 0)
        REQUIRE(std::chrono::steady_clock::now() < deadline);
    // It goes on.
    std::set<std::string> again;
    while (again.size() < 3) {
        for (const Taken& event : take(hangs, 1)) {
            again.insert(event.text);
            static_cast<void>(hangs.done(event.id));
        }
    }
    static_cast<void>(hangs.flush());  // some may have been lost once more, on a slow machine
    CHECK(members("g") == 1);
    CHECK(gone[0].text == "0");
}
