// casc-admin node info, config.

#include "commands.hpp"
#include "json_text.hpp"
#include "listing.hpp"

#include <algorithm>

namespace casc::admin {

namespace {

Style style_of(std::string_view figure) {
    return figure.ends_with("_bytes") || figure.find("_bytes_") != figure.npos ? Style::bytes
                                                                               : Style::count;
}

Result<ExitCode> info(Session& session, bool figures) {
    CASC_TRY(const auto reply, session.call(fb::NodeInfoT{}));
    Document document;
    document.add("broker_id", "ID", json::value(reply.broker_id));
    document.add("software", "SOFTWARE", json::value(reply.software));
    document.add("pid", "PROCESS", reply.pid, Style::count);
    document.add("uptime_ms", "UP FOR", reply.uptime_ms, Style::duration_ms);
    document.add("data_directory", "DATA FOLDER", json::value(reply.data_directory));
    document.add("disk", "DISK", json::value(reply.disk));
    document.add("endpoints", "LISTENS ON", json::value_from(reply.endpoints));
    if (session.out().format() != Format::table) {
        json::object numbers;
        for (const auto& figure : reply.figures)
            numbers[figure->name] = json_number(figure->value);
        document.add("figures", "FIGURES", std::move(numbers));
    } else {
        for (const auto& figure : reply.figures)
            if (figures)
                document.add(figure->name, figure->name, json_number(figure->value),
                             style_of(figure->name));
    }
    session.out().show(document);
    return ExitCode::ok;
}

struct ConfigOptions {
    std::string prefix;
    bool changed = false;
};

Result<ExitCode> config(Session& session, const ConfigOptions& options) {
    CASC_TRY(const auto reply, session.call(fb::NodeConfigT{}));
    Listing listing{
        {{"key", "KEY"}, {"value", "VALUE"}, {"origin", "ORIGIN"}, {"reloadable", "RELOADABLE"}},
        {}};
    for (const auto& entry : reply.entries) {
        if (!entry->key.starts_with(options.prefix)) continue;
        if (options.changed && entry->origin == "default") continue;
        listing.add({json::value(entry->key), json::value(entry->value), json::value(entry->origin),
                     entry->reloadable});
    }
    session.out().show(listing);
    return ExitCode::ok;
}

}  // namespace

void add_node_commands(Commands& commands) {
    CLI::App* node = commands.noun("node", "The broker itself");
    auto figures = std::make_shared<bool>(false);
    CLI::App* show = node->add_subcommand("info", "Who it is, since when, and its figures");
    show->add_flag("--figures", *figures, "All figures too (JSON always has them)");
    commands.on(show, [figures](Session& session) { return info(session, *figures); });

    auto options = std::make_shared<ConfigOptions>();
    CLI::App* settings =
        node->add_subcommand("config", "Settings in effect and where each came from");
    settings->add_option("PREFIX", options->prefix, "Only keys that begin with this");
    settings->add_flag("--changed", options->changed, "Only what is not at its default");
    commands.on(settings, [options](Session& session) { return config(session, *options); });
}

}  // namespace casc::admin
