// Deduplication by message id, within a topic's window.

#include "log_reader.hpp"

#include <casc/types/clock.hpp>

using namespace casc;
using namespace casc::test;

namespace {

using Texts = std::vector<std::string>;

struct MessageIdFixture {
    TestBroker broker;
    std::unique_ptr<RawConnection> raw;
    std::uint32_t topic = 0;

    MessageIdFixture() {
        connect_again();
        topic = create_topic(*raw, "t", [](fb::TopicSettingsT& settings) {
            settings.partitions = 2;
            settings.dedup_window_ms = 3'600'000;
        });
    }
    void connect_again() {
        raw = std::make_unique<RawConnection>(broker.endpoint());
        raw->hello();
    }
    // Each event's id is its text; "-" has none.
    static std::vector<std::byte> with_ids(const Texts& texts, wire::FinishOptions options = {},
                                           EpochNanos deliver_at = {}) {
        wire::BatchBuilder builder(Lane::normal);
        for (const auto& text : texts) {
            wire::EventInput event{.payload = std::as_bytes(std::span(text)),
                                   .deliver_at = deliver_at};
            if (text != "-") {
                auto& id = event.message_id.emplace();
                std::memcpy(id.data(), text.data(), std::min(text.size(), id.size()));
            }
            builder.add(event, EpochNanos(1));
        }
        std::vector<std::byte> bytes;
        builder.finish(options, bytes);
        return bytes;
    }
    fb::ProduceReplyT send(const Texts& texts, std::uint32_t partition = 0) {
        return must(produce(*raw, topic, with_ids(texts), Acks::durable, partition));
    }
};

}  // namespace

TEST_CASE_FIXTURE(
    MessageIdFixture,
    "broker/message_id: an event is stored once, whoever sends it, to whatever partition") {
    send({"a", "b", "c"});
    const auto again = send({"b", "c"}, 1);
    CHECK(again.duplicate);
    REQUIRE(again.duplicates.size() == 1);
    CHECK(again.duplicates[0]->index == 0);
    CHECK(again.duplicates[0]->count == 2);
    CHECK(again.duplicates[0]->partition == 0);
    CHECK(again.duplicates[0]->offset == 1);
    CHECK(again.base_offset == 1);
    CHECK(read_log(*raw, topic).size() == 3);
    CHECK(read_log(*raw, topic, Lane::normal, 1).empty());
}

TEST_CASE_FIXTURE(MessageIdFixture, "broker/message_id: what is new among duplicates is stored") {
    send({"a", "b"});
    const auto reply = send({"x", "a", "-", "y", "b", "z", "x", "-"});
    CHECK_FALSE(reply.duplicate);
    CHECK(reply.base_offset == 2);
    CHECK(read_log(*raw, topic) == Texts{"a", "b", "x", "-", "y", "z", "-"});
    REQUIRE(reply.duplicates.size() == 3);
    CHECK(reply.duplicates[0]->index == 1);
    CHECK(reply.duplicates[0]->offset == 0);
    CHECK(reply.duplicates[1]->index == 4);
    CHECK(reply.duplicates[1]->offset == 1);
    // The second "x" of the batch itself.
    CHECK(reply.duplicates[2]->index == 6);
    CHECK(reply.duplicates[2]->offset == 2);
}

TEST_CASE_FIXTURE(MessageIdFixture, "broker/message_id: a restart remembers") {
    Texts many;
    for (int i = 0; i < 3000; ++i)
        many.push_back("id" + std::to_string(i) + std::string(300, '.'));
    for (std::size_t from = 0; from < many.size(); from += 500)
        send({many.begin() + static_cast<std::ptrdiff_t>(from),
              many.begin() + static_cast<std::ptrdiff_t>(from + 500)});
    must(produce(*raw, topic,
                 with_ids({"waits"}, {}, EpochNanos(wall_now().value() + 3'600'000'000'000))));
    for (int round = 0; round < 2; ++round) {
        if (round == 0) {
            broker.kill_hard();
        } else {
            broker.terminate();
        }
        broker.restart();
        connect_again();
        const auto reply =
            send({many[0], many[1777], many[2999], "new" + std::to_string(round)}, 1);
        REQUIRE(reply.duplicates.size() == 3);
        CHECK(reply.duplicates[1]->offset == 1777);
        CHECK(read_log(*raw, topic, Lane::normal, 1).size() == static_cast<std::size_t>(round + 1));
        const auto waiting = send({"waits"}, 1);
        CHECK(waiting.duplicate);
        CHECK(waiting.duplicates.at(0)->schedule_id != 0);
    }
}

TEST_CASE_FIXTURE(MessageIdFixture,
                  "broker/message_id: compressed batches, and the producer's count goes on") {
    const auto identity = must(raw->call(fb::InitProducerT{}));
    wire::FinishOptions as{.producer_id = ProducerId(identity.producer_id),
                           .producer_epoch = identity.epoch,
                           .codec = wire::Codec::lz4,
                           .compress_bytes_min = 0};
    const std::string long_text(400, 'q');
    send({"a" + long_text});
    must(produce(*raw, topic, with_ids({"a" + long_text, "b" + long_text, "c" + long_text}, as)));
    as.base_sequence = 3;
    must(produce(*raw, topic, with_ids({"d" + long_text}, as)));
    CHECK(read_log(*raw, topic).size() == 4);
    as.base_sequence = 0;
    CHECK(must(produce(*raw, topic,
                       with_ids({"a" + long_text, "b" + long_text, "c" + long_text}, as)))
              .duplicate);
    CHECK(read_log(*raw, topic).size() == 4);
}

TEST_CASE_FIXTURE(
    MessageIdFixture,
    "broker/message_id: topics without a window, and windows that are over, take everything") {
    const std::uint32_t other = create_topic(*raw, "other");
    must(produce(*raw, other, with_ids({"a"})));
    CHECK_FALSE(must(produce(*raw, other, with_ids({"a"}))).duplicate);
    const std::uint32_t brief = create_topic(
        *raw, "brief", [](fb::TopicSettingsT& settings) { settings.dedup_window_ms = 1; });
    must(produce(*raw, brief, with_ids({"a"})));
    // Until the millisecond is over.
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (must(produce(*raw, brief, with_ids({"a"}))).duplicate)
        REQUIRE(std::chrono::steady_clock::now() < deadline);
    fb::AlterTopicT alter;
    alter.name = "t";
    alter.settings = std::make_unique<fb::TopicSettingsT>();
    alter.settings->dedup_window_ms = 8u * 24 * 3600 * 1000;
    CHECK(code_of(raw->call(alter)) == ErrorCode::invalid_config);
    send({"a"});
    alter.settings->dedup_window_ms = 0;
    must(raw->call(alter));
    CHECK_FALSE(send({"a"}).duplicate);
}

TEST_CASE("broker/message_id: no more ids are remembered than there is room for") {
    TestBrokerOptions options;
    options.settings = {"producers.message_ids_max=5"};
    TestBroker broker(options);
    RawConnection raw(broker.endpoint());
    raw.hello();
    const std::uint32_t topic = create_topic(
        raw, "t", [](fb::TopicSettingsT& settings) { settings.dedup_window_ms = 3'600'000; });
    must(produce(raw, topic, MessageIdFixture::with_ids({"1", "2", "3", "4"})));
    CHECK(code_of(produce(raw, topic, MessageIdFixture::with_ids({"5", "6"}))) ==
          ErrorCode::overloaded);
    must(produce(raw, topic, batch_of({"without ids"})));
}

TEST_CASE_FIXTURE(MessageIdFixture,
                  "broker/message_id: an id is free again when its own window is over, or its "
                  "schedule is cancelled") {
    const std::uint32_t brief = create_topic(
        *raw, "brief", [](fb::TopicSettingsT& settings) { settings.dedup_window_ms = 1; });
    // It waits for longer than the window, and is not remembered anew when it is delivered.
    must(produce(*raw, brief, with_ids({"a"}, {}, EpochNanos(wall_now().value() + 200'000'000))));
    CHECK(read_log(*raw, brief, Lane::normal, 0, 1).size() == 1);
    CHECK_FALSE(must(produce(*raw, brief, with_ids({"a"}))).duplicate);

    const auto later = EpochNanos(wall_now().value() + 3'600'000'000'000);
    const auto waits = must(produce(*raw, topic, with_ids({"b"}, {}, later)));
    CHECK(send({"b"}).duplicate);
    fb::CancelScheduleT cancel;
    cancel.schedule_id = waits.scheduled.at(0)->schedule_id;
    must(raw->call(cancel));
    CHECK_FALSE(send({"b"}).duplicate);
}

TEST_CASE_FIXTURE(MessageIdFixture,
                  "broker/message_id: twins in a batch are told where each has gone") {
    const auto reply = send({"x", "y", "y", "x"});
    REQUIRE(reply.duplicates.size() == 2);
    CHECK(reply.duplicates[0]->index == 2);
    CHECK(reply.duplicates[0]->offset == 1);
    CHECK(reply.duplicates[1]->index == 3);
    CHECK(reply.duplicates[1]->offset == 0);
}
