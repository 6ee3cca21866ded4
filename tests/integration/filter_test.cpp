// Filters: what a reader gets of all, some or none, how far it is meanwhile, and what is refused.

#include "tapper.hpp"

#include <casc/client/async.hpp>

#include <map>
#include <set>
#include <thread>

using namespace casc;
using namespace casc::client;
using namespace casc::test;

namespace {

struct Written {
    std::string text;
    std::string type{};
    std::string key{};
    std::string destination{};
};

std::vector<std::byte> batch_of_written(const std::vector<Written>& events,
                                        wire::FinishOptions options = {}) {
    wire::BatchBuilder builder(Lane::normal);
    for (const Written& event : events) {
        wire::EventInput input{.payload = std::as_bytes(std::span(event.text))};
        if (!event.key.empty()) input.key = std::as_bytes(std::span(event.key));
        input.type = event.type;
        input.destination = event.destination;
        builder.add(input, EpochNanos(1));
    }
    std::vector<std::byte> bytes;
    builder.finish(options, bytes);
    return bytes;
}

constexpr wire::FinishOptions kCompressed{.codec = wire::Codec::lz4, .compress_bytes_min = 1};

struct FilterFixture {
    TestBroker broker;
    RawConnection raw{broker.endpoint()};     // writes and asks
    RawConnection reader{broker.endpoint()};  // is pushed to
    std::uint32_t topic = 0;

    explicit FilterFixture(std::vector<std::string> settings = {})
        : broker({.settings = std::move(settings)}) {
        raw.hello();
        reader.hello();
        topic = create_topic(raw, "t");
    }
    void write(const std::vector<Written>& events, wire::FinishOptions options = {}) {
        must(produce(raw, topic, batch_of_written(events, options)));
    }
    // `count` events {"n":0}, {"n":1}, ... in one batch.
    void write_numbers(int from, int count, wire::FinishOptions options = {}) {
        std::vector<Written> events;
        for (int n = from; n < from + count; ++n)
            events.push_back({"{\"n\":" + std::to_string(n) + "}", "t" + std::to_string(n % 10)});
        write(events, options);
    }
    static fb::SubscribeT subscribe_request(std::uint32_t topic, const std::string& filter) {
        fb::SubscribeT request;
        request.subscription_id = 1;
        auto source = std::make_unique<fb::FetchSourceT>();
        source->topic_id = topic;
        source->lane = static_cast<std::uint8_t>(Lane::normal);
        request.sources.push_back(std::move(source));
        request.credit_bytes = request.credit_events = Tapper::kPlenty;
        request.filter = filter;
        return request;
    }
    double figure(const std::string& name) { return figure_of(broker, name); }
    Consumer consumer(Client& of, const std::string& filter, const std::string& group = {}) {
        ConsumerOptions options;
        options.filter = filter;
        options.group = group;
        options.auto_commit = false;
        return must(of.make_consumer(options));
    }
    static std::vector<std::string> numbers(int from, int to, int step = 1) {
        std::vector<std::string> texts;
        for (int n = from; n < to; n += step)
            texts.push_back("{\"n\":" + std::to_string(n) + "}");
        return texts;
    }
    std::vector<std::string> read(Consumer& from, std::size_t count, std::size_t at_a_time = 1000) {
        std::vector<std::string> texts;
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (texts.size() < count) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            for (const ConsumedEvent& event : must(from.poll(at_a_time, 50ms)))
                texts.push_back(text_of(event));
        }
        return texts;
    }
    // Until the reader is at `offset`; nothing is handed out meanwhile.
    void wait_for_position(Consumer& of, std::uint64_t offset) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (must(of.position("t", PartitionId(0), Lane::normal)) != Offset(offset)) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            CHECK(must(of.poll(10, 20ms)).empty());
        }
    }
    std::unique_ptr<Client> client = connect(broker);
    const std::vector<Place> beginning{{"t", PartitionId(0), Lane::normal, Offset(0)}};
};

struct Delivered {
    fb::DeliverT body;
    std::vector<std::string> events;
    std::size_t batches = 0;
    std::size_t bytes = 0;
};

Delivered next_deliver(RawConnection& raw) {
    const auto frame = raw.receive();
    REQUIRE(frame);
    REQUIRE(frame->header.api == wire::Api::deliver);
    Delivered delivered;
    delivered.body = must(wire::decode<fb::Deliver>(frame->body));
    delivered.events = events_in(frame->attachments);
    delivered.bytes = frame->attachments.size();
    for (auto rest = std::span<const std::byte>(frame->attachments); !rest.empty();
         rest = rest.subspan(must(wire::BatchView::peek_bytes(rest))))
        ++delivered.batches;
    return delivered;
}

}  // namespace

TEST_CASE_FIXTURE(FilterFixture, "filter: a batch that matches whole comes as it is stored") {
    const auto batch = batch_of_written({{"a", "x"}, {"b", "x"}});
    must(produce(raw, topic, batch));
    must(reader.call(subscribe_request(topic, R"(type == "x")")));
    const Delivered all = next_deliver(reader);
    CHECK(all.events == std::vector<std::string>{"a", "b"});
    CHECK(all.body.matches.empty());
    CHECK(all.body.next == 2);
    CHECK(all.bytes == batch.size());
}

TEST_CASE_FIXTURE(FilterFixture,
                  "filter: few matches come as batches of their own, with their offsets") {
    write_numbers(0, 1000);
    must(reader.call(subscribe_request(topic, "json.n in (3, 500, 501)")));
    const Delivered few = next_deliver(reader);
    CHECK(few.events == std::vector<std::string>{R"({"n":3})", R"({"n":500})", R"({"n":501})"});
    CHECK(few.batches == 2);
    CHECK(few.body.matches.empty());
    CHECK(few.body.next == 1000);
    CHECK(few.bytes < 1000);
}

TEST_CASE_FIXTURE(FilterFixture,
                  "filter: scattered matches come with the batch and a bit for each event") {
    write_numbers(0, 1000, kCompressed);
    must(reader.call(subscribe_request(topic, R"(type in ("t1", "t4", "t7"))")));
    const Delivered some = next_deliver(reader);
    CHECK(some.batches == 1);
    CHECK(some.events.size() == 1000);
    REQUIRE(some.body.matches.size() == 16);
    for (std::size_t n = 0; n < 1000; ++n) {
        const bool marked = (some.body.matches[n / 64] >> n % 64 & 1u) != 0;
        CHECK(marked == (n % 10 == 1 || n % 10 == 4 || n % 10 == 7));
    }
    // A filter that looks at columns decompresses nothing.
    CHECK(figure("casc_filter_batches_opened_total") == 0);
}

TEST_CASE_FIXTURE(FilterFixture, "filter: who gets nothing is told how far that is") {
    must(reader.call(subscribe_request(topic, R"(type == "none")")));
    write_numbers(0, 100);
    const Delivered nothing = next_deliver(reader);
    CHECK(nothing.events.empty());
    CHECK(nothing.body.error == 0);
    CHECK(nothing.body.next == 100);
    CHECK(nothing.body.visible_end == 100);
    write_numbers(100, 50);
    CHECK(next_deliver(reader).body.next == 150);
    CHECK(figure("casc_filter_events_examined_total") == 150);
    CHECK(figure("casc_filter_events_matched_total") == 0);
    CHECK(figure("casc_filter_batches_skipped_total") == 2);
}

TEST_CASE_FIXTURE(FilterFixture, "filter: what does not match costs no credit") {
    for (int i = 0; i < 20; ++i)
        write_numbers(i * 100, 100);
    auto request = subscribe_request(topic, "json.n >= 1995");
    request.credit_events = 5;
    must(reader.call(request));
    const Delivered last = next_deliver(reader);
    CHECK(last.events.size() == 5);
    CHECK(last.body.next == 2000);
}

TEST_CASE_FIXTURE(FilterFixture,
                  "filter: what is not valid or too expensive is refused with its place") {
    const auto refusal = [&](const std::string& filter) {
        const auto answer = reader.call(subscribe_request(topic, filter));
        REQUIRE_FALSE(answer);
        return answer.error();
    };
    CHECK(refusal("type = 5").code == ErrorCode::invalid_filter);
    CHECK(refusal("type = 5").message().find("at 6") != std::string::npos);
    CHECK(refusal(std::string(5000, ' ')).code == ErrorCode::filter_too_expensive);
    std::string many = "json.a == 1";
    for (int i = 0; i < 20; ++i)
        many += " || json.a == 1";
    CHECK(refusal(many).code == ErrorCode::filter_too_expensive);
    // Nothing is left of those.
    CHECK(reader.call(subscribe_request(topic, R"(has type)")));

    Tapper tapper(broker);
    const auto with = [](const std::string& filter) {
        return [=](fb::TapT& request) { request.filter = filter; };
    };
    CHECK(code_of(tapper.tap(with("oops"))) == ErrorCode::invalid_filter);
    CHECK(tapper.tap(with("has key")));
    fb::JoinQueueT join;
    join.group = "q";
    join.subscription_id = 9;
    join.topics = {"t"};
    join.prefetch_events = 100;
    join.prefetch_bytes = 100;
    join.filter = "(has key";
    CHECK(code_of(raw.call(join)) == ErrorCode::invalid_filter);
    CHECK(code_of(raw.call(fb::DescribeQueueT{})) == ErrorCode::unknown_group);
}

TEST_CASE_FIXTURE(FilterFixture,
                  "client/filter: hands out what matches, also in parts, compressed or not") {
    for (const bool compressed : {false, true}) {
        const int from = compressed ? 5000 : 0;
        for (int i = 0; i < 5; ++i)
            write_numbers(from + i * 1000, 1000, compressed ? kCompressed : wire::FinishOptions{});
    }
    auto some = consumer(*client, R"(type in ("t0", "t5"))");
    must(some.assign(beginning));
    CHECK(read(some, 2000, 7) == numbers(0, 10'000, 5));
    wait_for_position(some, 10'000);
    auto rare = consumer(*client, "json.n == 9876 || json.n == 1");
    must(rare.assign(beginning));
    CHECK(read(rare, 2) == std::vector<std::string>{R"({"n":1})", R"({"n":9876})"});
    wait_for_position(rare, 10'000);
    auto all = consumer(*client, "json.n >= 0");
    must(all.assign(beginning));
    CHECK(read(all, 10'000) == numbers(0, 10'000));
    CHECK(figure("casc_filter_batches_opened_total") > 0);
}

TEST_CASE_FIXTURE(FilterFixture, "client/filter: whole batches, also from the middle of one on") {
    write_numbers(0, 1000);
    for (const char* filter : {"", "type != \"t3\""}) {
        auto reading = consumer(*client, filter);
        must(reading.assign({{"t", PartitionId(0), Lane::normal, Offset(500)}}));
        std::vector<std::string> got;
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        const bool filtered = *filter != '\0';
        while (got.size() < (filtered ? 450 : 500)) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            const auto events = must(reading.poll_batches(50ms));
            std::size_t count = 0;
            for (const ConsumedEvent& event : events) {
                got.push_back(text_of(event));
                ++count;
            }
            CHECK(count == events.size());
        }
        auto expected = numbers(500, 1000);
        if (filtered)
            std::erase_if(expected, [](const std::string& text) { return text.ends_with("3}"); });
        CHECK(got == expected);
    }
}

TEST_CASE_FIXTURE(FilterFixture,
                  "client/filter: a group in which nothing matches commits and has no lag") {
    auto member = consumer(*client, R"(type == "none")", "g");
    must(member.subscribe({"t"}));
    write_numbers(0, 500);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::uint64_t committed = 0;
    while (committed != 500) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        CHECK(must(member.poll(10, 20ms)).empty());
        must(member.commit());
        fb::CommittedT request;
        request.group = "g";
        for (const auto& position : must(client->call(request)).positions)
            if (position->lane == static_cast<std::uint8_t>(Lane::normal))
                committed = position->offset;
    }
    must(member.close());
    // Whoever comes next begins behind what did not match.
    auto next = consumer(*client, "", "g");
    must(next.subscribe({"t"}));
    write_numbers(500, 1);
    CHECK(read(next, 1) == numbers(500, 501));
}

TEST_CASE_FIXTURE(FilterFixture, "client/filter: a bad filter is told by poll") {
    auto bad = consumer(*client, "type == ");
    must(bad.assign(beginning));
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        const auto events = bad.poll(10, 20ms);
        if (!events) {
            CHECK(events.error().code == ErrorCode::invalid_filter);
            break;
        }
        REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
}

TEST_CASE_FIXTURE(FilterFixture, "client/filter: is the same for events that come from the disk") {
    for (int i = 0; i < 300; ++i)
        write_numbers(i * 200, 200, i % 2 == 0 ? kCompressed : wire::FinishOptions{});
    client.reset();
    broker.restart();
    client = connect(broker);
    auto some = consumer(*client, "json.n >= 30000 && type == \"t3\"");
    must(some.assign(beginning));
    CHECK(read(some, 3000) == numbers(30'003, 60'000, 10));
    wait_for_position(some, 60'000);
}

TEST_CASE_FIXTURE(FilterFixture, "filter: one reader's long search lets others read on") {
    for (int i = 0; i < 200; ++i)
        write_numbers(i * 1000, 1000, kCompressed);
    must(reader.call(subscribe_request(topic, "json.n == -1 || json.m == 1 || json.k.l == 1")));
    RawConnection other(broker.endpoint());
    other.hello();
    CHECK(other.call(fb::NodeInfoT{}));
    auto all = consumer(*client, "");
    must(all.assign(beginning));
    CHECK(read(all, 200'000).size() == 200'000);
    while (next_deliver(reader).body.next != 200'000) {
    }
}

TEST_CASE_FIXTURE(FilterFixture, "filter: several readers of one topic share what is found out") {
    std::vector<std::unique_ptr<RawConnection>> readers;
    for (int i = 0; i < 8; ++i) {
        readers.push_back(std::make_unique<RawConnection>(broker.endpoint()));
        readers.back()->hello();
        const std::string type = "other" + std::to_string(i);
        must(readers.back()->call(subscribe_request(topic, "type == \"" + type + "\"")));
    }
    for (int i = 0; i < 10; ++i)
        write_numbers(i * 100, 100);
    for (auto& one : readers)
        while (next_deliver(*one).body.next != 1000) {
        }
    CHECK(figure("casc_filter_batches_skipped_total") == 80);
    CHECK(figure("casc_filter_batches_summarised_total") >= 40);
    CHECK(figure("casc_filter_events_examined_total") <= 4000);
}

TEST_CASE_FIXTURE(FilterFixture, "filter: expired events are left out of what matches") {
    wire::BatchBuilder builder(Lane::normal);
    for (int n = 0; n < 10; ++n) {
        const std::string text = std::to_string(n);
        wire::EventInput input{.payload = std::as_bytes(std::span(text))};
        input.type = n % 2 == 0 ? "even" : "odd";
        input.time_to_live_ms = n < 5 ? 1 : 0;
        builder.add(input, EpochNanos(1));
    }
    std::vector<std::byte> bytes;
    builder.finish({}, bytes);
    must(produce(raw, topic, bytes));
    // The broker's clock moves on with every request at the latest.
    const auto until = std::chrono::steady_clock::now() + 300ms;
    while (std::chrono::steady_clock::now() < until)
        must(raw.call(fb::PingT{}));
    auto even = consumer(*client, R"(type == "even")");
    must(even.assign(beginning));
    CHECK(read(even, 2) == std::vector<std::string>{"6", "8"});
    wait_for_position(even, 10);
}

TEST_CASE_FIXTURE(FilterFixture,
                  "filter/tap: gets what matches, with a bit each where that is scattered") {
    TapOptions options{.topics = {"t"}, .filter = R"(type == "t3" || type == "t6")"};
    auto tap = must(client->make_tap(options));
    write_numbers(0, 1000);
    write_numbers(1000, 10);
    write({{"one", "t3"}});
    std::vector<std::string> expected;
    for (int n = 0; n < 1010; ++n)
        if (n % 10 == 3 || n % 10 == 6) expected.push_back("{\"n\":" + std::to_string(n) + "}");
    expected.push_back("one");
    std::vector<std::string> got;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (got.size() < expected.size()) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        for (const ConsumedEvent& event : must(tap.poll(11, 50ms)))
            got.push_back(text_of(event));
    }
    CHECK(got == expected);
}

TEST_CASE_FIXTURE(FilterFixture,
                  "filter/tap: its marks count what matches, and conflation keeps that") {
    const auto id = create_topic(raw, "v", in_no_storage);
    Tapper tapper(broker);
    must(tapper.tap([](fb::TapT& request) {
        request.topics = {"v"};
        request.filter = R"(type == "yes")";
        request.on_full = 2;
        request.events_max = 100;
        no_credit(request);
    }));
    for (int round = 0; round < 50; ++round) {
        std::vector<Written> events;
        for (int n = 0; n < 20; ++n)
            events.push_back({std::to_string(round) + "/" + std::to_string(n),
                              n % 2 == 0 ? "yes" : "no", "k" + std::to_string(n)});
        must(produce(raw, id, batch_of_written(events), Acks::memory));
    }
    tapper.credit();
    std::map<std::string, int> last;  // key number: newest round
    while (last.size() < 10 || last.begin()->second != 49) {
        const auto body = tapper.next();
        CHECK(body.error == 0);
        for (const std::string& text : tapper.take_all()) {
            const auto slash = text.find('/');
            last[text.substr(slash + 1)] = std::stoi(text.substr(0, slash));
        }
    }
    CHECK(tapper.skipped > 0);
    CHECK(tapper.skipped < 500);  // of the 500 that match
}

TEST_CASE_FIXTURE(FilterFixture,
                  "filter/queue: what does not match is settled, and the rest delivered once") {
    write_numbers(0, 300, kCompressed);
    QueueOptions options;
    options.group = "q";
    options.topics = {"t"};
    options.filter = "json.n >= 100 && type == \"t7\"";
    auto member = must(client->make_queue_consumer(options));
    std::vector<std::string> got;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (got.size() < 20) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        for (const ConsumedEvent& event : must(member.poll(100, 50ms))) {
            got.push_back(text_of(event));
            must(member.done(event.id()));
        }
    }
    CHECK(got == numbers(107, 300, 10));
    must(member.flush());
    fb::DescribeQueueT describe;
    describe.group = "q";
    const auto floor = [&] {
        const auto told = must(client->call(describe));
        CHECK(told.filter == options.filter);
        for (const auto& log : told.logs)
            if (log->lane == static_cast<std::uint8_t>(Lane::normal)) return log->floor;
        return std::uint64_t{0};
    };
    while (floor() != 300) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        CHECK(must(member.poll(100, 20ms)).empty());
    }
    must(member.close());
    // Another filter is another group's.
    QueueOptions other = options;
    other.filter = "has key";
    CHECK(code_of(client->make_queue_consumer(other)) == ErrorCode::invalid_request);
    // And it is known after a crash.
    client.reset();
    broker.kill_hard();
    broker.restart();
    client = connect(broker);
    auto again = must(client->make_queue_consumer(options));
    RawConnection writer(broker.endpoint());
    writer.hello();
    must(produce(writer, topic,
                 batch_of_written({{R"({"n":1})", "t7"}, {R"({"n":400})", "t7"}, {"x", "t7"}})));
    std::vector<std::string> rest;
    while (rest.empty()) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        for (const ConsumedEvent& event : must(again.poll(100, 50ms)))
            rest.push_back(text_of(event));
    }
    CHECK(rest == std::vector<std::string>{R"({"n":400})"});
}
