// Random runs with power cuts at random places, checked against a model. The seed is printed when a
// run fails; CASC_TEST_SEED repeats it.

#include "journal_fixture.hpp"
#include "rounds.hpp"

#include <map>
#include <random>

using namespace casc;
using namespace casc::storage;

namespace {

// What the journal promised: every acknowledged entry that was not recycled is there; what is there
// is an unbroken run of sequences; and every body is the last one that was given that sequence.
struct CrashRun : JournalFixture {
    explicit CrashRun(std::uint64_t seed) : JournalFixture(seed), random(seed) {
        options.segment_bytes = 32_KiB;
        options.segments_max = 5;
        options.writes_in_flight = 1 + static_cast<unsigned>(draw(0, 7));
        disk.set_write_delay(0, static_cast<unsigned>(draw(0, 6)));
    }

    std::uint64_t draw(std::uint64_t first, std::uint64_t last) {
        return std::uniform_int_distribution<std::uint64_t>(first, last)(random);
    }

    void append_something() {
        std::string body =
            "round " + std::to_string(round) + " entry " + std::to_string(counter++) + " ";
        body.resize(body.size() + (draw(0, 3) == 0 ? draw(0, 15000) : draw(0, 400)), 'z');
        if (!journal->can_submit(body.size())) return;
        const auto sequence = append(body).value();
        submitted[sequence] = body;
    }

    void work() {
        for (auto steps = draw(0, 60); steps > 0 && !journal->failure(); --steps) {
            const auto action = draw(0, 9);
            if (action < 6) append_something();
            if (action >= 5 && action < 8) journal->poll();
            if (action == 8) journal->submit_closing_mark();
            acknowledged = std::max(acknowledged, journal->durable_through().value());
            if (action == 9) {
                recycled = draw(recycled, acknowledged);
                journal->recycle_through(JournalSequence(recycled));
            }
        }
        acknowledged = std::max(acknowledged, journal->durable_through().value());
    }

    // Opens, sometimes with the power going in the middle of it, until it works.
    void open_after_crash() {
        for (int attempt = 0;; ++attempt) {
            if (attempt < 3 && draw(0, 1) == 1) disk.cut_power_after(draw(0, 2));
            const auto opened = open();
            disk.cut_power_after(SimulatedDisk::kForEver);
            if (opened) break;
            REQUIRE_MESSAGE(opened.error().code == ErrorCode::io_failed, opened.error().message());
            REQUIRE_FALSE(disk.powered());
            forget_what_was_cut();  // its opening mark may have survived in the place of a cut
                                    // entry
            disk.power_on();
        }
        check_recovered();
    }

    // Entries behind the cut are gone for good; their sequences are given out again.
    void forget_what_was_cut() {
        submitted.erase(submitted.upper_bound(report.last.value()), submitted.end());
    }

    void check_recovered() {
        const auto last = report.last.value();
        REQUIRE(last >= acknowledged);
        if (!sequences.empty()) {
            REQUIRE(sequences.front() <= recycled + 1);
            REQUIRE(sequences.back() == last);
            REQUIRE(sequences.back() - sequences.front() + 1 == sequences.size());
        } else {
            REQUIRE(acknowledged == 0);
        }
        forget_what_was_cut();
        auto body = recovered().begin();
        for (const auto& [sequence, expected] : submitted) {
            if (sequences.empty() || sequence < sequences.front()) continue;
            REQUIRE(body != recovered().end());
            REQUIRE(*body == expected);
            ++body;
        }
        REQUIRE(body == recovered().end());
        acknowledged = last;  // it has been seen now
        torn += report.torn_entries;
    }

    void run(int rounds) {
        open_after_crash();
        for (round = 0; round < rounds; ++round) {
            if (draw(0, 4) == 0) disk.cut_power_after(draw(0, 20));
            work();
            if (draw(0, 9) == 0 && disk.powered() && !journal->failure()) {
                settle();
                acknowledged = std::max(acknowledged, journal->durable_through().value());
            }
            disk.crash();
            journal.reset();
            open_after_crash();
        }
    }

    std::mt19937_64 random;
    int round = 0;
    std::uint64_t counter = 0;
    std::map<std::uint64_t, std::string> submitted;  // those with a body, by sequence
    std::uint64_t acknowledged = 0;
    std::uint64_t recycled = 0;
    std::uint64_t torn = 0;
};

}  // namespace

TEST_CASE("storage/journal: random crashes lose nothing acknowledged and bring nothing back") {
    const auto first_seed = test_seed(1);
    std::uint64_t torn = 0;
    for (std::uint64_t seed = first_seed; seed < first_seed + test::quarter_under_tsan(200);
         ++seed) {
        CAPTURE(seed);
        CrashRun run(seed);
        run.run(20);
        torn += run.torn;
    }
    CHECK(torn > 0);  // or these runs were too kind
}

TEST_CASE("storage/journal: no flipped bit in an entry goes unnoticed") {
    const auto first_seed = test_seed(1000);
    for (std::uint64_t seed = first_seed; seed < first_seed + test::quarter_under_tsan(300);
         ++seed) {
        CAPTURE(seed);
        CrashRun run(seed);
        run.options.segments_max = 40;
        run.open_after_crash();
        for (int i = 0; i < 30; ++i)
            run.append_something();
        run.settle();
        run.journal->submit_closing_mark();
        run.close();
        // Where the entries lie, but for the closing mark itself, which nothing proves.
        std::vector<std::pair<std::string, std::uint64_t>>
            bytes;  // file, position of every byte that a checksum covers
        const auto names = run.disk.list("/data").value();
        for (const auto& name : names) {
            const auto content = run.disk.content("/data/" + name);
            for (std::uint64_t position = 0; position < content.size();) {
                EntryHeader header;
                std::memcpy(&header, content.data() + position, sizeof header);
                if (header.magic == 0 || header.flags == kEntryClosingMark) break;
                for (std::uint64_t i = 0; i < kEntryHeaderBytes + header.body_bytes; ++i)
                    bytes.emplace_back("/data/" + name, position + i);
                position +=
                    align_up<std::uint64_t>(kEntryHeaderBytes + header.body_bytes, kBlockAlignment);
            }
        }
        const auto& [path, position] = bytes[run.draw(0, bytes.size() - 1)];
        run.disk.flip_bit(path, position, static_cast<unsigned>(run.draw(0, 7)));
        const auto before = run.disk.change_count();
        const auto opened = run.open();
        if (opened) {
            // The very first entry cannot be told from a recycled segment: its absence shows in
            // what is first.
            REQUIRE(path == bytes.front().first);
            REQUIRE(position < kEntryHeaderBytes);
            REQUIRE(run.report.first > JournalSequence(1));
        } else {
            REQUIRE(opened.error().code == ErrorCode::data_corrupt);
            REQUIRE(run.disk.change_count() == before);
        }
    }
}
