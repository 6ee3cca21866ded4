// Patterns of topics: which are read, those that come later, and those that go.

#include "tapper.hpp"

#include <atomic>
#include <map>
#include <set>
#include <thread>

using namespace casc;
using namespace casc::client;
using namespace casc::test;

namespace {

struct PatternFixture {
    TestBroker broker;
    std::unique_ptr<Client> writing = connect(broker);
    std::unique_ptr<Client> reading = connect(broker);

    void write(const std::string& topic, const std::string& text) {
        auto producer = must(writing->make_producer(topic));
        must(producer.send({.payload = std::as_bytes(std::span(text))}));
        must(producer.close(kPatience));
    }
    void create(const std::string& topic) { create_topic(*writing, topic); }
    void remove(const std::string& topic) {
        fb::DeleteTopicT request;
        request.name = topic;
        must(writing->call(request));
    }
    // It is killed; clients find their way back.
    void restart() {
        broker.kill_hard();
        broker.restart();
    }
    Consumer consumer(const std::string& group, Reset reset = Reset::earliest) {
        ConsumerOptions options;
        options.group = group;
        options.reset = reset;
        options.session_timeout = std::chrono::seconds(5);
        return must(reading->make_consumer(options));
    }
    static void wait_for_assignment(Consumer& of) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (of.assignment().empty()) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            CHECK(must(of.poll(10, 20ms)).empty());
        }
    }
    // "topic=text" of each event, in their order.
    template <class Reader>
    static std::vector<std::string> take(Reader& reader, std::size_t count) {
        std::vector<std::string> taken;
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (taken.size() < count) {
            REQUIRE_MESSAGE(std::chrono::steady_clock::now() < deadline, taken.size());
            for (const ConsumedEvent& event : must(reader.poll(1000, 50ms)))
                taken.push_back(std::string(event.topic) + "=" + text_of(event));
        }
        return taken;
    }
    static std::multiset<std::string> sorted(const std::vector<std::string>& texts) {
        return {texts.begin(), texts.end()};
    }
    // Topics that come while somebody reads: each is created by its first event.
    std::multiset<std::string> write_to_new_topics(int count) {
        std::multiset<std::string> sent;
        for (int i = 0; i < count; ++i) {
            const std::string topic = "orders.n" + std::to_string(i);
            create(topic);
            write(topic, "first");
            sent.insert(topic + "=first");
        }
        return sent;
    }
};

}  // namespace

TEST_CASE_FIXTURE(PatternFixture, "patterns: without a group everything that matches is read") {
    for (const char* topic : {"orders.eu", "orders.us", "orders.eu.paid", "invoices.eu"}) {
        create(topic);
        write(topic, "old");
    }
    auto one = consumer("");
    must(one.subscribe({"orders.*"}));
    CHECK(sorted(take(one, 2)) == std::multiset<std::string>{"orders.eu=old", "orders.us=old"});
    auto all = consumer("");
    must(all.subscribe({"orders.>", "*.eu"}));
    CHECK(sorted(take(all, 4)) == std::multiset<std::string>{"orders.eu=old", "orders.us=old",
                                                             "orders.eu.paid=old",
                                                             "invoices.eu=old"});
    create("orders.asia");
    write("orders.asia", "new");
    write("orders.eu", "newer");
    CHECK(sorted(take(one, 2)) == std::multiset<std::string>{"orders.asia=new", "orders.eu=newer"});
    CHECK(sorted(take(all, 2)) == std::multiset<std::string>{"orders.asia=new", "orders.eu=newer"});
}

TEST_CASE_FIXTURE(PatternFixture, "patterns: what is there can be left out, what comes never is") {
    create("orders.old");
    create("orders.empty");
    write("orders.old", "old");
    auto late = consumer("", Reset::latest);
    must(late.subscribe({"orders.*"}));
    wait_for_assignment(late);  // it has heard where "orders.old" ends
    write("orders.empty", "1");
    create("orders.new");
    write("orders.new", "2");
    write("orders.old", "3");
    CHECK(sorted(take(late, 3)) ==
          std::multiset<std::string>{"orders.empty=1", "orders.new=2", "orders.old=3"});
}

TEST_CASE_FIXTURE(PatternFixture, "patterns: a broken connection misses and repeats nothing") {
    create("orders.a");
    write("orders.a", "0");
    auto reader = consumer("", Reset::latest);
    must(reader.subscribe({"orders.>"}));
    wait_for_assignment(reader);
    write("orders.a", "1");
    CHECK(take(reader, 1) == std::vector<std::string>{"orders.a=1"});
    restart();
    write("orders.a", "2");
    create("orders.b");
    write("orders.b", "3");
    CHECK(sorted(take(reader, 2)) == std::multiset<std::string>{"orders.a=2", "orders.b=3"});
}

TEST_CASE_FIXTURE(PatternFixture, "patterns: the end of a topic is not the end of the reading") {
    for (const char* topic : {"orders.a", "orders.b"}) {
        create(topic);
        write(topic, "1");
    }
    auto reader = consumer("");
    must(reader.subscribe({"orders.*"}));
    TapOptions options{.topics = {"orders.*"}};
    auto tap = must(reading->make_tap(options));
    auto member = consumer("g");
    must(member.subscribe({"orders.*"}));
    CHECK(take(reader, 2).size() == 2);
    CHECK(take(member, 2).size() == 2);
    remove("orders.a");
    write("orders.b", "2");
    CHECK(take(reader, 1) == std::vector<std::string>{"orders.b=2"});
    CHECK(take(member, 1) == std::vector<std::string>{"orders.b=2"});
    CHECK(take(tap, 1) == std::vector<std::string>{"orders.b=2"});
    create("orders.a");  // another one of that name
    write("orders.a", "3");
    CHECK(take(reader, 1) == std::vector<std::string>{"orders.a=3"});
    CHECK(take(member, 1) == std::vector<std::string>{"orders.a=3"});
    CHECK(take(tap, 1) == std::vector<std::string>{"orders.a=3"});
}

TEST_CASE_FIXTURE(PatternFixture,
                  "patterns: nothing is missed of topics that come while they are read") {
    constexpr int topics = 60;
    create("orders.zero");
    write("orders.zero", "old");
    auto reader = consumer("", Reset::latest);
    must(reader.subscribe({"orders.>"}));
    auto member = consumer("latest", Reset::latest);
    must(member.subscribe({"orders.*"}));
    TapOptions tap_options{.topics = {"*.>"}};
    auto tap = must(reading->make_tap(tap_options));
    QueueOptions queue_options;
    queue_options.group = "q";
    queue_options.topics = {"orders.*"};
    queue_options.start = Reset::latest;
    auto queue = must(reading->make_queue_consumer(queue_options));
    // Each has said what it wants before the first of them comes.
    wait_for_assignment(reader);
    wait_for_assignment(member);
    fb::DescribeQueueT describe;
    describe.group = "q";
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!writing->call(describe)) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        CHECK(must(queue.poll(10, 20ms)).empty());
    }
    std::multiset<std::string> sent;
    std::thread writer([&] { sent = write_to_new_topics(topics); });
    const auto by_reader = sorted(take(reader, topics));
    const auto by_member = sorted(take(member, topics));
    const auto by_tap = sorted(take(tap, topics));
    const auto by_queue = sorted(take(queue, topics));
    writer.join();
    CHECK(by_reader == sent);
    CHECK(by_member == sent);
    CHECK(by_tap == sent);
    CHECK(by_queue == sent);
}

TEST_CASE_FIXTURE(PatternFixture,
                  "patterns/group: members share what comes, and a restart goes on where it was") {
    create("orders.a");
    write("orders.a", "1");
    {
        auto first = consumer("g", Reset::latest);
        must(first.subscribe({"orders.*"}));
        wait_for_assignment(first);
        write("orders.a", "2");
        CHECK(take(first, 1) == std::vector<std::string>{"orders.a=2"});
        must(first.commit());
        must(first.close());
    }
    // Nobody reads while this one comes; and the broker itself is another one afterwards.
    create("orders.b");
    write("orders.b", "3");
    restart();
    write("orders.a", "4");
    auto second = consumer("g", Reset::latest);
    must(second.subscribe({"orders.*"}));
    auto third = consumer("g", Reset::latest);
    must(third.subscribe({"orders.*"}));
    std::multiset<std::string> got;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (got.size() < 2) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        for (Consumer* member : {&second, &third})
            for (const ConsumedEvent& event : must(member->poll(10, 20ms)))
                got.insert(std::string(event.topic) + "=" + text_of(event));
    }
    CHECK(got == std::multiset<std::string>{"orders.a=4", "orders.b=3"});
}

TEST_CASE_FIXTURE(PatternFixture,
                  "patterns/queue: the group's own dead letters are not among what it reads") {
    QueueOptions options;
    options.group = "q";
    options.topics = {">"};
    options.settings.dead_letter_topic = "orders.dead";
    options.settings.deliveries_max = 1;
    auto queue = must(reading->make_queue_consumer(options));
    create("orders.a");
    write("orders.a", "bad");
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    bool refused = false;
    while (!refused) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        for (const ConsumedEvent& event : must(queue.poll(10, 20ms))) {
            must(queue.refuse(event.id(), "no"));
            refused = true;
        }
    }
    must(queue.flush());
    auto dead = consumer("");
    must(dead.subscribe({"orders.dead"}));  // it comes when it is needed
    CHECK(take(dead, 1) == std::vector<std::string>{"orders.dead=bad"});
    write("orders.a", "good");
    bool good = false;
    while (!good) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        for (const ConsumedEvent& event : must(queue.poll(10, 20ms))) {
            CHECK(text_of(event) == "good");
            must(queue.done(event.id()));
            good = true;
        }
    }
}

TEST_CASE_FIXTURE(PatternFixture, "patterns: a bad one is refused with a number of its own") {
    RawConnection raw(broker.endpoint());
    raw.hello();
    fb::SubscribeT subscribe;
    subscribe.subscription_id = 1;
    subscribe.patterns = {"a.>.b"};
    CHECK(code_of(raw.call(subscribe)) == ErrorCode::invalid_pattern);
    subscribe.patterns = {"a b"};
    CHECK(code_of(raw.call(subscribe)) == ErrorCode::invalid_request);
    subscribe.patterns.assign(1001, "a.*");
    CHECK(code_of(raw.call(subscribe)) == ErrorCode::invalid_request);
    subscribe.patterns = {"a.*"};
    subscribe.start = 2;
    CHECK(code_of(raw.call(subscribe)) == ErrorCode::invalid_request);
    fb::JoinGroupT join;
    join.group = "g";
    join.topics = {"a*"};
    join.session_timeout_ms = join.rebalance_timeout_ms = 10'000;
    CHECK(code_of(raw.call(join)) == ErrorCode::invalid_pattern);
    fb::JoinQueueT queue;
    queue.group = "q";
    queue.subscription_id = 2;
    queue.topics = {"a.**"};
    queue.prefetch_events = 10;
    queue.prefetch_bytes = 10;
    CHECK(code_of(raw.call(queue)) == ErrorCode::invalid_pattern);
    Tapper tapper(broker);
    CHECK(code_of(tapper.tap([](fb::TapT& request) { request.topics = {"a..*"}; })) ==
          ErrorCode::invalid_pattern);
    CHECK(code_of(reading->make_tap({.topics = {"*x"}})) == ErrorCode::invalid_pattern);
    auto consumer = this->consumer("");
    must(consumer.subscribe({"x*"}));
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    ErrorCode told = ErrorCode::ok;
    while (told == ErrorCode::ok) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        told = code_of(consumer.poll(1, 20ms));
    }
    CHECK(told == ErrorCode::invalid_pattern);
    CHECK(code_of(this->consumer("", Reset::error).subscribe({"a.*"})) ==
          ErrorCode::invalid_request);
}

TEST_CASE_FIXTURE(PatternFixture, "patterns: a log that a reader has taken out stays out") {
    create("orders.a");
    create("orders.b");
    write("orders.a", "1");
    write("orders.b", "1");
    auto reader = consumer("");
    must(reader.subscribe({"orders.*"}));
    CHECK(take(reader, 2).size() == 2);
    must(reader.pause("orders.a", PartitionId(0)));
    write("orders.a", "2");
    write("orders.b", "2");
    CHECK(take(reader, 1) == std::vector<std::string>{"orders.b=2"});
    CHECK(must(reader.poll(10, 100ms)).empty());
    must(reader.resume("orders.a", PartitionId(0)));
    CHECK(take(reader, 1) == std::vector<std::string>{"orders.a=2"});
}

TEST_CASE_FIXTURE(PatternFixture, "patterns/tap: shared by those who ask for the same") {
    create("prices.a");
    TapOptions options{.topics = {"prices.*"}, .share = "s"};
    auto one = must(reading->make_tap(options));
    auto two = must(reading->make_tap(options));
    options.topics = {"prices.>"};
    CHECK(code_of(reading->make_tap(options)) == ErrorCode::invalid_request);
    create("prices.b");
    std::multiset<std::string> got;
    write("prices.a", "1");
    write("prices.b", "2");
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (got.size() < 2) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        for (Tap* tap : {&one, &two})
            for (const ConsumedEvent& event : must(tap->poll(10, 20ms)))
                got.insert(std::string(event.topic) + "=" + text_of(event));
    }
    CHECK(got == std::multiset<std::string>{"prices.a=1", "prices.b=2"});
}
