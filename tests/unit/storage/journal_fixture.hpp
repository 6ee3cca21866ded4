#pragma once
// A journal on a simulated disk, with small segments, and the verbs the journal tests speak in.

#include <casc/storage/journal.hpp>
#include <casc/storage/simulated_disk.hpp>
#include <casc/wire/crc32c.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace casc::storage {

using Bodies = std::vector<std::string>;

// Seed of the randomised tests: CASC_TEST_SEED repeats a run.
inline std::uint64_t test_seed(std::uint64_t otherwise) {
    const char* text = std::getenv("CASC_TEST_SEED");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

struct JournalFixture {
    explicit JournalFixture(std::uint64_t seed = 1) : disk(seed) {}
    ~JournalFixture() { journal.reset(); }

    // --- verbs -----------------------------------------------------------------------------------

    // Opens the journal; recovered() is what it found.
    Result<void> open() {
        found.clear();
        sequences.clear();
        auto opened = Journal::open(
            disk, options,
            [](std::span<const std::byte> body, std::uint32_t crc) {
                return wire::crc32c(body) == crc;
            },
            [&](const RecoveredEntry& entry) {
                sequences.push_back(entry.sequence.value());
                if (entry.record_count > 0)
                    found.emplace_back(reinterpret_cast<const char*>(entry.body.data()),
                                       entry.body.size());
                return visit_result;
            },
            report);
        if (!opened) return opened.error();
        journal = std::move(*opened);
        return {};
    }
    void must_open() {
        const auto opened = open();
        REQUIRE_MESSAGE(opened.has_value(), (opened ? std::string() : opened.error().message()));
    }
    // Submits one entry; its write stays in flight until somebody polls.
    JournalSequence append(std::string_view body) {
        auto block = pool.take(kEntryHeaderBytes + body.size());
        std::memcpy(block.bytes().data() + kEntryHeaderBytes, body.data(), body.size());
        const auto crc = wire::crc32c(std::as_bytes(std::span(body)));
        while (!journal->can_submit(body.size()) && journal->writes_in_flight() > 0)
            journal->wait();
        REQUIRE(journal->can_submit(body.size()));
        return journal->submit(std::move(block), body.size(), crc, 1);
    }
    // Until everything submitted has completed.
    void settle() {
        while (journal->writes_in_flight() > 0)
            journal->wait();
    }
    void append_durably(std::string_view body) {
        const auto sequence = append(body);
        settle();
        REQUIRE(journal->durable_through() >= sequence);
    }
    // A power cut and a new process.
    Result<void> crash_and_open() {
        disk.crash();
        journal.reset();
        return open();
    }
    void close() {
        settle();
        journal.reset();
    }

    // --- looking ---------------------------------------------------------------------------------

    [[nodiscard]] const Bodies& recovered() const { return found; }
    [[nodiscard]] static std::filesystem::path segment(unsigned number) {
        return "/data/journal-00000" + std::to_string(number) + ".seg";
    }
    // Where the n-th 4 KiB block of a segment starts: small entries take one each, the opening mark
    // the first.
    static constexpr std::uint64_t block(std::uint64_t n) { return n * kBlockAlignment; }
    [[nodiscard]] EntryHeader header_at(unsigned number, std::uint64_t position) const {
        EntryHeader header;
        std::memcpy(&header, disk.content(segment(number)).data() + position, sizeof header);
        return header;
    }

    SimulatedDisk disk;
    JournalOptions options{.directory = "/data",
                           .segment_bytes = 64_KiB,
                           .segments_min = 2,
                           .segments_max = 4,
                           .writes_in_flight = 4,
                           .salt = 0x5EED5EED,
                           .grow_on_helper_thread = false};
    BlockPool pool{32_KiB, 1_MiB};
    RecoveryReport report;
    Result<void> visit_result;
    Bodies found;
    std::vector<std::uint64_t> sequences;
    std::unique_ptr<Journal> journal;  // before everything it uses goes
};

}  // namespace casc::storage
