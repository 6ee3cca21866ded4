#include "entry_history.hpp"

#include <casc/storage/journal.hpp>
#include <casc/wire/crc32c.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace casc::sim {

namespace {

// As docs/storage_format.md says, and not by the code that is under test.
std::optional<storage::EntryHeader> header_in(std::string_view block) {
    storage::EntryHeader header;
    if (block.size() < sizeof header || !block.starts_with("CASCJNL1")) return std::nullopt;
    std::memcpy(&header, block.data(), sizeof header);
    const auto covered =
        std::as_bytes(std::span(block)).first(offsetof(storage::EntryHeader, header_crc));
    if (wire::crc32c(covered) != header.header_crc) return std::nullopt;
    return header;
}

}  // namespace

std::optional<std::string> EntryHistory::look(storage::SimulatedDisk& disk,
                                              const std::filesystem::path& directory) {
    std::optional<std::string> found;
    const auto names = disk.list(directory);
    if (!names) return found;
    for (const std::string& name : *names) {
        if (!name.ends_with(".seg")) continue;
        const std::string content = disk.content(directory / name);
        for (std::size_t at = 0; at < content.size(); at += storage::kBlockAlignment) {
            const auto header =
                header_in(std::string_view(content).substr(at, sizeof(storage::EntryHeader)));
            if (!header) continue;
            newest_generation_ = std::max(newest_generation_, header->generation);
            const auto [known, is_new] =
                checksums_.try_emplace({header->generation, header->sequence}, header->header_crc);
            if (!is_new && known->second != header->header_crc)
                found = "two journal entries are called " + std::to_string(header->sequence) +
                        " of generation " + std::to_string(header->generation);
        }
    }
    return found;
}

std::optional<std::string> EntryHistory::opened() {
    const std::uint32_t before = opened_generation_;
    opened_generation_ = newest_generation_;
    if (newest_generation_ > before) return std::nullopt;
    return "the journal was opened again with generation " + std::to_string(before);
}

}  // namespace casc::sim
