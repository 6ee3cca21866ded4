// The journal after a crash or damage: a torn tail is cut, damage is refused and nothing is
// modified.

#include "journal_fixture.hpp"

using namespace casc;
using namespace casc::storage;

namespace {

struct RecoveryFixture : JournalFixture {
    // The next opening must fail with data_corrupt, say where, and change nothing.
    void must_refuse(std::string_view named) {
        const auto before = disk.change_count();
        const auto opened = open();
        REQUIRE_FALSE(opened.has_value());
        CHECK(opened.error().code == ErrorCode::data_corrupt);
        CHECK_MESSAGE(opened.error().detail.find(named) != std::string::npos,
                      opened.error().detail);
        CHECK(disk.change_count() == before);
        CHECK(sequences.empty());  // and nothing was visited
    }
    // Entries 2, 3, ... of one block each behind the opening mark, all durable.
    void write_durably(std::initializer_list<std::string_view> bodies) {
        must_open();
        for (const auto body : bodies)
            append_durably(body);
    }
    // Changes the header at `position` and makes its checksum right again.
    void reseal(unsigned number, std::uint64_t position,
                const std::function<void(EntryHeader&)>& change) {
        auto header = header_at(number, position);
        change(header);
        header.header_crc = wire::crc32c(std::as_bytes(std::span(&header, 1)).first(60));
        edit(number, position,
             std::string_view(reinterpret_cast<const char*>(&header), sizeof header));
    }
    void edit(unsigned number, std::uint64_t position, std::string_view bytes) {
        auto content = disk.content(segment(number));
        content.replace(position, bytes.size(), bytes);
        disk.set_content(segment(number), std::move(content));
    }
};

}  // namespace

// --- torn tails ----------------------------------------------------------------------------------

TEST_CASE_FIXTURE(RecoveryFixture, "storage/journal: a torn last entry is cut on recovery") {
    write_durably({"alpha", "beta"});
    close();
    disk.flip_bit(segment(0), block(2) + kEntryHeaderBytes,
                  0);  // beta's body; nobody knows that beta was complete
    must_open();
    CHECK(recovered() == Bodies{"alpha"});
    CHECK(report.last == JournalSequence(2));
    CHECK(report.torn_entries == 1);
    append_durably("gamma");
    close();
    must_open();
    CHECK(recovered() == Bodies{"alpha", "gamma"});
    CHECK(report.torn_entries == 0);
}

TEST_CASE_FIXTURE(RecoveryFixture, "storage/journal: a torn header is cut like a torn body") {
    write_durably({"alpha", "beta"});
    close();
    edit(0, block(2), std::string(64, '\0'));
    must_open();
    CHECK(recovered() == Bodies{"alpha"});
}

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: an entry complete behind an incomplete one is cut with it") {
    disk.set_write_delay(50, 50);
    must_open();
    append("lost");
    append("complete, but after a hole");
    settle();
    close();
    // As if the first write had never reached the disk. Neither entry knew the other durable.
    edit(0, block(1), std::string(kBlockAlignment, '\0'));
    must_open();
    CHECK(recovered().empty());
    CHECK(report.torn_entries == 1);
    append_durably("instead");  // takes the place and the sequence of the lost one
    REQUIRE(crash_and_open());
    CHECK(recovered() == Bodies{"instead"});
}

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: stale entries of an older generation never come back") {
    // Two entries of one generation in flight together; the first is lost, the second stays on
    // disk.
    disk.set_write_delay(50, 50);
    must_open();
    append("lost");
    const auto stale = append("stale");
    settle();
    close();
    edit(0, block(1), std::string(kBlockAlignment, '\0'));
    // The first recovery cuts both; its opening mark takes the place of the first, so `stale` with
    // the very next sequence lies right behind it.
    must_open();
    REQUIRE(journal->next_sequence() == stale);
    REQUIRE(header_at(0, block(2)).sequence == stale.value());
    // Crash before anything else is written, twice.
    REQUIRE(crash_and_open());
    CHECK(recovered().empty());
    REQUIRE(crash_and_open());
    CHECK(recovered().empty());
    CHECK(report.torn_entries == 0);
}

TEST_CASE_FIXTURE(
    RecoveryFixture,
    "storage/journal: without the raised generation a stale entry would be taken for damage") {
    // What protects the test above: an entry of the *same* generation behind the tail that knows it
    // durable is damage.
    write_durably({"a", "b", "c"});
    close();
    const auto generation = header_at(0, block(3)).generation;
    edit(0, block(1), std::string(kBlockAlignment, '\0'));
    must_refuse("entry 2");
    // The same bytes one generation older than the entry before the gap are stale.
    reseal(0, 0, [&](EntryHeader& mark) { mark.generation = generation + 1; });
    must_open();
    CHECK(recovered().empty());
    CHECK(report.generation == generation + 2);
}

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: cut entries in another segment do not come back either") {
    disk.set_write_delay(50, 50);
    must_open();
    // Three entries that fill segment 0, then two in flight: the first ends segment 0, the second
    // starts segment 1.
    for (int i = 0; i < 14; ++i)
        append_durably("x");
    append("lost");
    append("stale, first of segment 1");
    settle();
    close();
    edit(0, block(15), std::string(kBlockAlignment, '\0'));
    must_open();
    CHECK(recovered().size() == 14);
    CHECK(report.torn_entries == 1);
    // The segment was blanked: it cannot be taken for the start of the journal later.
    CHECK(disk.content(segment(1)).substr(0, kBlockAlignment) ==
          std::string(kBlockAlignment, '\0'));
    REQUIRE(crash_and_open());
    CHECK(recovered().size() == 14);
    append_durably("next");
    REQUIRE(crash_and_open());
    CHECK(recovered().back() == "next");
}

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: a half blanked segment is not taken for damage") {
    must_open();
    for (int i = 0; i < 40; ++i)
        append_durably(std::string(1000, 'x'));
    close();
    // Blanking of segment 0 was torn: its first sector (with the header) survived, the rest of the
    // block did not.
    edit(0, 512, std::string(kBlockAlignment - 512, '\0'));
    // The first entry is the opening mark, which has no body to miss: nothing to see.
    must_open();
    CHECK(report.first == JournalSequence(1));
}

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: a half blanked segment with a body is skipped, its successor "
                  "starts the chain") {
    must_open();
    for (int i = 0; i < 40; ++i)
        append_durably(std::string(1000, 'x'));
    journal->recycle_through(JournalSequence(16));
    while (journal->usage().segments_free == 0)
        journal->wait();  // segment 0 is blank: the chain starts in segment 1
    close();
    edit(1, 512, std::string(kBlockAlignment - 512, '\0'));
    must_open();
    CHECK(report.first == JournalSequence(33));
    CHECK(report.last == JournalSequence(41));
}

TEST_CASE_FIXTURE(
    RecoveryFixture,
    "storage/journal: an entry that does not continue the one before it is no part of the chain") {
    write_durably({"alpha", "beta"});
    close();
    const auto right = disk.content(segment(0));
    const std::function<void(EntryHeader&)> wrong[] = {
        [](EntryHeader& header) { header.previous_crc ^= 1; },
        [](EntryHeader& header) { header.generation -= 1; },
        [](EntryHeader& header) { header.sequence += 1, header.durable_through = 1; },
        [](EntryHeader& header) { header.sequence -= 1; },
        [](EntryHeader& header) { header.salt ^= 1; },
    };
    for (const auto& change : wrong) {
        disk.set_content(segment(0), right);
        reseal(0, block(2), change);
        must_open();
        CHECK(recovered() == Bodies{"alpha"});
        journal.reset();
    }
}

// --- damage --------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: a damaged body below a later durable_through is refused") {
    write_durably({"alpha", "beta", "gamma"});
    close();
    disk.flip_bit(segment(0), block(1) + kEntryHeaderBytes + 2, 5);
    must_refuse("journal-000000.seg' position 4096: entry 2");
    must_refuse("journal-000000.seg' position 4096: entry 2");  // and again: nothing was touched
}

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: a damaged header below a later durable_through is refused") {
    write_durably({"alpha", "beta", "gamma"});
    close();
    for (std::uint64_t byte = 0; byte < kEntryHeaderBytes; ++byte) {
        disk.flip_bit(segment(0), block(2) + byte, 3);
        must_refuse("position 8192: entry 3");
        disk.flip_bit(segment(0), block(2) + byte, 3);
    }
    must_open();
    CHECK(recovered() == Bodies{"alpha", "beta", "gamma"});
}

TEST_CASE_FIXTURE(
    RecoveryFixture,
    "storage/journal: the closing mark turns damage of the last entry from torn into refused") {
    write_durably({"alpha"});
    journal->submit_closing_mark();
    close();
    disk.flip_bit(segment(0), block(1) + kEntryHeaderBytes, 0);
    must_refuse("entry 2");
}

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: a damaged opening mark is refused once something follows") {
    write_durably({"alpha"});
    close();
    disk.flip_bit(segment(0), 20, 1);
    must_refuse("no segment starts with an intact entry");
}

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: damage to the first entry of a later segment is refused") {
    must_open();
    for (int i = 0; i < 20; ++i)
        append_durably("x");
    close();
    disk.flip_bit(segment(1), 30, 2);
    must_refuse("entry 17");
}

TEST_CASE_FIXTURE(RecoveryFixture, "storage/journal: a vanished segment in the middle is refused") {
    must_open();
    for (int i = 0; i < 40; ++i)
        append_durably("x");
    close();
    REQUIRE(disk.remove_file(segment(1)));
    must_refuse("entry 17");
}

TEST_CASE_FIXTURE(RecoveryFixture, "storage/journal: segments of another journal are refused") {
    write_durably({"mine"});
    close();
    const auto mine = disk.content(segment(0));
    JournalFixture other;
    other.options.salt = 99;
    other.must_open();
    other.close();
    disk.set_content(segment(1), other.disk.content(segment(0)));
    must_refuse("another journal");
}

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: a look-alike of an entry in a payload is not believed") {
    // A producer sends a block that is a perfect header: newest generation, knows everything
    // durable. It cannot know the salt.
    EntryHeader forged = {.magic = 0x314C4E4A43534143,
                          .generation = 7,
                          .record_count = 1,
                          .sequence = 1000,
                          .durable_through = 999,
                          .body_bytes = 10,
                          .body_crc = 0,
                          .previous_crc = 0,
                          .flags = 0,
                          .written_at = 0,
                          .salt = 0,
                          .header_crc = 0};
    forged.header_crc = wire::crc32c(std::as_bytes(std::span(&forged, 1)).first(60));
    std::string body(2 * kBlockAlignment, 'p');
    body.replace(kBlockAlignment - kEntryHeaderBytes, sizeof forged,
                 reinterpret_cast<const char*>(&forged), sizeof forged);
    must_open();
    append_durably("before");
    append_durably(body);
    close();
    REQUIRE(header_at(0, block(3)).sequence == 1000);            // it lies where an entry could be
    disk.flip_bit(segment(0), block(2) + kEntryHeaderBytes, 0);  // tear the entry around it
    must_open();
    CHECK(recovered() == Bodies{"before"});
    CHECK(report.generation == 2);
    // With the right salt it would have been believed.
    forged.salt = options.salt;
    forged.header_crc = wire::crc32c(std::as_bytes(std::span(&forged, 1)).first(60));
    journal.reset();
    edit(0, block(3), std::string_view(reinterpret_cast<const char*>(&forged), sizeof forged));
    must_refuse("1000");
}

TEST_CASE_FIXTURE(RecoveryFixture,
                  "storage/journal: what the visitor refuses stops the opening, nothing modified") {
    write_durably({"alpha"});
    close();
    visit_result = Error(ErrorCode::data_version, "not mine");
    const auto before = disk.change_count();
    CHECK(open().error().code == ErrorCode::data_version);
    CHECK(disk.change_count() == before);
    CHECK(report.last == JournalSequence(2));  // known before the first visit
}

TEST_CASE_FIXTURE(RecoveryFixture, "storage/journal: verify reads the same and changes nothing") {
    write_durably({"alpha", "beta"});
    close();
    const auto before = disk.change_count();
    Bodies seen;
    const auto check = [](std::span<const std::byte> body, std::uint32_t crc) {
        return wire::crc32c(body) == crc;
    };
    const auto visit = [&](const RecoveredEntry& entry) {
        if (entry.record_count > 0)
            seen.emplace_back(reinterpret_cast<const char*>(entry.body.data()), entry.body.size());
        return Result<void>();
    };
    REQUIRE(Journal::verify(disk, options.directory, check, visit, report));
    CHECK(seen == Bodies{"alpha", "beta"});
    CHECK(disk.change_count() == before);
    disk.flip_bit(segment(0), block(1) + kEntryHeaderBytes, 0);
    CHECK(Journal::verify(disk, options.directory, check, visit, report).error().code ==
          ErrorCode::data_corrupt);
}

// --- files ---------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(
    RecoveryFixture,
    "storage/journal: a segment that was half made does not keep a full disk from coming up") {
    write_durably({"alpha"});
    close();
    disk.set_content(segment(1), disk.content(segment(1)).substr(0, 10000));
    disk.set_capacity(disk.bytes_used());
    must_open();
    CHECK(recovered() == Bodies{"alpha"});
    CHECK(journal->usage().segments == 1);
    append_durably("beta");
}

TEST_CASE_FIXTURE(
    RecoveryFixture,
    "storage/journal: a first start on a full disk says so and leaves nothing half made") {
    disk.set_capacity(100000);
    CHECK(open().error().code == ErrorCode::disk_full);
    CHECK(disk.list("/data").value() == std::vector<std::string>{"journal-000000.seg"});
}

TEST_CASE_FIXTURE(RecoveryFixture, "storage/journal: a segment that was half made is made anew") {
    write_durably({"alpha"});
    close();
    auto content = disk.content(segment(1));
    disk.set_content(segment(1), content.substr(0, 10000));
    must_open();
    CHECK(recovered() == Bodies{"alpha"});
    CHECK(disk.content(segment(1)).size() == 64_KiB);
}

TEST_CASE_FIXTURE(RecoveryFixture, "storage/journal: a changed segment size keeps what is there") {
    write_durably({"alpha"});
    close();
    options.segment_bytes = 128_KiB;
    must_open();
    append_durably(std::string(60_KiB, 'b'));
    close();
    options.segment_bytes = 64_KiB;
    must_open();
    CHECK(recovered() == Bodies{"alpha", std::string(60_KiB, 'b')});
}
