// Events that are not delivered: their time to live has passed, or their lane is paused.

#include "log_reader.hpp"
#include "queue_member.hpp"
#include "tapper.hpp"

#include <casc/wire/crc32c.hpp>

#include <algorithm>
#include <cstring>

using namespace casc;
using namespace casc::test;

namespace {

using Texts = std::vector<std::string>;

struct ExpiryFixture {
    TestBroker broker;
    std::unique_ptr<RawConnection> raw;
    std::uint32_t topic = 0;

    ExpiryFixture() {
        connect_again();
        topic = create_topic(*raw, "t");
    }
    void connect_again() {
        raw = std::make_unique<RawConnection>(broker.endpoint());
        raw->hello();
    }
    // Events that begin with "brief" live for a millisecond.
    void fill(const Texts& texts, wire::FinishOptions options = {}, Lane lane = Lane::normal) {
        wire::BatchBuilder builder(lane);
        for (const auto& text : texts)
            builder.add({.payload = std::as_bytes(std::span(text)),
                         .time_to_live_ms = text.starts_with("brief") ? 1u : 3'600'000u},
                        EpochNanos(1));
        std::vector<std::byte> bytes;
        builder.finish(options, bytes);
        must(produce(*raw, topic, bytes));
    }
    // Nothing tells when the broker's clock has moved on by a millisecond but what it does then.
    Texts subscribe_until(const std::string& last, std::size_t at_most) {
        for (std::uint32_t id = 1;; ++id) {
            RawConnection reader(broker.endpoint());
            reader.hello();
            fb::SubscribeT request;
            request.subscription_id = 1;
            auto& source = request.sources.emplace_back(std::make_unique<fb::FetchSourceT>());
            source->topic_id = topic;
            source->lane = 2;
            request.credit_bytes = request.credit_events = 1u << 30;
            must(reader.call(request));
            Texts texts;
            while (std::find(texts.begin(), texts.end(), last) == texts.end()) {
                const auto frame = reader.receive();
                REQUIRE(frame);
                for (const auto& text : events_in(frame->attachments))
                    texts.push_back(text);
            }
            if (texts.size() <= at_most) return texts;
            REQUIRE(id < 1000);
        }
    }
    fb::QueueLogT log(const std::string& group) {
        fb::DescribeQueueT request;
        request.group = group;
        const auto reply = must(raw->call(request));
        for (const auto& log : reply.logs)
            if (log->lane == 2 && log->topic == "t") return *log;
        FAIL("the group does not know the lane");
        return {};
    }
    void pause(std::uint8_t lanes) {
        fb::AlterTopicT request;
        request.name = "t";
        request.settings = std::make_unique<fb::TopicSettingsT>();
        request.settings->paused_lanes = lanes;
        must(raw->call(request));
    }
};

}  // namespace

TEST_CASE_FIXTURE(ExpiryFixture, "broker/expiry: a subscription gets what is alive") {
    fill({"brief 1", "a", "brief 2", "brief 3", "b", "brief 4"});
    fill({"brief 5", "brief 6"});
    fill({"c"});
    CHECK(subscribe_until("c", 3) == Texts{"a", "b", "c"});
    // Fetch gives what is stored.
    CHECK(read_log(*raw, topic).size() == 9);
}

TEST_CASE_FIXTURE(ExpiryFixture, "broker/expiry: compressed batches too") {
    const std::string tail(300, 'z');
    fill({"brief" + tail, "a" + tail, "brief" + tail, "b" + tail},
         {.codec = wire::Codec::lz4, .compress_bytes_min = 0});
    CHECK(subscribe_until("b" + tail, 2) == Texts{"a" + tail, "b" + tail});
}

TEST_CASE_FIXTURE(
    ExpiryFixture,
    "broker/expiry: a tap is charged for a batch in many parts whose end has expired") {
    Tapper tapper(broker);
    must(tapper.tap(no_credit));
    Texts kept;
    Texts all;
    for (int i = 0; i < 64; ++i) {  // as many parts as go out at once
        kept.push_back("kept " + std::to_string(i));
        all.push_back(kept.back());
        all.push_back("brief " + std::to_string(i));
    }
    fill(all);
    fill({"next"});
    subscribe_until("next", kept.size() + 1);  // the clock has moved on
    tapper.credit(kept.size());
    CHECK(tapper.take(kept.size()) == kept);
    // Nothing more comes before more was asked for.
    tapper.raw().send(request_bytes(fb::PingT{}, 4711));
    const auto frame = tapper.raw().receive();
    REQUIRE(frame);
    CHECK(frame->header.kind == wire::FrameKind::response);
    tapper.credit(1);
    CHECK(tapper.take(1) == Texts{"next"});
}

TEST_CASE_FIXTURE(ExpiryFixture, "broker/expiry: a queue settles what has expired") {
    fill({"brief 1", "a", "brief 2", "b", "brief 3"});
    CHECK(subscribe_until("b", 2).size() == 2);  // so they have expired
    QueueMember anna(broker);
    anna.join("g");
    const auto events = anna.take(2);
    CHECK(events[0] == Leased{1, "a", 1, Lane::normal});
    CHECK(events[1] == Leased{3, "b", 1, Lane::normal});
    CHECK(anna.held() == 0);
    anna.done(events);
    CHECK(log("g").floor == 5);
}

TEST_CASE_FIXTURE(
    ExpiryFixture,
    "broker/expiry: what a queue has delivered is not delivered again when it has expired") {
    wire::BatchBuilder builder(Lane::normal);
    const std::string text = "x";
    builder.add({.payload = std::as_bytes(std::span(text)), .time_to_live_ms = 700}, EpochNanos(1));
    std::vector<std::byte> bytes;
    builder.finish({}, bytes);
    QueueMember anna(broker);
    anna.join("g");
    must(produce(*raw, topic, bytes));
    const auto event = anna.take(1).front();
    anna.say(event, QueueMember::kRefused, "later", 1500);
    fill({"next"});
    CHECK(anna.take(1).front().text == "next");
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (log("g").floor == 0)
        REQUIRE(std::chrono::steady_clock::now() < deadline);
    CHECK(anna.held() == 0);
}

TEST_CASE_FIXTURE(ExpiryFixture,
                  "broker/expiry: a queue that wants them keeps expired events as dead letters") {
    fill({"brief 1", "a", "brief 2", "brief 3"});
    CHECK(subscribe_until("a", 1).size() == 1);
    QueueMember anna(broker);
    auto join = anna.join_request("g");
    join.settings->expired = 1;
    CHECK(must(anna.call(join)).settings->expired == 1);
    CHECK(anna.take(1).front().text == "a");
    std::uint32_t dead = 0;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (dead == 0) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        fb::DescribeTopicT request;
        request.name = "g.dead";
        if (const auto reply = raw->call(request)) dead = reply->topic->topic_id;
    }
    CHECK(read_log(*raw, dead, Lane::normal, 0, 3) == Texts{"brief 1", "brief 2", "brief 3"});
    join.settings->expired = 2;
    join.group = "other";
    join.subscription_id = 2;
    CHECK(code_of(anna.call(join)) == ErrorCode::invalid_config);
}

TEST_CASE_FIXTURE(ExpiryFixture,
                  "broker/pause: nothing comes of a paused lane until it is resumed") {
    pause(0b0100);
    QueueMember anna(broker);
    anna.join("g");
    fill({"waits"});
    fill({"urgent"}, {}, Lane::critical);
    CHECK(anna.take(1).front().text == "urgent");
    CHECK(anna.held() == 0);
    broker.restart();
    connect_again();
    QueueMember bert(broker);
    bert.join("g");
    CHECK(bert.take(1).front().text == "urgent");  // it was not settled
    CHECK(bert.held() == 0);
    pause(0);
    CHECK(bert.take(1).front().text == "waits");
    pause(0b1111);
    fill({"waits too"});
    CHECK(bert.held() == 0);
    pause(0b1011);
    CHECK(bert.take(1).front().text == "waits too");
    fb::AlterTopicT request;
    request.name = "t";
    request.settings = std::make_unique<fb::TopicSettingsT>();
    request.settings->paused_lanes = 0x10;
    CHECK(code_of(raw->call(request)) == ErrorCode::invalid_config);
}

TEST_CASE_FIXTURE(ExpiryFixture, "broker/pause: in order of arrival the other lanes go on") {
    RawConnection reader(broker.endpoint());
    reader.hello();
    fb::SubscribeT request;
    request.subscription_id = 1;
    request.order = 1;
    for (const Lane lane : {Lane::normal, Lane::low}) {
        auto& source = request.sources.emplace_back(std::make_unique<fb::FetchSourceT>());
        source->topic_id = topic;
        source->lane = static_cast<std::uint8_t>(lane);
    }
    request.credit_bytes = request.credit_events = 1u << 30;
    pause(0b0100);
    fill({"first, paused"});
    fill({"second"}, {}, Lane::low);
    must(reader.call(request));
    CHECK(events_in(reader.receive()->attachments) == Texts{"second"});
    pause(0);
    CHECK(events_in(reader.receive()->attachments) == Texts{"first, paused"});
}

TEST_CASE_FIXTURE(
    ExpiryFixture,
    "broker/expiry: of a batch in many parts everything alive comes, and nothing else") {
    Texts sent;
    Texts alive;
    for (int i = 0; i < 3000; ++i) {
        sent.push_back((i % 2 == 0 ? "brief " : "kept ") + std::to_string(i));
        if (i % 2 == 1) alive.push_back(sent.back());
    }
    fill(sent);
    fill({"last"});
    alive.emplace_back("last");
    CHECK(subscribe_until("last", alive.size()) == alive);
    QueueMember anna(broker);
    anna.join("g", 5000);
    CHECK(anna.texts(alive.size()) == alive);
}

TEST_CASE_FIXTURE(
    ExpiryFixture,
    "broker/expiry: a batch that cannot be opened is handed out once, and harms nobody") {
    wire::BatchBuilder builder(Lane::normal);
    const std::string text(200, 'z');
    for (int i = 0; i < 600; ++i)
        builder.add({.payload = std::as_bytes(std::span(text)),
                     .time_to_live_ms = i % 2 == 0 ? 1u : 3'600'000u},
                    EpochNanos(1));
    std::vector<std::byte> bytes;
    const auto batch = builder.finish({.codec = wire::Codec::lz4, .compress_bytes_min = 0}, bytes);
    // Garbage where the compressed payloads are, under a checksum that is right.
    const auto view = must(wire::BatchView::parse(batch));
    REQUIRE(view.header().codec == wire::Codec::lz4);
    const std::size_t at = wire::kBatchOverheadBytes + view.header().columns_bytes;
    for (std::size_t i = 0; i < view.header().stored_payload_bytes; ++i)
        batch[at + i] = std::byte{0xFF};
    const std::uint32_t crc = wire::crc32c(batch.subspan(sizeof(wire::BatchStamp)));
    std::memcpy(batch.data() + offsetof(wire::BatchStamp, body_crc), &crc, sizeof crc);
    must(produce(*raw, topic, batch));
    fill({"next"});
    RawConnection reader(broker.endpoint());
    reader.hello();
    fb::SubscribeT request;
    request.subscription_id = 1;
    auto& source = request.sources.emplace_back(std::make_unique<fb::FetchSourceT>());
    source->topic_id = topic;
    source->lane = 2;
    request.credit_bytes = request.credit_events = 1u << 30;
    must(reader.call(request));
    std::size_t batches = 0;
    while (batches < 2) {
        const auto frame = reader.receive();
        REQUIRE(frame);
        for (std::span<const std::byte> rest(frame->attachments); !rest.empty(); ++batches)
            rest = rest.subspan(must(wire::BatchView::peek_bytes(rest)));
    }
    CHECK(batches == 2);
    must(raw->call(fb::PingT{}));
}

TEST_CASE_FIXTURE(ExpiryFixture,
                  "broker/expiry: in order of arrival what has expired lets nobody overtake") {
    fill({"brief"});
    fill({"second"}, {}, Lane::low);
    fill({"third"});
    for (int round = 0;; ++round) {
        REQUIRE(round < 1000);
        RawConnection reader(broker.endpoint());
        reader.hello();
        fb::SubscribeT request;
        request.subscription_id = 1;
        request.order = 1;
        for (const Lane lane : {Lane::normal, Lane::low}) {
            auto& source = request.sources.emplace_back(std::make_unique<fb::FetchSourceT>());
            source->topic_id = topic;
            source->lane = static_cast<std::uint8_t>(lane);
        }
        request.credit_bytes = request.credit_events = 1u << 30;
        must(reader.call(request));
        Texts texts;
        while (texts.empty() || texts.back() != "third") {
            const auto frame = reader.receive();
            REQUIRE(frame);
            for (const auto& text : events_in(frame->attachments))
                texts.push_back(text);
        }
        if (texts.size() == 3) continue;  // not expired yet
        CHECK(texts == Texts{"second", "third"});
        return;
    }
}
