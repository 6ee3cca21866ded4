#include "topic_removal.hpp"

namespace casc::admin {

namespace {

std::string quoted(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names)
        text += (text.empty() ? "'" : ", '") + name + "'";
    return text;
}

Result<ExitCode> remove(Session& session, const std::vector<std::string>& names) {
    CASC_TRY_VOID(session.confirm("removes " + quoted(names) + " with all events and positions",
                                  names.size() == 1 ? names.front() : "yes"));
    Listing removed{{{"name", "NAME"}}, {}};
    ExitCode code = ExitCode::ok;
    for (const std::string& name : names) {
        fb::DeleteTopicT request;
        request.name = name;
        if (const auto reply = session.call(request); !reply) {
            code = session.out().fail(reply.error());
            continue;
        }
        removed.add({json::value(name)});
        session.out().note("removed topic '" + name + "'");
    }
    if (session.out().format() != Format::table) session.out().show(removed);
    return code != ExitCode::ok && !removed.rows.empty() ? ExitCode::partial : code;
}

struct PurgeOptions {
    std::string name;
    std::optional<std::uint64_t> before;
    std::optional<std::uint64_t> partition;
    std::optional<Lane> lane;
    bool dry_run = false;
};

// The logs that the flags choose, and up to where each is to be emptied.
Result<std::vector<fb::PurgePositionT>> chosen(const PurgeOptions& options,
                                               const fb::DescribeTopicReplyT& topic) {
    std::vector<fb::PurgePositionT> positions;
    for (const auto& log : topic.logs) {
        if (options.partition && *options.partition != log->partition) continue;
        if (options.lane && static_cast<std::uint8_t>(*options.lane) != log->lane) continue;
        const std::uint64_t before = options.before.value_or(log->visible_end);
        if (before > log->visible_end)
            return Error(ErrorCode::offset_out_of_range,
                         std::to_string(before) + ": partition " + std::to_string(log->partition) +
                             " lane " + std::string(to_string(static_cast<Lane>(log->lane & 3))) +
                             " ends at " + std::to_string(log->visible_end));
        auto& position = positions.emplace_back();
        position.partition = log->partition;
        position.lane = log->lane;
        position.before = std::max(before, log->start);
    }
    return positions;
}

Listing listing_of(const std::vector<fb::PurgePositionT>& positions,
                   const fb::DescribeTopicReplyT& topic) {
    Listing listing{{{"partition", "PARTITION", Style::count},
                     {"lane", "LANE"},
                     {"start", "START", Style::count},
                     {"new_start", "NEW START", Style::count},
                     {"events", "EVENTS REMOVED", Style::count}},
                    {}};
    for (const fb::PurgePositionT& position : positions) {
        for (const auto& log : topic.logs) {
            if (log->partition != position.partition || log->lane != position.lane) continue;
            listing.add({log->partition, json::value(to_string(static_cast<Lane>(log->lane & 3))),
                         log->start, position.before, position.before - log->start});
        }
    }
    return listing;
}

Result<ExitCode> purge(Session& session, const PurgeOptions& options) {
    fb::DescribeTopicT question;
    question.name = options.name;
    CASC_TRY(const auto topic, session.call(question));
    CASC_TRY(const auto positions, chosen(options, topic));
    const Listing listing = listing_of(positions, topic);
    if (options.dry_run || positions.empty()) {
        session.out().show(listing);
        session.out().note("nothing was removed");
        return ExitCode::ok;
    }
    CASC_TRY_VOID(
        session.confirm("removes events of topic '" + options.name + "' for good", options.name));
    fb::PurgeTopicT request;
    request.name = options.name;
    for (const fb::PurgePositionT& position : positions)
        request.positions.push_back(std::make_unique<fb::PurgePositionT>(position));
    CASC_TRY_VOID(session.call(request));
    session.out().show(listing);
    session.out().note("purged topic '" + options.name + "'");
    return ExitCode::ok;
}

struct DeleteEventOptions {
    std::string name;
    std::uint64_t offset = 0;
    std::uint64_t partition = 0;
    Lane lane = Lane::normal;
};

Result<ExitCode> delete_event(Session& session, const DeleteEventOptions& options) {
    const std::string which = "the event at offset " + std::to_string(options.offset) +
                              " of partition " + std::to_string(options.partition) + ", lane " +
                              std::string(to_string(options.lane)) + ", of topic '" + options.name +
                              "'";
    CASC_TRY_VOID(session.confirm("deletes " + which + " for good", options.name));
    fb::DeleteEventT request;
    request.topic = options.name;
    request.partition = static_cast<std::uint32_t>(options.partition);
    request.lane = static_cast<std::uint8_t>(options.lane);
    request.offset = options.offset;
    CASC_TRY_VOID(session.call(request));
    Document document;
    document.add("topic", "TOPIC", json::value(options.name));
    document.add("partition", "PARTITION", options.partition, Style::count);
    document.add("lane", "LANE", json::value(to_string(options.lane)));
    document.add("offset", "OFFSET", options.offset, Style::count);
    session.out().done(document, "deleted " + which);
    return ExitCode::ok;
}

void add_delete_event(Commands& commands, CLI::App* topic) {
    auto options = std::make_shared<DeleteEventOptions>();
    CLI::App* verb =
        topic->add_subcommand("delete-event", "Delete one event: no reader gets it any more");
    verb->add_option("NAME", options->name, "The topic")->required();
    add_parsed(verb, "--offset", options->offset, parse_number, "OFFSET", "Its offset")->required();
    add_parsed(verb, "--partition", options->partition, parse_number, "NUMBER",
               "Its partition (default 0)");
    add_parsed(verb, "--lane", options->lane, parse_lane, "LANE", "Its lane (default normal)");
    commands.on(verb, [options](Session& session) { return delete_event(session, *options); });
}

}  // namespace

void add_topic_removal(Commands& commands, CLI::App* topic) {
    auto names = std::make_shared<std::vector<std::string>>();
    CLI::App* rm = topic->add_subcommand("rm", "Remove topics with everything in them");
    rm->add_option("NAME", *names, "Their names")->required();
    commands.on(rm, [names](Session& session) { return remove(session, *names); });

    auto options = std::make_shared<PurgeOptions>();
    CLI::App* verb = topic->add_subcommand("purge", "Remove events, and keep the topic");
    verb->add_option("NAME", options->name, "Its name")->required();
    add_parsed(verb, "--before", options->before, parse_number, "OFFSET",
               "Only events below this offset (default: all)");
    add_parsed(verb, "--partition", options->partition, parse_number, "NUMBER",
               "Only this partition");
    add_parsed(verb, "--lane", options->lane, parse_lane, "LANE", "Only this lane");
    verb->add_flag("--dry-run", options->dry_run, "Show what would go, remove nothing");
    commands.on(verb, [options](Session& session) { return purge(session, *options); });
    add_delete_event(commands, topic);
}

}  // namespace casc::admin
