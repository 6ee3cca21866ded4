#include "fake_broker.hpp"

#include <casc/client/call.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

using namespace casc;
using namespace casc::client;
using casc::test::FakeBroker;
using casc::test::Verdict;
namespace fb = casc::wire::fb;

namespace {

ClientOptions options_for(const FakeBroker& broker) {
    ClientOptions options;
    options.endpoints = {broker.endpoint()};
    options.backoff_first = milliseconds(1);
    options.backoff_max = milliseconds(20);
    return options;
}

Verdict only(wire::Api api, const FakeBroker::Request& request, Verdict verdict) {
    return request.api == api ? verdict : Verdict{};
}

}  // namespace

TEST_CASE("client: any request is answered by type") {
    FakeBroker broker;
    broker.add_topic("orders", 3);
    auto client = Client::connect(options_for(broker));
    REQUIRE(client);
    const auto topics = (*client)->call(fb::ListTopicsT{});
    REQUIRE(topics);
    REQUIRE(topics->topics.size() == 1);
    CHECK(topics->topics[0]->name == "orders");
    CHECK((*client)->broker().broker_id == "fake");
}

TEST_CASE("client: a ping of the program's own has its answer") {
    // It passed for the connection's.
    FakeBroker broker;
    auto client = Client::connect(options_for(broker));
    REQUIRE(client);
    CHECK((*client)->call(fb::PingT{}));
}

TEST_CASE("client: what the broker refuses comes back as its error") {
    FakeBroker broker;
    auto client = Client::connect(options_for(broker));
    fb::DescribeTopicT request;
    request.name = "nothing";
    const auto answer = (*client)->call(request);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::unknown_topic);
    CHECK(answer.error().detail == "nothing");
}

TEST_CASE("client: a Unix socket is an endpoint") {
    const std::string path = "/tmp/casc-client-test-" + std::to_string(::getpid());
    {
        FakeBroker broker("unix://" + path);
        auto client = Client::connect(options_for(broker));
        REQUIRE(client);
        CHECK((*client)->call(fb::ListTopicsT{}));
    }
    ::unlink(path.c_str());
}

TEST_CASE("client: a broker that offers no shared memory is refused, not used another way") {
    const std::string path = "/tmp/casc-client-test-shm-" + std::to_string(::getpid());
    {
        FakeBroker broker("unix://" + path);
        auto options = options_for(broker);
        options.endpoints = {"shm://" + path};
        const auto client = Client::connect(options);
        REQUIRE_FALSE(client);
        CHECK(client.error().code == ErrorCode::not_supported);
    }
    ::unlink(path.c_str());
}

// A hook that outlived its case wrote into the stack of whatever ran next.
TEST_CASE("client/fixture: a hook of the fake broker ends with its scope") {
    FakeBroker broker;
    auto client = Client::connect(options_for(broker));
    std::atomic<int> asked{0};
    {
        const auto hooks = broker.on_request([&](const auto&) { return ++asked, Verdict{}; },
                                             [&](const auto&) { return ++asked, Verdict{}; });
        CHECK((*client)->call(fb::ListTopicsT{}));
        CHECK(asked == 2);
    }
    CHECK((*client)->call(fb::ListTopicsT{}));
    CHECK(asked == 2);
}

TEST_CASE("client: a request that is not answered fails at its deadline") {
    FakeBroker broker;
    const auto hooks = broker.on_request(
        [](const auto& r) { return only(wire::Api::list_topics, r, {Verdict::silent}); });
    auto client = Client::connect(options_for(broker));
    const auto answer = (*client)->call(fb::ListTopicsT{}, milliseconds(20));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::timeout);
}

TEST_CASE("client: a request whose connection breaks fails, the next one finds a new connection") {
    FakeBroker broker;
    const auto hooks = broker.on_request(
        [&](const auto& r) { return only(wire::Api::delete_topic, r, {Verdict::cut}); });
    auto client = Client::connect(options_for(broker));
    CHECK((*client)->call(fb::DeleteTopicT{}).error().code == ErrorCode::connection_closed);
    CHECK((*client)->call(fb::ListTopicsT{}));
    CHECK(broker.connections() == 2);
}

// A client that had not noticed yet that its broker had restarted failed its next question.
TEST_CASE("client: what only reads is asked again on the next connection, once") {
    FakeBroker broker;
    std::atomic<int> cuts{0};
    const auto hooks = broker.on_request([&](const auto& r) {
        return r.api == wire::Api::list_topics && cuts-- > 0 ? Verdict{Verdict::cut} : Verdict{};
    });
    auto client = Client::connect(options_for(broker));
    cuts = 1;
    CHECK((*client)->call(fb::ListTopicsT{}));
    CHECK(broker.connections() == 2);
    cuts = 2;
    CHECK((*client)->call(fb::ListTopicsT{}).error().code == ErrorCode::connection_closed);
    CHECK((*client)->call(fb::ListTopicsT{}));
    CHECK(broker.connections() == 4);
}

TEST_CASE("client: connect fails when nobody listens, and says where") {
    std::string endpoint;
    {
        FakeBroker gone;
        endpoint = gone.endpoint();
    }
    ClientOptions options;
    options.endpoints = {endpoint};
    const auto client = Client::connect(options);
    REQUIRE_FALSE(client);
    CHECK(client.error().code == ErrorCode::connection_error);
    CHECK(client.error().detail.find(endpoint) != std::string::npos);
}

TEST_CASE("client: connect ends at its timeout when the broker says nothing") {
    FakeBroker broker;
    const auto hooks = broker.on_request([](const auto&) { return Verdict{Verdict::silent}; });
    ClientOptions options = options_for(broker);
    options.connect_timeout = milliseconds(30);
    const auto client = Client::connect(options);
    REQUIRE_FALSE(client);
    CHECK(client.error().code == ErrorCode::timeout);
}

TEST_CASE("client: a broker that refuses the hello is reported with its own words") {
    FakeBroker broker;
    const auto hooks = broker.on_request([](const auto&) {
        return Verdict{Verdict::refuse, ErrorCode::too_many_connections};
    });
    const auto client = Client::connect(options_for(broker));
    REQUIRE_FALSE(client);
    CHECK(client.error().code == ErrorCode::too_many_connections);
}

TEST_CASE(
    "client: the next endpoint is taken when one is gone, and the primary again when it is back") {
    auto primary = std::make_unique<FakeBroker>();
    const std::string primary_endpoint = primary->endpoint();
    FakeBroker second;
    ClientOptions options = options_for(*primary);
    options.endpoints.push_back(second.endpoint());
    std::mutex mutex;
    std::vector<std::pair<ConnectionEvent, std::string>> events;
    options.on_connection = [&](ConnectionEvent event, const std::string& endpoint, const Error*) {
        const std::lock_guard lock(mutex);
        events.emplace_back(event, endpoint);
    };
    const auto happened = [&](ConnectionEvent event, const std::string& endpoint) {
        const std::lock_guard lock(mutex);
        return std::find(events.begin(), events.end(), std::pair(event, endpoint)) != events.end();
    };
    auto client = Client::connect(options);
    REQUIRE(client);
    CHECK(happened(ConnectionEvent::connected, primary_endpoint));

    primary->stop();
    // A call made before the loss is noticed may go down with the connection, and says so.
    CHECK(second.wait_until(
        [&] { return happened(ConnectionEvent::failed_over, second.endpoint()); }));
    CHECK(happened(ConnectionEvent::lost, primary_endpoint));
    CHECK((*client)->call(fb::ListTopicsT{}, milliseconds(10000)));

    FakeBroker again(primary_endpoint);
    CHECK(second.wait_until(
        [&] { return happened(ConnectionEvent::failed_over, primary_endpoint); }));
}

TEST_CASE("client: a broker that falls silent is left") {
    FakeBroker broker;
    broker.heartbeat_ms = 10;
    broker.idle_timeout_ms = 40;
    std::atomic<bool> silent{true};
    const auto hooks = broker.on_request([&](const auto& r) {
        return r.api == wire::Api::ping && silent ? Verdict{Verdict::silent} : Verdict{};
    });
    auto client = Client::connect(options_for(broker));
    REQUIRE(client);
    CHECK(broker.wait_until([&] { return broker.connections() >= 2; }));
    silent = false;
    CHECK((*client)->call(fb::ListTopicsT{}, milliseconds(10000)));
}

TEST_CASE("client: an idle client keeps pinging") {
    FakeBroker broker;
    broker.heartbeat_ms = 10;
    auto client = Client::connect(options_for(broker));
    CHECK(broker.wait_until([&] { return broker.requests(wire::Api::ping).size() >= 3; }));
    CHECK(broker.connections() == 1);
}

TEST_CASE("client: closing fails what waits, and later requests") {
    FakeBroker broker;
    const auto hooks = broker.on_request(
        [](const auto& r) { return only(wire::Api::list_topics, r, {Verdict::silent}); });
    auto client = Client::connect(options_for(broker));
    std::promise<ErrorCode> waiting;
    (*client)->call_async(fb::ListTopicsT{}, {},
                          [&](auto answer) { waiting.set_value(answer.error().code); });
    REQUIRE(broker.wait_until([&] { return broker.requests(wire::Api::list_topics).size() == 1; }));
    (*client)->close();
    CHECK(waiting.get_future().get() == ErrorCode::cancelled);
    CHECK((*client)->call(fb::ListTopicsT{}).error().code == ErrorCode::cancelled);
}

TEST_CASE("client: a push that nobody asked for is ignored") {
    FakeBroker broker;
    auto client = Client::connect(options_for(broker));
    broker.push(wire::Api::list_topics, std::vector<std::byte>(16));
    CHECK((*client)->call(fb::ListTopicsT{}));
    CHECK(broker.connections() == 1);
}

TEST_CASE("client: endpoints are read or refused with a reason") {
    ClientOptions options;
    for (const char* bad : {"", "host:", "host:0", "host:70000", "http://x", "unix://relative",
                            "[::1", "host:1x", "shm://relative", "shm://", "inproc://"}) {
        options.endpoints = {bad};
        const auto client = Client::connect(options);
        REQUIRE_FALSE(client);
        CHECK(client.error().code == ErrorCode::invalid_config);
    }
}
