// casc-admin group pending: what the members of a queue group have in their hands, and what comes
// again.

#include "group_pending.hpp"

#include "listing.hpp"
#include "text_codec.hpp"

namespace casc::admin {

namespace {

struct PendingOptions {
    std::string name;
    std::uint64_t count = 100;
};

std::string_view pending_state(std::uint8_t state) {
    constexpr std::array<std::string_view, 5> kNames{"leased", "again", "delayed", "given up",
                                                     "behind key"};
    return state < kNames.size() ? kNames[state] : "unknown";
}

Result<ExitCode> pending(Session& session, const PendingOptions& options) {
    Listing listing{{{"topic", "TOPIC"},
                     {"partition", "PARTITION", Style::count},
                     {"lane", "LANE"},
                     {"first", "FIRST", Style::count},
                     {"end", "END", Style::count},
                     {"events", "EVENTS", Style::count},
                     {"state", "STATE"},
                     {"member", "MEMBER", Style::count},
                     {"attempts", "ATTEMPTS", Style::count},
                     {"wait_ms", "WAIT", Style::duration_ms},
                     {"error", "ERROR"}},
                    {}};
    fb::ListPendingT request;
    request.group = options.name;
    bool more = true;
    while (more && listing.rows.size() < options.count) {
        request.limit = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(1000, options.count - listing.rows.size()));
        CASC_TRY(auto reply, session.call(request));
        for (const auto& run : reply.runs)
            listing.add({json::value(run->topic), run->partition,
                         json::value(to_string(static_cast<Lane>(run->lane & 3))), run->first,
                         run->end, run->events, json::value(pending_state(run->state)),
                         run->member == 0 ? json::value(nullptr) : json::value(run->member),
                         run->attempts, run->wait_ms, json::value(printable(run->error))});
        more = reply.more && !reply.runs.empty();
        if (more) request.after = std::move(reply.runs.back());
    }
    session.out().show(listing);
    if (more) session.out().note("there are more; -n shows them");
    return ExitCode::ok;
}

}  // namespace

void add_group_pending(Commands& commands, CLI::App* group) {
    auto options = std::make_shared<PendingOptions>();
    CLI::App* verb = group->add_subcommand(
        "pending", "What a queue group has delivered and nobody has settled, and who has it");
    verb->add_option("NAME", options->name, "The group")->required();
    add_parsed(verb, "-n,--count", options->count, parse_number, "COUNT",
               "So many rows at most (default 100)");
    commands.on(verb, [options](Session& session) { return pending(session, *options); });
}

}  // namespace casc::admin
