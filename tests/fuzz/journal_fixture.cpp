#include "journal_fixture.hpp"

#include <casc/types/assert.hpp>
#include <casc/wire/crc32c.hpp>

#include <algorithm>

namespace casc::fuzz {
namespace {

using namespace storage;

std::string body_of(std::size_t number, std::size_t bytes) {
    std::string body(bytes, static_cast<char>('a' + number));
    body += std::to_string(number);
    return body;
}

void write_entry(Journal& journal, BlockPool& pool, const std::string& body) {
    CASC_ASSERT(journal.can_submit(body.size()), body.size());
    BlockRef block = pool.take(storage::detail::entry_bytes(body.size()));
    std::memcpy(block.bytes().data() + kEntryHeaderBytes, body.data(), body.size());
    const auto crc = wire::crc32c(std::as_bytes(std::span(body)));
    const auto sequence = journal.submit(std::move(block), body.size(), crc, 1);
    while (journal.durable_through() < sequence)
        journal.wait();
}

std::vector<PlacedEntry> find_entries(const std::map<std::string, std::string>& files) {
    std::vector<PlacedEntry> found;
    for (const auto& [name, content] : files)
        for (std::size_t at = 0; at + kBlockAlignment <= content.size(); at += kBlockAlignment)
            if (const auto header =
                    storage::detail::read_header(std::as_bytes(std::span(content)).subspan(at)))
                found.push_back({name, at, *header});
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.header.sequence < b.header.sequence; });
    for (std::size_t i = 0; i < found.size(); ++i)
        CASC_ASSERT(found[i].header.sequence == i + 1, i);
    return found;
}

WrittenJournal write_journal() {
    SimulatedDisk disk(1);
    BlockPool pool(kBlockAlignment, kSegmentBytes);
    RecoveryReport report;
    const auto nothing = [](const RecoveredEntry&) { return Result<void>(); };
    auto journal = Journal::open(disk, journal_options(), body_is_right, nothing, report);
    CASC_ASSERT(journal.has_value(), journal.error().message());
    // One block, several blocks, and in the end more than one segment full.
    const std::size_t sizes[] = {10, 9000, 0, 4032, 4033, 12000, 100, 1, 700};
    for (std::size_t i = 0; i < std::size(sizes); ++i)
        write_entry(**journal, pool, body_of(i, sizes[i]));
    (*journal)->submit_closing_mark();
    while ((*journal)->writes_in_flight() > 0)
        (*journal)->wait();

    WrittenJournal written;
    const auto names = disk.list(kJournalFolder);
    for (const auto& name : *names)
        written.files[name] = disk.content(std::filesystem::path(kJournalFolder) / name);
    written.entries = find_entries(written.files);
    CASC_ASSERT(written.entries.front().file != written.entries.back().file);
    return written;
}

}  // namespace

JournalOptions journal_options() {
    JournalOptions options;
    options.directory = kJournalFolder;
    options.segment_bytes = kSegmentBytes;
    options.segments_min = 2;
    options.segments_max = 4;
    options.writes_in_flight = 2;
    options.salt = 0x5EED;
    options.grow_on_helper_thread = false;
    return options;
}

bool body_is_right(std::span<const std::byte> body, std::uint32_t body_crc) {
    return wire::crc32c(body) == body_crc;
}

const WrittenJournal& written_journal() {
    static const WrittenJournal written = write_journal();
    return written;
}

}  // namespace casc::fuzz
