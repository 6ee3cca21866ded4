// casc-admin infer: asking a model by hand.

#include "commands.hpp"
#include "infer_stats.hpp"
#include "json_text.hpp"

#include <iostream>
#include <iterator>

namespace casc::admin {

namespace {

struct InferOptions {
    std::string model;
    std::optional<std::string> prompt;
    std::string subject;
    std::optional<Lane> lane;
    std::optional<std::uint64_t> max_tokens;
    std::optional<double> temperature;
    std::optional<double> top_p;
    std::optional<std::uint64_t> top_k;
    std::optional<std::uint64_t> seed;
    std::vector<std::string> stops;
    bool streams = false;
};

std::string request_text(const InferOptions& options, std::string_view method) {
    json::object params;
    params["prompt"] = options.prompt ? *options.prompt
                                      : std::string(std::istreambuf_iterator<char>(std::cin), {});
    if (options.max_tokens) params["max_tokens"] = *options.max_tokens;
    if (options.temperature) params["temperature"] = *options.temperature;
    if (options.top_p) params["top_p"] = *options.top_p;
    if (options.top_k) params["top_k"] = *options.top_k;
    if (options.seed) params["seed"] = *options.seed;
    if (!options.stops.empty()) params["stop"] = json::value_from(options.stops);
    if (options.streams) params["stream"] = true;
    return compact_json(
        json::object{{"model", options.model}, {"method", method}, {"params", std::move(params)}});
}

Result<json::value> parsed(const client::Answer& answer) {
    boost::system::error_code malformed;
    json::value value = json::parse(answer.text(), malformed);
    if (malformed || !value.is_object())
        return Error(ErrorCode::malformed_message, "the model's answer is no JSON");
    return value;
}

// For people the result alone; of a text the text.
void print_answer(Session& session, const json::value& answer) {
    if (session.out().format() != Format::table) return session.out().line(answer);
    const json::value* const response = answer.get_object().if_contains("response");
    const json::value* const result = response != nullptr && response->is_object()
                                          ? response->get_object().if_contains("result")
                                          : nullptr;
    if (result == nullptr || !result->is_object()) return session.out().line(answer);
    const json::value* const text = result->get_object().if_contains("text");
    if (text == nullptr || !text->is_string()) return session.out().line(*result);
    session.out().write(std::string(text->get_string()) + '\n');
}

Result<ExitCode> ask_once(Session& session, client::Client& client, const std::string& subject,
                          const client::Event& event, milliseconds timeout) {
    CASC_TRY(const client::Answer answer, client.request(subject, event, timeout));
    CASC_TRY(const json::value value, parsed(answer));
    print_answer(session, value);
    return ExitCode::ok;
}

// A piece of the text as it comes, for people; for programs a line per piece.
bool print_piece(Session& session, const json::value& value) {
    const json::value* const text = value.get_object().if_contains("text");
    if (text == nullptr || !text->is_string()) return false;
    if (session.out().format() != Format::table) {
        session.out().line(value);
    } else {
        session.out().write(std::string(text->get_string()));
        static_cast<void>(session.out().flush());
    }
    return true;
}

Result<ExitCode> ask_for_stream(Session& session, client::Client& client,
                                const std::string& subject, const client::Event& event,
                                milliseconds timeout) {
    client::StreamOptions options;
    options.timeout = timeout;
    CASC_TRY(auto stream, client.request_stream(subject, event, options));
    for (;;) {
        CASC_TRY(const auto part, stream.next(timeout));
        if (!part) return ExitCode::ok;
        CASC_TRY(const json::value value, parsed(*part));
        // The last one: its text has come in pieces.
        if (!print_piece(session, value)) print_answer(session, value);
    }
}

Result<ExitCode> infer(Session& session, const InferOptions& options, std::string_view method) {
    CASC_TRY(client::Client* const client, session.client());
    CASC_TRY(const Connection connection, session.connection());
    const std::string text = request_text(options, method);
    client::Event event{.payload = std::as_bytes(std::span(text))};
    event.lane = options.lane.value_or(Lane::normal);
    const std::string subject =
        options.subject.empty() ? "infer." + options.model : options.subject;
    return options.streams ? ask_for_stream(session, *client, subject, event, connection.timeout)
                           : ask_once(session, *client, subject, event, connection.timeout);
}

CLI::App* add_method(Commands& commands, CLI::App* noun, const std::string& method,
                     const std::string& help, const std::shared_ptr<InferOptions>& options) {
    CLI::App* verb = noun->add_subcommand(method, help);
    verb->add_option("MODEL", options->model, "Who is asked")->required();
    verb->add_option("PROMPT", options->prompt, "What is asked (default: standard input)");
    verb->add_option("--subject", options->subject, "Where it listens (default: infer.MODEL)")
        ->type_name("SUBJECT");
    add_parsed(verb, "--lane", options->lane, parse_lane, "LANE",
               "critical, high, normal (default) or low");
    commands.on(verb,
                [options, method](Session& session) { return infer(session, *options, method); });
    return verb;
}

void add_generation(CLI::App* verb, const std::shared_ptr<InferOptions>& options) {
    add_parsed(verb, "--max-tokens", options->max_tokens, parse_number, "COUNT",
               "The longest answer (default: the model's)");
    verb->add_option("--temperature", options->temperature,
                     "0 (default): always the most likely token; more: more variety");
    verb->add_option("--top-p", options->top_p, "Only the likeliest tokens with this share");
    add_parsed(verb, "--top-k", options->top_k, parse_number, "COUNT",
               "Only so many of the likeliest tokens");
    add_parsed(verb, "--seed", options->seed, parse_number, "NUMBER",
               "The same seed has the same answer");
    add_repeatable(verb, "--stop", options->stops, "TEXT", "The answer ends before this");
    verb->add_flag("--stream", options->streams, "Print the text as it comes");
}

}  // namespace

void add_infer_commands(Commands& commands) {
    CLI::App* noun = commands.noun("infer", "Ask a model");
    auto generate = std::make_shared<InferOptions>();
    add_generation(add_method(commands, noun, "generate", "Go on from a prompt", generate),
                   generate);
    add_method(commands, noun, "embed", "The vector that stands for a text",
               std::make_shared<InferOptions>());
    add_method(commands, noun, "classify", "The label of a text, and how likely each is",
               std::make_shared<InferOptions>());
    add_infer_stats(commands, noun);
}

}  // namespace casc::admin
