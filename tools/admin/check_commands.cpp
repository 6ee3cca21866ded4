// casc-admin check live, ready, storage, lag: for monitoring; the exit codes are those of Nagios.

#include "commands.hpp"
#include "group_lag.hpp"
#include "health.hpp"
#include "json_text.hpp"

#include <casc/types/clock.hpp>

#include <cmath>

namespace casc::admin {

namespace {

struct CheckOptions {
    std::optional<std::uint64_t> warning;
    std::optional<std::uint64_t> critical;
    std::vector<std::string> groups;
    std::string format;
};

using Check = Result<Health> (*)(Session&, const CheckOptions&);

double figure(const fb::NodeInfoReplyT& info, std::string_view name) {
    for (const auto& entry : info.figures)
        if (entry->name == name) return entry->value;
    return 0;
}

std::optional<double> as_double(const std::optional<std::uint64_t>& value) {
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

// The broker answers a small request. (Pings are the client's own heartbeat.)
Result<Health> live(Session& session, const CheckOptions& options) {
    CASC_TRY_VOID(session.client());
    fb::ListTopicsT smallest;
    smallest.limit = 1;
    const MonoNanos sent = mono_now();
    CASC_TRY_VOID(session.call(smallest));
    const double ms = static_cast<double>((mono_now() - sent).value()) / 1e6;
    Health health{
        "live",
        Verdict::ok,
        "answers after " + json::serialize(json_number(std::round(ms * 1000) / 1000)) + " ms",
        {}};
    health.measures.push_back({"round_trip", std::round(ms * 1000) / 1000, "ms",
                               as_double(options.warning), as_double(options.critical)});
    if (options.critical && ms >= static_cast<double>(*options.critical))
        health.worsen(Verdict::critical, health.message);
    else if (options.warning && ms >= static_cast<double>(*options.warning))
        health.worsen(Verdict::warning, health.message);
    return health;
}

// It serves: recovered (it would not answer before), and its storage accepts writes.
Result<Health> ready(Session& session, const CheckOptions&) {
    CASC_TRY(const auto info, session.call(fb::NodeInfoT{}));
    Health health{"ready",
                  Verdict::ok,
                  info.broker_id + " serves, up for " +
                      format_duration(milliseconds(static_cast<std::int64_t>(info.uptime_ms))),
                  {}};
    if (figure(info, "casc_storage_failed") != 0)
        health.worsen(Verdict::critical,
                      "storage has failed; nothing is acknowledged until a restart");
    health.measures.push_back({"connections", figure(info, "casc_connections"), "", {}, {}});
    return health;
}

Result<std::uint64_t> reserve_of(Session& session) {
    CASC_TRY(const auto config, session.call(fb::NodeConfigT{}));
    for (const auto& entry : config.entries)
        if (entry->key == "storage.reserve_bytes") {
            if (const auto bytes = parse_bytes(entry->value)) return *bytes;
        }
    return std::uint64_t{1} << 30;
}

// Free space on the broker's disk. Without thresholds: writes are refused below
// storage.reserve_bytes, so that is critical, and four times as much is a warning.
Result<Health> storage(Session& session, const CheckOptions& options) {
    CASC_TRY(const auto info, session.call(fb::NodeInfoT{}));
    CASC_TRY(const std::uint64_t reserve, reserve_of(session));
    const double warning = static_cast<double>(options.warning.value_or(4 * reserve));
    const double critical = static_cast<double>(options.critical.value_or(reserve));
    const double free = figure(info, "casc_disk_free_bytes");
    Health health{"storage", Verdict::ok, format_bytes(free) + " free", {}};
    health.measures = {{"free", free, "B", warning, critical, /*is_floor=*/true},
                       {"stored", figure(info, "casc_storage_bytes"), "B", {}, {}},
                       {"unflushed", figure(info, "casc_unflushed_bytes"), "B", {}, {}}};
    if (free <= critical)
        health.worsen(Verdict::critical, "only " + health.message);
    else if (free <= warning)
        health.worsen(Verdict::warning, "only " + health.message);
    if (figure(info, "casc_storage_failed") != 0)
        health.worsen(Verdict::critical, "storage has failed; restart the broker");
    return health;
}

// Events that the groups have yet to read: those named, or all.
Result<Health> lag(Session& session, const CheckOptions& options) {
    constexpr std::uint64_t kWarning = 10'000;
    constexpr std::uint64_t kCritical = 100'000;
    const std::uint64_t warning = options.warning.value_or(options.critical.value_or(kWarning));
    const std::uint64_t critical = options.critical.value_or(std::max(warning, kCritical));
    std::vector<fb::GroupSummaryT> groups;
    for (const std::string& name : options.groups) {
        CASC_TRY(groups.emplace_back(), find_group(session, name));
    }
    if (groups.empty()) {
        CASC_TRY(const auto reply, session.call(fb::ListGroupsT{}));
        for (const auto& group : reply.groups)
            groups.push_back(*group);
    }
    Health health{"lag", Verdict::ok, std::to_string(groups.size()) + " groups keep up", {}};
    for (const fb::GroupSummaryT& group : groups) {
        const std::string& name = group.name;
        const auto lag = lag_of_group(session, group);
        // It may have gone since it was listed.
        if (!lag && lag.error().code == ErrorCode::unknown_group && options.groups.empty())
            continue;
        CASC_TRY(const std::uint64_t behind, lag);
        const std::string why =
            "group '" + name + "' is " + std::to_string(behind) + " events behind";
        health.measures.push_back({name, static_cast<double>(behind), "",
                                   static_cast<double>(warning), static_cast<double>(critical)});
        if (behind >= critical)
            health.worsen(Verdict::critical, why);
        else if (behind >= warning)
            health.worsen(Verdict::warning, why);
    }
    return health;
}

Result<ExitCode> run(Session& session, const CheckOptions& options, const std::string& name,
                     Check check) {
    auto checked = check(session, options);
    const Health health = checked ? *checked : failed_health(name, checked.error());
    const bool as_json =
        options.format.empty() ? session.out().format() != Format::table : options.format == "json";
    if (as_json)
        session.out().line(health_json(health));
    else
        session.out().write(nagios_line(health) + "\n");
    return static_cast<ExitCode>(health.verdict);
}

void add_check(Commands& commands, CLI::App* noun, const std::string& name, const std::string& help,
               Check check, const std::string& unit,
               Result<std::uint64_t> (*parse)(std::string_view)) {
    auto options = std::make_shared<CheckOptions>();
    CLI::App* verb = noun->add_subcommand(name, help);
    if (parse != nullptr) {
        add_parsed(verb, "-w,--warn", options->warning, parse, unit, "A warning from here on");
        add_parsed(verb, "-c,--crit", options->critical, parse, unit, "Critical from here on");
    }
    if (check == lag)
        add_repeatable(verb, "-g,--group", options->groups, "NAME",
                       "Only this group; may be repeated");
    verb->add_option("--format", options->format, "nagios (default) or json")
        ->type_name("FORMAT")
        ->check(CLI::IsMember({"nagios", "json"}));
    commands.on(verb, [options, name, check](Session& session) {
        return run(session, *options, name, check);
    });
}

Result<std::uint64_t> parse_milliseconds(std::string_view text) {
    CASC_TRY(const milliseconds duration, parse_duration(text));
    return static_cast<std::uint64_t>(duration.count());
}

}  // namespace

void add_check_commands(Commands& commands) {
    CLI::App* check = commands.noun(
        "check", "Health, for monitoring: exit 0 ok, 1 warning, 2 critical, 3 unknown");
    add_check(commands, check, "live", "The broker answers", live, "DURATION", parse_milliseconds);
    add_check(commands, check, "ready", "The broker serves and can store", ready, "", nullptr);
    add_check(commands, check, "storage", "Free space (defaults from storage.reserve_bytes)",
              storage, "SIZE", parse_bytes);
    add_check(commands, check, "lag", "Groups keep up (default 10000 and 100000 events)", lag,
              "COUNT", parse_number);
}

}  // namespace casc::admin
