#include "group_reset.hpp"

#include "listing.hpp"

namespace casc::admin {

namespace {

struct ResetOptions {
    std::string group;
    std::string topic;
    std::optional<StartPoint> to;
    bool dry_run = false;
};

fb::ResetGroupT request_of(const ResetOptions& options) {
    fb::ResetGroupT request;
    request.group = options.group;
    request.topic = options.topic;
    request.to = static_cast<std::uint8_t>(options.to->kind);
    request.time_ns = options.to->time.value();
    request.offset = options.to->offset.value();
    return request;
}
// StartPoint::Kind counts as ResetGroup.to does.
static_assert(static_cast<int>(StartPoint::Kind::latest) == 1 &&
              static_cast<int>(StartPoint::Kind::time) == 2 &&
              static_cast<int>(StartPoint::Kind::offset) == 3);

Listing listing_of(const fb::ResetGroupReplyT& reply) {
    Listing listing{{{"topic", "TOPIC"},
                     {"partition", "PARTITION", Style::count},
                     {"lane", "LANE"},
                     {"before", "BEFORE", Style::count},
                     {"after", "AFTER", Style::count},
                     {"change", "CHANGE", Style::count}},
                    {}};
    for (const auto& position : reply.positions) {
        const bool had_one = position->before >= 0;
        const auto after = static_cast<std::int64_t>(position->after);
        listing.add({json::value(position->topic), position->partition,
                     json::value(to_string(static_cast<Lane>(position->lane & 3))),
                     had_one ? json::value(position->before) : json::value(nullptr),
                     position->after,
                     had_one ? json::value(after - position->before) : json::value(nullptr)});
    }
    return listing;
}

// Always shows first what would happen, so that a person knows what is asked.
Result<ExitCode> reset(Session& session, const ResetOptions& options) {
    fb::ResetGroupT request = request_of(options);
    request.dry_run = true;
    CASC_TRY(const auto preview, session.call(request));
    if (options.dry_run) {
        session.out().show(listing_of(preview));
        session.out().note("dry run: nothing was changed");
        return ExitCode::ok;
    }
    if (!session.options().yes && session.out().format() == Format::table)
        session.out().show(listing_of(preview));
    CASC_TRY_VOID(session.confirm(
        "moves group '" + options.group + "': events are read again or skipped", options.group));
    request.dry_run = false;
    CASC_TRY(const auto done, session.call(request));
    session.out().show(listing_of(done));
    session.out().note("group '" + options.group + "' was moved");
    return ExitCode::ok;
}

}  // namespace

void add_group_reset(Commands& commands, CLI::App* group) {
    auto options = std::make_shared<ResetOptions>();
    CLI::App* verb =
        group->add_subcommand("reset", "Move the positions of a group without members");
    verb->add_option("NAME", options->group, "The group")->required();
    add_parsed(verb, "--to", options->to, parse_start_point_now, "POSITION",
               "earliest, latest, an offset, a time, or -1h")
        ->required();
    verb->add_option("--topic", options->topic,
                     "Only in this topic (default: all that it has positions in)")
        ->type_name("NAME");
    verb->add_flag("--dry-run", options->dry_run, "Show what would change, change nothing");
    commands.on(verb, [options](Session& session) { return reset(session, *options); });
}

}  // namespace casc::admin
