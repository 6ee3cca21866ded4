// casc-admin context add, ls, use, rm, show.

#include "commands.hpp"
#include "contexts.hpp"
#include "listing.hpp"

namespace casc::admin {

namespace {

json::value timeout_of(const ConnectionContext& context) {
    return context.timeout ? json::value(context.timeout->count()) : json::value(nullptr);
}

struct AddOptions {
    std::string name;
    std::string note;
    bool use = false;
};

// The connection is the one that the global options name: `context add prod --endpoint ...`.
Result<ExitCode> add(Session& session, const AddOptions& options) {
    if (options.name.empty() || options.name == "-")
        return Error(ErrorCode::invalid_request,
                     "a context cannot be named '" + options.name + "'");
    if (session.options().endpoints.empty())
        return Error(ErrorCode::invalid_request, "say where the broker is: --endpoint host:port");
    const auto directory = config_directory();
    CASC_TRY(Contexts contexts, load_contexts(directory));
    if (contexts.all.contains(options.name)) {
        CASC_TRY_VOID(session.confirm("replaces context '" + options.name + "'", options.name));
    }
    contexts.all[options.name] = {session.options().endpoints, session.options().timeout,
                                  options.note};
    if (options.use || contexts.current.empty()) {
        contexts.previous = std::exchange(contexts.current, options.name);
    }
    CASC_TRY_VOID(save_contexts(directory, contexts));
    Document document;
    document.add("name", "NAME", json::value(options.name));
    document.add("current", "CURRENT", contexts.current == options.name);
    session.out().done(document, "added context '" + options.name + "'" +
                                     (contexts.current == options.name ? ", now in use" : ""));
    return ExitCode::ok;
}

Result<ExitCode> list(Session& session) {
    CASC_TRY(const Contexts contexts, load_contexts(config_directory()));
    Listing listing{{{"current", "CURRENT"},
                     {"name", "NAME"},
                     {"endpoints", "ENDPOINTS"},
                     {"timeout_ms", "TIMEOUT", Style::duration_ms},
                     {"note", "NOTE"}},
                    {}};
    for (const auto& [name, context] : contexts.all)
        listing.add({name == contexts.current, json::value(name),
                     json::value_from(context.endpoints), timeout_of(context),
                     json::value(context.note)});
    session.out().show(listing);
    return ExitCode::ok;
}

Result<ExitCode> use(Session& session, const std::string& name) {
    const auto directory = config_directory();
    CASC_TRY(Contexts contexts, load_contexts(directory));
    const std::string wanted = name == "-" ? contexts.previous : name;
    if (wanted.empty()) return Error(ErrorCode::invalid_config, "there is no previous context");
    if (const auto found = contexts.find(wanted); !found)
        return session.out().fail(found.error(), ExitCode::not_found, "casc-admin context ls");
    if (wanted != contexts.current) contexts.previous = std::exchange(contexts.current, wanted);
    CASC_TRY_VOID(save_contexts(directory, contexts));
    Document document;
    document.add("name", "NAME", json::value(wanted));
    session.out().done(document, "using context '" + wanted + "'");
    return ExitCode::ok;
}

Result<ExitCode> remove(Session& session, const std::string& name) {
    const auto directory = config_directory();
    CASC_TRY(Contexts contexts, load_contexts(directory));
    if (const auto found = contexts.find(name); !found)
        return session.out().fail(found.error(), ExitCode::not_found, "casc-admin context ls");
    CASC_TRY_VOID(session.confirm("removes context '" + name + "'", name));
    contexts.all.erase(name);
    if (contexts.current == name) contexts.current.clear();
    if (contexts.previous == name) contexts.previous.clear();
    CASC_TRY_VOID(save_contexts(directory, contexts));
    Document document;
    document.add("name", "NAME", json::value(name));
    document.add("removed", "REMOVED", true);
    session.out().done(document, "removed context '" + name + "'");
    return ExitCode::ok;
}

// What a command would use now, and why; with a name, what is stored under it.
Result<ExitCode> show(Session& session, const std::string& name) {
    Document document;
    if (name.empty()) {
        CASC_TRY(const Connection found, session.connection());
        document.add("endpoints", "ENDPOINTS", json::value_from(found.endpoints));
        document.add("timeout_ms", "TIMEOUT", found.timeout.count(), Style::duration_ms);
        document.add("origin", "ORIGIN", json::value(found.origin));
    } else {
        CASC_TRY(const Contexts contexts, load_contexts(config_directory()));
        const auto found = contexts.find(name);
        if (!found)
            return session.out().fail(found.error(), ExitCode::not_found, "casc-admin context ls");
        document.add("name", "NAME", json::value(name));
        document.add("endpoints", "ENDPOINTS", json::value_from((*found)->endpoints));
        document.add("timeout_ms", "TIMEOUT", timeout_of(**found), Style::duration_ms);
        document.add("note", "NOTE", json::value((*found)->note));
        document.add("current", "CURRENT", contexts.current == name);
    }
    session.out().show(document);
    return ExitCode::ok;
}

}  // namespace

void add_context_commands(Commands& commands) {
    CLI::App* context = commands.noun("context", "Named connection settings");
    auto options = std::make_shared<AddOptions>();
    CLI::App* verb = context->add_subcommand("add", "Keep --endpoint and --timeout under a name");
    verb->add_option("NAME", options->name, "The name")->required();
    verb->add_option("--note", options->note, "A remark")->type_name("TEXT");
    verb->add_flag("--use", options->use, "And use it from now on (the first one is used anyway)");
    commands.on(verb, [options](Session& session) { return add(session, *options); });

    commands.on(context->add_subcommand("ls", "List the contexts"), list);

    auto used = std::make_shared<std::string>();
    verb = context->add_subcommand("use", "Use another context from now on");
    verb->add_option("NAME", *used, "Which; - is the one before")->required();
    commands.on(verb, [used](Session& session) { return use(session, *used); });

    auto removed = std::make_shared<std::string>();
    verb = context->add_subcommand("rm", "Forget a context");
    verb->add_option("NAME", *removed, "Which")->required();
    commands.on(verb, [removed](Session& session) { return remove(session, *removed); });

    auto shown = std::make_shared<std::string>();
    verb = context->add_subcommand("show", "What a command would connect to, and why");
    verb->add_option("NAME", *shown, "What is kept under this name instead");
    commands.on(verb, [shown](Session& session) { return show(session, *shown); });
}

}  // namespace casc::admin
