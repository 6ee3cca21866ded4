// What becomes of batches when the broker refuses, forgets or disappears.
#include "client_fixture.hpp"

using namespace casc;
using namespace casc::client;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

// One event per batch, so that there are many batches on the way at once.
ProducerOptions small_batches() {
    ProducerOptions options;
    options.batch_bytes = 101;
    options.linger = 0us;
    return options;
}

bool is_produce(const FakeBroker::Request& request) {
    return request.api == wire::Api::produce;
}

}  // namespace

TEST_CASE_FIXTURE(ClientFixture,
                  "client/retry: a cut at any point keeps the order and creates no duplicate") {
    constexpr int kEvents = 40;
    auto sending = producer(small_batches());
    int rounds = 0;
    for (int cut_at = 1; cut_at <= 12; ++cut_at) {
        for (const bool stored : {false, true}) {
            int seen = 0;
            const auto cut = [&, cut_at](const auto& request) {
                return is_produce(request) && ++seen == cut_at ? Verdict{Verdict::cut} : Verdict{};
            };
            // Before it is carried out, or after it, so that only the answer is lost.
            const auto hooks = stored ? broker.on_request(nullptr, cut) : broker.on_request(cut);
            for (const auto& n : numbers(kEvents))
                REQUIRE(sending.send(event_for(n)));
            REQUIRE(sending.flush());
            ++rounds;
        }
    }
    std::vector<std::string> expected;
    for (int i = 0; i < rounds; ++i)
        for (const auto& n : numbers(kEvents))
            expected.push_back(n);
    CHECK(broker.payloads(log(0)) == expected);
    CHECK(broker.connections() >= 20);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/retry: an answer that was lost comes back as a duplicate") {
    std::atomic<int> cuts{1};
    const auto hooks = broker.on_request(nullptr, [&](const auto& r) {
        return is_produce(r) && cuts-- > 0 ? Verdict{Verdict::cut} : Verdict{};
    });
    auto sending = producer();
    const auto delivery = sending.send_future(event_for("a")).get();
    REQUIRE(delivery);
    CHECK(delivery->duplicate);
    CHECK(delivery->offset == Offset(0));
    CHECK(broker.payloads(log(0)) == std::vector<std::string>{"a"});
}

TEST_CASE_FIXTURE(
    ClientFixture,
    "client/retry: a refusal that may pass is repeated with all that follows, in order") {
    std::atomic<int> left{7};
    int seen = 0;
    const auto hooks = broker.on_request([&](const auto& r) {
        return is_produce(r) && ++seen % 5 == 2 && left-- > 0
                   ? Verdict{Verdict::refuse, ErrorCode::overloaded}
                   : Verdict{};
    });
    auto sending = producer(small_batches());
    for (const auto& n : numbers(60))
        REQUIRE(sending.send(event_for(n)));
    REQUIRE(sending.flush());
    CHECK(broker.payloads(log(0)) == numbers(60));
    CHECK(left < 7);
}

TEST_CASE_FIXTURE(
    ClientFixture,
    "client/retry: a batch that is refused for good fails alone, those behind it go on") {
    const auto hooks = broker.on_request([&](const auto& r) {
        if (!is_produce(r)) return Verdict{};
        const auto batch = wire::BatchView::parse(r.attachments);
        const auto payload = batch->payload(0, batch->stored_payloads());
        return std::ranges::equal(payload, bytes_of("13"))
                   ? Verdict{Verdict::refuse, ErrorCode::event_too_large}
                   : Verdict{};
    });
    auto sending = producer(small_batches());
    std::vector<std::string> failed;
    for (const auto& n : numbers(40))
        REQUIRE(sending.send(event_for(n), [&failed, n](Result<Delivery> d) {
            if (!d && d.error().code == ErrorCode::event_too_large) failed.push_back(n);
        }));
    REQUIRE(sending.flush());
    CHECK(failed == std::vector<std::string>{"13"});
    auto expected = numbers(40);
    expected.erase(expected.begin() + 13);
    CHECK(broker.payloads(log(0)) == expected);
}

TEST_CASE_FIXTURE(
    ClientFixture,
    "client/retry: a producer that the broker has forgotten begins anew without a loss") {
    auto sending = producer(small_batches());
    for (const auto& n : numbers(5))
        REQUIRE(sending.send(event_for(n)));
    REQUIRE(sending.flush());
    std::atomic<bool> forgotten{true};
    const auto hooks = broker.on_request([&](const auto& r) {
        if (r.api == wire::Api::init_producer) forgotten = false;
        return is_produce(r) && forgotten ? Verdict{Verdict::refuse, ErrorCode::unknown_producer}
                                          : Verdict{};
    });
    for (const auto& n : numbers(20))
        REQUIRE(sending.send(event_for(n)));
    REQUIRE(sending.flush());
    auto expected = numbers(5);
    for (const auto& n : numbers(20))
        expected.push_back(n);
    CHECK(broker.payloads(log(0)) == expected);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/retry: a newer instance fences the older one, which then refuses") {
    ProducerOptions named = small_batches();
    named.name = "billing";
    auto old_one = producer(named);
    REQUIRE(old_one.send_future(event_for("a")).get());
    auto new_one = producer(named);
    REQUIRE(new_one.send_future(event_for("b")).get());
    CHECK(old_one.send_future(event_for("c")).get().error().code == ErrorCode::producer_fenced);
    CHECK(old_one.try_send(event_for("d")).error().code == ErrorCode::producer_fenced);
    CHECK(broker.payloads(log(0)) == std::vector<std::string>{"a", "b"});
}

TEST_CASE_FIXTURE(
    ClientFixture,
    "client/retry: a batch is given up after its delivery timeout, later ones go on") {
    std::atomic<bool> silent{true};
    const auto hooks = broker.on_request([&](const auto& r) {
        return is_produce(r) && silent ? Verdict{Verdict::silent} : Verdict{};
    });
    ProducerOptions options = small_batches();
    options.delivery_timeout = 40ms;
    auto sending = producer(options);
    CHECK(sending.send_future(event_for("lost")).get().error().code == ErrorCode::timeout);
    silent = false;
    // The log goes on under another identity: the broker would call the old one's next sequence a
    // gap.
    Result<Delivery> delivery = ErrorCode::timeout;
    for (int i = 0; i < 50 && !delivery; ++i)
        delivery = sending.send_future(event_for("next")).get();
    REQUIRE(delivery);
    CHECK(broker.payloads(log(0)) == std::vector<std::string>{"next"});
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/retry: without a broker events wait, and are given up in time") {
    ProducerOptions options;
    options.delivery_timeout = 40ms;
    auto sending = producer(options);
    broker.stop();
    CHECK(sending.send_future(event_for("a")).get().error().code == ErrorCode::timeout);
    CHECK(sending.in_flight_bytes() == 0);
}

TEST_CASE_FIXTURE(ClientFixture, "client/retry: many partitions and lanes survive cuts together") {
    std::atomic<int> left{10};
    int seen = 0;
    const auto hooks = broker.on_request(nullptr, [&](const auto& r) {
        return is_produce(r) && ++seen % 37 == 0 && left-- > 0 ? Verdict{Verdict::cut} : Verdict{};
    });
    auto sending = producer(small_batches());
    for (const auto& n : numbers(60))
        for (std::uint32_t partition = 0; partition < 4; ++partition)
            for (const Lane lane : kLanes)
                REQUIRE(sending.send(event_for(n, partition, lane)));
    REQUIRE(sending.flush());
    for (std::uint32_t partition = 0; partition < 4; ++partition)
        for (const Lane lane : kLanes)
            CHECK(broker.payloads(log(partition, lane)) == numbers(60));
}
