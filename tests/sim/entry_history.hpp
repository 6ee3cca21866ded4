#pragma once
// entry_history.hpp: every journal entry that ever reached the disk, by name.
//
// A generation and a sequence together name one entry for ever: that is what generations are for.
// An entry that was cut must not come back under the name of another one.
//
// Thread: one at a time.

#include <casc/storage/simulated_disk.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace casc::sim {

class EntryHistory {
public:
    // Looks at every block of every segment. A string: a name that two entries have.
    [[nodiscard]] std::optional<std::string> look(storage::SimulatedDisk& disk,
                                                  const std::filesystem::path& directory);
    // Called with every opening of the journal. A string: the generation did not rise.
    [[nodiscard]] std::optional<std::string> opened();

private:
    struct Name {
        std::uint32_t generation;
        std::uint64_t sequence;
        auto operator<=>(const Name&) const = default;
    };
    std::map<Name, std::uint32_t> checksums_;
    std::uint32_t newest_generation_ = 0;
    std::uint32_t opened_generation_ = 0;
};

}  // namespace casc::sim
