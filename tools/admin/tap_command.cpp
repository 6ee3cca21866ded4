// casc-admin tap: prints what comes in topics from now on.

#include "commands.hpp"
#include "event_printer.hpp"
#include "interrupt.hpp"

namespace casc::admin {

namespace {

constexpr milliseconds kTapWait{100};  // how soon Ctrl-C is noticed
constexpr std::size_t kTapEvents = 1000;

struct TapFlags {
    std::vector<std::string> topics;
    std::optional<std::uint64_t> last;
    bool last_per_key = false;
    client::OnFull on_full = client::OnFull::drop_oldest;
    std::string share;
    std::string peer;
    std::string filter;
    std::optional<EventFormat> format;
    std::optional<std::uint64_t> count;
};

Result<client::OnFull> parse_on_full(const std::string& text) {
    if (text == "drop-oldest") return client::OnFull::drop_oldest;
    if (text == "drop-newest") return client::OnFull::drop_newest;
    if (text == "conflate") return client::OnFull::conflate;
    if (text == "block") return client::OnFull::block;
    return Error(ErrorCode::invalid_request,
                 "'" + text + "' is not drop-oldest, drop-newest, conflate or block");
}

client::TapOptions tap_options(const TapFlags& flags) {
    client::TapOptions options;
    options.topics = flags.topics;
    options.on_full = flags.on_full;
    options.share = flags.share;
    options.peer = flags.peer;
    options.filter = flags.filter;
    if (flags.last_per_key) options.start = client::TapStart::last_per_key;
    if (flags.last && *flags.last != 0) {
        options.start = client::TapStart::last_events;
        options.last_events = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(*flags.last, std::numeric_limits<std::uint32_t>::max()));
    }
    return options;
}

Result<ExitCode> run_tap(Session& session, const TapFlags& flags) {
    CASC_TRY(client::Client* const client, session.client());
    CASC_TRY(auto tap, client->make_tap(tap_options(flags)));
    watch_for_interrupt();
    EventPrinter printer(session, flags.format);
    const auto left = [&] { return flags.count ? *flags.count - printer.printed() : kTapEvents; };
    while (left() != 0 && !interrupted()) {
        const auto events = tap.poll(
            static_cast<std::size_t>(std::min<std::uint64_t>(left(), kTapEvents)), kTapWait);
        if (!events) return events.error();
        for (const client::ConsumedEvent& event : *events)
            printer.print(event);
        CASC_TRY_VOID(printer.flush());
    }
    const Result<void> closed = tap.close();
    if (!closed) return closed.error();
    session.out().note(std::to_string(printer.printed()) + " events, " +
                       std::to_string(tap.skipped()) + " left out");
    return ExitCode::ok;
}

}  // namespace

void add_tap_command(Commands& commands) {
    auto flags = std::make_shared<TapFlags>();
    CLI::App* verb =
        commands.root().add_subcommand("tap", "Print what comes from now on, until Ctrl-C");
    verb->add_option("TOPIC", flags->topics,
                     "Of which topics; 'orders.*' or 'orders.>' for all that match")
        ->required();
    verb->add_option("--filter", flags->filter,
                     "Only what matches, such as 'type == \"order\" && json.amount >= 100'")
        ->type_name("EXPRESSION");
    CLI::Option* last = add_parsed(verb, "--last", flags->last, parse_number, "COUNT",
                                   "Begin with the last events, of volatile topics");
    verb->add_flag("--last-per-key", flags->last_per_key,
                   "Begin with the last event of each key, of volatile topics")
        ->excludes(last);
    add_parsed(verb, "--on-full", flags->on_full, parse_on_full, "POLICY",
               "When this terminal is too slow: drop-oldest (default), drop-newest, conflate, or "
               "block (producers wait)");
    verb->add_option("--share", flags->share, "Share what comes with other taps of that name")
        ->type_name("NAME");
    verb->add_option("--peer", flags->peer, "Of what has a destination only what is for this name")
        ->type_name("NAME");
    add_parsed(
        verb, "-f,--format", flags->format,
        [](const std::string& text) { return EventFormat::parse(text); }, "FORMAT", kFormatHelp);
    add_parsed(verb, "-n,--count", flags->count, parse_number, "COUNT",
               "Stop after so many events");
    commands.on(verb, [flags](Session& session) { return run_tap(session, *flags); });
}

}  // namespace casc::admin
