// casc-admin errors: what the error codes mean.

#include "commands.hpp"
#include "listing.hpp"
#include "suggestion.hpp"

namespace casc::admin {

namespace {

const std::vector<ErrorInfo>& all_errors() {
    static const std::vector<ErrorInfo> all{
#define CASC_X(identifier, number, name, retry, sentence) \
    {ErrorCode::identifier, name, retry, sentence},
        CASC_ERROR_CODES(CASC_X)
#undef CASC_X
    };
    return all;
}

std::string upper(std::string text) {
    for (char& c : text) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        if (c == '-') c = '_';
    }
    return text;
}

Result<ExitCode> one(Session& session, const std::string& asked) {
    const std::string name = upper(asked);
    std::vector<std::string> names;
    for (const ErrorInfo& info : all_errors()) {
        names.emplace_back(info.name);
        const auto number = static_cast<std::uint16_t>(info.code);
        if (info.name != name && std::to_string(number) != asked) continue;
        Document document;
        document.add("code", "CODE", number, Style::count);
        document.add("name", "NAME", json::value(info.name));
        document.add("meaning", "MEANING", json::value(info.sentence));
        document.add("retryable", "RETRYABLE", info.retryable);
        document.add("exit_code", "EXIT CODE", static_cast<int>(exit_code_for(info.code)),
                     Style::count);
        document.add("hint", "HINT", json::value(hint_for(Error(info.code))));
        session.out().show(document);
        return ExitCode::ok;
    }
    const std::string near = nearest(name, names);
    return session.out().fail(
        Error(ErrorCode::invalid_request, "there is no error '" + asked + "'"), ExitCode::not_found,
        near.empty() ? "casc-admin errors lists them" : "did you mean " + near + "?");
}

Result<ExitCode> all(Session& session) {
    Listing listing{{{"code", "CODE", Style::count},
                     {"name", "NAME"},
                     {"retryable", "RETRYABLE"},
                     {"exit_code", "EXIT", Style::count},
                     {"meaning", "MEANING"}},
                    {}};
    for (const ErrorInfo& info : all_errors())
        listing.add({static_cast<std::uint16_t>(info.code), json::value(info.name), info.retryable,
                     static_cast<int>(exit_code_for(info.code)), json::value(info.sentence)});
    session.out().show(listing);
    return ExitCode::ok;
}

}  // namespace

void add_errors_command(Commands& commands) {
    auto code = std::make_shared<std::string>();
    CLI::App* verb = commands.root().add_subcommand("errors", "What the error codes mean");
    verb->add_option("CODE", *code, "A number or a name: 4003, UNKNOWN_TOPIC");
    commands.on(verb, [code](Session& session) {
        return code->empty() ? all(session) : one(session, *code);
    });
}

}  // namespace casc::admin
