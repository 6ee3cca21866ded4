// casc-admin topic create, ls, info, alter, add-partitions.  rm and purge: topic_removal.cpp

#include "commands.hpp"
#include "topic_removal.hpp"
#include "topic_settings.hpp"

namespace casc::admin {

namespace {

// ---- create -------------------------------------------------------------------------------------

struct CreateOptions {
    std::vector<std::string> names;
    TopicSettingsFlags settings;
    bool if_not_exists = false;
    bool dry_run = false;
};

// Whether the topic is new.
Result<bool> create_one(Session& session, const CreateOptions& options, const std::string& name) {
    fb::CreateTopicT request;
    request.name = name;
    request.settings = options.settings.message();
    request.validate_only = options.dry_run;
    const auto reply = session.call(request);
    if (reply) return true;
    if (reply.error().code == ErrorCode::topic_exists && options.if_not_exists) return false;
    return reply.error();
}

Result<ExitCode> create(Session& session, const CreateOptions& options) {
    Listing created{{{"name", "NAME"}, {"created", "CREATED"}, {"dry_run", "DRY RUN"}}, {}};
    ExitCode code = ExitCode::ok;
    for (const std::string& name : options.names) {
        const auto is_new = create_one(session, options, name);
        if (!is_new) {
            Error error = is_new.error();
            if (error.detail.empty()) error.detail = "'" + name + "'";
            code = session.out().fail(error);
            continue;
        }
        created.add({json::value(name), *is_new && !options.dry_run, options.dry_run});
        session.out().note(options.dry_run ? "topic '" + name + "' could be created"
                           : *is_new       ? "created topic '" + name + "'"
                                           : "topic '" + name + "' exists already");
    }
    if (session.out().format() != Format::table) session.out().show(created);
    return code != ExitCode::ok && !created.rows.empty() ? ExitCode::partial : code;
}

void add_create(Commands& commands, CLI::App* topic) {
    auto options = std::make_shared<CreateOptions>();
    CLI::App* verb = topic->add_subcommand("create", "Create topics");
    verb->add_option("NAME", options->names, "Their names")->required();
    add_settings_options(verb, options->settings, CreateOnly::yes);
    verb->add_flag("--if-not-exists", options->if_not_exists, "Be content when they exist already");
    verb->add_flag("--dry-run", options->dry_run, "Check everything, create nothing");
    commands.on(verb, [options](Session& session) { return create(session, *options); });
}

// ---- ls -----------------------------------------------------------------------------------------

Result<ExitCode> list(Session& session, const std::string& prefix) {
    Listing listing;
    for (const Field& field : topic_fields({})) {
        // What does not fit a line is in `topic info`, and in JSON.
        listing.columns.push_back({field.key, field.heading, field.style});
    }
    fb::ListTopicsT request;
    request.prefix = prefix;
    for (bool more = true; more;) {
        CASC_TRY(const auto reply, session.call(request));
        for (const auto& topic : reply.topics) {
            auto& row = listing.rows.emplace_back();
            for (Field& field : topic_fields(*topic))
                row.push_back(std::move(field.value));
        }
        more = reply.more && !reply.topics.empty();
        if (more) request.after = reply.topics.back()->name;
    }
    session.out().show(listing);
    if (listing.rows.empty() && session.out().format() == Format::table)
        session.out().note(prefix.empty() ? "no topics yet; casc-admin topic create NAME makes one"
                                          : "no topic begins with '" + prefix + "'");
    return ExitCode::ok;
}

// ---- info ---------------------------------------------------------------------------------------

Result<ExitCode> info(Session& session, const std::string& name) {
    fb::DescribeTopicT request;
    request.name = name;
    CASC_TRY(const auto reply, session.call(request));
    Document document;
    document.fields = topic_fields(*reply.topic);
    Listing logs{{{"partition", "PARTITION", Style::count},
                  {"lane", "LANE"},
                  {"start", "START", Style::count},
                  {"end", "END", Style::count},
                  {"events", "EVENTS", Style::count},
                  {"bytes", "SIZE", Style::bytes},
                  {"last_append_ns", "LAST APPEND", Style::time_ns},
                  {"epoch", "EPOCH", Style::count}},
                 {}};
    for (const auto& log : reply.logs) {
        logs.add({log->partition, json::value(to_string(static_cast<Lane>(log->lane & 3))),
                  log->start, log->visible_end,
                  log->visible_end - std::min(log->start, log->visible_end), log->bytes,
                  log->last_append_ns, log->epoch});
    }
    document.sections.push_back({"logs", "Logs (lanes of partitions that have had events)", logs});
    session.out().show(document);
    return ExitCode::ok;
}

// ---- alter, add-partitions ----------------------------------------------------------------------

struct AlterOptions {
    std::string name;
    TopicSettingsFlags settings;
    std::uint64_t more_partitions = 0;
    bool dry_run = false;
};

Result<ExitCode> alter(Session& session, const AlterOptions& options) {
    if (options.settings.empty())
        return Error(ErrorCode::invalid_request,
                     "nothing to change; say what, such as --retention 7d");
    fb::AlterTopicT request;
    request.name = options.name;
    request.settings = options.settings.message();
    request.validate_only = options.dry_run;
    CASC_TRY_VOID(session.call(request));
    fb::DescribeTopicT question;
    question.name = options.name;
    CASC_TRY(const auto reply, session.call(question));
    Document document;
    document.fields = topic_fields(*reply.topic);
    document.add("dry_run", "DRY RUN", options.dry_run);
    session.out().done(document, options.dry_run
                                     ? "topic '" + options.name + "' could be changed so"
                                     : "changed topic '" + options.name + "'");
    return ExitCode::ok;
}

Result<ExitCode> add_partitions(Session& session, AlterOptions options) {
    fb::DescribeTopicT question;
    question.name = options.name;
    CASC_TRY(const auto reply, session.call(question));
    const std::uint64_t before = reply.topic->settings->partitions.value_or(1);
    options.settings.partitions = before + options.more_partitions;
    session.out().note("from " + std::to_string(before) + " to " +
                       std::to_string(*options.settings.partitions) +
                       " partitions; keys go to other partitions from now on");
    return alter(session, options);
}

void add_alter(Commands& commands, CLI::App* topic) {
    auto options = std::make_shared<AlterOptions>();
    CLI::App* verb = topic->add_subcommand("alter", "Change the settings of a topic");
    verb->add_option("NAME", options->name, "Its name")->required();
    add_settings_options(verb, options->settings, CreateOnly::no);
    verb->add_flag("--dry-run", options->dry_run, "Check everything, change nothing");
    commands.on(verb, [options](Session& session) { return alter(session, *options); });
}

void add_add_partitions(Commands& commands, CLI::App* topic) {
    auto options = std::make_shared<AlterOptions>();
    CLI::App* verb = topic->add_subcommand("add-partitions", "Give a topic more partitions");
    verb->add_option("NAME", options->name, "Its name")->required();
    verb->add_option("COUNT", options->more_partitions, "How many to add")
        ->required()
        ->check(CLI::Range(1, 65536));
    verb->add_flag("--dry-run", options->dry_run, "Check everything, change nothing");
    commands.on(verb, [options](Session& session) { return add_partitions(session, *options); });
}

}  // namespace

void add_topic_commands(Commands& commands) {
    CLI::App* topic = commands.noun("topic", "Topics: create, look at, change, remove");
    add_create(commands, topic);

    auto prefix = std::make_shared<std::string>();
    CLI::App* ls = topic->add_subcommand("ls", "List the topics");
    ls->add_option("PREFIX", *prefix, "Only names that begin with this");
    commands.on(ls, [prefix](Session& session) { return list(session, *prefix); });

    auto name = std::make_shared<std::string>();
    CLI::App* show = topic->add_subcommand("info", "Settings of a topic and what its logs hold");
    show->add_option("NAME", *name, "Its name")->required();
    commands.on(show, [name](Session& session) { return info(session, *name); });

    add_alter(commands, topic);
    add_add_partitions(commands, topic);
    add_topic_removal(commands, topic);
}

}  // namespace casc::admin
