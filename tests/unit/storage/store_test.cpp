#include "store_fixture.hpp"

#include <casc/types/clock.hpp>

namespace casc::storage {

TEST_CASE_FIXTURE(StoreFixture, "storage/store: what was appended is read back from memory") {
    must_open();
    const auto first = append(log_of(1), {"a", "b"});
    const auto second = append(log_of(1), {"c"});
    CHECK(first.base == Offset(0));
    CHECK(second.base == Offset(2));
    CHECK(second.arrival > first.arrival);
    CHECK(read(log_of(1)) == Events{"a", "b", "c"});
    CHECK(read(log_of(1), 2) == Events{"c"});
    CHECK(read(log_of(1), 1) == Events{"a", "b", "c"});  // whole batches
}

TEST_CASE_FIXTURE(StoreFixture,
                  "storage/store: the durable end moves when the entry is durable, once per call") {
    must_open();
    append(log_of(1), {"a"});
    const auto last = append(log_of(1), {"b", "c"});
    CHECK(store->log_state(log_of(1))->end == Offset(3));
    CHECK(store->log_state(log_of(1))->durable_end == Offset(0));
    settle(last);
    CHECK(store->log_state(log_of(1))->durable_end == Offset(3));
    REQUIRE(advanced.size() == 1);
    CHECK(advanced[0].log == log_of(1));
    CHECK(advanced[0].durable_end == Offset(3));
}

TEST_CASE_FIXTURE(StoreFixture,
                  "storage/store: what may wait is written within its time, or with what may not") {
    must_open();
    const auto append_soon = [&] {
        return *store->append(log_of(1), RetentionClass::unlimited, batch_of({"patient"}), ++now,
                              Urgency::soon);
    };
    const auto settles_at_once = [&](const AppendTicket& ticket) {
        const auto entries = store->stats().entries;
        store->submit();
        const bool written = store->stats().entries != entries;
        if (written) settle(ticket);
        return written;
    };

    // Alone it waits, and says until when.
    const auto alone = append_soon();
    REQUIRE(store->submit_due());
    const MonoNanos due = *store->submit_due();
    CHECK((due - mono_now()).value() <= std::chrono::nanoseconds(kSoon).count());
    while (mono_now() < due) {
    }
    CHECK(settles_at_once(alone));
    CHECK_FALSE(store->submit_due());

    // Somebody begins to wait for it.
    const auto waited_for = append_soon();
    store->hurry(waited_for.sequence);
    CHECK_FALSE(store->submit_due());
    CHECK(settles_at_once(waited_for));

    // Something that may not wait comes into the same entry.
    const auto carried = append_soon();
    const auto urgent = append(log_of(2), {"urgent"});
    CHECK(urgent.sequence == carried.sequence);
    CHECK(settles_at_once(carried));

    // It becomes large enough to be worth a write.
    auto large = append_soon();
    for (int i = 0; i < 3; ++i)
        large = *store->append(log_of(1), RetentionClass::unlimited,
                               batch_of({std::string(29'000, 'x')}), ++now, Urgency::soon);
    CHECK(settles_at_once(large));
    drain();
    CHECK(read(log_of(1)).size() == 7);
}

TEST_CASE_FIXTURE(StoreFixture,
                  "storage/store: what nobody waits for is written when the caller has time") {
    options.entry_bytes_max = 512_KiB;
    options.journal.segment_bytes = 4_MiB;
    options.unflushed_bytes_max = 4_MiB;
    must_open();
    const auto append_soon = [&](std::size_t bytes) {
        return *store->append(log_of(1), RetentionClass::unlimited,
                              batch_of({std::string(bytes, 'x')}), ++now, Urgency::soon);
    };
    const auto is_written_by = [&](MonoNanos until) {
        const auto entries = store->stats().entries;
        store->submit(until);
        return store->stats().entries != entries;
    };
    const MonoNanos somebody_waits{};

    auto last = append_soon(1);
    const MonoNanos due = *store->submit_due();
    CHECK_FALSE(is_written_by(somebody_waits));
    CHECK_FALSE(is_written_by(due - MonoNanos::distance(1)));
    CHECK(is_written_by(due));  // before its time
    settle(last);

    last = append_soon(1);
    store->hurry(last.sequence);
    CHECK(is_written_by(somebody_waits));
    settle(last);

    // Large, so that it is due at once.
    last = append_soon(300'000);
    REQUIRE(store->submit_due());
    CHECK(*store->submit_due() <= mono_now());
    CHECK_FALSE(is_written_by(somebody_waits));
    CHECK(is_written_by(mono_now()));
    settle(last);
}

TEST_CASE_FIXTURE(StoreFixture, "storage/store: events outlive an orderly shutdown") {
    must_open();
    append(log_of(1), {"a"});
    append(log_of(2), {"x", "y"});
    restart();
    CHECK(store->stats().replayed_entries == 0);
    CHECK(read(log_of(1)) == Events{"a"});
    CHECK(read(log_of(2)) == Events{"x", "y"});
    CHECK(append(log_of(2), {"z"}).base == Offset(2));
    CHECK(read(log_of(2)) == Events{"x", "y", "z"});
}

TEST_CASE_FIXTURE(StoreFixture, "storage/store: durable events outlive a power cut") {
    must_open();
    settle(append(log_of(1), {"a"}));
    settle(append(log_of(1), {"b"}));
    crash();
    CHECK(store->stats().replayed_entries > 0);
    CHECK(read(log_of(1)) == Events{"a", "b"});
    CHECK(store->log_state(log_of(1))->end == Offset(2));
}

TEST_CASE_FIXTURE(
    StoreFixture,
    "storage/store: many checkpoints and slices later every event is there, in order") {
    must_open();
    std::map<std::uint32_t, Events> expected;
    for (int i = 0; i < 600; ++i) {
        const std::uint32_t topic = 1 + static_cast<std::uint32_t>(i) % 3;
        Events events{std::to_string(i), std::string(static_cast<std::size_t>(i) * 7 % 4000, 'x')};
        settle(append(log_of(topic), events,
                      topic == 1 ? RetentionClass::hour : RetentionClass::unlimited));
        expected[topic].insert(expected[topic].end(), events.begin(), events.end());
    }
    drain();
    CHECK(store->stats().checkpoints > 3);
    CHECK(store->stats().slices > 3);
    for (const auto& [topic, events] : expected)
        CHECK(read(log_of(topic)) == events);
    restart();
    for (const auto& [topic, events] : expected)
        CHECK(read(log_of(topic)) == events);
}

TEST_CASE_FIXTURE(
    StoreFixture,
    "storage/store: state rows are put, replaced and erased, and outlive a power cut") {
    must_open();
    REQUIRE(store->put(StateTable::group, "g1", "one"));
    REQUIRE(store->put(StateTable::group, "g2", "two"));
    REQUIRE(store->put(StateTable::topic, "g1", "topic"));
    drain();
    REQUIRE(store->erase(StateTable::group, "g2"));
    settle(*store->put(StateTable::group, "g1", "new"));
    crash();
    CHECK(rows(StateTable::group) == std::map<std::string, std::string>{{"g1", "new"}});
    CHECK(rows(StateTable::topic) == std::map<std::string, std::string>{{"g1", "topic"}});
}

TEST_CASE_FIXTURE(StoreFixture,
                  "storage/store: a read crosses from RocksDB into memory without a gap") {
    must_open();
    Events expected;
    for (int i = 0; i < 200; ++i) {
        expected.push_back(std::to_string(i) + std::string(3000, '.'));
        settle(append(log_of(1), {expected.back()}));
    }
    drain();
    CHECK(store->stats().tail_cache_bytes <= options.tail_cache_bytes);
    CHECK(read(log_of(1)) == expected);
    CHECK(store->stats().cold_reads > 0);
}

TEST_CASE_FIXTURE(StoreFixture,
                  "storage/store: trimmed events are not read and erased logs are gone") {
    must_open();
    for (int i = 0; i < 10; ++i)
        append(log_of(1), {std::to_string(i)});
    append(log_of(2), {"x"});
    drain();
    REQUIRE(store->trim(log_of(1), Offset(4)));
    REQUIRE(store->erase_log(log_of(2)));
    restart();
    CHECK(store->log_state(log_of(1))->start == Offset(4));
    CHECK(!store->log_state(log_of(2)));
    const auto batches = read_cold(
        {.token = 9, .log = log_of(1), .from = Offset(0), .until = Offset(10), .bytes_max = 1_MiB});
    REQUIRE(batches);
    CHECK(events_of(*batches) == Events{"4", "5", "6", "7", "8", "9"});
}

TEST_CASE_FIXTURE(
    StoreFixture,
    "storage/store: a reservation keeps offsets from being used twice after a crash only") {
    must_open();
    settle(*store->reserve(log_of(1), Offset(100)));
    settle(append(log_of(1), {"a"}));
    append(log_of(1), {"seen, then lost"});
    crash();
    CHECK(store->log_state(log_of(1))->end == Offset(100));
    CHECK(store->log_state(log_of(1))->epoch == 2);
    CHECK(append(log_of(1), {"b"}).base == Offset(100));
    CHECK(read(log_of(1)) == Events{"a", "b"});
    settle(*store->reserve(log_of(1), Offset(200)));
    restart();
    CHECK(store->log_state(log_of(1))->end == Offset(101));
    CHECK(store->log_state(log_of(1))->epoch == 2);
    CHECK(read(log_of(1)) == Events{"a", "b"});
}

TEST_CASE_FIXTURE(StoreFixture, "storage/store: what is kept together is durable together") {
    must_open();
    append(log_of(1), {std::string(20'000, 'x')});
    REQUIRE(store->keep_together(20'000, 0));
    const auto ticket = append(log_of(1), {std::string(15'000, 'y')});
    const auto row = store->put(StateTable::group_offset, "k", "v");
    CHECK(ticket.sequence == *row);
}

TEST_CASE_FIXTURE(
    StoreFixture,
    "storage/store: an idle store proves its newest entry, also with an open entry that is empty") {
    must_open();
    settle(append(log_of(1), {"a"}));
    REQUIRE(store->keep_together(100, 0));
    const JournalSequence empty = store->filling();
    while (store->durable_through() < empty) {  // for ever if nobody writes it
        wait_for_news();
    }
    settle(append(log_of(1), {"b"}));
    crash();
    CHECK(read(log_of(1)) == Events{"a", "b"});
}

TEST_CASE_FIXTURE(StoreFixture, "storage/store: batches are found by the time of their append") {
    must_open();
    for (int i = 0; i < 60; ++i) {
        now.value = 1000 + i * 10;
        settle(append(log_of(1), {std::string(3000, 'x'), "second"}));
    }
    drain();
    CHECK(store->find_time(log_of(1), EpochNanos(0))->offset == Offset(0));
    CHECK(store->find_time(log_of(1), EpochNanos(1001))->offset == Offset(0));
    for (std::uint64_t i = 1; i < 60; ++i) {
        const auto found =
            store->find_time(log_of(1), EpochNanos(1002 + static_cast<std::int64_t>(i - 1) * 10));
        REQUIRE(found);
        CHECK(found->offset == Offset(2 * i));
    }
    CHECK(store->find_time(log_of(1), EpochNanos(5000))->offset == Offset(120));
}

TEST_CASE_FIXTURE(StoreFixture,
                  "storage/store: a bound in bytes becomes a start on a batch boundary") {
    must_open();
    for (int i = 0; i < 100; ++i)
        settle(append(log_of(1), {std::string(3000, 'x'), "second"}));
    drain();
    const std::size_t batch_bytes = batch_of({std::string(3000, 'x'), "second"}).size();
    CHECK(*store->start_for_bytes(log_of(1), 1_GiB) == Offset(0));
    CHECK(*store->start_for_bytes(log_of(1), 0) == Offset(200));
    CHECK(*store->start_for_bytes(log_of(1), 2 * batch_bytes) == Offset(196));
    const auto half = store->start_for_bytes(log_of(1), 50 * batch_bytes);
    REQUIRE(half);
    CHECK(half->value() % 2 == 0);
    CHECK(half->value() >= 100);
    CHECK(half->value() <= 130);  // by blocks of 32 KiB, which hold ten of these batches
}

TEST_CASE_FIXTURE(StoreFixture, "storage/store: a second process is refused") {
    must_open();
    const auto second = Store::open(*disk, options);
    REQUIRE(!second);
    CHECK(second.error().code == ErrorCode::data_locked);
}

TEST_CASE_FIXTURE(StoreFixture,
                  "storage/store: a folder of a newer format is refused and left alone") {
    must_open();
    restart();
    store.reset();
    const auto before = *disk->read_file(options.directory / "FORMAT");
    REQUIRE(disk->replace_file(options.directory / "FORMAT", "casc data\nversion 3\n"));
    CHECK(open().error().code == ErrorCode::data_version);
    REQUIRE(disk->replace_file(options.directory / "FORMAT", before));
    must_open();
}

TEST_CASE_FIXTURE(StoreFixture,
                  "storage/store: a folder of the older format is opened and says so") {
    must_open();
    settle(append(log_of(1), {"a"}));
    restart();
    store.reset();
    REQUIRE(disk->replace_file(options.directory / "FORMAT", "casc data\nversion 1\n"));
    must_open();
    CHECK(read(log_of(1)) == Events{"a"});
    CHECK(*disk->read_file(options.directory / "FORMAT") == "casc data\nversion 2\n");
}

TEST_CASE_FIXTURE(StoreFixture, "storage/store: missing parts are noticed at the start") {
    must_open();
    settle(append(log_of(1), {"a"}));
    restart();
    store.reset();
    const auto empty_folder = [&](const char* folder) {
        const auto names = disk->list(options.directory / folder);
        REQUIRE(names);
        for (const auto& name : *names)
            REQUIRE(disk->remove_file(options.directory / folder / name));
    };
    SUBCASE("journal") {
        empty_folder("journal");
    }
    SUBCASE("RocksDB") {
        empty_folder("rocks");
    }
    SUBCASE("FORMAT") {
        REQUIRE(disk->remove_file(options.directory / "FORMAT"));
    }
    CHECK(open().error().code == ErrorCode::data_missing);
}

TEST_CASE_FIXTURE(StoreFixture, "storage/store: works the same on a real disk") {
    use_real_disk();
    must_open();
    Events expected;
    for (int i = 0; i < 300; ++i) {
        expected.push_back(std::to_string(i) + std::string(3000, '.'));
        settle(append(log_of(1), {expected.back()}));
    }
    CHECK(read(log_of(1)) == expected);
    restart();
    CHECK(read(log_of(1)) == expected);
}

TEST_CASE_FIXTURE(StoreFixture, "storage/store: a failed journal write freezes the store") {
    must_open();
    settle(append(log_of(1), {"a"}));
    simulated.fail_writes(1, "journal");
    append(log_of(1), {"b"});
    while (!store->failure())
        wait_for_news();
    CHECK(store->log_state(log_of(1))->durable_end == Offset(1));
    CHECK(try_append(log_of(1), {"c"}).error().code == ErrorCode::storage_failed);
    CHECK(store->congested());
    CHECK(!store->drain());
}

TEST_CASE_FIXTURE(
    StoreFixture,
    "storage/store: a frozen store takes nothing that it had promised to take either") {
    must_open();
    simulated.fail_writes(1, "journal");
    append(log_of(1), {"a"});
    store->submit();
    REQUIRE(store->keep_together(1000, 0));
    while (!store->failure())
        wait_for_news();
    const auto refused = try_append(log_of(1), {"b"});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::storage_failed);
}

// It waited for ever: what was being filled found no write slot, the slot came free a moment later,
// and nothing was left that could have woken it.
TEST_CASE_FIXTURE(StoreFixture,
                  "storage/store: draining goes on when the only write slot comes free meanwhile") {
    options.journal.writes_in_flight = 1;
    simulated.set_write_delay(0, 0);
    must_open();
    append(log_of(1), {"a"});
    store->submit();
    append(log_of(1), {"b"});
    drain();
    must_open();
    CHECK(read(log_of(1)) == Events{"a", "b"});
}

TEST_CASE_FIXTURE(StoreFixture,
                  "storage/store: a failed checkpoint freezes the store and loses nothing") {
    must_open();
    settle(append(log_of(1), {"a"}));
    simulated.fail_writes(1, ".sst");
    CHECK(!store->drain());
    CHECK(store->failure());
    must_open();
    CHECK(read(log_of(1)) == Events{"a"});
}

}  // namespace casc::storage
