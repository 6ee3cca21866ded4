// The promise of the store, kept through power cuts at every place: what was durable is there, what
// is there is a prefix of what was appended, and no offset is used twice.

#include "rounds.hpp"
#include "store_fixture.hpp"

#include <cstdlib>
#include <random>

namespace casc::storage {

namespace {

std::uint64_t seed_of(std::uint64_t otherwise) {
    const char* text = std::getenv("CASC_TEST_SEED");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// What was appended to a log, and how much of it was known to be durable.
struct Expected {
    Events events;
    std::size_t durable = 0;
    std::size_t trimmed = 0;
};

struct CrashRounds : StoreFixture {
    explicit CrashRounds(std::uint64_t seed) : StoreFixture(seed), random(seed) {
        options.journal.segments_max = 6;
    }

    std::uint32_t any_topic() { return 1 + static_cast<std::uint32_t>(random() % 5); }
    RetentionClass class_of(std::uint32_t topic) const {
        return static_cast<RetentionClass>(topic % 3);
    }

    // Works until the power goes or `steps` are done.
    void work(int steps) {
        for (int i = 0; i < steps && simulated.powered() && !store->failure(); ++i) {
            const std::uint32_t topic = any_topic();
            const auto choice = random() % 100;
            if (choice < 70) {
                append_some(topic);
            } else if (choice < 80) {
                put_row();
            } else if (choice < 84) {
                trim_some(topic);
            } else if (choice < 86) {
                store->post_reclaim();
            } else if (choice < 88) {
                if (store->drain()) note_durable();
            }
            store->submit();
            poll();
            note_durable();
        }
    }
    void append_some(std::uint32_t topic) {
        Events events;
        for (std::uint64_t i = 0; i < 1 + random() % 3; ++i)
            events.push_back(std::to_string(counter++) + std::string(random() % 3000, '.'));
        const auto ticket = try_append(log_of(topic), events, class_of(topic));
        if (!ticket) return;  // frozen, or held back
        Expected& log = logs[topic];
        REQUIRE(ticket->base.value() == log.events.size());
        log.events.insert(log.events.end(), events.begin(), events.end());
    }
    void put_row() {
        const std::string key = "k" + std::to_string(random() % 10);
        const std::string value = std::to_string(counter++);
        const auto sequence = store->put(StateTable::group, key, value);
        if (sequence) row_history.push_back({*sequence, key, value});
    }
    void trim_some(std::uint32_t topic) {
        Expected& log = logs[topic];
        if (log.durable == 0) return;
        const std::size_t to = random() % (log.durable + 1);
        if (store->trim(log_of(topic), Offset(to))) log.trimmed = std::max(log.trimmed, to);
    }
    void note_durable() {
        for (const auto& [id, end] : advanced) {
            auto& durable = logs[id.topic().value()].durable;
            durable = std::max<std::size_t>(durable, end.value());
        }
        advanced.clear();
        durable_through = store->durable_through();
    }

    void check_after_crash() {
        for (auto& entry : logs) {
            const auto topic = entry.first;
            auto& expected = entry.second;
            CAPTURE(topic);
            const auto state = store->log_state(log_of(topic));
            const std::size_t end = state ? state->end.value() : 0;
            const std::size_t start = state ? state->start.value() : 0;
            REQUIRE(end >= expected.durable);
            REQUIRE(end <= expected.events.size());
            REQUIRE(start <= expected.trimmed);
            expected.events.resize(end);
            expected.durable = end;
            // Whole batches come back, so the first one may begin before the low-water mark.
            const Events found = read(log_of(topic), start);
            REQUIRE(found.size() >= end - start);
            CHECK(std::equal(found.rbegin(),
                             found.rbegin() + static_cast<std::ptrdiff_t>(end - start),
                             expected.events.rbegin()));
            expected.trimmed = start;
        }
        check_rows();
    }
    // Every row has the value of some prefix of the history that holds everything durable.
    void check_rows() {
        const auto found = rows(StateTable::group);
        std::map<std::string, std::string> durable;
        std::map<std::string, Events> later;
        for (const auto& [sequence, key, value] : row_history) {
            if (sequence <= durable_through) durable[key] = value;
            later[key].push_back(value);
        }
        for (const auto& entry : durable) {
            const std::string& key = entry.first;
            const std::string& value = entry.second;
            CAPTURE(key);
            REQUIRE(found.contains(key));
            const Events& values = later[key];
            const auto at = std::find(values.begin(), values.end(), found.at(key));
            REQUIRE(at != values.end());
            CHECK(at >= std::find(values.begin(), values.end(), value));
        }
        // The next round starts from what survived.
        row_history.clear();
        for (const auto& [key, value] : found)
            row_history.push_back({JournalSequence(0), key, value});
    }

    struct RowPut {
        JournalSequence sequence;
        std::string key, value;
    };
    std::mt19937_64 random;
    std::uint64_t counter = 0;
    std::map<std::uint32_t, Expected> logs;
    std::vector<RowPut> row_history;
    JournalSequence durable_through{};
};

}  // namespace

TEST_CASE(
    "storage/store_crash: nothing durable is lost and nothing is invented, whenever the power "
    "goes") {
    const std::uint64_t first = seed_of(1);
    const int count = std::getenv("CASC_TEST_SEED") != nullptr ? 1 : test::quarter_under_tsan(12);
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        CAPTURE(seed);
        CrashRounds rounds(seed);
        rounds.must_open();
        for (int round = 0; round < 6; ++round) {
            CAPTURE(round);
            rounds.simulated.cut_power_after(20 + rounds.random() % 400);
            rounds.work(300);
            rounds.simulated.cut_power_after(SimulatedDisk::kForEver);
            rounds.simulated.crash();
            rounds.must_open();
            rounds.check_after_crash();
        }
    }
}

TEST_CASE("storage/store_crash: a crash during recovery is recovered from") {
    for (std::uint64_t cut = 1; cut < 60; cut += 3) {
        CAPTURE(cut);
        StoreFixture f(cut);
        f.must_open();
        Events expected;
        for (int i = 0; i < 30; ++i) {
            expected.push_back(std::to_string(i) + std::string(3000, '.'));
            f.settle(f.append(log_of(1), {expected.back()}));
        }
        f.simulated.crash();
        f.simulated.cut_power_after(cut);
        static_cast<void>(f.open());
        f.simulated.cut_power_after(SimulatedDisk::kForEver);
        f.crash();
        CHECK(f.read(log_of(1)) == expected);
    }
}

TEST_CASE_FIXTURE(
    StoreFixture,
    "storage/store_crash: offsets seen before they were durable are not given out again") {
    must_open();
    std::uint64_t floor = 0;
    for (int round = 0; round < 4; ++round) {
        const auto ceiling =
            store->log_state(log_of(1)) ? store->log_state(log_of(1))->end.value() + 10 : 10;
        settle(*store->reserve(log_of(1), Offset(ceiling)));
        const auto seen = append(log_of(1), {"seen"});
        CHECK(seen.base.value() >= floor);
        floor = ceiling;
        crash();
        CHECK(store->log_state(log_of(1))->epoch == static_cast<std::uint32_t>(round) + 2);
    }
}

// RocksDB deleted the SST files whose record in the MANIFEST had failed to be synced; the record
// was there all the same, and the next start refused a MANIFEST that named files which were gone.
TEST_CASE(
    "store: a MANIFEST write that fails does not take along the files that the MANIFEST may name") {
    int frozen = 0;
    for (std::uint64_t writes = 0; writes < 40; ++writes) {
        CAPTURE(writes);
        StoreFixture fixture;
        fixture.must_open();
        fixture.simulated.fail_writes(1, "MANIFEST", writes);
        std::size_t durable = 0;
        for (int i = 0; i < 60 && !fixture.store->failure(); ++i) {
            const auto ticket = fixture.try_append(log_of(1), {std::string(8000, 'x')});
            if (!ticket) break;
            fixture.settle(*ticket);
            if (fixture.store->durable_through() >= ticket->sequence)
                durable = ticket->base.value() + 1;
        }
        static_cast<void>(fixture.store->drain());
        if (fixture.store->failure()) ++frozen;
        fixture.simulated.fail_writes(0, "");
        fixture.must_open();  // the machine has stayed on: whatever was written is there
        CHECK(fixture.read(log_of(1)).size() >= durable);
    }
    CHECK(frozen > 10);
}

}  // namespace casc::storage
