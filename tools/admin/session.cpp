#include "session.hpp"

#include "contexts.hpp"
#include "values.hpp"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <unistd.h>

namespace casc::admin {

namespace {

constexpr milliseconds kDefaultTimeout{10'000};

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> items;
    std::size_t begin = 0;
    while (begin <= list.size()) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        if (end > begin) items.push_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return items;
}

}  // namespace

Session::Session(GlobalOptions options, Format format)
    : options_(std::move(options)), out_(format, options_.quiet) {}

Result<Connection> Session::connection() const {
    Connection found{options_.endpoints, kDefaultTimeout, "flag"};
    std::optional<milliseconds> timeout = options_.timeout;
    if (const std::string text = variable("CASC_TIMEOUT"); !timeout && !text.empty()) {
        const auto parsed = parse_duration(text);
        if (!parsed)
            return Error(ErrorCode::invalid_config, "CASC_TIMEOUT: " + parsed.error().detail);
        timeout = *parsed;
    }
    // A context that was asked for by name wins over an address that only lies in the environment.
    if (found.endpoints.empty() && options_.context.empty()) {
        found.endpoints = split(variable("CASC_ENDPOINT"));
        found.origin = "environment";
    }
    if (found.endpoints.empty()) {
        CASC_TRY(const Contexts contexts, load_contexts(config_directory()));
        std::string name = options_.context;
        if (name.empty()) name = variable("CASC_CONTEXT");
        if (name.empty()) name = contexts.current;
        if (!name.empty()) {
            CASC_TRY(const ConnectionContext* const context, contexts.find(name));
            found.endpoints = context->endpoints;
            found.origin = "context '" + name + "'";
            if (!timeout) timeout = context->timeout;
        }
    }
    if (found.endpoints.empty()) {
        found.endpoints = client::ClientOptions{}.endpoints;
        found.origin = "default";
    }
    if (timeout) found.timeout = *timeout;
    return found;
}

Result<client::Client*> Session::client() {
    if (client_) return client_.get();
    CASC_TRY(Connection found, connection());
    client::ClientOptions options;
    options.endpoints = found.endpoints;
    options.client_id = "casc-admin";
    options.connect_timeout = found.timeout;
    options.request_timeout = found.timeout;
    auto connected = client::Client::connect(std::move(options));
    if (!connected) {
        Error error = std::move(connected).error();
        std::string endpoints;
        for (const std::string& endpoint : found.endpoints)
            endpoints += (endpoints.empty() ? "" : ", ") + endpoint;
        error.detail = "cannot connect to " + endpoints + " (" + found.origin + ")" +
                       (error.detail.empty() ? "" : ": " + error.detail);
        return error;
    }
    client_ = std::move(*connected);
    return client_.get();
}

Result<void> Session::confirm(std::string_view what, std::string_view name) {
    if (options_.yes) return {};
    const std::string warning = "this " + std::string(what);
    if (options_.no_input || !is_terminal(STDIN_FILENO) || !is_terminal(STDERR_FILENO))
        return Error(ErrorCode::invalid_request, warning + "; say --yes if that is what you want");
    std::fprintf(stderr, "%s\ntype %.*s to go on: ", warning.c_str(), static_cast<int>(name.size()),
                 name.data());
    std::string typed;
    std::getline(std::cin, typed);
    if (typed == name) return {};
    return Error(ErrorCode::cancelled, "nothing was changed");
}

}  // namespace casc::admin
