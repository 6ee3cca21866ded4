#pragma once
// What stands beside what is measured and has as good as nothing to do: what a broker in use has a
// lot of, and a benchmark has not unless it asks for it.
//
//   Bystanders bystanders(target, options, topics, SlowKind::reader);
//   ... measure ...
//   bystanders.end(report);
//
// Thread:   one at a time.
// Lifetime: `target` must outlive it.

#include "idle_connections.hpp"
#include "idle_topics.hpp"
#include "options.hpp"
#include "report.hpp"
#include "slow_consumers.hpp"
#include "target.hpp"

#include <optional>
#include <string>
#include <vector>

namespace casc::bench {

class Bystanders {
public:
    // Those that --idle-connections, --idle-topics and --slow-consumer ask for; returns when they
    // are there. `topics`: what is measured, for the slow consumers.
    Bystanders(const Target& target, const Options& options, const std::vector<std::string>& topics,
               SlowKind slow_kind);

    // When the measurement is over: counts those that are still there into the details, and each
    // that is not as an error; then lets them go.
    void end(Report& report);

private:
    void end_connections(boost::json::object& details, Report& report);
    void end_topics(boost::json::object& details, Report& report);
    void end_slow(boost::json::object& details, Report& report);

    const Options& options_;
    // In the order of making: the topics are made before there is anybody to be slowed down by it.
    std::optional<IdleTopics> topics_;
    std::optional<IdleConnections> connections_;
    std::optional<SlowConsumers> slow_;
};

// Files that this process and its broker certainly open with them: an idle connection is a bare
// socket, a slow consumer a whole client.
[[nodiscard]] std::uint64_t files_needed_with_bystanders(const Options& options);

// For Target, before it starts a broker: notes the bystanders among the parameters, sees to it that
// this process and its children may open so many files (throws when they may not), and returns the
// settings for a broker that is to take them in: options.settings, which win, behind its own.
[[nodiscard]] std::vector<std::string> make_room_for_bystanders(const Options& options,
                                                                boost::json::object& parameters);

}  // namespace casc::bench
