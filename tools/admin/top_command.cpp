// casc-admin top: the broker live, on a terminal as a picture, elsewhere as lines.

#include "commands.hpp"
#include "interrupt.hpp"
#include "json_text.hpp"
#include "screen.hpp"
#include "table.hpp"
#include "top_sample.hpp"

#include <algorithm>
#include <cmath>
#include <unistd.h>

namespace casc::admin {

namespace {

struct TopOptions {
    std::optional<std::uint64_t> count;
    milliseconds interval{2000};
};

constexpr std::size_t kRows = 10;

std::string rate_bytes(double per_second) {
    return format_bytes(per_second) + "/s";
}

// One sample as one line; also what is at the top of the picture.
std::string summary_line(const TopView& view) {
    return "in " + format_rate(view.rate("casc_events_in_total")) + "/s " +
           rate_bytes(view.rate("casc_bytes_in_total")) + "  out " +
           format_rate(view.rate("casc_events_out_total")) + "/s " +
           rate_bytes(view.rate("casc_bytes_out_total")) + "  journal " +
           rate_bytes(view.rate("casc_journal_bytes_total")) + "  stored " +
           format_bytes(view.figure("casc_storage_bytes")) + "  unflushed " +
           format_bytes(view.figure("casc_unflushed_bytes")) + "  free " +
           format_bytes(view.figure("casc_disk_free_bytes")) + "  connections " +
           format_rate(view.figure("casc_connections"));
}

std::string picture(const TopView& view, bool color) {
    std::string text =
        view.now.broker_id + "  up " +
        format_duration(milliseconds(static_cast<std::int64_t>(view.now.uptime_ms))) + "  topics " +
        std::to_string(view.now.topics.size()) + "  groups " + std::to_string(view.now.lag.size()) +
        "  errors " + format_rate(view.rate("casc_request_errors_total")) + "/s" +
        (view.figure("casc_storage_failed") != 0 ? "  STORAGE HAS FAILED" : "") + "\n" +
        summary_line(view) + "\n\n";
    Listing topics{{{"topic", "TOPIC"},
                    {"rate", "EVENTS/S", Style::count},
                    {"events", "EVENTS", Style::count},
                    {"bytes", "SIZE", Style::bytes}},
                   {}};
    for (std::size_t i = 0; i < std::min(view.topics.size(), kRows); ++i) {
        const TopView::TopicRow& row = view.topics[i];
        topics.add({json::value(row.name), json_number(std::round(row.events_per_second)),
                    row.events, row.bytes});
    }
    text += render_table(topics, color) + "\n";
    Listing groups{
        {{"group", "GROUP"}, {"lag", "LAG", Style::count}, {"change", "CHANGE/S", Style::count}},
        {}};
    for (std::size_t i = 0; i < std::min(view.groups.size(), kRows); ++i) {
        const TopView::GroupRow& row = view.groups[i];
        groups.add({json::value(row.name), row.lag, json_number(std::round(row.lag_per_second))});
    }
    text += render_table(groups, color);
    return text + "\nq leaves, space refreshes\n";
}

json::object to_json(const TopView& view) {
    json::array topics;
    for (const auto& row : view.topics)
        topics.push_back(json::object{{"topic", row.name},
                                      {"events", row.events},
                                      {"bytes", row.bytes},
                                      {"events_per_second", json_number(row.events_per_second)}});
    json::array groups;
    for (const auto& row : view.groups)
        groups.push_back(json::object{{"group", row.name},
                                      {"lag", row.lag},
                                      {"lag_per_second", json_number(row.lag_per_second)}});
    return {{"time_ns", wall_now().value()},
            {"broker_id", view.now.broker_id},
            {"uptime_ms", view.now.uptime_ms},
            {"interval_seconds", json_number(view.seconds)},
            {"events_in_per_second", json_number(view.rate("casc_events_in_total"))},
            {"bytes_in_per_second", json_number(view.rate("casc_bytes_in_total"))},
            {"events_out_per_second", json_number(view.rate("casc_events_out_total"))},
            {"bytes_out_per_second", json_number(view.rate("casc_bytes_out_total"))},
            {"journal_bytes_per_second", json_number(view.rate("casc_journal_bytes_total"))},
            {"storage_bytes", json_number(view.figure("casc_storage_bytes"))},
            {"unflushed_bytes", json_number(view.figure("casc_unflushed_bytes"))},
            {"disk_free_bytes", json_number(view.figure("casc_disk_free_bytes"))},
            {"connections", json_number(view.figure("casc_connections"))},
            {"topics", std::move(topics)},
            {"groups", std::move(groups)}};
}

void show(Session& session, Screen* screen, const TopView& view) {
    if (screen != nullptr) return screen->draw(picture(view, session.out().color()));
    if (session.out().format() == Format::table)
        session.out().write(format_time(wall_now()) + "  " + summary_line(view) + "\n");
    else
        session.out().line(to_json(view));
}

Result<ExitCode> top(Session& session, const TopOptions& options) {
    CASC_TRY(TopSample before, take_sample(session));
    watch_for_interrupt();
    std::optional<Screen> screen;
    if (session.out().format() == Format::table && is_terminal(STDOUT_FILENO)) {
        screen.emplace();
        show(session, &*screen, TopView(before, nullptr));
    }
    for (std::uint64_t shown = 0; !options.count || shown < *options.count; ++shown) {
        const bool go_on =
            screen ? screen->wait(options.interval) : wait_unless_interrupted(options.interval);
        if (!go_on) break;
        auto taken = take_sample(session);
        if (!taken) {
            // A broker that is being restarted comes back; whoever watches wants to see that.
            if (exit_code_for(taken.error().code) != ExitCode::unreachable) return taken.error();
            if (screen)
                screen->draw("no answer: " + taken.error().message() + "\n");
            else
                session.out().note(taken.error().message());
            continue;
        }
        TopSample now = std::move(*taken);
        show(session, screen ? &*screen : nullptr, TopView(now, &before));
        if (!session.out().flush())
            return Error(ErrorCode::io_failed, "stdout could not be written");
        before = std::move(now);
    }
    return ExitCode::ok;
}

}  // namespace

void add_top_command(Commands& commands) {
    auto options = std::make_shared<TopOptions>();
    CLI::App* verb = commands.root().add_subcommand(
        "top", "The broker live: rates, busiest topics, groups behind");
    add_parsed(verb, "-n,--count", options->count, parse_number, "COUNT",
               "Stop after so many samples");
    add_parsed(verb, "-i,--interval", options->interval, parse_duration, "DURATION",
               "Time between samples (default 2s)");
    commands.on(verb, [options](Session& session) { return top(session, *options); });
}

}  // namespace casc::admin
