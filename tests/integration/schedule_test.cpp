// Events that are delivered later, once or again and again.

#include "log_reader.hpp"

#include <casc/types/clock.hpp>

#include <csignal>

using namespace casc;
using namespace casc::test;

namespace {

using Texts = std::vector<std::string>;

struct ScheduleFixture {
    TestBroker broker;
    std::unique_ptr<RawConnection> raw;
    std::uint32_t topic = 0;

    ScheduleFixture() {
        connect_again();
        topic = create_topic(*raw, "t");
    }
    void connect_again() {
        raw = std::make_unique<RawConnection>(broker.endpoint());
        raw->hello();
    }
    static EpochNanos in(std::chrono::nanoseconds time) {
        return wall_now() + EpochNanos::distance(time.count());
    }
    struct Timed {
        std::string text;
        EpochNanos at;
    };
    static std::vector<std::byte> timed(const std::vector<Timed>& events,
                                        wire::FinishOptions options = {}) {
        wire::BatchBuilder builder(Lane::normal);
        for (const Timed& event : events)
            builder.add({.payload = std::as_bytes(std::span(event.text)), .deliver_at = event.at},
                        EpochNanos(1));
        std::vector<std::byte> bytes;
        builder.finish(options, bytes);
        return bytes;
    }
    fb::ListSchedulesReplyT list(const std::string& of = "") {
        fb::ListSchedulesT request;
        request.topic = of;
        return must(raw->call(request));
    }
    Result<fb::DoneT> cancel(std::uint64_t id, const std::string& name = "") {
        fb::CancelScheduleT request;
        request.schedule_id = id;
        request.name = name;
        return raw->call(request);
    }
    fb::CreateScheduleT named(const std::string& name, const std::string& cron,
                              EpochNanos due = {}) const {
        fb::CreateScheduleT request;
        request.name = name;
        request.topic_id = topic;
        request.cron = cron;
        request.due_ns = due.value();
        return request;
    }
    void wait_for_count(std::size_t count) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (list().schedules.size() != count)
            REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
};

}  // namespace

TEST_CASE_FIXTURE(ScheduleFixture,
                  "broker/schedule: delayed events come when they are due, in that order") {
    const auto start = std::chrono::steady_clock::now();
    const auto batch = timed({{"now", {}},
                              {"later", in(400ms)},
                              {"soon", in(200ms)},
                              {"past", EpochNanos(5)},
                              {"soon too", in(200ms)}});
    const auto reply = must(produce(*raw, topic, batch));
    CHECK(reply.base_offset == 0);
    REQUIRE(reply.scheduled.size() == 3);
    CHECK(reply.scheduled[0]->index == 1);
    CHECK(reply.scheduled[2]->index == 4);
    CHECK(reply.scheduled[0]->schedule_id != reply.scheduled[1]->schedule_id);
    CHECK(read_log(*raw, topic, Lane::normal, 0, 2) == Texts{"now", "past"});
    CHECK(read_log(*raw, topic, Lane::normal, 0, 5) ==
          Texts{"now", "past", "soon", "soon too", "later"});
    CHECK(std::chrono::steady_clock::now() - start >= 400ms);
    CHECK(list().schedules.empty());
}

TEST_CASE_FIXTURE(ScheduleFixture,
                  "broker/schedule: neighbours with the same time wait as one, compressed or not") {
    const EpochNanos due = in(1h);
    std::vector<Timed> events;
    for (int i = 0; i < 50; ++i)
        events.push_back({std::string(200, 'x'), i == 0 ? EpochNanos{} : due});
    const auto reply = must(produce(*raw, topic, timed(events, {.codec = wire::Codec::lz4})));
    REQUIRE(reply.scheduled.size() == 1);
    CHECK(reply.scheduled[0]->count == 49);
    const auto listed = list("t");
    REQUIRE(listed.schedules.size() == 1);
    CHECK(listed.schedules[0]->events == 49);
    CHECK(listed.schedules[0]->due_ns == due.value());
    CHECK(listed.schedules[0]->topic == "t");
}

TEST_CASE_FIXTURE(ScheduleFixture,
                  "broker/schedule: what waits survives a crash, and is delivered once") {
    must(produce(*raw, topic, timed({{"a", in(50ms)}, {"b", in(1h)}})));
    broker.kill_hard();
    broker.restart();
    connect_again();
    CHECK(read_log(*raw, topic, Lane::normal, 0, 1) == Texts{"a"});
    wait_for_count(1);
    broker.kill_hard();
    broker.restart();
    connect_again();
    CHECK(read_log(*raw, topic) == Texts{"a"});
    CHECK(list().schedules.size() == 1);
}

TEST_CASE_FIXTURE(ScheduleFixture,
                  "broker/schedule: killed while it is delivered, it is delivered once") {
    must(produce(*raw, topic, timed({{"a", in(1s)}})));
    broker.terminate();
    broker.options().environment["CASC_FAIL_POINT"] = "schedule.fire";
    try {
        broker.start();
    } catch (const std::runtime_error&) {
        // It was due before the broker served.
    }
    if (broker.running()) CHECK(broker.wait_exit().signal == SIGKILL);
    broker.options().environment.clear();
    broker.restart();
    connect_again();
    CHECK(read_log(*raw, topic, Lane::normal, 0, 1) == Texts{"a"});
    wait_for_count(0);
    broker.restart();
    connect_again();
    CHECK(read_log(*raw, topic) == Texts{"a"});
}

TEST_CASE_FIXTURE(ScheduleFixture, "broker/schedule: a batch sent again is scheduled once") {
    const auto identity = must(raw->call(fb::InitProducerT{}));
    const auto batch = timed({{"a", in(1h)}}, {.producer_id = ProducerId(identity.producer_id),
                                               .producer_epoch = identity.epoch});
    must(produce(*raw, topic, batch));
    CHECK(must(produce(*raw, topic, batch)).duplicate);
    CHECK(list().schedules.size() == 1);
}

TEST_CASE_FIXTURE(ScheduleFixture, "broker/schedule: cancelled is cancelled") {
    const auto reply = must(produce(*raw, topic, timed({{"a", in(1h)}})));
    const std::uint64_t id = reply.scheduled.at(0)->schedule_id;
    must(cancel(id));
    CHECK(code_of(cancel(id)) == ErrorCode::unknown_schedule);
    CHECK(code_of(cancel(0, "nobody")) == ErrorCode::unknown_schedule);
    CHECK(code_of(cancel(0, "")) == ErrorCode::unknown_schedule);
    broker.kill_hard();
    broker.restart();
    connect_again();
    CHECK(list().schedules.empty());
}

TEST_CASE_FIXTURE(ScheduleFixture,
                  "broker/schedule: by cron, again and again, over a restart too") {
    must(raw->call(named("tick", "@every 1s"), batch_of({"tick"})));
    const auto listed = list();
    REQUIRE(listed.schedules.size() == 1);
    CHECK(listed.schedules[0]->name == "tick");
    CHECK(listed.schedules[0]->cron == "@every 1s");
    CHECK(read_log(*raw, topic, Lane::normal, 0, 2).size() >= 2);
    broker.kill_hard();
    broker.restart();
    connect_again();
    const std::size_t before = read_log(*raw, topic).size();
    CHECK(read_log(*raw, topic, Lane::normal, 0, before + 1).size() >= before + 1);
    // The same name again takes its place.
    must(raw->call(named("tick", "", in(1h)), batch_of({"once"})));
    const auto replaced = list();
    REQUIRE(replaced.schedules.size() == 1);
    CHECK(replaced.schedules[0]->cron.empty());
    must(cancel(0, "tick"));
    CHECK(list().schedules.empty());
}

TEST_CASE_FIXTURE(ScheduleFixture, "broker/schedule: goes with its topic") {
    must(produce(*raw, topic, timed({{"a", in(1h)}})));
    fb::DeleteTopicT remove;
    remove.name = "t";
    must(raw->call(remove));
    CHECK(list().schedules.empty());
    broker.restart();
    connect_again();
    CHECK(list().schedules.empty());
}

TEST_CASE_FIXTURE(ScheduleFixture, "broker/schedule: what makes no sense is refused") {
    CHECK(code_of(raw->call(named("x", "every day"), batch_of({"a"}))) ==
          ErrorCode::invalid_request);
    CHECK(code_of(raw->call(named("x", ""), batch_of({"a"}))) == ErrorCode::invalid_request);
    CHECK(code_of(raw->call(named("bad name!", "@daily"), batch_of({"a"}))) ==
          ErrorCode::invalid_request);
    CHECK(code_of(raw->call(named("x", "@daily"), timed({{"a", in(1h)}}))) ==
          ErrorCode::invalid_request);
    CHECK(code_of(raw->call(named("x", "@daily"))) == ErrorCode::batch_malformed);
    auto elsewhere = named("x", "@daily");
    elsewhere.topic_id = 999;
    CHECK(code_of(raw->call(elsewhere, batch_of({"a"}))) == ErrorCode::unknown_topic);
    CHECK(list().schedules.empty());
}

TEST_CASE("broker/schedule: no more waits than there is room for") {
    TestBrokerOptions options;
    options.settings = {"limits.scheduled_bytes=4KiB"};
    TestBroker broker(options);
    RawConnection raw(broker.endpoint());
    raw.hello();
    const std::uint32_t topic = create_topic(raw, "t");
    const auto batch = ScheduleFixture::timed(
        {{std::string(1000, 'x'), EpochNanos(wall_now().value() + 3'600'000'000'000)}});
    int taken = 0;
    for (; taken < 10; ++taken)
        if (const auto reply = produce(raw, topic, batch); !reply) {
            CHECK(reply.error().code == ErrorCode::overloaded);
            break;
        }
    CHECK(taken >= 2);
    CHECK(taken <= 4);
    must(produce(raw, topic, batch_of({"others go on"})));
}

TEST_CASE_FIXTURE(ScheduleFixture,
                  "broker/schedule: a part that would be larger than a batch is refused") {
    wire::BatchBuilder builder(Lane::normal);
    const std::string zeros(900'000, '0');
    for (int i = 0; i < 24; ++i)
        builder.add({.payload = std::as_bytes(std::span(zeros)),
                     .deliver_at = i == 0 ? EpochNanos{} : in(1h)},
                    EpochNanos(1));
    std::vector<std::byte> bytes;
    builder.finish({.codec = wire::Codec::lz4, .compress_bytes_min = 0}, bytes);
    CHECK(code_of(produce(*raw, topic, bytes)) == ErrorCode::event_too_large);
    CHECK(list().schedules.empty());
    CHECK(read_log(*raw, topic).empty());
}

TEST_CASE_FIXTURE(ScheduleFixture, "broker/schedule: what could never run is refused") {
    const std::vector<std::byte> large =
        batch_of({std::string(900'000, 'x'), std::string(900'000, 'y')});
    CHECK(code_of(raw->call(named("x", "@daily"), large)) == ErrorCode::event_too_large);
    CHECK(code_of(raw->call(named("x", "@daily", EpochNanos(9'000'000'000'000'000'000)),
                            batch_of({"a"}))) == ErrorCode::invalid_request);
}
