// What a subscription sends next: by lane with a bound on starvation, by arrival, within its
// credit.

#include "subscription.hpp"

#include "store_folder.hpp"

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace casc;
using namespace casc::broker;
namespace asio = boost::asio;

namespace {

struct QuietHost final : SessionHost {
    void on_frame(Session&, const wire::Frame&) override {}
    void on_closed(Session&) override {}
    bool may_read(Session&) override { return true; }
    void on_pending_output(Session&, bool) override {}
    void on_writable(Session&) override {}
    void on_waiting_for_rings(Session&) override {}
};

struct CountingScheduler final : ReaderScheduler {
    void schedule(LaneReader&) override { ++times; }
    int times = 0;
};

struct Delivered {
    Lane lane;
    ErrorCode error;
    std::size_t batches;
    std::uint64_t first_offset;
    std::vector<std::uint64_t> arrivals;
};

// Five verbs: append, settle, subscribe, run, delivered.
struct SubscriptionFixture {
    StoreFolder at;
    asio::io_context io;
    Config config;
    Core core{io, config, *at.store};
    QuietHost host;
    CountingScheduler scheduler;
    asio::local::stream_protocol::socket peer{io};
    SessionPtr session;
    const Topic* topic = nullptr;
    std::unique_ptr<Subscription> subscription;

    SubscriptionFixture() {
        TopicSettings settings;
        settings.partitions = 2;
        settings.event_bytes_max = 1_MiB;
        const auto created = core.topics.create("t", settings, EpochNanos(1), 10);
        REQUIRE(created);
        topic = created->topic;
        asio::local::stream_protocol::socket own(io);
        asio::local::connect_pair(own, peer);
        session = std::make_shared<Session>(Session::Socket(std::move(own)), host, 1, "test",
                                            wire::kFrameBytesMax);
        peer.non_blocking(true);
    }
    ~SubscriptionFixture() {
        subscription.reset();
        session->close(true);
    }

    [[nodiscard]] LogId log(Lane lane, std::uint32_t partition = 0) const {
        return {topic->id, PartitionId(partition), lane};
    }
    void append(Lane lane, int batches = 1, std::uint32_t partition = 0) {
        for (int i = 0; i < batches; ++i)
            at.append(log(lane, partition), batch_of(1, lane));
    }
    // Becomes durable and visible, in small entries.
    void settle() {
        for (const auto& advanced : at.settle())
            core.watch.visible(advanced.log, core.visibility.visible_end(*topic, advanced.log));
    }
    void subscribe(DeliveryOrder order, std::size_t deliver_bytes = 1) {
        subscription = std::make_unique<Subscription>(
            core, *session, scheduler, 7,
            SubscriptionSettings{.order = order, .deliver_bytes_max = deliver_bytes});
        for (const Lane lane : kLanes)
            subscription->add_source(*topic, log(lane), Offset(0));
    }
    // Answers of the disk are taken until nothing more comes.
    void run() {
        subscription->run();
        for (int turn = 0; turn < 200; ++turn) {
            (void)at.settle();
            std::vector<storage::Advanced> advanced;
            at.store->poll(advanced, at.answers);
            for (auto& answer : std::exchange(at.answers, {}))
                core.cold_reads.answer(answer);
            subscription->run();
            session->flush();
        }
    }
    std::vector<Delivered> delivered() {
        session->flush();
        for (;;) {
            std::byte chunk[65536];
            boost::system::error_code error;
            const std::size_t bytes = peer.read_some(asio::buffer(chunk), error);
            if (error) break;
            unread.insert(unread.end(), chunk, chunk + bytes);
            // A session whose socket was full waits to hear that there is room again.
            io.restart();
            io.poll();
            session->flush();
        }
        std::vector<Delivered> list;
        std::size_t used = 0;
        for (;;) {
            const auto rest = std::span<const std::byte>(unread).subspan(used);
            const auto header = wire::peek_frame(rest, wire::kFrameBytesMax);
            REQUIRE(header);
            if (!*header || (*header)->frame_bytes > rest.size()) break;
            const auto frame = wire::open_frame(rest.first((*header)->frame_bytes));
            REQUIRE(frame);
            used += (*header)->frame_bytes;
            list.push_back(read(*frame));
        }
        unread.erase(unread.begin(), unread.begin() + static_cast<std::ptrdiff_t>(used));
        return list;
    }
    static Delivered read(const wire::Frame& frame) {
        const auto body = wire::decode<wire::fb::Deliver>(frame.body);
        REQUIRE(body);
        Delivered one{static_cast<Lane>(body->lane), static_cast<ErrorCode>(body->error), 0, 0, {}};
        for (auto rest = frame.attachments; !rest.empty();) {
            wire::BatchStamp stamp;
            std::memcpy(static_cast<void*>(&stamp), rest.data(), sizeof stamp);
            if (one.batches++ == 0) one.first_offset = stamp.base_offset;
            one.arrivals.push_back(stamp.arrival);
            rest = rest.subspan(stamp.batch_bytes);
        }
        return one;
    }
    std::vector<std::byte> unread;
};

constexpr std::uint64_t kPlenty = 1u << 30;

}  // namespace

TEST_CASE(
    "broker/subscription: critical goes first, and a lane that waits gets one delivery in "
    "sixteen") {
    SubscriptionFixture f;
    f.append(Lane::low, 40);
    f.append(Lane::critical, 200);
    f.settle();
    f.subscribe(DeliveryOrder::priority);
    f.subscription->grant(kPlenty, kPlenty);
    f.run();
    const auto all = f.delivered();
    REQUIRE(all.size() == 240);
    CHECK(all[0].lane == Lane::critical);
    std::size_t gap = 0, low = 0;
    for (std::size_t i = 0; i < 200; ++i) {
        gap = all[i].lane == Lane::low ? 0 : gap + 1;
        low += all[i].lane == Lane::low;
        CHECK(gap <= f.config.delivery.starvation_bound);
    }
    CHECK(low >= 200 / f.config.delivery.starvation_bound - 1);
    CHECK(low <= 200 / f.config.delivery.starvation_bound + 1);
}

TEST_CASE("broker/subscription: all four lanes come through under a backlog of the highest") {
    SubscriptionFixture f;
    for (const Lane lane : kLanes)
        f.append(lane, 100);
    f.settle();
    f.subscribe(DeliveryOrder::priority);
    f.subscription->grant(kPlenty, kPlenty);
    f.run();
    const auto all = f.delivered();
    REQUIRE(all.size() == 400);
    std::map<Lane, int> in_first_hundred;
    for (std::size_t i = 0; i < 100; ++i)
        ++in_first_hundred[all[i].lane];
    CHECK(in_first_hundred[Lane::critical] > 70);
    for (const Lane lane : kLanes)
        CHECK(in_first_hundred[lane] >= 4);
}

TEST_CASE("broker/subscription: arrival order is kept over all lanes of a partition") {
    SubscriptionFixture f;
    unsigned seed = std::random_device{}();
    CAPTURE(seed);
    for (int i = 0; i < 300; ++i)
        f.append(kLanes[(seed = seed * 1664525u + 1013904223u) >> 30]);
    f.settle();
    f.subscribe(DeliveryOrder::arrival, 600);
    f.subscription->grant(kPlenty, kPlenty);
    f.run();
    std::uint64_t last = 0;
    std::size_t batches = 0;
    for (const auto& one : f.delivered())
        for (const std::uint64_t arrival : one.arrivals) {
            CHECK(arrival > last);
            last = arrival;
            ++batches;
        }
    CHECK(batches == 300);
}

TEST_CASE(
    "broker/subscription: in arrival order, a lane that ends does not take the others along") {
    // The lane that was picked was used after it had been dropped.
    SubscriptionFixture f;
    f.append(Lane::critical, 3);
    f.append(Lane::normal, 3);
    f.settle();
    f.subscribe(DeliveryOrder::arrival);
    f.subscription->add_source(*f.topic, f.log(Lane::critical), Offset(1000));
    f.subscription->grant(kPlenty, kPlenty);
    f.run();
    std::size_t normal = 0, ended = 0;
    for (const auto& one : f.delivered()) {
        normal += one.lane == Lane::normal ? one.batches : 0;
        ended += one.error == ErrorCode::offset_out_of_range;
    }
    CHECK(normal == 3);
    CHECK(ended == 1);
}

TEST_CASE("broker/subscription: no more is sent than was granted, but for the last batch") {
    SubscriptionFixture f;
    f.append(Lane::critical, 100);  // the lane that leaves nothing to others
    f.settle();
    const std::size_t batch_bytes = batch_of(1).size();
    f.subscribe(DeliveryOrder::priority, 1_MiB);
    f.subscription->grant(10 * batch_bytes + 1, kPlenty);
    f.run();
    const auto first = f.delivered();
    std::size_t batches = 0;
    for (const auto& one : first)
        batches += one.batches;
    CHECK(batches == 11);
    f.subscription->grant(batch_bytes - 1, kPlenty);  // makes up for what went over
    f.run();
    CHECK(f.delivered().empty());
    f.subscription->grant(1, kPlenty);
    f.run();
    CHECK(f.delivered().size() == 1);
}

TEST_CASE("broker/subscription: credit by events holds, too") {
    SubscriptionFixture f;
    f.append(Lane::normal, 10);
    f.settle();
    f.subscribe(DeliveryOrder::priority, 1_MiB);
    f.subscription->grant(kPlenty, 4);
    f.run();
    std::size_t batches = 0;
    for (const auto& one : f.delivered())
        batches += one.batches;
    CHECK(batches == 4);
}

TEST_CASE("broker/subscription: what comes later is delivered where the reading ended") {
    SubscriptionFixture f;
    f.subscribe(DeliveryOrder::priority);
    f.subscription->grant(kPlenty, kPlenty);
    f.run();
    CHECK(f.delivered().empty());
    f.append(Lane::high, 2);
    f.settle();
    f.run();
    const auto all = f.delivered();
    REQUIRE(all.size() == 2);
    CHECK(all[1].first_offset == 1);
}

TEST_CASE("broker/subscription: old events come from the disk, in order") {
    SubscriptionFixture f;
    for (int round = 0; round < 20; ++round) {
        f.append(Lane::normal, 100);
        f.settle();
    }
    REQUIRE(f.at.store->drain());
    f.subscribe(DeliveryOrder::arrival, 4_KiB);
    f.subscription->grant(kPlenty, kPlenty);
    std::uint64_t next = 0;
    // The reader thread takes the time it takes.
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (next < 2000 && std::chrono::steady_clock::now() < patience) {
        f.run();
        for (const auto& one : f.delivered()) {
            CHECK(one.first_offset == next);
            next += one.batches;
        }
    }
    CHECK(next == 2000);
}

TEST_CASE(
    "broker/subscription: a topic that is removed ends its sources, one that waits for the disk, "
    "too") {
    // The answer of the disk used to leave such a source idle for ever.
    SubscriptionFixture f;
    f.append(Lane::normal, 5);
    f.settle();
    f.at.restart();  // nothing in memory: reading has to wait for the disk
    Core after{f.io, f.config, *f.at.store};
    after.topics.load();
    Subscription subscription(after, *f.session, f.scheduler, 7, {});
    const Topic* topic = after.topics.find("t");
    REQUIRE(topic != nullptr);
    const LogId log(topic->id, PartitionId(0), Lane::normal);
    subscription.add_source(*topic, log, Offset(0));
    subscription.grant(kPlenty, kPlenty);
    subscription.run();
    const TopicId id = topic->id;
    REQUIRE(after.topics.remove(id));
    after.watch.topic_removed(id);
    subscription.run();
    const auto all = f.delivered();
    REQUIRE(all.size() == 1);
    CHECK(all[0].error == ErrorCode::unknown_topic);
}

namespace {

// A topic none of whose events is in memory.
struct ColdFixture : SubscriptionFixture {
    ColdFixture(std::uint32_t partitions, std::initializer_list<Lane> lanes, int batches = 1) {
        TopicSettings settings;
        settings.partitions = partitions;
        settings.event_bytes_max = 1_MiB;
        const auto created = core.topics.create("many", settings, EpochNanos(1), 10);
        REQUIRE(created);
        for (int i = 0; i < batches; ++i)
            for (std::uint32_t partition = 0; partition < partitions; ++partition)
                for (const Lane lane : lanes)
                    at.append({created->topic->id, PartitionId(partition), lane},
                              batch_of(1, lane));
        for (std::uint32_t partition = 0; partition < partitions; ++partition)
            for (const Lane lane : lanes)
                logs.push_back({created->topic->id, PartitionId(partition), lane});
        at.settle();
        at.restart();
        after = std::make_unique<Core>(io, config, *at.store);
        after->topics.load();
        many = after->topics.find("many");
        REQUIRE(many != nullptr);
    }
    ~ColdFixture() { subscription.reset(); }
    void subscribe_to_all(DeliveryOrder order, std::size_t deliver_bytes = 1) {
        subscription = std::make_unique<Subscription>(
            *after, *session, scheduler, 7,
            SubscriptionSettings{.order = order, .deliver_bytes_max = deliver_bytes});
        for (const LogId one : logs)
            subscription->add_source(*many, one, Offset(0));
    }
    // Until the disk has answered everything that it was asked.
    void run_until_answered() {
        subscription->run();
        while (reads_answered < at.store->stats().cold_reads) {
            std::vector<storage::Advanced> advanced;
            at.store->submit();
            at.store->poll(advanced, at.answers);
            for (auto& answer : std::exchange(at.answers, {})) {
                ++reads_answered;
                after->cold_reads.answer(answer);
            }
            subscription->run();
            session->flush();
        }
    }

    std::unique_ptr<Core> after;  // of the store as it is after its restart
    const Topic* many = nullptr;
    std::vector<LogId> logs;
    std::uint64_t reads_answered = 0;
};

}  // namespace

TEST_CASE("broker/subscription: many cold logs are not all read into memory at once") {
    ColdFixture f(40, {Lane::normal});
    f.subscribe_to_all(DeliveryOrder::priority);
    f.subscription->grant(kPlenty, 1);
    f.run_until_answered();
    CHECK(f.reads_answered <= 9);  // eight whose answers are held, and the one that was sent
    CHECK(f.delivered().size() == 1);
    f.subscription->grant(kPlenty, kPlenty);
    f.run_until_answered();
    CHECK(f.delivered().size() == 39);
    CHECK(f.reads_answered == 40);
}

TEST_CASE(
    "broker/subscription: lanes that wait for one another in order of arrival do not wait for ever "
    "for the disk") {
    for (const std::uint32_t partitions : {1u, 4u, 40u}) {
        CAPTURE(partitions);
        ColdFixture f(partitions, {Lane::normal, Lane::critical, Lane::low}, 3);
        f.subscribe_to_all(DeliveryOrder::arrival);
        std::size_t events = 0;
        // One at a time, so that lanes which have been read wait for their turn.
        for (std::size_t left = 9 * partitions; left != 0; --left) {
            f.subscription->grant(kPlenty, 1);
            f.run_until_answered();
            for (const Delivered& one : f.delivered())
                events += one.batches;
        }
        CHECK(events == 9 * partitions);
    }
}

TEST_CASE(
    "broker/subscription: the answer to a read that was given up is not taken for that of a source "
    "put in again") {
    ColdFixture f(1, {Lane::normal}, 3);
    const LogId log = f.logs.front();
    f.subscribe_to_all(DeliveryOrder::priority);
    f.subscription->grant(kPlenty, kPlenty);
    f.subscription->run();  // reads from 0
    f.subscription->remove_source(log);
    f.subscription->add_source(*f.many, log, Offset(2));
    f.run_until_answered();
    const auto all = f.delivered();
    REQUIRE(all.size() == 1);
    CHECK(all[0].first_offset == 2);
}

TEST_CASE("broker/subscription: sources taken out while they wait for the disk let others read") {
    ColdFixture f(40, {Lane::normal});
    f.subscribe_to_all(DeliveryOrder::priority);
    f.subscription->grant(kPlenty, kPlenty);
    f.subscription->run();
    for (std::size_t i = 0; i < 20; ++i)
        f.subscription->remove_source(f.logs[i]);  // those that are read, and some that wait
    f.run_until_answered();
    CHECK(f.delivered().size() == 20);
}
