// casc-admin dlq ls, show, purge.  replay: dlq_replay.cpp

#include "commands.hpp"
#include "dead_letter.hpp"
#include "dlq_replay.hpp"
#include "event_json.hpp"
#include "interrupt.hpp"
#include "queue_text.hpp"
#include "read_end.hpp"
#include "text_codec.hpp"

namespace casc::admin {

namespace {

constexpr std::uint64_t kShown = 50;

// Of its first partition; that is where they are.
Result<std::uint64_t> letters_in(Session& session, const std::string& topic) {
    CASC_TRY(const auto logs, log_ends(session, topic, {PartitionId(0)}));
    std::uint64_t count = 0;
    for (const LogEnd& log : logs)
        count += (log.end - log.start).value();
    return count;
}

Result<ExitCode> list_queues(Session& session, const std::string& prefix) {
    fb::ListGroupsT request;
    request.prefix = prefix;
    CASC_TRY(const auto groups, session.call(request));
    Listing listing{
        {{"group", "GROUP"}, {"topic", "TOPIC"}, {"dead_letters", "DEAD LETTERS", Style::count}},
        {}};
    for (const auto& group : groups.groups) {
        if (group->kind != 1) continue;
        const auto queue = describe_queue(session, group->name);
        // It may have gone since it was listed.
        if (!queue && queue.error().code == ErrorCode::unknown_group) continue;
        if (!queue) return queue.error();
        if (!queue->settings) continue;
        const std::string& topic = queue->settings->dead_letter_topic;
        const auto letters = letters_in(session, topic);
        // The topic is created by the first dead letter.
        if (!letters && letters.error().code != ErrorCode::unknown_topic) return letters.error();
        listing.add({json::value(group->name), json::value(topic), letters ? *letters : 0});
    }
    session.out().show(listing);
    return ExitCode::ok;
}

Result<void> check_dead_letter(const client::ConsumedEvent& event) {
    CASC_TRY([[maybe_unused]] const auto letter, dead_letter_of(event));
    return {};
}

struct ShowOptions {
    std::string name;
    std::uint64_t count = kShown;
};

Result<ExitCode> show(Session& session, const ShowOptions& options) {
    CASC_TRY(const std::string topic, dead_letter_topic(session, options.name));
    CASC_TRY(const std::uint64_t all, letters_in(session, topic));
    Listing listing{{{"offset", "OFFSET", Style::count},
                     {"lane", "LANE"},
                     {"dead_since_ns", "DEAD SINCE", Style::time_ns},
                     {"group", "GROUP"},
                     {"from_topic", "FROM"},
                     {"from_partition", "PARTITION", Style::count},
                     {"from_offset", "AT", Style::count},
                     {"attempts", "ATTEMPTS", Style::count},
                     {"error", "ERROR"},
                     {"key", "KEY"},
                     {"value_bytes", "SIZE", Style::bytes}},
                    {}};
    const bool whole = session.out().format() != Format::table;
    if (whole) listing.columns.push_back({"event", "EVENT"});
    watch_for_interrupt();
    const auto add = [&](const client::EventBatch& events) -> Result<void> {
        for (const client::ConsumedEvent& event : events) {
            const auto letter = dead_letter_of(event);
            const DeadLetter known = letter ? *letter : DeadLetter{};
            std::vector<json::value> row{event.event.offset.value(),
                                         json::value(to_string(event.event.lane)),
                                         event.event.append_time.value(),
                                         json::value(printable(known.group)),
                                         json::value(printable(known.topic)),
                                         known.partition,
                                         known.offset,
                                         known.attempts,
                                         json::value(printable(known.error)),
                                         event.event.key
                                             ? json::value(printable(as_text(*event.event.key)))
                                             : json::value(nullptr),
                                         event.event.payload.size()};
            if (whole) row.push_back(event_to_json(event));
            listing.add(std::move(row));
        }
        return {};
    };
    CASC_TRY_VOID(read_dead_letters(session, topic, options.count, add));
    session.out().show(listing);
    if (all > listing.rows.size())
        session.out().note(std::to_string(listing.rows.size()) + " of " + std::to_string(all) +
                           " dead letters in '" + topic + "'; -n shows more");
    return ExitCode::ok;
}

// Only what is there, and only where dead letters are: the name of a group that has gone may be
// that of somebody's topic.
Result<ExitCode> purge(Session& session, const std::string& name) {
    CASC_TRY(const std::string topic, dead_letter_topic(session, name));
    CASC_TRY_VOID(read_dead_letters(session, topic, 1, [](const client::EventBatch& events) {
        return check_dead_letter(*events.begin());
    }));
    CASC_TRY(const auto logs, log_ends(session, topic, {PartitionId(0)}));
    fb::PurgeTopicT request;
    request.name = topic;
    std::uint64_t all = 0;
    for (const LogEnd& log : logs) {
        if (log.start == log.end) continue;
        auto& position = request.positions.emplace_back(std::make_unique<fb::PurgePositionT>());
        position->partition = log.partition.value();
        position->lane = static_cast<std::uint8_t>(log.lane);
        position->before = log.end.value();
        all += (log.end - log.start).value();
    }
    CASC_TRY_VOID(session.confirm(
        "removes " + std::to_string(all) + " dead letters from '" + topic + "'", name));
    if (all != 0) CASC_TRY_VOID(session.call(request));
    Document document;
    document.add("topic", "TOPIC", json::value(topic));
    document.add("removed", "REMOVED", all, Style::count);
    session.out().done(document,
                       "removed " + std::to_string(all) + " dead letters from '" + topic + "'");
    return ExitCode::ok;
}

}  // namespace

void add_dlq_commands(Commands& commands) {
    CLI::App* dlq =
        commands.noun("dlq", "Dead letters: what the members of queue groups could not settle");
    auto prefix = std::make_shared<std::string>();
    CLI::App* ls = dlq->add_subcommand("ls", "Queue groups with their dead letter topics");
    ls->add_option("PREFIX", *prefix, "Only groups that begin with this");
    commands.on(ls, [prefix](Session& session) { return list_queues(session, *prefix); });

    auto options = std::make_shared<ShowOptions>();
    CLI::App* show_verb =
        dlq->add_subcommand("show", "The oldest dead letters, with what became of each");
    show_verb->add_option("NAME", options->name, "A queue group, or a dead letter topic")
        ->required();
    add_parsed(show_verb, "-n,--count", options->count, parse_number, "COUNT",
               "So many at most (default 50)");
    commands.on(show_verb, [options](Session& session) { return show(session, *options); });

    add_dlq_replay(commands, dlq);

    auto name = std::make_shared<std::string>();
    CLI::App* purge_verb = dlq->add_subcommand("purge", "Remove the dead letters that are there");
    purge_verb->add_option("NAME", *name, "A queue group, or a dead letter topic")->required();
    commands.on(purge_verb, [name](Session& session) { return purge(session, *name); });
}

}  // namespace casc::admin
