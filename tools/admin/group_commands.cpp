// casc-admin group ls, info, lag, rm.  reset: group_reset.cpp, pending: group_pending.cpp

#include "commands.hpp"
#include "group_lag.hpp"
#include "group_pending.hpp"
#include "group_reset.hpp"
#include "listing.hpp"
#include "queue_text.hpp"

namespace casc::admin {

namespace {

std::string_view state_name(std::uint8_t state) {
    constexpr std::array<std::string_view, 3> kNames{"empty", "stable", "rebalancing"};
    return state < kNames.size() ? kNames[state] : "unknown";
}

Result<ExitCode> list_groups(Session& session, const std::string& prefix) {
    fb::ListGroupsT request;
    request.prefix = prefix;
    CASC_TRY(const auto reply, session.call(request));
    Listing listing{{{"name", "NAME"},
                     {"kind", "KIND"},
                     {"state", "STATE"},
                     {"members", "MEMBERS", Style::count},
                     {"epoch", "EPOCH", Style::count}},
                    {}};
    for (const auto& group : reply.groups)
        listing.add({json::value(group->name), json::value(is_queue(*group) ? "queue" : "stream"),
                     json::value(state_name(group->state)), group->members, group->epoch});
    session.out().show(listing);
    return ExitCode::ok;
}

json::array partitions_of(const fb::GroupMemberT& member) {
    json::array partitions;
    for (const auto& partition : member.partitions)
        partitions.push_back(
            json::value(partition->topic + "/" + std::to_string(partition->partition)));
    return partitions;
}

Listing members_of(const fb::DescribeGroupReplyT& group) {
    Listing listing{{{"member_id", "MEMBER"},
                     {"instance_id", "INSTANCE"},
                     {"client_id", "CLIENT"},
                     {"address", "ADDRESS"},
                     {"connected", "CONNECTED"},
                     {"session_timeout_ms", "SESSION", Style::duration_ms},
                     {"partitions", "PARTITIONS"},
                     {"revoking", "GIVING UP", Style::count}},
                    {}};
    for (const auto& member : group.members) {
        listing.add({json::value(member->member_id), json::value(member->instance_id),
                     json::value(member->client_id), json::value(member->address),
                     member->connected, member->session_timeout_ms, partitions_of(*member),
                     member->revoking.size()});
    }
    return listing;
}

Result<ExitCode> info(Session& session, const std::string& name) {
    CASC_TRY(const auto known, find_group(session, name));
    if (is_queue(known)) {
        CASC_TRY(const auto queue, describe_queue(session, name));
        session.out().show(queue_document(name, queue));
        return ExitCode::ok;
    }
    CASC_TRY(const auto group, describe_group(session, name));
    Document document;
    document.add("name", "NAME", json::value(group.group->name));
    document.add("kind", "KIND", json::value("stream"));
    document.add("state", "STATE", json::value(state_name(group.group->state)));
    document.add("epoch", "EPOCH", group.group->epoch, Style::count);
    document.add("lag", "LAG", total_lag(group), Style::count);
    document.sections.push_back({"members", "Members", members_of(group)});
    document.sections.push_back({"positions", "Positions", lag_listing(group)});
    session.out().show(document);
    return ExitCode::ok;
}

Result<ExitCode> lag(Session& session, const std::string& name) {
    CASC_TRY(const auto known, find_group(session, name));
    std::uint64_t all = 0;
    if (is_queue(known)) {
        CASC_TRY(const auto queue, describe_queue(session, name));
        session.out().show(backlog_listing(queue));
        all = total_backlog(queue);
    } else {
        CASC_TRY(const auto group, describe_group(session, name));
        session.out().show(lag_listing(group));
        all = total_lag(group);
    }
    if (session.out().format() == Format::table)
        session.out().note("lag " + std::to_string(all) + " in all");
    return ExitCode::ok;
}

Result<ExitCode> remove_group(Session& session, const std::string& name) {
    CASC_TRY_VOID(session.confirm("removes group '" + name + "' and its positions", name));
    fb::DeleteGroupT request;
    request.group = name;
    CASC_TRY_VOID(session.call(request));
    Document document;
    document.add("name", "NAME", json::value(name));
    document.add("removed", "REMOVED", true);
    session.out().done(document, "removed group '" + name + "'");
    return ExitCode::ok;
}

void add_named(Commands& commands, CLI::App* group, const std::string& verb_name,
               const std::string& help, Result<ExitCode> (*run)(Session&, const std::string&)) {
    auto name = std::make_shared<std::string>();
    CLI::App* verb = group->add_subcommand(verb_name, help);
    verb->add_option("NAME", *name, "The group")->required();
    commands.on(verb, [name, run](Session& session) { return run(session, *name); });
}

}  // namespace

void add_group_commands(Commands& commands) {
    CLI::App* group = commands.noun("group", "Consumer groups: members, positions, lag");
    auto prefix = std::make_shared<std::string>();
    CLI::App* ls = group->add_subcommand("ls", "List the groups");
    ls->add_option("PREFIX", *prefix, "Only names that begin with this");
    commands.on(ls, [prefix](Session& session) { return list_groups(session, *prefix); });
    add_named(commands, group, "info", "Members and positions of a group", info);
    add_named(commands, group, "lag", "How far a group is behind, by log", lag);
    add_group_pending(commands, group);
    add_group_reset(commands, group);
    add_named(commands, group, "rm", "Remove a group without members", remove_group);
}

}  // namespace casc::admin
