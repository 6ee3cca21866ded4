#pragma once
// What the integration tests say to a broker, over the client library or, where that hides
// something, frame by frame.

#include "raw_connection.hpp"
#include "test_broker.hpp"

#include <casc/client/call.hpp>
#include <casc/wire/batch_builder.hpp>
#include <casc/wire/compression.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace casc::test {

namespace fb = wire::fb;
using namespace std::chrono_literals;

// Everything is answered within this on a busy machine; a test that waits longer has failed.
inline constexpr std::chrono::seconds kPatience{60};

inline std::unique_ptr<client::Client> connect(const std::string& endpoint,
                                               const std::string& client_id = "test") {
    client::ClientOptions options;
    options.endpoints = {endpoint};
    options.client_id = client_id;
    options.backoff_first = 5ms;
    options.backoff_max = 50ms;
    options.connect_timeout = kPatience;
    options.request_timeout = kPatience;
    auto connected = client::Client::connect(options);
    REQUIRE_MESSAGE(connected, connected.error().message());
    return *std::move(connected);
}
inline std::unique_ptr<client::Client> connect(const TestBroker& broker) {
    return connect(broker.client_endpoint());
}

template <class Answer>
decltype(auto) must(Answer&& answer) {
    REQUIRE_MESSAGE(answer, answer.error().message());
    if constexpr (requires { *std::forward<Answer>(answer); }) return *std::forward<Answer>(answer);
}
template <class Answer>
ErrorCode code_of(const Answer& answer) {
    return answer ? ErrorCode::ok : answer.error().code;
}

using ChangeSettings = std::function<void(fb::TopicSettingsT&)>;

inline fb::CreateTopicT create_request(const std::string& name, const ChangeSettings& change = {}) {
    fb::CreateTopicT request;
    request.name = name;
    request.settings = std::make_unique<fb::TopicSettingsT>();
    if (change) change(*request.settings);
    return request;
}
// The topic's number.
inline std::uint32_t create_topic(client::Client& client, const std::string& name,
                                  const ChangeSettings& change = {}) {
    return must(client.call(create_request(name, change))).topic_id;
}
inline std::uint32_t create_topic(RawConnection& raw, const std::string& name,
                                  const ChangeSettings& change = {}) {
    return must(raw.call(create_request(name, change))).topic_id;
}
inline ChangeSettings partitions(std::uint32_t count) {
    return [count](fb::TopicSettingsT& settings) { settings.partitions = count; };
}
inline void in_memory(fb::TopicSettingsT& settings) {
    settings.durability = 1;
}

inline fb::DescribeTopicReplyT describe_topic(client::Client& client, const std::string& name) {
    fb::DescribeTopicT request;
    request.name = name;
    return must(client.call(request));
}

// A batch with one event per text.
inline std::vector<std::byte> batch_of(const std::vector<std::string>& events,
                                       Lane lane = Lane::normal, wire::FinishOptions options = {}) {
    wire::BatchBuilder builder(lane);
    for (const auto& event : events)
        builder.add_payload(std::as_bytes(std::span(event)), EpochNanos(1));
    std::vector<std::byte> bytes;
    builder.finish(options, bytes);
    return bytes;
}
// Each with its key; "" has none.
inline std::vector<std::byte> keyed_batch_of(
    const std::vector<std::pair<std::string, std::string>>& keys_and_events,
    Lane lane = Lane::normal, wire::FinishOptions options = {}, std::uint32_t time_to_live_ms = 0) {
    wire::BatchBuilder builder(lane);
    for (const auto& [key, event] : keys_and_events) {
        wire::EventInput input{.payload = std::as_bytes(std::span(event)),
                               .time_to_live_ms = time_to_live_ms};
        if (!key.empty()) input.key = std::as_bytes(std::span(key));
        builder.add(input, EpochNanos(1));
    }
    std::vector<std::byte> bytes;
    builder.finish(options, bytes);
    return bytes;
}
inline Result<fb::ProduceReplyT> produce(RawConnection& raw, std::uint32_t topic,
                                         std::span<const std::byte> batch,
                                         Acks acks = Acks::durable, std::uint32_t partition = 0) {
    fb::ProduceT request;
    request.topic_id = topic;
    request.partition = partition;
    request.acks = static_cast<std::uint8_t>(acks);
    return raw.call(request, batch);
}

// What the broker counts under this name.
inline double figure_of(const TestBroker& broker, const std::string& name) {
    RawConnection raw(broker.endpoint());
    raw.hello();
    for (const auto& figure : must(raw.call(fb::NodeInfoT{})).figures)
        if (figure->name == name) return figure->value;
    FAIL("no figure " << name);
    return 0;
}

// The events in the attachments of a FetchReply or a Deliver.
inline std::vector<std::string> events_in(std::span<const std::byte> attachments) {
    std::vector<std::string> events;
    while (!attachments.empty()) {
        wire::BatchStamp stamp;
        std::memcpy(static_cast<void*>(&stamp), attachments.data(), sizeof stamp);
        const auto batch = must(wire::BatchView::parse(attachments.first(stamp.batch_bytes)));
        REQUIRE(batch.verify_body());
        wire::Decompressor decompressor;
        const auto payloads = must(decompressor.open(batch));
        for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
            const auto payload = batch.payload(i, payloads);
            events.emplace_back(reinterpret_cast<const char*>(payload.data()), payload.size());
        }
        attachments = attachments.subspan(stamp.batch_bytes);
    }
    return events;
}

// `count` events in all, spread over the partitions by their keys; each is "prefix<i>".
inline void send_many(client::Client& client, const std::string& topic, std::size_t count,
                      const std::string& prefix = "e", Lane lane = Lane::normal,
                      std::optional<PartitionId> partition = {}) {
    auto producer = must(client.make_producer(topic));
    for (std::size_t i = 0; i < count; ++i) {
        const std::string text = prefix + std::to_string(i);
        client::Event event{
            .payload = std::as_bytes(std::span(text)), .lane = lane, .partition = partition};
        if (!partition) event.key = std::as_bytes(std::span(text));
        REQUIRE(producer.send(event));
    }
    const auto closed = producer.close(kPatience);
    REQUIRE_MESSAGE(closed, closed.error().message());
}

inline std::string text_of(const client::ConsumedEvent& event) {
    return {reinterpret_cast<const char*>(event.event.payload.data()), event.event.payload.size()};
}

// Polls until `enough` says so; false when it never did. Errors of poll() fail the test.
template <class Enough>
bool poll_until(client::Consumer& consumer, std::vector<std::string>& into, Enough&& enough) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!enough()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        const auto events = consumer.poll(1000, 50ms);
        REQUIRE_MESSAGE(events, events.error().message());
        for (const auto event : *events)
            into.push_back(text_of(event));
    }
    return true;
}

}  // namespace casc::test
