#pragma once
// tools/admin/read_end.hpp: how far a consumer that does not follow has to read: to where the logs
// ended when it began.
// Thread: one at a time (a value).

#include "session.hpp"

#include <map>
#include <string>
#include <vector>

namespace casc::admin {

// A log by names, with where it begins and ends.
struct LogEnd {
    std::string topic;
    PartitionId partition;
    Lane lane;
    Offset start;
    Offset end;
    TopicId topic_id{};
};

// All four lanes of the given partitions of a topic, also those that never had an event.
[[nodiscard]] Result<std::vector<LogEnd>> log_ends(Session& session, const std::string& topic,
                                                   const std::vector<PartitionId>& partitions);

struct TopicFacts {
    TopicId id;
    std::uint32_t partitions;
};
[[nodiscard]] Result<TopicFacts> topic_facts(Session& session, const std::string& topic);

class ReadEnd {
public:
    void expect(std::vector<LogEnd> logs);
    // Partitions that somebody else reads now.
    void forget(const std::string& topic, PartitionId partition);
    // Nothing has come for a moment: takes out the logs of which nothing is stored between the
    // consumer and their end, because it was deleted or compacted away.
    [[nodiscard]] Result<void> pass_gaps(Session& session, const client::Consumer& consumer);
    // Whether `consumer` has passed all ends.
    [[nodiscard]] bool reached(const client::Consumer& consumer) const;

private:
    [[nodiscard]] static bool is_at_end(const client::Consumer& consumer, const LogEnd& log);

    std::vector<LogEnd> logs_;
};

}  // namespace casc::admin
