#pragma once
// What the cases of this folder share: a fake broker with one topic and a client that comes back
// fast.

#include "fake_broker.hpp"

#include <casc/client/call.hpp>

#include <doctest/doctest.h>

namespace casc::test {

// So long a case waits for what must come.
inline constexpr std::chrono::milliseconds kPatience{10'000};

struct ClientFixture {
    FakeBroker broker;
    std::uint32_t topic = broker.add_topic("orders", 4);
    std::unique_ptr<client::Client> client = connect();

    std::unique_ptr<client::Client> connect() {
        client::ClientOptions options;
        options.endpoints = {broker.endpoint()};
        options.backoff_first = std::chrono::milliseconds(1);
        options.backoff_max = std::chrono::milliseconds(10);
        auto connected = client::Client::connect(options);
        REQUIRE(connected);
        return std::move(*connected);
    }

    client::Producer producer(client::ProducerOptions options = {}) {
        auto made = client->make_producer("orders", options);
        REQUIRE(made);
        return std::move(*made);
    }

    LogId log(std::uint32_t partition, Lane lane = Lane::normal) const {
        return LogId(TopicId(topic), PartitionId(partition), lane);
    }
};

inline std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

inline client::Event event_for(std::string_view payload, std::uint32_t partition = 0,
                               Lane lane = Lane::normal) {
    client::Event event;
    event.payload = bytes_of(payload);
    event.partition = PartitionId(partition);
    event.lane = lane;
    return event;
}

inline std::vector<std::string> numbers(int count) {
    std::vector<std::string> all;
    for (int i = 0; i < count; ++i)
        all.push_back(std::to_string(i));
    return all;
}

}  // namespace casc::test
