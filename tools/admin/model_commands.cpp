// casc-admin model: the models that a broker serves. They are asked for at the subject of their
// host, so that it need not be in the broker's own process.

#include "commands.hpp"
#include "listing.hpp"
#include "model_bench.hpp"
#include "model_host_call.hpp"

namespace casc::admin {

namespace {

// Loading reads the whole model; unloading lets it answer what it has.
constexpr milliseconds kLoadPatience = std::chrono::minutes(10);

struct ModelChoice {
    std::string name;
    std::string version;
};

Result<ExitCode> list_models(Session& session) {
    CASC_TRY(const Connection connection, session.connection());
    CASC_TRY(const json::array models,
             ask_host_for_models(session, {{"op", "list"}}, connection.timeout));
    Listing listing{{{"name", "NAME"},
                     {"version", "VERSION"},
                     {"state", "STATE"},
                     {"subject", "SUBJECT"},
                     {"topic", "TOPIC"},
                     {"memory_bytes", "MEMORY", Style::bytes},
                     {"answers", "ANSWERS", Style::count},
                     {"errors", "ERRORS", Style::count},
                     {"trouble", "TROUBLE"}},
                    {}};
    for (const json::value& one : models) {
        const json::object& model = one.get_object();
        listing.add({value_of(model, "name"), value_of(model, "version"), value_of(model, "state"),
                     value_of(model, "subject"), value_of(model, "topic"),
                     value_of(model, "memory_bytes"), value_of(model, "counts.answers"),
                     value_of(model, "counts.errors"), value_of(model, "trouble")});
    }
    session.out().show(listing);
    return ExitCode::ok;
}

std::string joined(const json::value& list) {
    std::string text;
    if (!list.is_array()) return text;
    for (const json::value& one : list.get_array())
        if (one.is_string()) text += (text.empty() ? "" : ", ") + std::string(one.get_string());
    return text;
}

// "infer.small, infer.big at tcp://other:7070"
std::string fallbacks_of(const json::object& model) {
    json::array texts;
    const json::value all = value_of(model, "fallbacks");
    if (!all.is_array()) return {};
    for (const json::value& one : all.get_array()) {
        if (!one.is_object()) continue;
        const json::value subject = value_of(one.get_object(), "subject");
        const json::value endpoint = value_of(one.get_object(), "endpoint");
        std::string text = subject.is_string() ? std::string(subject.get_string()) : "";
        if (endpoint.is_string() && !endpoint.get_string().empty())
            text += " at " + std::string(endpoint.get_string());
        texts.emplace_back(text);
    }
    return joined(texts);
}

Result<ExitCode> show_model(Session& session, const ModelChoice& choice) {
    CASC_TRY(const Connection connection, session.connection());
    CASC_TRY(
        const json::object model,
        ask_host_for_model(session, {{"op", "info"}, {"name", choice.name}}, connection.timeout));
    if (session.out().format() != Format::table) {
        session.out().line(model);
        return ExitCode::ok;
    }
    Document document;
    const auto add = [&](std::string_view path, std::string_view heading,
                         Style style = Style::text) {
        add_value(document, model, path, heading, style);
    };
    add("name", "name");
    add("version", "version");
    document.add("versions", "versions", json::value(joined(value_of(model, "versions"))));
    add("state", "state");
    add("trouble", "trouble");
    add("subject", "subject");
    add("topic", "topic");
    add("results", "results");
    add("backend", "backend");
    add("memory_bytes", "memory", Style::bytes);
    add("load_seconds", "load seconds");
    add("config.kind", "kind");
    add("config.layers", "layers", Style::count);
    add("config.hidden_size", "hidden size", Style::count);
    add("config.heads", "heads", Style::count);
    add("config.kv_heads", "heads of keys", Style::count);
    add("config.vocabulary", "vocabulary", Style::count);
    add("config.context_tokens", "context tokens", Style::count);
    add("settings.max_batch", "max batch", Style::count);
    add("settings.max_wait_ms", "max wait", Style::duration_ms);
    add("settings.queue_capacity", "queue capacity", Style::count);
    add("settings.timeout_ms", "timeout", Style::duration_ms);
    document.add("fallbacks", "fallbacks", json::value(fallbacks_of(model)));
    session.out().show(document);
    return ExitCode::ok;
}

Result<ExitCode> change(Session& session, std::string_view op, const ModelChoice& choice,
                        std::string_view done) {
    json::object request{{"op", op}, {"name", choice.name}};
    if (!choice.version.empty()) request["version"] = choice.version;
    CASC_TRY(const json::object model,
             ask_host_for_model(session, std::move(request), kLoadPatience));
    session.out().line(model);
    session.out().note(std::string(done) + " '" + choice.name + "'");
    return ExitCode::ok;
}

CLI::App* add_verb(CLI::App* noun, const std::string& name, const std::string& help,
                   ModelChoice& choice) {
    CLI::App* verb = noun->add_subcommand(name, help);
    verb->add_option("NAME", choice.name, "The model")->required();
    return verb;
}

void add_change(Commands& commands, CLI::App* noun, const std::string& name,
                const std::string& help, std::string_view done, bool has_version) {
    auto choice = std::make_shared<ModelChoice>();
    CLI::App* verb = add_verb(noun, name, help, *choice);
    if (has_version)
        verb->add_option("--version", choice->version, "Which one (default: the newest)")
            ->type_name("VERSION");
    commands.on(verb, [choice, name, done](Session& session) {
        return change(session, name, *choice, done);
    });
}

}  // namespace

void add_model_commands(Commands& commands) {
    CLI::App* model = commands.noun("model", "Models that answer requests");
    CLI::App* ls = model->add_subcommand("ls", "List the models, loaded or not");
    commands.on(ls, list_models);
    auto shown = std::make_shared<ModelChoice>();
    CLI::App* info = add_verb(model, "info", "Show what a model is and how it is served", *shown);
    commands.on(info, [shown](Session& session) { return show_model(session, *shown); });
    add_change(commands, model, "load", "Load a model, or another version of it", "loaded", true);
    add_change(commands, model, "reload",
               "Read a model again; the one that is at work goes on until the new one is",
               "reloaded", true);
    add_change(commands, model, "unload", "Let a model answer what it has, and go", "unloaded",
               false);
    add_model_bench(commands, model);
}

}  // namespace casc::admin
