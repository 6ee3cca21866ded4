// Events that are taken out of the middle of a log: which ones, what is left of their batches, and
// that a power cut in between loses nothing and shows nothing twice.

#include "log_rewriter.hpp"
#include "rounds.hpp"
#include "store_fixture.hpp"

#include <casc/wire/tombstone.hpp>

#include <random>

namespace casc::storage {

namespace {

struct Keyed {
    std::string key;
    std::optional<std::string> value;  // nothing: a tombstone
};

std::vector<std::byte> keyed_batch(const std::vector<Keyed>& events,
                                   wire::Codec codec = wire::Codec::none) {
    wire::BatchBuilder builder;
    const wire::HeaderInput tombstone{wire::kTombstoneHeader, ""};
    for (const Keyed& event : events)
        builder.add({.payload = event.value ? std::as_bytes(std::span(*event.value))
                                            : std::span<const std::byte>(),
                     .key = std::as_bytes(std::span(event.key)),
                     .headers = event.value ? std::span<const wire::HeaderInput>()
                                            : std::span(&tombstone, 1)},
                    EpochNanos(1));
    std::vector<std::byte> bytes;
    builder.finish({.codec = codec, .compress_bytes_min = 0}, bytes);
    return bytes;
}

struct CompactionFixture : StoreFixture {
    explicit CompactionFixture(std::uint64_t seed = 1) : StoreFixture(seed) {}

    AppendTicket put(const std::vector<Keyed>& events, wire::Codec codec = wire::Codec::none) {
        while (store->congested() && !store->failure())
            wait_for_news();
        const auto ticket =
            store->append(log, RetentionClass::compacted, keyed_batch(events, codec), ++now);
        REQUIRE(ticket);
        settle(*ticket);
        return *ticket;
    }
    Offset end() const { return store->log_state(log)->end; }
    // A whole pass. Tombstones appended before `tombstones_before` go.
    Result<Rewritten> compact(EpochNanos replaced_before, EpochNanos tombstones_before) {
        return rewrite({.log = log,
                        .from = store->log_state(log)->start,
                        .until = end(),
                        .erased = {},
                        .compacts = true,
                        .replaced_before = replaced_before,
                        .tombstones_before = tombstones_before});
    }
    Result<Rewritten> compact() { return compact(++now, EpochNanos(0)); }
    Result<Rewritten> rewrite(RewriteRequest request) {
        Rewritten all;
        while (request.from < request.until) {
            std::optional<Result<Rewritten>> answer;
            store->post_rewrite(request, [&](Result<Rewritten> done) { answer = std::move(done); });
            // Sleeps meanwhile: the thread that does it has the lowest of priorities.
            if (const auto drained = store->drain(); !drained) return drained.error();
            REQUIRE(answer);
            if (!*answer) return answer->error();
            request.from = (*answer)->next;
            all.events += (*answer)->events;
            all.bytes += (*answer)->bytes;
            all.complete_from = std::max(all.complete_from, (*answer)->complete_from);
        }
        return all;
    }
    // What is stored, whatever the cache still has: "offset key=value".
    std::vector<std::string> stored() {
        drain();
        std::vector<std::string> out;
        std::uint64_t from = 0;
        while (from < end().value()) {
            const auto batches = read_cold({.token = 1,
                                            .log = log,
                                            .from = Offset(from),
                                            .until = end(),
                                            .bytes_max = 64_KiB});
            REQUIRE(batches);
            if (batches->empty()) break;
            for (const BatchRef& ref : *batches) {
                const auto batch = wire::BatchView::parse(ref.bytes);
                REQUIRE((batch && batch->verify_stamp() && batch->verify_body()));
                wire::Decompressor decompressor;
                const auto payloads = decompressor.open(*batch);
                REQUIRE(payloads);
                for (std::uint32_t i = 0; i < batch->event_count(); ++i) {
                    const auto event = batch->event(i, *payloads);
                    out.push_back(
                        std::to_string(event.offset.value()) + " " + text(*event.key) +
                        (wire::is_tombstone(*batch, i) ? "-" : "=" + text(event.payload)));
                }
                from = batch->end_offset().value();
            }
        }
        return out;
    }
    static std::string text(std::span<const std::byte> bytes) {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    std::map<std::string, std::uint64_t> keys() {
        std::map<std::string, std::uint64_t> found;
        store->scan_keys([&](LogId of, std::string_view key, const KeyState& state) {
            CHECK(of == log);
            if (!state.is_tombstone) found.emplace(key, state.offset.value());
        });
        return found;
    }

    const LogId log = log_of(1);
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("storage/compaction: an event stays or goes by what the row of its key says") {
    RewriteRequest request{.log = log_of(1), .from = Offset(0), .until = Offset(100)};
    request.compacts = true;
    request.replaced_before = EpochNanos(50);
    request.tombstones_before = EpochNanos(30);
    const auto fate = [&](std::uint64_t offset, std::int64_t time, std::uint64_t last,
                          bool tombstone) {
        const KeyRow row{
            .offset = last, .append_time = 0, .value_bytes = 0, .is_tombstone = tombstone};
        return fate_of(offset, time, row, request);
    };
    CHECK(fate(5, 10, 5, false) == Fate::stays);     // it is the last one
    CHECK(fate(5, 10, 9, false) == Fate::replaced);  // it is not
    CHECK(fate(5, 49, 9, true) == Fate::replaced);
    CHECK(fate(5, 50, 9, false) == Fate::stays);  // too young
    CHECK(fate(5, 29, 5, true) == Fate::forgotten_tombstone);
    CHECK(fate(5, 30, 5, true) == Fate::stays);
    CHECK(fate_of(5, 99, std::nullopt, request) == Fate::replaced);
    // A tombstone never goes before what it stands for may.
    request.tombstones_before = EpochNanos(90);
    CHECK(fate(5, 60, 5, true) == Fate::stays);
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "storage/compaction: the last event of each key stays, at its offset") {
    must_open();
    put({{"a", "1"}, {"b", "1"}, {"c", "1"}});
    put({{"a", "2"}});
    put({{"b", "2"}, {"b", "3"}});
    put({{"d", "1"}});
    const auto done = compact();
    REQUIRE(done);
    CHECK(done->events == 3);
    CHECK(done->bytes > 0);
    const Lines expected{"2 c=1", "3 a=2", "5 b=3", "6 d=1"};
    CHECK(stored() == expected);
    CHECK(compact()->events == 0);
    restart();
    CHECK(stored() == expected);
    CHECK(keys() == std::map<std::string, std::uint64_t>{{"a", 3}, {"b", 5}, {"c", 2}, {"d", 6}});
    // And the log goes on.
    put({{"c", "2"}});
    CHECK(compact()->events == 1);
    CHECK(stored() == Lines{"3 a=2", "5 b=3", "6 d=1", "7 c=2"});
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "storage/compaction: a tombstone goes when it is old, and its key with it") {
    must_open();
    put({{"a", "1"}, {"b", "1"}});
    put({{"a", std::nullopt}});
    const EpochNanos then = ++now;
    put({{"b", std::nullopt}});
    CHECK(compact()->events == 2);
    CHECK(stored() == Lines{"2 a-", "3 b-"});
    const auto done = compact(++now, then);
    REQUIRE(done);
    CHECK(done->events == 1);
    CHECK(done->complete_from == Offset(3));
    CHECK(stored() == Lines{"3 b-"});
    restart();
    CHECK(keys().empty());
    std::uint64_t complete_from = 0;
    std::uint64_t taken_out = 0;
    store->scan_compacted([&](LogId, const CompactedState& state) {
        complete_from = state.complete_from.value();
        taken_out = state.events;
    });
    CHECK(complete_from == 3);
    CHECK(taken_out == 3);
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "storage/compaction: what is left of a compressed batch is compressed") {
    must_open();
    const std::string large(4000, 'x');
    std::vector<Keyed> events;
    for (int i = 0; i < 20; ++i)
        events.push_back({"k" + std::to_string(i), large});
    put(events, wire::Codec::lz4);
    put({{"k10", "new"}});
    drain();
    const std::uint64_t before = store->log_state(log)->bytes;
    const auto done = compact();
    REQUIRE(done);
    CHECK(done->events == 1);
    CHECK(store->log_state(log)->bytes < before + 2000);
    CHECK(stored().size() == 20);
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "storage/compaction: the space comes back, also of the slice that still grows") {
    must_open();
    const std::string value(3000, 'v');
    for (int i = 0; i < 200; ++i)
        put({{"k" + std::to_string(i % 5), value + std::to_string(i)}});
    drain();
    const auto before = store->stats().sst_bytes;
    REQUIRE(before > 500'000);
    REQUIRE(compact());
    for (int i = 0; i < 5; ++i)
        reclaim();
    CHECK(store->stats().sst_bytes < before / 4);
    CHECK(stored().size() == 5);
    restart();
    CHECK(stored().size() == 5);
    CHECK(keys().size() == 5);
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "storage/compaction: an erased log takes the rows of its keys along") {
    must_open();
    put({{"a", "1"}, {"b", "1"}});
    drain();
    REQUIRE(store->erase_log(log));
    restart();
    CHECK(keys().empty());
}

TEST_CASE_FIXTURE(CompactionFixture,
                  "storage/rewrite: one event is taken out of any log, wherever it lies") {
    must_open();
    for (int i = 0; i < 3; ++i)
        settle(append(log_of(2), {"a" + std::to_string(i), "b", "c"}));
    const auto done = rewrite({.log = log_of(2),
                               .from = Offset(4),
                               .until = Offset(9),
                               .erased = {Offset(4), Offset(8)}});
    REQUIRE(done);
    CHECK(done->events == 2);
    const auto cold = read_cold(
        {.token = 1, .log = log_of(2), .from = Offset(0), .until = Offset(9), .bytes_max = 64_KiB});
    REQUIRE(cold);
    CHECK(events_of(*cold) == Events{"a0", "b", "c", "a1", "c", "a2", "b"});
}

// Any number of writes, then the power goes: during puts, checkpoints, rewriting and reclaiming.
TEST_CASE("storage/compaction: a power cut at any moment loses no key and brings none back") {
    for (std::uint64_t seed = 1; seed <= test::quarter_under_tsan<std::uint64_t>(10); ++seed) {
        CAPTURE(seed);
        CompactionFixture fixture(seed);
        std::mt19937_64 random(seed);
        fixture.must_open();
        struct Last {
            std::uint64_t offset;
            std::string value;
        };
        std::map<std::string, Last> durable;
        int counter = 0;
        for (int round = 0; round < 4; ++round) {
            for (int i = 0; i < 60; ++i) {
                const std::string key = "k" + std::to_string(random() % 7);
                const std::string value =
                    std::to_string(counter++) + std::string(random() % 2000, '.');
                durable[key] = {fixture.put({{key, value}}).base.value(), value};
            }
            fixture.simulated.cut_power_after(random() % 60);
            RewriteRequest request{.log = fixture.log,
                                   .from = Offset(0),
                                   .until = fixture.end(),
                                   .erased = {},
                                   .compacts = true,
                                   .replaced_before = ++fixture.now,
                                   .tombstones_before = EpochNanos(0)};
            bool answered = false;
            fixture.store->post_rewrite(request, [&](auto) { answered = true; });
            static_cast<void>(fixture.store->drain());
            if (answered && !fixture.store->failure()) {
                fixture.store->post_reclaim();
                static_cast<void>(fixture.store->drain());
            }
            fixture.crash();
            std::map<std::string, std::string> last;
            std::uint64_t previous = 0;
            bool first = true;
            for (const std::string& line : fixture.stored()) {
                const std::uint64_t offset = std::stoull(line);
                CHECK((first || offset > previous));
                first = false;
                previous = offset;
                const auto space = line.find(' ');
                const auto equals = line.find('=');
                last[line.substr(space + 1, equals - space - 1)] = line.substr(equals + 1);
            }
            for (const auto& [key, of] : durable)
                CHECK(last[key] == of.value);
            CHECK(last.size() == durable.size());
        }
    }
}

}  // namespace casc::storage
