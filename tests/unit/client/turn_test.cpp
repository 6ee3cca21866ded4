// Which thread does the I/O: the client's own, a consumer that waits in poll(), or a producer
// without linger inside send().
#include "client_fixture.hpp"

#include <thread>

using namespace casc;
using namespace casc::client;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

struct TurnFixture : ClientFixture {
    [[nodiscard]] Producer prompt_producer() {
        ProducerOptions options;
        options.linger = 0us;
        return producer(options);
    }
    [[nodiscard]] Consumer reader() {
        auto made = client->make_consumer({});
        REQUIRE(made);
        REQUIRE(made->assign({{"orders", PartitionId(0), Lane::normal, Offset(0)}}));
        return std::move(*made);
    }
    static Event event(const std::string& text) {
        return {.payload = std::as_bytes(std::span(text)), .partition = PartitionId(0)};
    }
};

}  // namespace

TEST_CASE_FIXTURE(TurnFixture,
                  "client/turn: senders, a consumer and calls share one client without a loss") {
    constexpr int kThreads = 3;
    constexpr int kEach = 300;
    auto sending = prompt_producer();
    auto reading = reader();
    std::atomic<int> delivered{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < kEach; ++i) {
                const std::string text = std::to_string(t) + "." + std::to_string(i);
                CHECK(sending.send(event(text), [&](Result<Delivery> outcome) {
                    if (outcome) delivered.fetch_add(1);
                }));
                if (i % 50 == 0) CHECK(client->call(wire::fb::ListTopicsT{}));
            }
        });
    std::vector<int> next(kThreads, 0);
    int received = 0;
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (received < kThreads * kEach && std::chrono::steady_clock::now() < until) {
        const auto events = reading.poll(100, 100ms);
        REQUIRE(events);
        for (const ConsumedEvent& consumed : *events) {
            const std::string text(reinterpret_cast<const char*>(consumed.event.payload.data()),
                                   consumed.event.payload.size());
            const auto from = static_cast<std::size_t>(text[0] - '0');
            CHECK(std::stoi(text.substr(2)) == next[from]++);
            ++received;
        }
    }
    for (auto& thread : threads)
        thread.join();
    CHECK(received == kThreads * kEach);
    CHECK(sending.flush());
    CHECK(delivered.load() == kThreads * kEach);
}

TEST_CASE_FIXTURE(TurnFixture,
                  "client/turn: a callback sends, and one that would wait is refused") {
    auto sending = prompt_producer();
    std::promise<ErrorCode> waited;
    std::atomic<int> delivered{0};
    const std::string first = "first", second = "second";
    REQUIRE(sending.send(event(first), [&](Result<Delivery> outcome) {
        REQUIRE(outcome);
        CHECK(sending.try_send(event(second), [&](Result<Delivery>) { ++delivered; }));
        waited.set_value(client->call(wire::fb::ListTopicsT{}).error().code);
    }));
    CHECK(waited.get_future().get() == ErrorCode::invalid_request);
    CHECK(sending.flush());
    CHECK(delivered.load() == 1);
}

// The client's thread watches from outside for 50 ms at most. What it does not watch for comes so
// late; a thousand times that is minutes, and what it should be is a fraction of a second.
constexpr int kRounds = 1000;
constexpr auto kFarTooLong = 15s;

TEST_CASE_FIXTURE(TurnFixture,
                  "client/turn: an acknowledgement is read when it comes, whoever has sent") {
    auto sending = prompt_producer();
    const std::string text = "a";
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < kRounds; ++i)
        REQUIRE(sending.send_future(event(text)).get());
    CHECK(std::chrono::steady_clock::now() - began < kFarTooLong);
}

TEST_CASE_FIXTURE(TurnFixture,
                  "client/turn: a consumer gets its event while another one is at work") {
    auto at_work = reader();
    auto waiting = reader();
    std::atomic<int> received{0};
    std::thread other([&] {
        while (received.load() < kRounds) {
            const auto events = waiting.poll(1, kPatience);
            REQUIRE(events);
            received.fetch_add(static_cast<int>(events->size()));
            received.notify_all();
        }
    });
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < kRounds; ++i) {
        broker.append(log(0), make_batch({"a"}));
        REQUIRE(at_work.poll(1, kPatience));
        // Its work takes until the other one has its event, too.
        for (int now = received.load(); now <= i; now = received.load())
            received.wait(now);
    }
    other.join();
    CHECK(std::chrono::steady_clock::now() - began < kFarTooLong);
}

TEST_CASE_FIXTURE(TurnFixture, "client/turn: answers come while a consumer sleeps in poll()") {
    auto reading = reader();
    std::atomic<bool> stop{false};
    std::thread polling([&] {
        while (!stop.load())
            CHECK(reading.poll(1, 2'000ms));
    });
    for (int i = 0; i < 50; ++i)
        CHECK(client->call(wire::fb::ListTopicsT{}));
    stop.store(true);
    auto sending = prompt_producer();
    const std::string text = "wake up";
    CHECK(sending.send(event(text)));
    polling.join();
}

TEST_CASE_FIXTURE(TurnFixture,
                  "client/turn: a client is closed while a consumer sleeps in poll()") {
    auto reading = reader();
    std::thread polling([&] {
        for (;;) {
            const auto events = reading.poll(1, 10'000ms);
            if (events) continue;
            CHECK(events.error().code == ErrorCode::cancelled);
            return;
        }
    });
    client->close();
    polling.join();
}
