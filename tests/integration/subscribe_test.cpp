// Pushing: credit, order of lanes, moving, ending, and readers that do not read.

#include "broker_verbs.hpp"

#include <chrono>
#include <map>
#include <thread>

using namespace casc;
using namespace casc::test;

namespace {

struct SubscribeFixture {
    TestBroker broker;
    RawConnection raw{broker.endpoint()};
    RawConnection writer{broker.endpoint()};
    std::uint32_t topic = 0;
    std::uint32_t correlation = 1000;

    SubscribeFixture() {
        raw.hello();
        writer.hello();
        topic = create_topic(raw, "orders");
    }
    [[nodiscard]] std::unique_ptr<fb::FetchSourceT> source(Lane lane,
                                                           std::uint64_t offset = 0) const {
        auto source = std::make_unique<fb::FetchSourceT>();
        source->topic_id = topic;
        source->lane = static_cast<std::uint8_t>(lane);
        source->offset = offset;
        return source;
    }
    ErrorCode subscribe(std::uint32_t id, const std::vector<Lane>& lanes, std::uint64_t bytes,
                        std::uint64_t events, std::uint8_t order = 0,
                        std::uint32_t deliver_bytes = 1024) {
        fb::SubscribeT request;
        request.subscription_id = id;
        for (const Lane lane : lanes)
            request.sources.push_back(source(lane));
        request.order = order;
        request.credit_bytes = bytes;
        request.credit_events = events;
        request.deliver_bytes_max = deliver_bytes;
        return code_of(raw.call(request));
    }
    void credit(std::uint32_t id, std::uint64_t bytes, std::uint64_t events) {
        fb::CreditT credit;
        credit.subscription_id = id;
        credit.bytes = bytes;
        credit.events = events;
        wire::Encoder encoder;
        raw.send(
            frame_bytes(wire::FrameKind::one_way, wire::Api::credit, 0, encoder.encode(credit)));
    }
    struct Push {
        fb::DeliverT body;
        std::vector<std::string> events;
        std::size_t bytes;
        [[nodiscard]] Lane lane() const { return static_cast<Lane>(body.lane); }
        [[nodiscard]] ErrorCode error() const { return static_cast<ErrorCode>(body.error); }
    };
    Push push() {
        const auto frame = raw.receive();
        REQUIRE(frame);
        REQUIRE(frame->header.kind == wire::FrameKind::push);
        return {must(wire::decode<fb::Deliver>(frame->body)), events_in(frame->attachments),
                frame->attachments.size()};
    }
    // Everything that was pushed before the broker answers this.
    std::vector<Push> pushed_until_now() {
        raw.send(request_bytes(fb::PingT{}, ++correlation));
        std::vector<Push> pushes;
        for (;;) {
            const auto frame = raw.receive();
            REQUIRE(frame);
            if (frame->header.kind != wire::FrameKind::push) return pushes;
            pushes.push_back({must(wire::decode<fb::Deliver>(frame->body)),
                              events_in(frame->attachments), frame->attachments.size()});
        }
    }
    void write(Lane lane, int batches, std::size_t payload = 8) {
        // Only the last one waits for the disk: the reader says nothing meanwhile, and must not
        // look dead.
        for (int i = 0; i < batches; ++i)
            must(produce(writer, topic, batch_of({std::string(payload, 'x')}, lane),
                         i + 1 < batches ? Acks::memory : Acks::durable));
    }
};

constexpr std::uint64_t kPlenty = 1u << 30;

}  // namespace

TEST_CASE_FIXTURE(SubscribeFixture, "broker/subscribe: events are pushed as they become visible") {
    REQUIRE(subscribe(1, {Lane::normal}, kPlenty, kPlenty) == ErrorCode::ok);
    for (const char* text : {"a", "b", "c"}) {
        must(produce(writer, topic, batch_of({text})));
        CHECK(push().events == std::vector<std::string>{text});
    }
}

TEST_CASE_FIXTURE(SubscribeFixture, "broker/subscribe: never more than was granted and one batch") {
    write(Lane::normal, 50);
    const std::size_t one = batch_of({"12345678"}).size();
    REQUIRE(subscribe(1, {Lane::normal}, 5 * one, kPlenty) == ErrorCode::ok);
    std::size_t bytes = 0;
    while (bytes < 5 * one)
        bytes += push().bytes;
    CHECK(bytes <= 6 * one);
    CHECK(pushed_until_now().empty());
    credit(1, 2 * one, 0);
    bytes = push().bytes;
    while (bytes < 2 * one)
        bytes += push().bytes;
    CHECK(bytes <= 3 * one);
    CHECK(pushed_until_now().empty());
}

TEST_CASE_FIXTURE(
    SubscribeFixture,
    "broker/subscribe: how long batches have waited for a reader is counted by lane") {
    const auto waited = [&](const char* what, const char* lane) {
        const std::string page = http_get(broker.http_endpoint(), "/metrics");
        const std::string name =
            std::string("casc_delivery_wait_seconds_") + what + "{lane=\"" + lane + "\"} ";
        const std::size_t at = page.find(name);
        REQUIRE(at != std::string::npos);
        return std::stod(page.substr(at + name.size()));
    };
    const auto began = std::chrono::steady_clock::now();
    write(Lane::high, 2);
    const auto written = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(50ms);  // what they are to have waited, at least
    const auto asked = std::chrono::steady_clock::now();
    REQUIRE(subscribe(1, {Lane::high}, kPlenty, kPlenty) == ErrorCode::ok);
    for (std::size_t events = 0; events < 2;)
        events += push().events.size();
    const auto ended = std::chrono::steady_clock::now();
    const auto seconds = [](auto time) { return std::chrono::duration<double>(time).count(); };
    CHECK(waited("count", "high") == 2);
    CHECK(waited("count", "low") == 0);
    CHECK(waited("sum", "high") >= 2 * 0.99 * seconds(asked - written));
    CHECK(waited("sum", "high") <= 2 * 1.01 * seconds(ended - began));
}

TEST_CASE_FIXTURE(
    SubscribeFixture,
    "broker/subscribe: a slow reader of low events has credit left for a critical one") {
    const std::size_t one = batch_of({"12345678"}).size();
    write(Lane::low, 50);
    REQUIRE(subscribe(1, {Lane::low, Lane::critical}, 32 * one, kPlenty) == ErrorCode::ok);
    // At least so many, and what there is beyond.
    const auto low_events = [&](std::size_t at_least) {
        std::size_t events = 0;
        const auto count = [&](const Push& each) {
            CHECK(each.lane() == Lane::low);
            events += each.events.size();
        };
        while (events < at_least)
            count(push());
        for (const Push& each : pushed_until_now())
            count(each);
        return events;
    };
    CHECK(low_events(24) <= 25);
    write(Lane::critical, 1);
    CHECK(push().lane() == Lane::critical);
    CHECK(pushed_until_now().empty());
    // What comes back goes to the low lane down to there again.
    credit(1, 8 * one, 0);
    CHECK(low_events(6) <= 8);
}

TEST_CASE_FIXTURE(
    SubscribeFixture,
    "broker/subscribe: credit is kept only for lanes that are read, and by priority") {
    const std::size_t one = batch_of({"12345678"}).size();
    std::uint8_t order = 0;
    std::vector<Lane> lanes{Lane::low};
    SUBCASE("alone") {}
    SUBCASE("nothing more urgent") {
        lanes = {Lane::low, Lane::normal};
    }
    SUBCASE("in order of arrival") {
        lanes = {Lane::low, Lane::critical};
        order = 1;
    }
    write(lanes.back() == Lane::normal ? Lane::normal : Lane::low, 50);
    REQUIRE(subscribe(1, lanes, 32 * one, kPlenty, order) == ErrorCode::ok);
    for (std::size_t events = 0; events < 32;)
        events += push().events.size();
}

TEST_CASE_FIXTURE(SubscribeFixture,
                  "broker/subscribe: under backlog critical goes first and low gets its share") {
    write(Lane::low, 30, 1000);  // as large as a Deliver, so that each is one
    write(Lane::critical, 100, 1000);
    REQUIRE(subscribe(1, {Lane::low, Lane::critical}, kPlenty, kPlenty) == ErrorCode::ok);
    std::vector<Lane> lanes;
    while (lanes.size() < 130)
        lanes.insert(lanes.end(), 1, push().lane());
    CHECK(lanes[0] == Lane::critical);
    std::size_t since_low = 0, low_in_first_64 = 0;
    for (std::size_t i = 0; i < 64; ++i) {
        since_low = lanes[i] == Lane::low ? 0 : since_low + 1;
        low_in_first_64 += lanes[i] == Lane::low;
        CHECK(since_low <= 16);
    }
    CHECK(low_in_first_64 >= 3);
    CHECK(low_in_first_64 <= 5);
}

TEST_CASE_FIXTURE(SubscribeFixture,
                  "broker/subscribe: in arrival order the lanes come as they were written") {
    std::vector<std::string> written;
    for (int i = 0; i < 60; ++i) {
        written.push_back(std::to_string(i));
        must(produce(writer, topic,
                     batch_of({written.back()}, kLanes[static_cast<std::size_t>(i * 7 % 4)])));
    }
    REQUIRE(subscribe(1, {kLanes.begin(), kLanes.end()}, kPlenty, kPlenty, 1) == ErrorCode::ok);
    std::vector<std::string> read;
    while (read.size() < written.size())
        for (const auto& event : push().events)
            read.push_back(event);
    CHECK(read == written);
}

TEST_CASE_FIXTURE(SubscribeFixture, "broker/subscribe: moved sources carry the new generation") {
    write(Lane::normal, 3);
    REQUIRE(subscribe(1, {Lane::normal}, kPlenty, 3) == ErrorCode::ok);
    std::size_t events = 0;
    while (events < 3)
        events += push().events.size();
    fb::UpdateSubscriptionT update;
    update.subscription_id = 1;
    update.add.push_back(source(Lane::normal, 1));
    update.generation = 9;
    must(raw.call(update));
    credit(1, 0, 10);
    const auto again = push();
    CHECK(again.body.generation == 9);
    fb::UpdateSubscriptionT removal;
    removal.subscription_id = 1;
    removal.remove.push_back(source(Lane::normal));
    removal.generation = 10;
    raw.send(request_bytes(removal, 1));
    for (;;) {
        const auto frame = raw.receive();
        REQUIRE(frame);
        if (frame->header.kind == wire::FrameKind::response) break;
    }
    write(Lane::normal, 1);
    CHECK(pushed_until_now().empty());
}

TEST_CASE_FIXTURE(SubscribeFixture,
                  "broker/subscribe: a source that cannot be read ends, with the reason") {
    REQUIRE(subscribe(1, {Lane::critical}, kPlenty, kPlenty) == ErrorCode::ok);
    fb::UpdateSubscriptionT update;
    update.subscription_id = 1;
    update.add.push_back(source(Lane::normal, 500));
    must(raw.call(update));
    const auto ended = push();
    CHECK(ended.error() == ErrorCode::offset_out_of_range);
    CHECK(ended.lane() == Lane::normal);
    fb::DeleteTopicT remove;
    remove.name = "orders";
    must(writer.call(remove));
    CHECK(push().error() == ErrorCode::unknown_topic);
    CHECK(pushed_until_now().empty());
}

TEST_CASE_FIXTURE(SubscribeFixture, "broker/subscribe: mistakes are refused and change nothing") {
    REQUIRE(subscribe(1, {Lane::normal}, 0, 0) == ErrorCode::ok);
    CHECK(subscribe(1, {Lane::normal}, 0, 0) == ErrorCode::already_subscribed);
    CHECK(subscribe(2, {Lane::normal}, 0, 0, 7) == ErrorCode::invalid_request);
    fb::SubscribeT unknown;
    unknown.subscription_id = 3;
    unknown.sources.push_back(source(Lane::normal));
    unknown.sources.push_back(source(Lane::normal));
    unknown.sources[1]->partition = 5;
    CHECK(code_of(raw.call(unknown)) == ErrorCode::unknown_partition);
    fb::UnsubscribeT end;
    end.subscription_id = 3;
    CHECK(code_of(raw.call(end)) == ErrorCode::unknown_subscription);
    end.subscription_id = 1;
    CHECK(code_of(raw.call(end)) == ErrorCode::ok);
    credit(1, 100, 100);  // may have crossed with the end
    CHECK(must(raw.call(fb::ListTopicsT{})).topics.size() == 1);
}

TEST_CASE_FIXTURE(
    SubscribeFixture,
    "broker/subscribe: a reader that stops reading harms nobody and goes on where it stopped") {
    REQUIRE(subscribe(1, {Lane::normal}, kPlenty, kPlenty, 0, 65'536) == ErrorCode::ok);
    RawConnection other(broker.endpoint());
    other.hello();
    fb::SubscribeT request;
    request.subscription_id = 1;
    request.sources.push_back(source(Lane::normal));
    request.credit_bytes = request.credit_events = kPlenty;
    must(other.call(request));
    constexpr std::size_t count = 400;  // 24 MiB: more than sockets and queue hold
    std::size_t seen_by_other = 0;
    for (std::size_t i = 0; i < count; ++i) {
        must(produce(writer, topic, batch_of({std::to_string(i) + std::string(60'000, '.')})));
        while (seen_by_other <= i)
            seen_by_other += events_in(other.receive()->attachments).size();
    }
    CHECK(seen_by_other == count);
    std::size_t next = 0;
    while (next < count)
        for (const auto& event : push().events)
            CHECK(std::stoul(event) == next++);
}
