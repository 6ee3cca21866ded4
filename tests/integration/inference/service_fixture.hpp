#pragma once
// A broker with topics for requests and answers, and a service whose model is a fake.

#include "fake_backend.hpp"
#include "test_broker.hpp"

#include <casc/client/call.hpp>
#include <casc/client/client.hpp>
#include <casc/inference/model_service.hpp>
#include <casc/wire/messages.hpp>

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace casc::test {

using namespace std::chrono_literals;
using inference::ModelService;
using inference::ServiceOptions;
namespace json = boost::json;
namespace fb = wire::fb;

inline constexpr std::chrono::seconds kPatience{60};

template <class T>
T must(Result<T> result) {
    REQUIRE_MESSAGE(result, result.error().message());
    return std::move(result).value();
}
inline void must(const Result<void>& result) {
    REQUIRE_MESSAGE(result, result.error().message());
}

inline std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}
inline std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::unique_ptr<FakeBackend> make_backend(std::vector<std::string> labels = {}) {
    const gpu::BackendLimits limits{.slot_count = 8, .context_tokens = 256, .step_tokens_max = 256};
    return std::make_unique<FakeBackend>(limits, std::move(labels));
}
inline std::unique_ptr<gpu::Engine> engine_of(std::unique_ptr<gpu::Backend> backend) {
    return must(gpu::Engine::open(std::move(backend), std::make_shared<FakeTokenizer>(), {}));
}
inline std::unique_ptr<gpu::Engine> make_engine(std::vector<std::string> labels = {}) {
    return engine_of(make_backend(std::move(labels)));
}

inline std::string request_text(const std::string& id, const std::string& prompt,
                                const std::string& more = {}) {
    return R"({"id": ")" + id + R"(", "params": {"prompt": ")" + prompt + R"(", "max_tokens": 8)" +
           more + "}}";
}

struct ServiceFixture {
    TestBroker broker;
    std::unique_ptr<client::Client> client = connect();
    std::unique_ptr<ModelService> service;

    ServiceFixture() {
        create("asked");
        create("answered");
    }

    [[nodiscard]] client::ClientOptions client_options() const {
        client::ClientOptions options;
        options.endpoints = {broker.endpoint()};
        options.wait_for_broker = true;
        options.connect_timeout = kPatience;
        options.backoff_max = 100ms;
        return options;
    }
    [[nodiscard]] std::unique_ptr<client::Client> connect() const {
        return must(client::Client::connect(client_options()));
    }
    void create(const std::string& name) {
        fb::CreateTopicT request;
        request.name = name;
        must(client->call(request));
    }
    void serve(ServiceOptions options = {}, std::vector<std::string> labels = {}) {
        serve_with(std::move(options), make_engine(std::move(labels)));
    }
    void serve_with(ServiceOptions options, std::unique_ptr<gpu::Engine> engine) {
        options.model = {"fake", "1"};
        if (options.subject.empty()) {
            options.topic = "asked";
            options.results = "answered";
        }
        options.client = client_options();
        service = must(ModelService::start(options, std::move(engine)));
    }
    void ask(const std::vector<std::string>& payloads, Lane lane = Lane::normal,
             const std::string& key = {}) {
        auto producer = must(client->make_producer("asked"));
        for (const std::string& payload : payloads) {
            client::Event event{.payload = bytes_of(payload), .lane = lane};
            if (!key.empty()) event.key = bytes_of(key);
            must(producer.send(event));
        }
        must(producer.close(kPatience));
    }

    // False: it was not so within everybody's patience.
    template <class IsSo>
    static bool wait_until(IsSo&& is_so) {
        const auto until = std::chrono::steady_clock::now() + kPatience;
        while (!is_so() && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(1ms);
        return is_so();
    }
    // The broker looks at its disk every few MiB that it writes.
    void write_until_full(const std::string& topic) {
        client::ProducerOptions options;
        options.delivery_timeout = 500ms;
        auto producer = must(client->make_producer(topic, options));
        const std::string payload(256 * 1024, 'x');
        Result<client::Delivery> last = client::Delivery();
        for (int i = 0; i < 1000 && last; ++i)
            last = producer.send_future({.payload = bytes_of(payload)}).get();
        CHECK_FALSE(last);
    }

    struct Seen {
        json::value payload;
        Lane lane = Lane::normal;
        std::string key;
    };
    // Everything in the topic of results, once there is as much; by the requests' ids. More than
    // one for an id are as many entries.
    std::multimap<std::string, Seen> answers(std::size_t count) {
        client::ConsumerOptions options;
        options.auto_commit = false;
        auto consumer = must(client->make_consumer(options));
        for (const Lane lane : kLanes)
            places_.push_back({"answered", PartitionId(0), lane, Offset(0)});
        must(consumer.assign(places_));
        places_.clear();
        std::multimap<std::string, Seen> all;
        const auto until = std::chrono::steady_clock::now() + kPatience;
        while (all.size() < count && std::chrono::steady_clock::now() < until) {
            for (const auto& consumed : must(consumer.poll(1000, 100ms)))
                note(consumed.event, all);
        }
        // Whether there is one too many is seen at once, since it is there.
        for (const auto& consumed : must(consumer.poll(1000, 200ms)))
            note(consumed.event, all);
        return all;
    }
    static void note(const wire::EventView& event, std::multimap<std::string, Seen>& all) {
        Seen seen{json::parse(text_of(event.payload)), event.lane, {}};
        if (event.key) seen.key = text_of(*event.key);
        const json::value& id = seen.payload.at("request_id");
        all.emplace(id.is_string() ? std::string(id.get_string()) : std::string(), std::move(seen));
    }

private:
    std::vector<client::Place> places_;
};

inline std::vector<std::string> numbered_requests(int count, int from = 0) {
    std::vector<std::string> all;
    for (int i = from; i < from + count; ++i)
        all.push_back(request_text(std::to_string(i), "prompt " + std::to_string(i)));
    return all;
}

inline std::string text_in(const json::value& answer) {
    return std::string(answer.at("response").at("result").at("text").as_string());
}

}  // namespace casc::test
