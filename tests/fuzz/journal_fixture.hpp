#pragma once
// journal_fixture.hpp: one small, complete journal, written once per process, whose files a fuzz
// input then damages. Thread: one at a time.

#include "journal_format.hpp"

#include <casc/storage/journal.hpp>
#include <casc/storage/simulated_disk.hpp>

#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace casc::fuzz {

inline constexpr const char* kJournalFolder = "/journal";
inline constexpr std::size_t kSegmentBytes = 32 << 10;

storage::JournalOptions journal_options();

// The BodyCheck of these journals: body_crc covers the whole body.
bool body_is_right(std::span<const std::byte> body, std::uint32_t body_crc);

// Where an entry lies, marks included.
struct PlacedEntry {
    std::string file;
    std::size_t position = 0;
    storage::EntryHeader header{};

    [[nodiscard]] std::size_t bytes() const {
        return storage::kEntryHeaderBytes + header.body_bytes;
    }
    [[nodiscard]] std::string_view in(std::string_view content) const {
        return content.substr(position, bytes());
    }
    [[nodiscard]] std::string_view body_in(std::string_view content) const {
        return in(content).substr(storage::kEntryHeaderBytes);
    }
};

struct WrittenJournal {
    std::map<std::string, std::string> files;  // by name in kJournalFolder
    std::vector<PlacedEntry> entries;          // in order of their sequence, which starts at 1
};

// Each entry was durable before the next one was submitted, so each one proves all before it.
const WrittenJournal& written_journal();

}  // namespace casc::fuzz
