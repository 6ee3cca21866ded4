#include "client_fixture.hpp"

#include <casc/client/async.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

using namespace casc;
using namespace casc::client;
using namespace casc::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

TEST_CASE_FIXTURE(ClientFixture, "client/async: a call as a future") {
    auto future = async_call(*client, fb::ListTopicsT{}, asio::use_future);
    const auto topics = future.get();
    REQUIRE(topics);
    CHECK(topics->topics.size() == 1);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/async: a call with a callback runs on the callback's executor") {
    asio::io_context context;
    std::thread::id ran_on;
    async_call(*client, fb::ListTopicsT{},
               asio::bind_executor(context, [&](Result<fb::ListTopicsReplyT> reply) {
                   CHECK(reply);
                   ran_on = std::this_thread::get_id();
               }));
    context.run();  // kept busy by the operation, ends with it
    CHECK(ran_on == std::this_thread::get_id());
}

TEST_CASE_FIXTURE(ClientFixture,
                  "client/async: a deferred call is made when it is launched, not before") {
    auto operation = async_call(*client, fb::ListTopicsT{}, asio::deferred);
    CHECK(broker.requests(wire::Api::list_topics).empty());
    CHECK(std::move(operation)(asio::use_future).get());
}

TEST_CASE_FIXTURE(ClientFixture, "client/async: a coroutine sends, flushes and polls") {
    auto sending = producer();
    auto reading = std::move(*client->make_consumer({}));
    REQUIRE(reading.assign({{"orders", PartitionId(0), Lane::normal, Offset(0)}}));
    asio::io_context context;
    std::vector<std::string> seen;
    const auto story = [&]() -> asio::awaitable<void> {
        const auto delivery = co_await async_send(sending, event_for("a"), asio::use_awaitable);
        CHECK(delivery.value().offset == Offset(0));
        const auto accepted = sending.try_send(event_for("b"));
        CHECK(accepted.has_value());
        const auto flushed = co_await async_flush(sending, asio::use_awaitable);
        CHECK(flushed.has_value());
        while (seen.size() < 2) {
            const auto events = co_await async_poll(reading, 10, 10'000ms, asio::use_awaitable);
            if (!events || events->empty()) break;
            for (const ConsumedEvent& e : *events)
                seen.emplace_back(reinterpret_cast<const char*>(e.event.payload.data()),
                                  e.event.payload.size());
        }
        const auto nothing = co_await async_poll(reading, 10, 5ms, asio::use_awaitable);
        CHECK(nothing.value().empty());
    };
    asio::co_spawn(context, story(), [](std::exception_ptr failure) { CHECK_FALSE(failure); });
    context.run();
    CHECK(seen == std::vector<std::string>{"a", "b"});
}

TEST_CASE_FIXTURE(ClientFixture, "client/async: a send waits for room without a thread") {
    std::atomic<bool> closed{true};
    const auto hooks = broker.on_request([&](const auto& r) {
        return r.api == wire::Api::init_producer && closed
                   ? Verdict{Verdict::refuse, ErrorCode::overloaded}
                   : Verdict{};
    });
    ProducerOptions options;
    options.in_flight_bytes = 16_KiB;
    options.batch_bytes = 4_KiB;
    auto sending = producer(options);
    const std::string payload(1000, 'x');
    std::vector<std::future<Result<Delivery>>> deliveries;
    for (int i = 0; i < 100; ++i)
        deliveries.push_back(async_send(sending, event_for(payload), asio::use_future));
    CHECK(sending.in_flight_bytes() <= 32_KiB);
    closed = false;
    for (auto& delivery : deliveries)
        CHECK(delivery.get());
    CHECK(broker.payloads(log(0)).size() == 100);
}

TEST_CASE_FIXTURE(ClientFixture, "client/async: what is refused completes with the refusal") {
    auto sending = producer();
    CHECK(async_send(sending, event_for("a", 99), asio::use_future).get().error().code ==
          ErrorCode::unknown_partition);
    client->close();
    CHECK(async_call(*client, fb::ListTopicsT{}, asio::use_future).get().error().code ==
          ErrorCode::cancelled);
}
