#include "held_leases.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

using namespace casc;
using namespace casc::client;

namespace {

const LogId kLog(TopicId(1), PartitionId(0), Lane::normal);
const LogId kOther(TopicId(1), PartitionId(1), Lane::high);

EventId event(std::uint64_t offset, LogId log = kLog) {
    return {log, Offset(offset)};
}

// What was said: 0 is done, the others as the protocol numbers them. Done is said once, other
// things once for each time that the event was leased.
using Said = std::multimap<EventId, int>;

Said take_all(HeldLeases& held) {
    Said said;
    while (held.unsent() != 0) {
        const auto request = held.take_verdicts();
        REQUIRE_FALSE(request.logs.empty());
        for (const auto& row : request.logs) {
            const LogId log(TopicId(row->topic_id), PartitionId(row->partition),
                            static_cast<Lane>(row->lane));
            CHECK(row->base % 64 == 0);
            for (std::size_t word = 0; word < row->done.size(); ++word)
                for (unsigned bit = 0; bit < 64; ++bit)
                    if ((row->done[word] >> bit & 1) != 0)
                        said.emplace(event(row->base + word * 64 + bit, log), 0);
            for (const auto& other : row->others)
                said.emplace(event(other->offset, log), other->verdict);
        }
    }
    return said;
}

}  // namespace

TEST_CASE("client/held_leases: an event can be settled once, while it is held") {
    HeldLeases held;
    held.add(kLog, 100, 200);
    CHECK(held.size() == 100);
    CHECK(held.done(event(150)));
    CHECK_FALSE(held.done(event(150)));
    CHECK_FALSE(held.settle(event(150), LeaseVerdict::refused, {}, "x"));
    CHECK_FALSE(held.done(event(200)));
    CHECK_FALSE(held.done(event(99)));
    CHECK_FALSE(held.done(event(150, kOther)));
    CHECK(held.settle(event(151), LeaseVerdict::given_up, {}, "x"));
    CHECK(held.size() == 98);
    CHECK(held.unsent() == 2);
    CHECK(take_all(held) == Said{{event(150), 0}, {event(151), 3}});
    CHECK(held.unsent() == 0);
    held.add(kLog, 150, 153);  // came again; 152 is held already
    CHECK(held.size() == 100);
    CHECK(held.done(event(150)));
    CHECK(held.done(event(152)));
    CHECK(held.size() == 98);
}

TEST_CASE("client/held_leases: what comes again before its first verdict has left counts once") {
    HeldLeases held;
    held.add(kLog, 0, 10);
    CHECK(held.done(event(3)));
    CHECK(held.done(kLog, 5, 7));
    held.add(kLog, 3, 7);
    CHECK(held.done(event(3)));
    CHECK(held.done(kLog, 4, 7));
    CHECK(held.unsent() == 4);
    CHECK(take_all(held) == Said{{event(3), 0}, {event(4), 0}, {event(5), 0}, {event(6), 0}});
    CHECK(held.unsent() == 0);
    CHECK(held.size() == 6);
}

TEST_CASE("client/held_leases: neighbours are one bitmap, over pages") {
    HeldLeases held;
    held.add(kLog, 1000, 3000);
    CHECK(held.done(kLog, 1000, 3000));
    CHECK_FALSE(held.done(kLog, 1000, 3000));
    const auto request = held.take_verdicts();
    CHECK(request.logs.size() == 1);
    CHECK(held.size() == 0);
    held.add(kLog, 10, 20);
    CHECK_FALSE(held.done(kLog, 5, 15));  // those that are held are done all the same
    CHECK(held.size() == 5);
    CHECK(held.unsent() == 5);
}

TEST_CASE("client/held_leases: what is held at two calls in a row has grown old") {
    HeldLeases held;
    held.add(kLog, 0, 3);
    CHECK(held.grow_old().empty());
    CHECK(held.done(event(1)));
    held.add(kLog, 10, 11);
    CHECK(held.grow_old() == std::vector<EventId>{event(0), event(2)});
    static_cast<void>(take_all(held));
    // Settled and leased again in between: as new.
    CHECK(held.done(event(10)));
    held.add(kLog, 10, 11);
    CHECK(held.grow_old() == std::vector<EventId>{event(0), event(2)});
}

TEST_CASE("client/held_leases: clear tells what was held and what was said in vain") {
    HeldLeases held;
    held.add(kLog, 0, 5);
    CHECK(held.done(event(1)));
    CHECK(held.settle(event(2), LeaseVerdict::released, {}, ""));
    const auto lost = held.clear();
    CHECK(std::set<EventId>(lost.begin(), lost.end()) ==
          std::set<EventId>{event(0), event(1), event(2), event(3), event(4)});
    CHECK(held.size() == 0);
    CHECK(held.unsent() == 0);
    CHECK_FALSE(held.done(event(0)));
}

TEST_CASE("client/held_leases: many at random, held against a set of events") {
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    HeldLeases held;
    std::set<EventId> model;
    Said expected;  // and not sent
    std::uint64_t next = 0;
    for (int i = 0; i < 20'000; ++i) {
        const LogId log = random() % 4 == 0 ? kOther : kLog;
        if (random() % 20 == 0) {
            const std::uint64_t count = 1 + random() % 300;
            held.add(log, next, next + count);
            for (std::uint64_t at = next; at < next + count; ++at)
                model.insert(event(at, log));
            next += count + random() % 1000;
        }
        // Comes again, whatever has been said of it.
        if (random() % 10 == 0 && next != 0) {
            const std::uint64_t at = random() % next;
            held.add(log, at, at + 1);
            model.insert(event(at, log));
        }
        const EventId which =
            event(next < 4000 ? random() % (next + 1) : next - random() % 4000, log);
        const bool is_held = model.erase(which) != 0;
        if (random() % 5 == 0) {
            CHECK(held.settle(which, LeaseVerdict::refused, 5, "no") == is_held);
            if (is_held) expected.emplace(which, 1);
        } else {
            CHECK(held.done(which) == is_held);
            const auto [from, to] = expected.equal_range(which);
            const bool is_done =
                std::any_of(from, to, [](const auto& said) { return said.second == 0; });
            if (is_held && !is_done) expected.emplace(which, 0);
        }
        CHECK(held.size() == model.size());
        CHECK(held.unsent() == expected.size());
        if (random() % 200 != 0) continue;
        const Said said = take_all(held);
        // In any order among those of one event.
        CHECK(std::is_permutation(said.begin(), said.end(), expected.begin(), expected.end()));
        expected.clear();
    }
}
