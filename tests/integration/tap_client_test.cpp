// Taps and volatile topics as a program has them.

#include "tapper.hpp"

#include <casc/client/async.hpp>

#include <atomic>
#include <set>
#include <thread>

using namespace casc;
using namespace casc::client;
using namespace casc::test;

namespace {

struct TapClientFixture {
    TestBroker broker;
    std::unique_ptr<Client> writing;
    std::unique_ptr<Client> reading;

    explicit TapClientFixture(std::vector<std::string> settings = {})
        : broker({.settings = std::move(settings)}),
          writing(connect(broker)),
          reading(connect(broker)) {
        create_topic(*writing, "t", in_no_storage);
    }
    // A batch for each event, or, with linger, as many as there are.
    Producer producer(std::chrono::microseconds linger = {}) {
        ProducerOptions options;
        options.acks = Acks::memory;
        options.linger = linger;
        if (linger.count() == 0) options.batch_bytes = 1;
        return must(writing->make_producer("t", options));
    }
    static void send(Producer& to, const std::string& text, const std::string& destination = {}) {
        Event event{.payload = std::as_bytes(std::span(text))};
        event.destination = destination;
        must(to.send(event));
    }
    static std::vector<std::string> take(Tap& tap, std::size_t count,
                                         std::size_t at_a_time = 1000) {
        std::vector<std::string> taken;
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (taken.size() < count) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            for (const ConsumedEvent& event : must(tap.poll(at_a_time, 100ms))) {
                CHECK(event.topic == "t");
                taken.push_back(text_of(event));
            }
        }
        return taken;
    }
};

struct ImpatientClientFixture : TapClientFixture {
    ImpatientClientFixture() : TapClientFixture({"delivery.tap_block_timeout=200ms"}) {}
};

}  // namespace

TEST_CASE_FIXTURE(TapClientFixture, "client/tap: hands out what is produced, also in parts") {
    auto tap = must(reading->make_tap({.topics = {"t"}}));
    auto to = producer(std::chrono::milliseconds(5));
    std::vector<std::string> sent;
    for (int i = 0; i < 1000; ++i) {
        sent.push_back(std::to_string(i));
        send(to, sent.back());
    }
    CHECK(take(tap, 1000, 7) == sent);
    CHECK(must(tap.poll(10, 0ms)).empty());
    CHECK(tap.skipped() == 0);
    REQUIRE(tap.close());
    CHECK(code_of(tap.poll(1, 0ms)) == ErrorCode::cancelled);
}

TEST_CASE_FIXTURE(TapClientFixture, "client/tap: what it cannot have is told when it is made") {
    CHECK(code_of(reading->make_tap({})) == ErrorCode::invalid_config);
    CHECK(code_of(reading->make_tap({.topics = {"t"}, .start = TapStart::last_events})) ==
          ErrorCode::invalid_config);
    CHECK(code_of(reading->make_tap({.topics = {"nowhere"}})) == ErrorCode::unknown_topic);
    CHECK(code_of(writing->make_producer("t")) == ErrorCode::invalid_config);  // acks=durable
}

TEST_CASE_FIXTURE(TapClientFixture, "client/tap: one that blocks gets everything, however slow") {
    TapOptions options{.topics = {"t"}, .on_full = OnFull::block};
    options.bytes_max = 16 << 10;
    options.credit_bytes = 16 << 10;
    auto tap = must(reading->make_tap(options));
    std::atomic<bool> failed{false};
    std::thread writer([&] {
        auto to = must(writing->make_producer(
            "t", {.acks = Acks::memory, .batch_bytes = 2000, .in_flight_bytes = 8000}));
        for (int i = 0; i < 20'000; ++i) {
            const std::string text = std::to_string(i);
            if (!to.send({.payload = std::as_bytes(std::span(text))})) failed = true;
        }
        if (!to.close(kPatience)) failed = true;
    });
    const auto taken = take(tap, 20'000, 13);
    writer.join();
    CHECK_FALSE(failed);
    for (std::size_t i = 0; i < taken.size(); ++i)
        REQUIRE(taken[i] == std::to_string(i));
    CHECK(tap.skipped() == 0);
}

TEST_CASE_FIXTURE(TapClientFixture, "client/tap: a producer of the same client is not stuck") {
    TapOptions options{.topics = {"t"}, .on_full = OnFull::block};
    options.events_max = 10;
    options.credit_bytes = 500;
    auto tap = must(writing->make_tap(options));
    auto to = producer();
    std::thread writer([&] {
        for (int i = 0; i < 300; ++i)
            send(to, std::to_string(i));
        CHECK(to.flush(kPatience));
    });
    // Refused batches are sent again, and may come behind what was sent after them.
    const auto taken = take(tap, 300);
    writer.join();
    CHECK(std::set(taken.begin(), taken.end()).size() == 300);
}

TEST_CASE_FIXTURE(TapClientFixture, "client/tap: counts what it was too slow for") {
    TapOptions options{.topics = {"t"}};
    options.events_max = 10;
    options.credit_bytes = 400;
    auto tap = must(reading->make_tap(options));
    auto to = producer();
    for (int i = 0; i < 200; ++i)
        send(to, std::to_string(i));
    REQUIRE(to.flush());
    std::vector<std::string> taken;
    while (taken.empty() || taken.back() != "199")
        taken.push_back(take(tap, 1, 1).front());
    CHECK(taken.size() < 200);
    CHECK(taken.size() + tap.skipped() == 200);
}

TEST_CASE_FIXTURE(ImpatientClientFixture, "client/tap: is told that it was cut off, and goes on") {
    TapOptions options{.topics = {"t"}, .on_full = OnFull::block};
    options.events_max = 10;
    options.credit_bytes = 400;
    auto tap = must(reading->make_tap(options));
    auto to = producer();
    for (int i = 0; i < 300; ++i)  // more than anybody holds: returns once the tap is cut off
        send(to, std::to_string(i));
    REQUIRE(to.flush(kPatience));
    ErrorCode why = ErrorCode::ok;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (why == ErrorCode::ok && std::chrono::steady_clock::now() < deadline)
        why = code_of(tap.poll(1000, 100ms));
    CHECK(why == ErrorCode::tap_cut_off);
    while (tap.restarts() == 0) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        CHECK(must(tap.poll(1000, 10ms)).empty());
    }
    send(to, "again");
    CHECK(take(tap, 1) == std::vector<std::string>{"again"});
}

TEST_CASE_FIXTURE(TapClientFixture, "client/tap: begins again when the broker does") {
    auto tap = must(reading->make_tap({.topics = {"t"}}));
    auto to = producer();
    send(to, "before");
    CHECK(take(tap, 1).front() == "before");
    REQUIRE(to.flush());  // it may be here before its producer is told, who would send it again
    broker.kill_hard();
    broker.restart();
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (tap.restarts() == 0) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        CHECK(must(tap.poll(1000, 10ms)).empty());
    }
    send(to, "after");
    CHECK(take(tap, 1).front() == "after");
}

TEST_CASE_FIXTURE(TapClientFixture, "client/tap: says when there is something to poll") {
    auto tap = must(reading->make_tap({.topics = {"t"}}));
    std::promise<void> ready;
    tap.when_ready([&] { ready.set_value(); });
    auto to = producer();
    send(to, "x");
    REQUIRE(ready.get_future().wait_for(kPatience) == std::future_status::ready);
    CHECK(must(tap.poll(10, 0ms)).size() == 1);
}

TEST_CASE_FIXTURE(TapClientFixture, "client/tap: a consumer reads volatile topics as any other") {
    auto to = producer();
    for (int i = 0; i < 100; ++i)
        send(to, std::to_string(i));
    REQUIRE(to.flush());
    auto consumer = must(reading->make_consumer({.group = "g"}));
    must(consumer.subscribe({"t"}));
    std::vector<std::string> taken;
    CHECK(poll_until(consumer, taken, [&] { return taken.size() == 100; }));
    must(consumer.commit());
    must(consumer.close());
    // What the group has committed means nothing after a restart, and is known to.
    broker.restart();
    send(to, "new");
    REQUIRE(to.flush(kPatience));
    auto again = must(reading->make_consumer({.group = "g"}));
    must(again.subscribe({"t"}));
    taken.clear();
    CHECK(poll_until(again, taken, [&] { return !taken.empty(); }));
    CHECK(taken == std::vector<std::string>{"new"});
}
