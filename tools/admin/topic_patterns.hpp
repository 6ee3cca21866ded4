#pragma once
// tools/admin/topic_patterns.hpp: the topics that a command line means.
// Thread: one at a time.

#include "session.hpp"

#include <string>
#include <vector>

namespace casc::admin {

// Names as they are, and in place of each pattern the names of the topics that match it now. Each
// once. Fails with: unknown_topic, when a pattern matches none.
[[nodiscard]] Result<std::vector<std::string>> matching_topics(
    Session& session, const std::vector<std::string>& wanted);

}  // namespace casc::admin
