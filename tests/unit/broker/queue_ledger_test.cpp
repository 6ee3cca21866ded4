// What a queue group knows of a log: held against a table that has one line per event.

#include "queue_ledger.hpp"

#include <casc/wire/messages.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <random>

using namespace casc;
using namespace casc::broker;

namespace {

constexpr MonoNanos ms_at(std::int64_t ms) {
    return MonoNanos(ms * 1'000'000);
}
constexpr MemberNumber kAnna = 1;
constexpr MemberNumber kBert = 2;

// The rows as a store would keep them.
struct LedgerRows {
    std::string log;
    std::map<std::uint64_t, std::string> runs;

    static std::string text(flatbuffers::FlatBufferBuilder& builder) {
        return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
    }
    void write(QueueLedger& ledger, MonoNanos now) {
        flatbuffers::FlatBufferBuilder builder;
        builder.Finish(ledger.build_row(builder));
        log = text(builder);
        while (const auto first = ledger.last_touched()) {
            runs.erase(*first);
            if (const auto* run = ledger.noteworthy(*first)) {
                builder.Clear();
                builder.Finish(
                    QueueLedger::build_run_row(builder, *run, now, EpochNanos(1'000'000'000'000)));
                runs[*first] = text(builder);
            }
            ledger.was_written(*first);
        }
    }
    [[nodiscard]] QueueLedger read(MonoNanos now) const {
        const auto* row = flatbuffers::GetRoot<wire::fb::QueueRow>(log.data());
        auto ledger = QueueLedger::from_row(*row, 3);
        REQUIRE(ledger);
        for (const auto& [first, run] : runs)
            REQUIRE(ledger->load_run(first,
                                     *flatbuffers::GetRoot<wire::fb::QueueRunRow>(run.data()), now,
                                     EpochNanos(1'000'000'000'000)));
        ledger->finish_loading();
        return std::move(*ledger);
    }
};

// Verbs: deliver, deliver_again, settle, and what the ledger has itself.
struct LedgerFixture {
    QueueLedger ledger{Offset(0), 3};
    std::vector<Offset> refused;
    std::vector<std::pair<MemberNumber, QueueLedger::Freed>> freed;

    void deliver(std::uint64_t end, MemberNumber member = kAnna, std::int64_t until_ms = 1000) {
        ledger.lease_new(Offset(end), 100 * (end - ledger.next().value()), member, ms_at(until_ms));
    }
    // All of the first ready run.
    void deliver_again(MemberNumber member = kAnna, std::int64_t until_ms = 1000) {
        const auto run = ledger.first_ready();
        REQUIRE(run != ledger.runs().end());
        ledger.lease_again(Offset(run->first), Offset(run->second.end), 100, member,
                           ms_at(until_ms));
    }
    QueueLedger::Freed settle(std::vector<std::uint64_t> offsets, MemberNumber member = kAnna) {
        refused.clear();
        const std::uint64_t base = word_base(*std::min_element(offsets.begin(), offsets.end()));
        std::vector<std::uint64_t> words;
        for (const std::uint64_t offset : offsets) {
            const std::size_t word = (offset - base) / kWordOffsets;
            if (word >= words.size()) words.resize(word + 1);
            words[word] |= std::uint64_t{1} << (offset - base) % kWordOffsets;
        }
        return ledger.settle(member, Offset(base), words, refused);
    }
    void restart(std::int64_t now_ms = 0) {
        rows.write(ledger, ms_at(now_ms));
        ledger = rows.read(ms_at(5000));
    }
    LedgerRows rows;
    std::uint64_t ready() {
        const auto run = ledger.first_ready();
        return run == ledger.runs().end() ? ~0ull : run->first;
    }
};

}  // namespace

TEST_CASE_FIXTURE(LedgerFixture, "broker/queue_ledger: acks in any order raise the floor") {
    deliver(200);
    CHECK(ledger.open() == 200);
    CHECK(settle({1, 3, 130}).events == 3);
    CHECK(ledger.floor() == Offset(0));
    CHECK(settle({0, 2}).bytes == 200);
    CHECK(ledger.floor() == Offset(4));
    for (std::uint64_t i = 4; i < 200; ++i)
        if (i != 130) settle({i});
    CHECK(ledger.floor() == Offset(200));
    CHECK(ledger.open() == 0);
    CHECK(ledger.runs().empty());
}

TEST_CASE_FIXTURE(LedgerFixture,
                  "broker/queue_ledger: what was settled, is another's or was never delivered is "
                  "refused, and nothing else with it") {
    deliver(10);
    deliver(20, kBert);
    CHECK(settle({3}).events == 1);
    CHECK(settle({2, 3, 15, 25, 70}).events == 1);
    CHECK(refused == std::vector{Offset(3), Offset(15), Offset(25), Offset(70)});
    CHECK(ledger.open() == 18);
    CHECK(ledger.is_open(Offset(15)));
    CHECK(!ledger.refuse(kAnna, Offset(3), ms_at(0), ms_at(0), ""));
    CHECK(!ledger.refuse(kAnna, Offset(15), ms_at(0), ms_at(0), ""));
    CHECK(!ledger.release(kBert, Offset(5)));
    CHECK(!ledger.renew(kBert, Offset(99), ms_at(0)));
}

TEST_CASE_FIXTURE(LedgerFixture, "broker/queue_ledger: a refused event waits for its time, alone") {
    deliver(100);
    CHECK(ledger.refuse(kAnna, Offset(50), ms_at(500), ms_at(100), "busy")->events == 1);
    CHECK(ready() == ~0ull);
    CHECK(*ledger.next_time() == ms_at(500));
    ledger.pass_time(ms_at(499), freed);
    CHECK(ready() == ~0ull);
    ledger.pass_time(ms_at(500), freed);
    CHECK(ready() == 50);
    CHECK(freed.empty());  // it was nobody's
    deliver_again(kBert);
    CHECK(settle({50}, kAnna).events == 0);
    CHECK(settle({50}, kBert).events == 1);
    CHECK(ledger.open() == 99);
}

TEST_CASE_FIXTURE(LedgerFixture,
                  "broker/queue_ledger: the attempts of a lost member and of a lease that ran out "
                  "count, those of a release do not") {
    deliver(10, kAnna, 1000);
    CHECK(ledger.release(kAnna, Offset(4))->events == 1);
    CHECK(ledger.first_ready()->second.attempts == 0);
    CHECK(ledger.take_back(kAnna, true).events == 9);
    CHECK(ready() == 0);
    CHECK(ledger.first_ready()->second.attempts == 1);
    deliver_again(kBert, 2000);  // 0 ... 3
    ledger.pass_time(ms_at(2000), freed);
    REQUIRE(freed.size() == 1);
    CHECK(freed[0].first == kBert);
    CHECK(freed[0].second.events == 4);
    CHECK(ledger.first_ready()->second.attempts == 2);
    deliver_again(kBert, 3000);
    ledger.pass_time(ms_at(3000), freed);
    CHECK(ready() == 4);  // 0 ... 3 were delivered three times
    CHECK(*ledger.first_given_up() == Offset(0));
    for (std::uint64_t i = 0; i < 4; ++i)
        ledger.bury(*ledger.first_given_up());
    CHECK(!ledger.first_given_up());
    CHECK(ledger.floor() == Offset(4));
}

TEST_CASE_FIXTURE(LedgerFixture, "broker/queue_ledger: a renewed lease outlives its neighbours") {
    deliver(10, kAnna, 1000);
    CHECK(ledger.renew(kAnna, Offset(5), ms_at(3000)));
    ledger.pass_time(ms_at(1000), freed);
    CHECK(ledger.open() == 10);
    CHECK(settle({5}).events == 1);
    CHECK(settle({4}).events == 0);
}

TEST_CASE_FIXTURE(LedgerFixture, "broker/queue_ledger: what retention takes is settled") {
    deliver(100);
    settle({10, 60});
    ledger.trim(Offset(50), freed);
    CHECK(freed.size() == 1);
    CHECK(freed[0].second.events == 49);
    CHECK(ledger.floor() == Offset(50));
    CHECK(ledger.open() == 49);
    ledger.trim(Offset(1'000'000'000'000), freed);
    CHECK(ledger.open() == 0);
    CHECK(ledger.next() == Offset(1'000'000'000'000));
    deliver(1'000'000'000'010);
    CHECK(settle({1'000'000'000'003}).events == 1);
}

TEST_CASE_FIXTURE(LedgerFixture, "broker/queue_ledger: a gap in the log is settled") {
    deliver(10);
    ledger.skip_new(Offset(1000));
    deliver(1010);
    CHECK(ledger.open() == 20);
    for (std::uint64_t i = 0; i < 10; ++i)
        settle({i});
    CHECK(ledger.floor() == Offset(1000));
}

TEST_CASE_FIXTURE(LedgerFixture,
                  "broker/queue_ledger: after a restart what was open is ready, and its attempts, "
                  "delays and errors are known") {
    deliver(100);
    settle({0, 1, 7, 64});
    CHECK(ledger.refuse(kAnna, Offset(20), ms_at(700), ms_at(0), "later"));
    CHECK(ledger.refuse(kAnna, Offset(30), ms_at(0), ms_at(0), "now"));
    deliver_again(kBert);
    CHECK(ledger.give_up(kAnna, Offset(40), "poison"));
    restart(200);
    CHECK(ledger.floor() == Offset(2));
    CHECK(ledger.next() == Offset(100));
    CHECK(ledger.open() == 96);
    CHECK(ledger.runs().at(20).state == RunState::delayed);
    CHECK(ledger.runs().at(20).when == ms_at(5500));
    CHECK(ledger.runs().at(20).error == "later");
    CHECK(ledger.runs().at(30).attempts == 2);
    CHECK(ledger.runs().at(30).state == RunState::ready);
    CHECK(*ledger.first_given_up() == Offset(40));
    CHECK(ready() == 2);
    CHECK(ledger.first_ready()->second.attempts == 1);
}

TEST_CASE("broker/queue_ledger: a damaged row is refused") {
    const auto read = [](std::uint64_t floor, std::uint64_t next,
                         std::vector<std::uint64_t> settled,
                         std::vector<std::pair<std::uint64_t, std::uint64_t>> runs) {
        flatbuffers::FlatBufferBuilder builder;
        builder.Finish(
            wire::fb::CreateQueueRow(builder, floor, next, builder.CreateVector(settled)));
        auto ledger = QueueLedger::from_row(
            *flatbuffers::GetRoot<wire::fb::QueueRow>(builder.GetBufferPointer()), 3);
        if (!ledger) return false;
        for (const auto& [first, end] : runs) {
            builder.Clear();
            builder.Finish(wire::fb::CreateQueueRunRow(builder, end, 2));
            if (!ledger->load_run(
                    first, *flatbuffers::GetRoot<wire::fb::QueueRunRow>(builder.GetBufferPointer()),
                    MonoNanos(0), EpochNanos(0)))
                return false;
        }
        ledger->finish_loading();
        return true;
    };
    CHECK(read(10, 20, {}, {{12, 13}, {13, 20}}));
    CHECK(read(10, 20, {1u << 19}, {}));
    CHECK(!read(20, 10, {}, {}));
    CHECK(!read(10, 20, {0, 0}, {}));
    CHECK(!read(10, 20, {1u << 20}, {}));
    CHECK(!read(10, 64, {0, 1}, {}));
    CHECK(!read(10, 20, {}, {{12, 12}}));
    CHECK(!read(10, 20, {}, {{19, 21}}));
}

TEST_CASE_FIXTURE(LedgerFixture,
                  "broker/queue_ledger: rows between which a crash came lose attempts, never "
                  "events") {
    deliver(100);
    CHECK(ledger.take_back(kAnna, true).events == 100);
    rows.write(ledger, ms_at(0));
    const LedgerRows before = rows;
    deliver_again();
    CHECK(ledger.refuse(kAnna, Offset(50), ms_at(0), ms_at(0), "no"));
    rows.write(ledger, ms_at(0));
    REQUIRE(rows.runs.size() == 3);  // below, the event, above
    // All ways in which some of the rows are the old ones.
    for (unsigned mixture = 0; mixture < 8; ++mixture) {
        LedgerRows mixed = rows;
        unsigned bit = 0;
        for (const auto& [first, row] : rows.runs) {
            if ((mixture >> bit++ & 1) == 0) continue;
            mixed.runs.erase(first);
            if (const auto old = before.runs.find(first); old != before.runs.end())
                mixed.runs.insert(*old);
        }
        CAPTURE(mixture);
        QueueLedger read = mixed.read(ms_at(0));
        CHECK(read.open() == 100);
        std::uint64_t covered = 0;
        for (const auto& [first, run] : read.runs()) {
            CHECK(first == covered);
            covered = run.end;
        }
        CHECK(covered == 100);
    }
}

namespace {

// The same thing with one line per event.
struct PlainEvent {
    RunState state = RunState::leased;
    MemberNumber member = 0;
    std::uint32_t attempts = 1;
    MonoNanos when{};
    bool settled = false;
};

struct Oracle {
    static constexpr std::uint32_t kAttemptsMax = 3;

    std::mt19937 random;
    QueueLedger ledger{Offset(0), kAttemptsMax};
    std::vector<PlainEvent> events;
    std::int64_t now_ms = 0;

    std::uint64_t draw(std::uint64_t bound) { return random() % bound; }
    MemberNumber any_member() { return 1 + draw(3); }
    std::uint64_t any_offset() { return draw(events.size() + 5); }
    bool is_leased(std::uint64_t i, MemberNumber member) const {
        return i < events.size() && !events[i].settled && events[i].state == RunState::leased &&
               events[i].member == member;
    }
    void put_back(PlainEvent& event, MonoNanos when) {
        event.state = event.attempts >= kAttemptsMax ? RunState::given_up
                      : when <= ms_at(now_ms)        ? RunState::ready
                                                     : RunState::delayed;
        event.when = when;
    }

    void deliver() {
        const std::uint64_t count = 1 + draw(150);
        const MemberNumber member = any_member();
        const MonoNanos until = ms_at(now_ms + 1 + static_cast<std::int64_t>(draw(50)));
        ledger.lease_new(ledger.next() + OffsetDelta(count), count, member, until);
        events.resize(events.size() + count, {RunState::leased, member, 1, until, false});
    }
    void deliver_again() {
        const auto run = ledger.first_ready();
        const auto ready = [](const PlainEvent& event) {
            return !event.settled && event.state == RunState::ready;
        };
        const auto first = std::find_if(events.begin(), events.end(), ready) - events.begin();
        REQUIRE((run == ledger.runs().end()) == (static_cast<std::size_t>(first) == events.size()));
        if (run == ledger.runs().end()) return;
        const std::uint64_t from = run->first;
        REQUIRE(from <= static_cast<std::uint64_t>(first));
        const auto open = static_cast<std::uint64_t>(first);
        const std::uint64_t end = open + 1 + draw(run->second.end - open);
        const MemberNumber member = any_member();
        const MonoNanos until = ms_at(now_ms + 20);
        const auto count = ledger.lease_again(Offset(from), Offset(end), 1, member, until);
        std::uint32_t expected = 0;
        for (std::uint64_t i = from; i < end; ++i) {
            if (events[i].settled) continue;
            REQUIRE(events[i].state == RunState::ready);
            events[i] = {RunState::leased, member, events[i].attempts + 1, until, false};
            ++expected;
        }
        REQUIRE(count == expected);
    }
    void settle() {
        const MemberNumber member = any_member();
        const std::uint64_t base = word_base(any_offset());
        std::vector<std::uint64_t> words(1 + draw(4));
        for (auto& word : words)
            word = (std::uint64_t{random()} << 32 | random()) &
                   (std::uint64_t{random()} << 32 | random());
        std::vector<Offset> refused;
        std::vector<Offset> expected_refused;
        std::uint32_t expected = 0;
        for (std::uint64_t i = 0; i < 64 * words.size(); ++i) {
            if ((words[i / 64] >> i % 64 & 1) == 0) continue;
            if (is_leased(base + i, member)) {
                events[base + i].settled = true;
                ++expected;
            } else {
                expected_refused.emplace_back(base + i);
            }
        }
        CHECK(ledger.settle(member, Offset(base), words, refused).events == expected);
        CHECK(refused == expected_refused);
    }
    void say_something_of_one() {
        const MemberNumber member = any_member();
        const std::uint64_t i = any_offset();
        const bool his = is_leased(i, member);
        const MonoNanos when = ms_at(now_ms - 5 + static_cast<std::int64_t>(draw(30)));
        switch (draw(4)) {
            case 0:
                CHECK(ledger.refuse(member, Offset(i), when, ms_at(now_ms), "no").has_value() ==
                      his);
                if (his) put_back(events[i], when);
                break;
            case 1:
                CHECK(ledger.release(member, Offset(i)).has_value() == his);
                if (!his) break;
                --events[i].attempts;
                events[i].state = RunState::ready;
                break;
            case 2:
                CHECK(ledger.renew(member, Offset(i), when) == his);
                if (his) events[i].when = when;
                break;
            default:
                CHECK(ledger.give_up(member, Offset(i), "bad").has_value() == his);
                if (his) events[i].state = RunState::given_up;
        }
    }
    void pass_time() {
        now_ms += static_cast<std::int64_t>(draw(20));
        std::vector<std::pair<MemberNumber, QueueLedger::Freed>> freed;
        ledger.pass_time(ms_at(now_ms), freed);
        for (PlainEvent& event : events) {
            if (event.settled || event.when > ms_at(now_ms)) continue;
            if (event.state == RunState::leased) put_back(event, {});
            if (event.state == RunState::delayed) event.state = RunState::ready;
        }
    }
    void take_back() {
        const MemberNumber member = any_member();
        const bool lost = draw(2) == 0;
        std::uint32_t expected = 0;
        for (std::uint64_t i = 0; i < events.size(); ++i) {
            if (!is_leased(i, member)) continue;
            if (!lost) --events[i].attempts;
            put_back(events[i], {});
            ++expected;
        }
        CHECK(ledger.take_back(member, lost).events == expected);
    }
    void bury() {
        const auto dead = ledger.first_given_up();
        if (!dead) return;
        CHECK(events[dead->value()].state == RunState::given_up);
        CHECK(!events[dead->value()].settled);
        events[dead->value()].settled = true;
        ledger.bury(*dead);
    }
    LedgerRows rows;
    void restart() {
        rows.write(ledger, ms_at(now_ms));
        ledger = rows.read(ms_at(now_ms));
        for (PlainEvent& event : events)
            if (event.state == RunState::leased)
                event.state = event.attempts >= kAttemptsMax ? RunState::given_up : RunState::ready;
    }
    void step() {
        const auto choice = draw(100);
        if (choice < 15)
            deliver();
        else if (choice < 35)
            deliver_again();
        else if (choice < 65)
            settle();
        else if (choice < 85)
            say_something_of_one();
        else if (choice < 92)
            pass_time();
        else if (choice < 94)
            take_back();
        else if (choice < 98)
            bury();
        else
            restart();
    }
    bool agrees(std::uint64_t i) const {
        if (ledger.is_open(Offset(i)) != !events[i].settled) return false;
        if (events[i].settled) return true;
        const auto behind = ledger.runs().upper_bound(i);
        if (behind == ledger.runs().begin()) return false;
        const QueueLedger::Run& run = std::prev(behind)->second;
        return i < run.end && run.state == events[i].state && run.attempts == events[i].attempts &&
               (run.state != RunState::leased || run.member == events[i].member);
    }
    void check() {
        std::array<std::uint64_t, kRunStates> open{};
        std::uint64_t floor = events.size();
        for (std::uint64_t i = events.size(); i-- > 0;) {
            if (!agrees(i)) FAIL("event " << i);
            if (events[i].settled) continue;
            ++open[static_cast<std::size_t>(events[i].state)];
            floor = i;
        }
        CHECK(ledger.open() == std::accumulate(open.begin(), open.end(), std::uint64_t{0}));
        for (std::size_t state = 0; state < kRunStates; ++state)
            CHECK(ledger.open(static_cast<RunState>(state)) == open[state]);
        CHECK(ledger.floor() == Offset(floor));
        CHECK(ledger.next() == Offset(events.size()));
        for (const auto& [first, run] : ledger.runs())
            CHECK(run.open > 0);
    }
};

}  // namespace

TEST_CASE("broker/queue_ledger: agrees with one line per event, whatever happens") {
    const char* given = std::getenv("CASC_TEST_SEED");
    const auto first_seed = given != nullptr ? static_cast<unsigned>(std::atol(given)) : 1u;
    for (unsigned seed = first_seed; seed < first_seed + (given != nullptr ? 1 : 20); ++seed) {
        INFO("seed " << seed << " (CASC_TEST_SEED repeats it)");
        Oracle oracle;
        oracle.random.seed(seed);
        for (int i = 0; i < 400; ++i) {
            oracle.step();
            oracle.check();
        }
    }
}
