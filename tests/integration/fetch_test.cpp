// Reading by request: minimum, maximum, waiting, and where a log begins and ends.

#include "broker_verbs.hpp"

using namespace casc;
using namespace casc::test;

namespace {

struct FetchFixture {
    TestBroker broker;
    RawConnection raw{broker.endpoint()};
    RawConnection writer{broker.endpoint()};
    std::uint32_t topic = 0;
    std::uint32_t correlation = 1000;

    FetchFixture() {
        raw.hello();
        writer.hello();
        topic = create_topic(raw, "orders");
    }
    fb::FetchT request(std::uint64_t offset, std::uint32_t bytes_min, std::uint32_t max_wait_ms,
                       std::uint32_t bytes_max = 0) const {
        fb::FetchT fetch;
        auto source = std::make_unique<fb::FetchSourceT>();
        source->topic_id = topic;
        source->lane = 2;
        source->offset = offset;
        fetch.sources.push_back(std::move(source));
        fetch.bytes_min = bytes_min;
        fetch.bytes_max = bytes_max;
        fetch.max_wait_ms = max_wait_ms;
        return fetch;
    }
    void ask(const fb::FetchT& fetch) { raw.send(request_bytes(fetch, ++correlation)); }
    struct Answer {
        fb::FetchReplyT reply;
        std::vector<std::string> events;
        const fb::FetchedSourceT& source() const { return *reply.sources.at(0); }
        ErrorCode error() const { return static_cast<ErrorCode>(source().error); }
    };
    Answer answer() {
        const auto frame = raw.receive();
        REQUIRE(frame);
        REQUIRE_MESSAGE(frame->error == ErrorCode::ok, frame->message);
        return {must(wire::decode<fb::FetchReply>(frame->body)), events_in(frame->attachments)};
    }
    Answer fetch(const fb::FetchT& fetch) {
        ask(fetch);
        return answer();
    }
};

constexpr std::uint32_t kLong = 60'000;

}  // namespace

TEST_CASE_FIXTURE(FetchFixture,
                  "broker/fetch: what is there comes at once, with start and end of the log") {
    must(produce(writer, topic, batch_of({"a", "b"})));
    must(produce(writer, topic, batch_of({"c"})));
    const auto all = fetch(request(0, 1, kLong));
    CHECK(all.events == std::vector<std::string>{"a", "b", "c"});
    CHECK(all.source().start == 0);
    CHECK(all.source().visible_end == 3);
    CHECK(fetch(request(1, 1, kLong)).events.at(0) == "a");  // whole batches only
    CHECK(fetch(request(2, 1, kLong)).events == std::vector<std::string>{"c"});
}

TEST_CASE_FIXTURE(FetchFixture, "broker/fetch: a fetch at the end waits for the next event") {
    ask(request(0, 1, kLong));
    must(produce(writer, topic, batch_of({"new"})));
    CHECK(answer().events == std::vector<std::string>{"new"});
}

TEST_CASE_FIXTURE(FetchFixture, "broker/fetch: when the wait is over, an empty answer comes") {
    const auto none = fetch(request(0, 1, 50));
    CHECK(none.events.empty());
    CHECK(none.error() == ErrorCode::ok);
    CHECK(fetch(request(0, 1, 0)).events.empty());
}

TEST_CASE_FIXTURE(FetchFixture, "broker/fetch: bytes_min counts what comes while the fetch waits") {
    // The first batch used to be all that a source ever gave, so that this waited for max_wait_ms.
    const std::size_t one = batch_of({"12345678"}).size();
    ask(request(0, static_cast<std::uint32_t>(3 * one), kLong));
    for (int i = 0; i < 3; ++i)
        must(produce(writer, topic, batch_of({"12345678"})));
    CHECK(answer().events.size() == 3);
}

TEST_CASE_FIXTURE(FetchFixture, "broker/fetch: bytes_max holds, but one batch always comes") {
    const std::size_t one = batch_of({std::string(1000, 'x')}).size();
    for (int i = 0; i < 10; ++i)
        must(produce(writer, topic, batch_of({std::string(1000, 'x')})));
    CHECK(fetch(request(0, 1, kLong, static_cast<std::uint32_t>(3 * one))).events.size() == 3);
    CHECK(fetch(request(0, 1, kLong, 10)).events.size() == 1);
    CHECK(fetch(request(0, 1'000'000, kLong, static_cast<std::uint32_t>(2 * one))).events.size() ==
          2);
}

TEST_CASE_FIXTURE(FetchFixture,
                  "broker/fetch: an offset outside the log is an error with the log's bounds") {
    must(produce(writer, topic, batch_of({"a"})));
    const auto beyond = fetch(request(2, 1, kLong));
    CHECK(beyond.error() == ErrorCode::offset_out_of_range);
    CHECK(beyond.source().visible_end == 1);
    auto unknown = request(0, 1, kLong);
    unknown.sources[0]->topic_id = 999;
    CHECK(fetch(unknown).error() == ErrorCode::unknown_topic);
    auto lane = request(0, 1, kLong);
    lane.sources[0]->lane = 4;
    CHECK(fetch(lane).error() == ErrorCode::unknown_lane);
}

TEST_CASE_FIXTURE(FetchFixture,
                  "broker/fetch: a fetch in the gap that a crash left waits and is woken") {
    // It used to ask the disk again and again, and never came back.
    topic = create_topic(raw, "volatile", in_memory);
    must(produce(writer, topic, batch_of({"before"})));
    broker.kill_hard();
    broker.restart();
    RawConnection reader(broker.endpoint()), producer(broker.endpoint());
    reader.hello();
    producer.hello();
    const auto described = must(reader.call([] {
        fb::DescribeTopicT d;
        d.name = "volatile";
        return d;
    }()));
    REQUIRE(described.logs.size() == 1);
    const std::uint64_t end = described.logs[0]->visible_end;
    REQUIRE(end > 1);
    CHECK(must(reader.call(request(1, 1, 100))).sources.at(0)->visible_end == end);
    reader.send(request_bytes(request(1, 1, kLong), 5));
    CHECK(must(produce(producer, topic, batch_of({"after"}))).base_offset >= end);
    const auto frame = reader.receive();
    REQUIRE(frame);
    CHECK(events_in(frame->attachments) == std::vector<std::string>{"after"});
}

TEST_CASE_FIXTURE(FetchFixture, "broker/fetch: deleting the topic answers who waits for it") {
    ask(request(0, 1, kLong));
    fb::DeleteTopicT remove;
    remove.name = "orders";
    must(writer.call(remove));
    CHECK(answer().error() == ErrorCode::unknown_topic);
}

TEST_CASE_FIXTURE(FetchFixture, "broker/fetch: a client cannot pile up fetches without end") {
    // And those that wait when it goes are forgotten.
    std::vector<std::byte> burst;
    for (std::uint32_t i = 0; i < 1001; ++i) {
        const auto frame = request_bytes(request(0, 1, 300'000), i);
        burst.insert(burst.end(), frame.begin(), frame.end());
    }
    raw.send(burst);
    const auto refused = raw.receive();
    REQUIRE(refused);
    CHECK(refused->error == ErrorCode::overloaded);
    CHECK(refused->header.correlation_id == 1000);
    raw.abort();
    const auto waiting = [&] {
        for (const auto& figure : must(writer.call(fb::NodeInfoT{})).figures)
            if (figure->name == "casc_fetches_waiting") return figure->value;
        FAIL("no such figure");
        return -1.0;
    };
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (waiting() != 0 && std::chrono::steady_clock::now() < deadline) {
    }
    CHECK(waiting() == 0);
}

TEST_CASE_FIXTURE(FetchFixture,
                  "broker/fetch: answers larger than the send queue's bound are followed by more") {
    // A connection that was full for the length of a turn was never read from again.
    const std::string text(64'000, 'x');
    for (int i = 0; i < 100; ++i)
        must(produce(writer, topic, batch_of({text})));
    std::vector<std::byte> burst;
    for (std::uint32_t i = 0; i < 20; ++i) {
        const auto frame = request_bytes(request(0, 1, kLong, 6u << 20), i);
        burst.insert(burst.end(), frame.begin(), frame.end());
    }
    raw.send(burst);
    for (std::uint32_t i = 0; i < 20; ++i)
        CHECK(answer().events.size() > 90);
    CHECK(must(raw.call(fb::ListTopicsT{})).topics.size() == 1);
}

TEST_CASE_FIXTURE(FetchFixture, "broker/list_offsets: earliest, latest and by time") {
    must(produce(writer, topic, batch_of({"a"})));
    const auto second = must(produce(writer, topic, batch_of({"b"})));
    fb::ListOffsetsT request;
    const auto query = [&](std::uint8_t at, std::int64_t time) {
        auto one = std::make_unique<fb::OffsetQueryT>();
        one->topic_id = topic;
        one->lane = 2;
        one->at = at;
        one->time_ns = time;
        request.queries.push_back(std::move(one));
    };
    query(0, 0);
    query(1, 0);
    query(2, second.append_time_ns);
    query(2, second.append_time_ns + 1'000'000'000);
    query(3, 0);
    const auto reply = must(raw.call(request));
    REQUIRE(reply.answers.size() == 5);
    CHECK(reply.answers[0]->offset == 0);
    CHECK(reply.answers[1]->offset == 2);
    CHECK(reply.answers[2]->offset <= 1);
    CHECK(reply.answers[3]->offset == 2);
    CHECK(static_cast<ErrorCode>(reply.answers[4]->error) == ErrorCode::invalid_request);
}
