// Taps over the wire: where they begin, what they do when they are full, who shares them.

#include "tapper.hpp"

#include <map>
#include <set>

using namespace casc;
using namespace casc::test;

namespace {

struct TapFixture {
    TestBroker broker;
    RawConnection raw{broker.endpoint()};
    std::uint32_t topic = 0;

    explicit TapFixture(std::vector<std::string> settings = {})
        : broker({.settings = std::move(settings)}) {
        raw.hello();
        topic = create_topic(raw, "t", in_no_storage);
    }
    void write(const std::string& text, Lane lane = Lane::normal) {
        must(produce(raw, topic, batch_of({text}, lane), Acks::memory));
    }
    void write_keyed(const std::vector<std::pair<std::string, std::string>>& events) {
        must(produce(raw, topic, keyed_batch_of(events), Acks::memory));
    }
    static std::vector<std::string> numbered(int from, int to) {
        std::vector<std::string> texts;
        for (int i = from; i < to; ++i)
            texts.push_back(std::to_string(i));
        return texts;
    }
    double figure(const std::string& name) { return figure_of(broker, name); }
    template <class Condition>
    void wait_for(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (!condition())
            REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
    // A producer that sends all its requests before it reads an answer.
    struct Eager {
        RawConnection raw;
        Eager(const TestBroker& broker, std::uint32_t topic, int count) : raw(broker.endpoint()) {
            raw.hello();
            fb::ProduceT request;
            request.topic_id = topic;
            request.acks = static_cast<std::uint8_t>(Acks::memory);
            wire::Encoder encoder;
            for (int i = 0; i < count; ++i)
                raw.send(frame_bytes(wire::FrameKind::request, wire::Api::produce,
                                     static_cast<std::uint32_t>(1000 + i), encoder.encode(request),
                                     batch_of({std::to_string(i)})));
        }
        void all_answered(int count) {
            for (int i = 0; i < count; ++i) {
                const auto frame = raw.receive();
                REQUIRE(frame);
                CHECK(frame->error == ErrorCode::ok);
                CHECK(frame->header.correlation_id == static_cast<std::uint32_t>(1000 + i));
            }
        }
    };
};

// With room for 200 ms of a dead subscriber.
struct ImpatientFixture : TapFixture {
    ImpatientFixture() : TapFixture({"delivery.tap_block_timeout=200ms"}) {}
};

auto on_full(std::uint8_t policy, std::uint32_t events_max) {
    return [=](fb::TapT& request) {
        request.on_full = policy;
        request.events_max = events_max;
        no_credit(request);
    };
}
constexpr std::uint8_t kDropOldest = 0, kDropNewest = 1, kConflate = 2, kBlock = 3;

}  // namespace

TEST_CASE_FIXTURE(TapFixture, "broker/taps: begin with what comes from now on") {
    write("old");
    Tapper tap(broker);
    CHECK(must(tap.tap()).topic_ids == std::vector<std::uint32_t>{topic});
    write("new");
    CHECK(tap.take(1) == std::vector<std::string>{"new"});
    CHECK(tap.skipped == 0);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: a late joiner gets the last events") {
    must(produce(raw, topic, batch_of(numbered(0, 5)), Acks::memory));
    must(produce(raw, topic, batch_of(numbered(5, 10)), Acks::memory));
    Tapper tap(broker);
    must(tap.tap([](fb::TapT& request) {
        request.start = 1;
        request.last_events = 7;
    }));
    write("10");
    CHECK(tap.take(8) == numbered(3, 11));
    Tapper all(broker);
    must(all.tap([](fb::TapT& request) {
        request.start = 1;
        request.last_events = 1000;
    }));
    CHECK(all.take(11) == numbered(0, 11));
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: a late joiner gets the last event of each key") {
    write_keyed({{"a", "a1"}, {"b", "b1"}, {"a", "a2"}});
    write_keyed({{"c", "c1"}, {"a", "a3"}});
    write_keyed({{"b", "b2"}});
    Tapper tap(broker);
    must(tap.tap([](fb::TapT& request) { request.start = 2; }));
    write_keyed({{"d", "d1"}});
    CHECK(tap.take(4) == std::vector<std::string>{"c1", "a3", "b2", "d1"});
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: one that is full drops the oldest, and says how many") {
    Tapper tap(broker);
    must(tap.tap(on_full(kDropOldest, 5)));
    for (const auto& text : numbered(0, 20))
        write(text);
    CHECK(figure("casc_tap_events_skipped_total") == 15);
    tap.credit();
    CHECK(tap.take(5) == numbered(15, 20));
    CHECK(tap.skipped == 15);
    write("more");
    CHECK(tap.take(1) == std::vector<std::string>{"more"});
    CHECK(tap.skipped == 15);
    CHECK(figure("casc_tap_events_skipped_total") == 15);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: one that is full drops the newest") {
    Tapper tap(broker);
    must(tap.tap(on_full(kDropNewest, 5)));
    for (const auto& text : numbered(0, 20))
        write(text);
    tap.credit();
    CHECK(tap.take(5) == numbered(0, 5));
    write("more");
    CHECK(tap.take(1) == std::vector<std::string>{"more"});
    CHECK(tap.skipped == 15);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: marks in bytes") {
    Tapper tap(broker);
    const std::size_t one = batch_of({std::string(1000, 'x')}).size();
    must(tap.tap([&](fb::TapT& request) {
        request.bytes_max = 4 * one;
        no_credit(request);
    }));
    for (int i = 0; i < 10; ++i)
        write(std::string(1000, static_cast<char>('a' + i)));
    tap.credit();
    CHECK(tap.take(4).front() == std::string(1000, 'g'));
    CHECK(tap.skipped == 6);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: one that is full keeps the last event of each key") {
    Tapper tap(broker);
    must(tap.tap(on_full(kConflate, 10)));
    std::map<std::string, std::string> last;
    for (int i = 0; i < 500; ++i) {
        const std::string key = "k" + std::to_string(i * 7 % 5);
        last[key] = key + "/" + std::to_string(i);
        write_keyed({{key, last[key]}, {"also", std::to_string(i)}});
    }
    tap.credit();
    std::map<std::string, std::string> seen;
    std::size_t count = 0;
    for (;;) {
        const std::string text = tap.take(1).front();
        ++count;
        const auto slash = text.find('/');
        seen[slash == std::string::npos ? "also" : text.substr(0, slash)] = text;
        if (text == "499") break;
    }
    last["also"] = "499";
    CHECK(seen == last);
    CHECK(count <= 20);
    CHECK(tap.skipped == 1000 - count);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: conflating without keys keeps the last event") {
    Tapper tap(broker);
    must(tap.tap(on_full(kConflate, 1)));
    for (const auto& text : numbered(0, 100))
        write(text);
    tap.credit();
    const auto taken = tap.take_until("99");
    CHECK(taken.size() <= 2);
    CHECK(tap.skipped == 100 - taken.size());
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: conflating drops the oldest when keys do not repeat") {
    Tapper tap(broker);
    must(tap.tap(on_full(kConflate, 8)));
    for (int i = 0; i < 100; ++i)
        write_keyed({{std::to_string(i), std::to_string(i)}});
    tap.credit();
    const auto taken = tap.take_until("99");
    CHECK(taken.size() <= 16);
    CHECK(taken.size() >= 8);
    CHECK(tap.skipped == 100 - taken.size());
}

TEST_CASE_FIXTURE(TapFixture,
                  "broker/taps: one that blocks makes producers wait and loses nothing") {
    Tapper tap(broker);
    must(tap.tap(on_full(kBlock, 5)));
    Eager eager(broker, topic, 200);
    wait_for([&] { return figure("casc_tap_producer_holds_total") >= 1; });
    CHECK(figure("casc_tap_events_waiting") <= 6);
    // Others, and other topics, go on.
    const auto other = create_topic(raw, "other", in_no_storage);
    must(produce(raw, other, batch_of({"x"}), Acks::memory));
    tap.credit();
    CHECK(tap.take(200) == numbered(0, 200));
    CHECK(tap.skipped == 0);
    eager.all_answered(200);
}

TEST_CASE_FIXTURE(ImpatientFixture, "broker/taps: a dead one that blocks is cut off") {
    Tapper tap(broker);
    must(tap.tap(on_full(kBlock, 5)));
    Eager eager(broker, topic, 200);
    eager.all_answered(200);
    const auto last = tap.next();
    CHECK(static_cast<ErrorCode>(last.error) == ErrorCode::tap_cut_off);
    CHECK(last.skipped >= 5);
    CHECK(figure("casc_taps_cut_off_total") == 1);
    CHECK(figure("casc_taps") == 0);
    CHECK(broker.wait_for_log("tap_cut_off"));
    // Its number is free again.
    must(tap.tap());
    write("again");
    CHECK(tap.take(1) == std::vector<std::string>{"again"});
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: producers go on when the one that blocks leaves") {
    auto tap = std::make_unique<Tapper>(broker);
    must(tap->tap(on_full(kBlock, 5)));
    Eager eager(broker, topic, 200);
    wait_for([&] { return figure("casc_tap_producer_holds_total") >= 1; });
    SUBCASE("its connection ends") {
        tap.reset();
    }
    SUBCASE("it is ended") {
        fb::UntapT untap;
        untap.subscription_id = 1;
        must(tap->raw().call(untap));
    }
    eager.all_answered(200);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: its own connection cannot wait, and is refused") {
    Tapper tap(broker);
    must(tap.tap(on_full(kBlock, 5)));
    std::vector<ErrorCode> codes;
    for (int i = 0; i < 12; ++i)
        codes.push_back(code_of(produce(tap.raw(), topic, batch_of({"x"}), Acks::memory)));
    CHECK(std::count(codes.begin(), codes.end(), ErrorCode::ok) == 10);
    CHECK(codes.back() == ErrorCode::tap_full);
    tap.credit();
    CHECK(tap.take(10).size() == 10);
    CHECK(code_of(produce(tap.raw(), topic, batch_of({"x"}), Acks::memory)) == ErrorCode::ok);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: a slow one does not slow the others") {
    Tapper slow(broker);
    Tapper fast(broker);
    must(slow.tap(on_full(kDropOldest, 5)));
    must(fast.tap());
    for (const auto& text : numbered(0, 500)) {
        write(text);
        CHECK(fast.take(1).front() == text);
    }
    slow.credit();
    CHECK(slow.take(5) == numbered(495, 500));
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: those that share get each batch once") {
    const auto shared = [](fb::TapT& request) {
        request.share = "workers";
        request.credit_events = 50;
    };
    Tapper anna(broker);
    Tapper bert(broker);
    must(anna.tap(shared));
    must(bert.tap(shared));
    for (const auto& text : numbered(0, 100))
        write(text);
    // Each takes as much as it has room for.
    std::set<std::string> seen;
    for (Tapper* tap : {&anna, &bert})
        for (const auto& text : tap->take(50))
            CHECK(seen.insert(text).second);
    CHECK(seen.size() == 100);
    Tapper stranger(broker);
    const auto refused = stranger.tap([](fb::TapT& request) {
        request.share = "workers";
        request.events_max = 7;
    });
    CHECK(code_of(refused) == ErrorCode::invalid_request);
    // What one leaves behind is the others'.
    anna.raw().abort();
    wait_for([&] { return figure("casc_connections") == 4; });
    bert.credit();
    write("rest");
    CHECK(bert.take(1).front() == "rest");
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: an event with a destination is for one peer") {
    const auto as = [](const std::string& name) {
        return [name](fb::TapT& request) { request.peer = name; };
    };
    Tapper anna(broker);
    Tapper bert(broker);
    Tapper everything(broker);
    must(anna.tap(as("anna")));
    must(bert.tap(as("bert")));
    must(everything.tap());
    wire::BatchBuilder builder(Lane::normal);
    const std::vector<std::pair<std::string, std::string>> events{
        {"anna", "1"}, {"bert", "2"}, {"", "3"}, {"anna", "4"}, {"anna", "5"}, {"carl", "6"}};
    for (const auto& [to, text] : events)
        builder.add({.payload = std::as_bytes(std::span(text)), .destination = to}, EpochNanos(1));
    std::vector<std::byte> bytes;
    builder.finish({}, bytes);
    must(produce(raw, topic, bytes, Acks::memory));
    write("end");
    CHECK(anna.take_until("end") == std::vector<std::string>{"1", "3", "4", "5", "end"});
    CHECK(bert.take_until("end") == std::vector<std::string>{"2", "3", "end"});
    CHECK(everything.take(7).size() == 7);
    CHECK(anna.skipped == 0);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: urgent lanes first, in order of priority") {
    Tapper tap(broker);
    must(tap.tap([](fb::TapT& request) {
        request.order = 0;
        no_credit(request);
    }));
    write("low", Lane::low);
    write("normal");
    write("critical", Lane::critical);
    tap.credit();
    CHECK(tap.take(3) == std::vector<std::string>{"critical", "normal", "low"});
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: stored topics, too, from now on") {
    ChangeSettings settings;
    SUBCASE("durable") {}
    SUBCASE("memory") {
        settings = in_memory;
    }
    const auto stored = create_topic(raw, "stored", settings);
    must(produce(raw, stored, batch_of({"old"})));
    Tapper tap(broker);
    const auto at_stored = [](fb::TapT& request) {
        request.topics = {"stored", "t"};
        request.events_max = 50;
        no_credit(request);
    };
    must(tap.tap(at_stored));
    for (const auto& text : numbered(0, 100))
        must(produce(raw, stored, batch_of({text})));
    tap.credit();
    CHECK(tap.take(50) == numbered(50, 100));
    CHECK(tap.skipped == 50);
    write("and the other");
    CHECK(tap.take(1).front() == "and the other");
    Tapper replaying(broker);
    const auto refused = replaying.tap([](fb::TapT& request) {
        request.topics = {"stored"};
        request.start = 1;
        request.last_events = 5;
    });
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::not_supported);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: new partitions are followed, removed topics are told") {
    Tapper tap(broker);
    create_topic(raw, "u", in_no_storage);
    must(tap.tap([](fb::TapT& request) { request.topics = {"t", "u"}; }));
    fb::AlterTopicT alter;
    alter.name = "t";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->partitions = 4;
    must(raw.call(alter));
    must(produce(raw, topic, batch_of({"third"}), Acks::memory, 3));
    CHECK(tap.take(1).front() == "third");
    fb::DeleteTopicT remove;
    remove.name = "u";
    must(raw.call(remove));
    CHECK(static_cast<ErrorCode>(tap.next().error) == ErrorCode::unknown_topic);
    write("still");
    CHECK(tap.take(1).front() == "still");
    remove.name = "t";
    must(raw.call(remove));
    CHECK(static_cast<ErrorCode>(tap.next().error) == ErrorCode::unknown_topic);
    CHECK(figure("casc_taps") == 0);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: bad requests are told why") {
    Tapper tap(broker);
    const auto code = [&](const std::function<void(fb::TapT&)>& change) {
        return code_of(tap.tap(change));
    };
    CHECK(code([](fb::TapT& r) { r.topics.clear(); }) == ErrorCode::invalid_request);
    CHECK(code([](fb::TapT& r) { r.topics = {"nowhere"}; }) == ErrorCode::unknown_topic);
    CHECK(code([](fb::TapT& r) { r.topics = {"t", "t"}; }) == ErrorCode::invalid_request);
    CHECK(code([](fb::TapT& r) { r.topics.assign(1001, "t"); }) == ErrorCode::invalid_request);
    CHECK(code([](fb::TapT& r) { r.order = 2; }) == ErrorCode::invalid_request);
    CHECK(code([](fb::TapT& r) { r.start = 3; }) == ErrorCode::invalid_request);
    CHECK(code([](fb::TapT& r) { r.start = 1; }) == ErrorCode::invalid_request);
    CHECK(code([](fb::TapT& r) { r.on_full = 4; }) == ErrorCode::invalid_request);
    CHECK(code([](fb::TapT& r) { r.bytes_max = ~std::uint64_t{0}; }) == ErrorCode::invalid_request);
    CHECK(code([](fb::TapT& r) { r.share.assign(250, 's'); }) == ErrorCode::invalid_request);
    CHECK(figure("casc_taps") == 0);
    must(tap.tap());
    CHECK(code({}) == ErrorCode::already_subscribed);
    fb::SubscribeT subscribe;
    subscribe.subscription_id = 1;
    CHECK(code_of(tap.raw().call(subscribe)) == ErrorCode::already_subscribed);
    fb::UntapT untap;
    untap.subscription_id = 2;
    CHECK(code_of(tap.raw().call(untap)) == ErrorCode::unknown_subscription);
    untap.subscription_id = 1;
    must(tap.raw().call(untap));
    CHECK(code_of(tap.raw().call(untap)) == ErrorCode::unknown_subscription);
}

TEST_CASE("broker/taps: what waits for all of them together is bounded") {
    TapFixture at({"volatile.memory_bytes=4MiB", "delivery.tap_block_timeout=200ms"});
    const std::string text(1000, 'x');
    std::vector<std::unique_ptr<Tapper>> taps;
    std::vector<std::uint32_t> topics;
    for (int i = 0; i < 6; ++i) {
        const std::string name = "t" + std::to_string(i);
        topics.push_back(create_topic(at.raw, name, in_no_storage));
        taps.push_back(std::make_unique<Tapper>(at.broker));
        must(taps.back()->tap([&](fb::TapT& request) {
            request.topics = {name};
            request.bytes_max = 4 << 20;
            request.on_full = i == 0 ? kBlock : kDropOldest;
            no_credit(request);
        }));
    }
    // Six would have 3 MiB each. The one that blocks loses nothing, is dead, and goes.
    for (int i = 0; i < 150; ++i)
        for (const std::uint32_t topic : topics)
            must(
                produce(at.raw, topic, batch_of(std::vector<std::string>(20, text)), Acks::memory));
    at.wait_for([&] { return at.figure("casc_volatile_bytes") <= 8.5 * 1024 * 1024; });
    CHECK(static_cast<ErrorCode>(taps[0]->next().error) == ErrorCode::tap_cut_off);
    std::uint64_t skipped = 0;
    for (std::size_t i = 1; i < taps.size(); ++i) {
        must(produce(at.raw, topics[i], batch_of({"last"}), Acks::memory));
        taps[i]->credit();
        const auto taken = taps[i]->take_until("last");
        CHECK(taken.size() + taps[i]->skipped == 3001);
        skipped += taps[i]->skipped;
    }
    CHECK(skipped > 0);
}

TEST_CASE_FIXTURE(TapFixture, "broker/taps: the broker stops in order, whatever waits for them") {
    Tapper tap(broker);
    Tapper blocking(broker);
    must(tap.tap(on_full(kConflate, 5)));
    must(blocking.tap(on_full(kBlock, 5)));
    Eager eager(broker, topic, 200);
    wait_for([&] { return figure("casc_tap_producer_holds_total") >= 1; });
    CHECK(broker.terminate() == 0);
}
