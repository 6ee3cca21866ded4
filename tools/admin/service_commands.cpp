// casc-admin request, service ls: asking responders by hand, and who they are.

#include "commands.hpp"
#include "listing.hpp"
#include "text_codec.hpp"

#include <iostream>
#include <iterator>

namespace casc::admin {

namespace {

struct AskOptions {
    std::string subject;
    std::optional<std::string> payload;
    std::optional<Lane> lane;
    std::string type;
    bool all = false;
    std::uint64_t quorum = 0;
};

Result<ExitCode> ask_one(client::Client& client, const AskOptions& options,
                         const client::Event& event, milliseconds timeout) {
    CASC_TRY(const client::Answer answer, client.request(options.subject, event, timeout));
    // The answer as it is: what is printed can be piped on.
    std::cout << answer.text();
    if (!answer.text().ends_with('\n')) std::cout << '\n';
    std::cout.flush();
    return ExitCode::ok;
}

Result<ExitCode> ask_all(Session& session, client::Client& client, const AskOptions& options,
                         const client::Event& event, milliseconds timeout) {
    CASC_TRY(
        const client::Gathered gathered,
        client.gather(options.subject, event,
                      {.quorum = static_cast<std::uint32_t>(options.quorum), .timeout = timeout}));
    Listing listing{
        {{"responder", "RESPONDER", Style::count}, {"error", "ERROR"}, {"answer", "ANSWER"}}, {}};
    for (const client::GatheredAnswer& result : gathered.results) {
        const bool is_good = result.answer.has_value();
        listing.add({result.responder,
                     json::value(is_good ? std::string() : result.answer.error().message()),
                     json::value(is_good ? printable(result.answer->text()) : std::string())});
    }
    session.out().show(listing);
    session.out().note(std::to_string(gathered.answers) + " of " +
                       std::to_string(gathered.responders) + " responders answered");
    return gathered.has_quorum ? ExitCode::ok : ExitCode::partial;
}

Result<ExitCode> ask(Session& session, const AskOptions& options) {
    CASC_TRY(client::Client* const client, session.client());
    CASC_TRY(const Connection connection, session.connection());
    const std::string payload = options.payload
                                    ? *options.payload
                                    : std::string(std::istreambuf_iterator<char>(std::cin), {});
    client::Event event{.payload = std::as_bytes(std::span(payload))};
    event.lane = options.lane.value_or(Lane::normal);
    event.type = options.type;
    return options.all ? ask_all(session, *client, options, event, connection.timeout)
                       : ask_one(*client, options, event, connection.timeout);
}

Result<ExitCode> list_services(Session& session, const std::string& prefix) {
    Listing listing{{{"subject", "SUBJECT"},
                     {"responders", "RESPONDERS", Style::count},
                     {"open", "OPEN", Style::count},
                     {"waiting", "WAITING", Style::count},
                     {"served", "SERVED", Style::count}},
                    {}};
    fb::ListServicesT request;
    request.prefix = prefix;
    for (bool more = true; more;) {
        CASC_TRY(const auto reply, session.call(request));
        for (const auto& service : reply.services)
            listing.add({json::value(service->subject), service->responders, service->open,
                         service->waiting, service->served});
        more = reply.more && !reply.services.empty();
        if (more) request.after = reply.services.back()->subject;
    }
    session.out().show(listing);
    return ExitCode::ok;
}

}  // namespace

void add_service_commands(Commands& commands) {
    auto options = std::make_shared<AskOptions>();
    CLI::App* verb = commands.root().add_subcommand(
        "request", "Ask a responder of a subject, and print its answer");
    verb->add_option("SUBJECT", options->subject, "Who is asked")->required();
    verb->add_option("PAYLOAD", options->payload, "What is asked (default: standard input)");
    add_parsed(verb, "--lane", options->lane, parse_lane, "LANE",
               "critical, high, normal (default) or low");
    verb->add_option("--type", options->type, "The type of the request")->type_name("TEXT");
    CLI::Option* all = verb->add_flag("--all", options->all, "Ask every responder; a row for each");
    add_parsed(verb, "--quorum", options->quorum, parse_number, "COUNT",
               "With --all: so many good answers are enough")
        ->needs(all);
    commands.on(verb, [options](Session& session) { return ask(session, *options); });

    CLI::App* service = commands.noun("service", "Subjects that are served, and by how many");
    CLI::App* ls = service->add_subcommand("ls", "List the subjects that have responders");
    auto prefix = std::make_shared<std::string>();
    ls->add_option("PREFIX", *prefix, "Only subjects that start with this");
    commands.on(ls, [prefix](Session& session) { return list_services(session, *prefix); });
}

}  // namespace casc::admin
