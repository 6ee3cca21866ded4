#pragma once
// storage/src/journal_recovery.hpp: finds the chain of entries in a journal's files and where it
// ends, and tells a torn tail from damage. Reads only. Format and rules: docs/storage_format.md,
// "Journal". Thread: any, one at a time.

#include <casc/storage/journal.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace casc::storage::detail {

struct ScannedSegment {
    unsigned number = 0;
    std::string name;
    std::uint64_t bytes = 0;  // whole blocks of the file
    bool starts_with_entry =
        false;  // block 0 has an intact header: it is part of the chain, or must be blanked
    JournalSequence first{};  // of the entries that are part of the chain
    JournalSequence last{};
    std::uint64_t end = 0;  // where the next entry would go
};

struct JournalScan {
    std::vector<ScannedSegment> segments;  // by number
    std::vector<std::size_t>
        chain;  // indexes into segments, oldest first; the last one holds the newest entry
    JournalSequence first{};
    JournalSequence last{};
    std::uint64_t entries = 0;
    std::uint32_t last_crc = 0;  // header_crc of the newest entry
    std::uint32_t last_generation = 0;
    std::uint32_t generation_max = 0;  // of any entry anywhere, cut ones included
    std::uint32_t salt = 0;            // 0 when there is no entry
    std::uint64_t torn_entries = 0;
};

// Fails with data_corrupt when an entry that is known to have been complete is damaged.
[[nodiscard]] Result<JournalScan> scan_journal(Disk& disk, const std::filesystem::path& directory,
                                               const BodyCheck& check);

// Reads the chain again, into `visit`.
[[nodiscard]] Result<void> visit_chain(
    Disk& disk, const std::filesystem::path& directory, const JournalScan& scan,
    const BodyCheck& check, const std::function<Result<void>(const RecoveredEntry&)>& visit);

}  // namespace casc::storage::detail
