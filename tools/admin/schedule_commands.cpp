// casc-admin schedule create, ls, cancel: what the broker will append later.

#include "commands.hpp"
#include "listing.hpp"
#include "text_codec.hpp"

#include <casc/wire/batch_builder.hpp>

#include <future>

namespace casc::admin {

namespace {

Result<EpochNanos> parse_when(const std::string& text) {
    return parse_time(text, wall_now());
}

// ---- create -------------------------------------------------------------------------------------

struct CreateOptions {
    std::string name;
    std::string topic;
    std::vector<std::string> values;
    std::optional<std::string> key;
    Lane lane = Lane::normal;
    std::uint64_t partition = 0;
    std::string cron;
    std::optional<EpochNanos> at;
};

Result<fb::CreateScheduleReplyT> send(Session& session, const fb::CreateScheduleT& request,
                                      std::span<const std::byte> batch) {
    CASC_TRY(client::Client* const client, session.client());
    std::promise<Result<client::Reply>> promise;
    auto answer = promise.get_future();
    wire::Encoder encoder;
    client->call_raw(
        wire::Api::create_schedule, encoder.encode(request), session.options().timeout,
        [&promise](Result<client::Reply> reply) { promise.set_value(std::move(reply)); }, batch);
    CASC_TRY(const client::Reply reply, answer.get());
    return wire::decode<fb::CreateScheduleReply>(reply.body);
}

Result<ExitCode> create(Session& session, const CreateOptions& options) {
    if (options.cron.empty() == !options.at.has_value())
        return Error(ErrorCode::invalid_request, "say when: --cron or --at, one of them");
    fb::DescribeTopicT question;
    question.name = options.topic;
    CASC_TRY(const auto topic, session.call(question));
    wire::BatchBuilder builder(options.lane);
    for (const std::string& value : options.values) {
        wire::EventInput event{.payload = as_bytes_of(value)};
        if (options.key) event.key = as_bytes_of(*options.key);
        CASC_TRY_VOID(wire::check_event(event));
        builder.add(event, wall_now());
    }
    std::vector<std::byte> buffer;
    const auto batch = builder.finish({}, buffer);
    fb::CreateScheduleT request;
    request.name = options.name;
    request.topic_id = topic.topic->topic_id;
    request.partition = static_cast<std::uint32_t>(options.partition);
    request.cron = options.cron;
    if (options.at) request.due_ns = options.at->value();
    CASC_TRY(const auto reply, send(session, request, batch));
    Document document;
    document.add("name", "NAME", json::value(options.name));
    document.add("schedule_id", "ID", reply.schedule_id);
    document.add("due_ns", "DUE", reply.due_ns, Style::time_ns);
    session.out().done(document, "schedule '" + options.name + "' is due at " +
                                     format_time(EpochNanos(reply.due_ns)));
    return ExitCode::ok;
}

void add_create(Commands& commands, CLI::App* schedule) {
    auto options = std::make_shared<CreateOptions>();
    CLI::App* verb = schedule->add_subcommand(
        "create",
        "Append events later, once or again and again; takes the place of the one that "
        "has the name");
    verb->add_option("NAME", options->name, "Its name")->required();
    verb->add_option("TOPIC", options->topic, "Where to")->required();
    add_repeatable(verb, "-v,--value", options->values, "TEXT",
                   "An event with this value; may be repeated")
        ->required();
    verb->add_option("--key", options->key, "The key of all events")->type_name("TEXT");
    add_parsed(verb, "--lane", options->lane, parse_lane, "LANE",
               "critical, high, normal (default) or low");
    add_parsed(verb, "--partition", options->partition, parse_number, "NUMBER",
               "To this partition (default 0)");
    CLI::Option* cron =
        verb->add_option("--cron", options->cron,
                         "Minute, hour, day, month and weekday in UTC ('30 2 * * mon-fri'), "
                         "@daily and the like, or '@every 90s'")
            ->type_name("TEXT");
    add_parsed(verb, "--at", options->at, parse_when, "TIME", "Once, then")->excludes(cron);
    commands.on(verb, [options](Session& session) { return create(session, *options); });
}

// ---- ls -----------------------------------------------------------------------------------------

Result<ExitCode> list(Session& session, const std::string& topic) {
    Listing listing{{{"schedule_id", "ID"},
                     {"name", "NAME"},
                     {"due_ns", "DUE", Style::time_ns},
                     {"cron", "CRON"},
                     {"topic", "TOPIC"},
                     {"partition", "PARTITION", Style::count},
                     {"lane", "LANE"},
                     {"events", "EVENTS", Style::count},
                     {"bytes", "SIZE", Style::bytes},
                     {"created_ns", "CREATED", Style::time_ns}},
                    {}};
    fb::ListSchedulesT request;
    request.topic = topic;
    for (bool more = true; more;) {
        CASC_TRY(const auto reply, session.call(request));
        for (const auto& schedule : reply.schedules)
            listing.add({schedule->schedule_id, json::value(schedule->name), schedule->due_ns,
                         json::value(schedule->cron), json::value(schedule->topic),
                         schedule->partition,
                         json::value(to_string(static_cast<Lane>(schedule->lane & 3))),
                         schedule->events, schedule->bytes, schedule->created_ns});
        more = reply.more && !reply.schedules.empty();
        if (more) request.after = reply.schedules.back()->schedule_id;
    }
    session.out().show(listing);
    if (listing.rows.empty() && session.out().format() == Format::table)
        session.out().note("nothing waits for its time");
    return ExitCode::ok;
}

// ---- cancel -------------------------------------------------------------------------------------

Result<ExitCode> cancel(Session& session, const std::vector<std::string>& which) {
    ExitCode code = ExitCode::ok;
    std::size_t cancelled = 0;
    for (const std::string& word : which) {
        fb::CancelScheduleT request;
        if (const auto number = parse_number(word)) {
            request.schedule_id = *number;
        } else {
            request.name = word;
        }
        auto done = session.call(request);
        if (!done && done.error().code == ErrorCode::unknown_schedule && request.name.empty()) {
            // A name of digits.
            request.schedule_id = 0;
            request.name = word;
            done = session.call(request);
        }
        if (!done) {
            code = session.out().fail(done.error());
            continue;
        }
        ++cancelled;
        session.out().note("cancelled " + word);
    }
    Document document;
    document.add("cancelled", "CANCELLED", cancelled, Style::count);
    if (session.out().format() != Format::table) session.out().done(document, "");
    return code != ExitCode::ok && cancelled != 0 ? ExitCode::partial : code;
}

}  // namespace

void add_schedule_commands(Commands& commands) {
    CLI::App* schedule = commands.noun(
        "schedule", "Events that are appended later: schedules, and what was sent with a delay");
    add_create(commands, schedule);

    auto topic = std::make_shared<std::string>();
    CLI::App* ls = schedule->add_subcommand("ls", "What waits for its time");
    ls->add_option("TOPIC", *topic, "Only of this topic");
    commands.on(ls, [topic](Session& session) { return list(session, *topic); });

    auto which = std::make_shared<std::vector<std::string>>();
    CLI::App* cancel_verb = schedule->add_subcommand("cancel", "Take some of it away");
    cancel_verb->add_option("WHICH", *which, "Names, or ids as ls shows them")->required();
    commands.on(cancel_verb, [which](Session& session) { return cancel(session, *which); });
}

}  // namespace casc::admin
