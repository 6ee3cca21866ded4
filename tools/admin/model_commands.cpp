// casc-admin model: the models that a broker serves. They are asked for at the subject of their
// host (casc/inference/model_host.hpp), so that it need not be in the broker's own process.

#include "commands.hpp"
#include "json_text.hpp"
#include "listing.hpp"

namespace casc::admin {

namespace {

constexpr std::string_view kModelsSubject = "casc.models";
// Loading reads the whole model; unloading lets it answer what it has.
constexpr milliseconds kLoadPatience = std::chrono::minutes(10);

struct ModelChoice {
    std::string name;
    std::string version;
};

Result<json::object> ask_host(Session& session, json::object request, milliseconds patience) {
    CASC_TRY(client::Client* const client, session.client());
    const std::string text = compact_json(request);
    const auto answer =
        client->request(kModelsSubject, {.payload = std::as_bytes(std::span(text))}, patience);
    if (!answer && answer.error().code == ErrorCode::no_responders)
        return Error(ErrorCode::no_responders,
                     "this broker serves no models; models.folder in its configuration says where "
                     "they are");
    if (!answer) return answer.error();
    boost::system::error_code malformed;
    json::value value = json::parse(answer->text(), malformed);
    if (malformed || !value.is_object())
        return Error(ErrorCode::malformed_message, "the answer of the models' host is no JSON");
    return std::move(value.get_object());
}

const json::value* member(const json::object& object, std::string_view name) {
    const json::value* const found = object.if_contains(name);
    return found == nullptr || found->is_null() ? nullptr : found;
}

json::value value_of(const json::object& object, std::string_view name) {
    const json::value* const found = member(object, name);
    return found == nullptr ? json::value(nullptr) : *found;
}

json::value count_of(const json::object& model, std::string_view name) {
    const json::value* const counts = member(model, "counts");
    return counts == nullptr || !counts->is_object() ? json::value(nullptr)
                                                     : value_of(counts->get_object(), name);
}

Result<ExitCode> list_models(Session& session) {
    CASC_TRY(const Connection connection, session.connection());
    CASC_TRY(const json::object answer, ask_host(session, {{"op", "list"}}, connection.timeout));
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
    const json::value* const models = member(answer, "models");
    if (models == nullptr || !models->is_array())
        return Error(ErrorCode::malformed_message, "the models' host has named no models");
    for (const json::value& one : models->get_array()) {
        if (!one.is_object()) continue;
        const json::object& model = one.get_object();
        listing.add({value_of(model, "name"), value_of(model, "version"), value_of(model, "state"),
                     value_of(model, "subject"), value_of(model, "topic"),
                     value_of(model, "memory_bytes"), count_of(model, "answers"),
                     count_of(model, "errors"), value_of(model, "trouble")});
    }
    session.out().show(listing);
    return ExitCode::ok;
}

Result<ExitCode> change(Session& session, std::string_view op, const ModelChoice& choice,
                        std::string_view done) {
    json::object request{{"op", op}, {"name", choice.name}};
    if (!choice.version.empty()) request["version"] = choice.version;
    CASC_TRY(const json::object answer, ask_host(session, std::move(request), kLoadPatience));
    const json::value* const model = member(answer, "model");
    if (model == nullptr || !model->is_object())
        return Error(ErrorCode::malformed_message, "the models' host has not said what it did");
    session.out().line(*model);
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
    add_change(commands, model, "load", "Load a model, or another version of it", "loaded", true);
    add_change(commands, model, "reload",
               "Read a model again; the one that is at work goes on until the new one is",
               "reloaded", true);
    add_change(commands, model, "unload", "Let a model answer what it has, and go", "unloaded",
               false);
}

}  // namespace casc::admin
