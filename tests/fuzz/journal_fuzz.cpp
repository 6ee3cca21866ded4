// journal_fuzz.cpp: recovery of a journal whose files have been damaged.
//
// Input: up to kEditsMax edits of four bytes: file, position (two bytes), operation. An operation
// flips one bit, zeroes a block or cuts the file. That is what disks do; CRC32C finds every such
// damage, so there is a right answer to each input:
//   - what recovery hands out is an unbroken run of the entries that were written, byte for byte;
//   - it ends early only where no intact entry behind it knows that there was more (else:
//   data_corrupt);
//   - it starts late only where a segment's first entry is damaged; RecoveryReport::first tells,
//   and our visitor refuses
//     such a journal as the store does, which has none of these entries;
//   - when it refuses, nothing was modified; when it accepts, it accepts its own result again.

#include "fuzz_target.hpp"
#include "journal_fixture.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace casc;
using namespace casc::storage;

using Files = std::map<std::string, std::string>;

// Few enough that no entry of the fixture can be changed into another valid one: CRC32C finds up to
// three flipped bits in anything shorter than 2^31 bits.
constexpr std::size_t kEditsMax = 3;
constexpr std::size_t kEditBytes = 4;

void edit(std::string& content, std::size_t position, std::uint8_t operation) {
    if (content.empty()) return;
    position %= content.size();
    if (operation < 0xC0) {
        content[position] = static_cast<char>(content[position] ^ (1 << operation % 8));
    } else if (operation < 0xE0) {
        const std::size_t block = position / kBlockAlignment * kBlockAlignment;
        const auto bytes = std::min(kBlockAlignment, content.size() - block);
        std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(block), bytes, '\0');
    } else {
        content.resize(position);
    }
}

Files damaged_files(std::span<const std::byte> input) {
    Files files = fuzz::written_journal().files;
    for (std::size_t i = 0; i < kEditsMax && input.size() >= kEditBytes; ++i) {
        const auto byte = [&](std::size_t at) { return std::to_integer<unsigned>(input[at]); };
        const auto file =
            std::next(files.begin(), static_cast<std::ptrdiff_t>(byte(0) % files.size()));
        edit(file->second, byte(1) << 8 | byte(2), static_cast<std::uint8_t>(byte(3)));
        input = input.subspan(kEditBytes);
    }
    return files;
}

// Recovery reads whole blocks: what a cut has left of one is not there.
bool survives(const fuzz::PlacedEntry& entry, std::size_t bytes, const Files& damaged) {
    const auto& before = fuzz::written_journal().files.at(entry.file);
    const auto& after = damaged.at(entry.file);
    return entry.position + align_up(bytes, kBlockAlignment) <= after.size() &&
           before.compare(entry.position, bytes, after, entry.position, bytes) == 0;
}

bool header_survives(const fuzz::PlacedEntry& entry, const Files& damaged) {
    return survives(entry, kEntryHeaderBytes, damaged);
}

bool segment_start_is_damaged(const fuzz::PlacedEntry& entry, const Files& damaged) {
    const auto& entries = fuzz::written_journal().entries;
    const auto first = std::find_if(entries.begin(), entries.end(), [&](const auto& other) {
        return other.file == entry.file && other.position == 0;
    });
    return !survives(*first, first->bytes(), damaged);
}

struct Recovery {
    Result<void> result;
    RecoveryReport report;
    std::vector<std::string> bodies;  // of the entries that are no marks
    std::vector<std::uint64_t> sequences;
};

Recovery recover(SimulatedDisk& disk) {
    Recovery recovery;
    const auto visit = [&](const RecoveredEntry& entry) {
        recovery.sequences.push_back(entry.sequence.value());
        recovery.bodies.emplace_back(reinterpret_cast<const char*>(entry.body.data()),
                                     entry.body.size());
        if (recovery.report.first.value() > 1) return Result<void>(ErrorCode::data_missing);
        return Result<void>();
    };
    auto journal =
        Journal::open(disk, fuzz::journal_options(), fuzz::body_is_right, visit, recovery.report);
    if (!journal) recovery.result = journal.error();
    return recovery;
}

void check_run(const Recovery& recovery) {
    const auto& written = fuzz::written_journal();
    for (std::size_t i = 0; i < recovery.sequences.size(); ++i) {
        const auto sequence = recovery.sequences[i];
        CASC_ASSERT(i == 0 || sequence == recovery.sequences[i - 1] + 1, i, sequence);
        CASC_ASSERT(sequence >= 1 && sequence <= written.entries.size(), sequence);
        const auto& entry = written.entries[sequence - 1];
        CASC_ASSERT(recovery.bodies[i] == entry.body_in(written.files.at(entry.file)), sequence);
    }
}

void check_ends(const Recovery& recovery, const Files& damaged) {
    const auto& written = fuzz::written_journal();
    const std::uint64_t last = recovery.report.last.value();
    // Entry n proves n - 1: an intact header two places behind the end knows that the end was not
    // the end.
    for (std::uint64_t sequence = last + 2; sequence <= written.entries.size(); ++sequence)
        CASC_ASSERT(!header_survives(written.entries[sequence - 1], damaged), last, sequence);
    for (std::uint64_t sequence = 1; sequence < recovery.report.first.value(); ++sequence)
        CASC_ASSERT(segment_start_is_damaged(written.entries[sequence - 1], damaged), sequence);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > kEditsMax * kEditBytes)
        return 0;  // what follows would be ignored: not worth a place in the corpus
    const Files damaged = damaged_files(fuzz::as_bytes(data, size));
    SimulatedDisk disk(2);
    CASC_ASSERT(disk.make_directories(fuzz::kJournalFolder).has_value());
    for (const auto& [name, content] : damaged)
        CASC_ASSERT(disk.replace_file(std::filesystem::path(fuzz::kJournalFolder) / name, content)
                        .has_value(),
                    name);

    const auto changes_before = disk.change_count();
    const Recovery recovery = recover(disk);
    check_run(recovery);
    if (!recovery.result) {
        const auto code = recovery.result.error().code;
        CASC_ASSERT(code == ErrorCode::data_corrupt || code == ErrorCode::data_missing,
                    recovery.result.error().message());
        CASC_ASSERT(disk.change_count() == changes_before, changes_before, disk.change_count());
        CASC_ASSERT(code == ErrorCode::data_missing || recovery.sequences.empty(),
                    recovery.sequences.size());
        if (code == ErrorCode::data_missing) check_ends(recovery, damaged);
        return 0;
    }
    check_ends(recovery, damaged);

    // A segment cut within its first block counts as never written, and is filled up around what is
    // left of its header, which then reads as an entry again. No crash leaves such a file: segments
    // are filled with zeros before any use.
    if (std::any_of(damaged.begin(), damaged.end(),
                    [](const auto& file) { return file.second.size() < kBlockAlignment; }))
        return 0;
    const Recovery again = recover(disk);
    CASC_ASSERT(again.result.has_value(), again.result.error().message());
    CASC_ASSERT(again.report.last > recovery.report.last,
                again.report.last.value());  // its opening mark, at least
    CASC_ASSERT(again.report.generation > recovery.report.generation, again.report.generation);
    return 0;
}
