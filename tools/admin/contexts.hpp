#pragma once
// tools/admin/contexts.hpp: named sets of connection settings, kept in the user's configuration
// folder.
//
// One file, contexts.json, readable by its owner only (later contexts will name credentials),
// replaced as a whole. Thread: one at a time.

#include <casc/types/result.hpp>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace casc::admin {

struct ConnectionContext {
    std::vector<std::string> endpoints;
    std::optional<std::chrono::milliseconds> timeout;
    std::string note;
};

struct Contexts {
    std::map<std::string, ConnectionContext> all;
    std::string current;   // empty: none
    std::string previous;  // for `context use -`

    // Fails with invalid_config when there is none of that name.
    [[nodiscard]] Result<const ConnectionContext*> find(const std::string& name) const;
};

// $CASC_CONFIG_DIR, $XDG_CONFIG_HOME/casc or ~/.config/casc.
[[nodiscard]] std::filesystem::path config_directory();

// A missing file is no contexts. Fails with: invalid_config (not what save_contexts writes),
// io_failed.
[[nodiscard]] Result<Contexts> load_contexts(const std::filesystem::path& directory);
// Fails with: io_failed; the file is then as it was.
[[nodiscard]] Result<void> save_contexts(const std::filesystem::path& directory,
                                         const Contexts& contexts);

}  // namespace casc::admin
