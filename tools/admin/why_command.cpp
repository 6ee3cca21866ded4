// casc-admin why group, topic, producer: what it waits for, in a sentence, from the broker's own
// state.

#include "commands.hpp"
#include "group_lag.hpp"
#include "queue_text.hpp"
#include "text_codec.hpp"
#include "why_reasons.hpp"

#include <algorithm>
#include <set>

namespace casc::admin {

namespace {

std::string events(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " event" : " events");
}

std::string lane_of(const std::string& topic, std::uint8_t lane) {
    return "lane " + std::string(to_string(static_cast<Lane>(lane & 3))) + " of " + topic;
}

// The paused lanes of a topic, bit by bit.
Result<std::uint8_t> paused_lanes(Session& session, const std::string& topic) {
    fb::DescribeTopicT request;
    request.name = topic;
    CASC_TRY(const auto reply, session.call(request));
    return reply.topic->settings ? reply.topic->settings->paused_lanes.value_or(0)
                                 : std::uint8_t{0};
}

bool has_lane(std::uint8_t lanes, std::uint8_t lane) {
    return (lanes >> (lane & 3) & 1u) != 0;
}

// ---- queue groups -------------------------------------------------------------------------------

struct QueueCounts {
    std::uint64_t backlog = 0;
    std::uint64_t leased = 0;
    std::uint64_t ready = 0;
    std::uint64_t delayed = 0;
    std::uint64_t given_up = 0;
    std::uint64_t blocked = 0;
};

QueueCounts count(const fb::DescribeQueueReplyT& queue) {
    QueueCounts all{.backlog = total_backlog(queue)};
    for (const auto& log : queue.logs) {
        all.leased += log->leased;
        all.ready += log->ready;
        all.delayed += log->delayed;
        all.given_up += log->given_up;
        all.blocked += log->blocked;
    }
    return all;
}

// The longest lease, and the shortest delay.
Result<void> explain_pending(Session& session, const std::string& name, const QueueCounts& all,
                             Reasons& reasons) {
    fb::ListPendingT request;
    request.group = name;
    request.limit = 1000;
    CASC_TRY(const auto reply, session.call(request));
    const fb::PendingRunT* leased = nullptr;
    const fb::PendingRunT* delayed = nullptr;
    for (const auto& run : reply.runs) {
        if (run->state == 0 && (leased == nullptr || run->first < leased->first))
            leased = run.get();
        if (run->state == 2 && (delayed == nullptr || run->wait_ms < delayed->wait_ms))
            delayed = run.get();
    }
    const auto in = [](std::uint64_t ms) {
        return format_duration(milliseconds(static_cast<std::int64_t>(ms)));
    };
    if (leased != nullptr)
        reasons.add("leased", events(all.leased) + " are leased; the oldest, " + leased->topic +
                                  "/" + std::to_string(leased->partition) + " offset " +
                                  std::to_string(leased->first) + ", by member " +
                                  std::to_string(leased->member) + " for " + in(leased->wait_ms) +
                                  " more, delivery " + std::to_string(leased->attempts));
    if (delayed != nullptr)
        reasons.add("delayed",
                    events(all.delayed) +
                        " were refused and wait; the first comes "
                        "again in " +
                        in(delayed->wait_ms) +
                        (delayed->error.empty() ? "" : " (\"" + printable(delayed->error) + "\")"));
    return {};
}

Result<void> explain_paused(Session& session, const fb::DescribeQueueReplyT& queue,
                            Reasons& reasons) {
    for (const std::string& topic : queue.topics) {
        const auto lanes = paused_lanes(session, topic);
        if (!lanes && lanes.error().code == ErrorCode::unknown_topic) {
            reasons.add("no_topic", "there is no topic '" + topic + "' (yet)");
            continue;
        }
        if (!lanes) return lanes.error();
        for (const auto& log : queue.logs)
            if (log->topic == topic && has_lane(*lanes, log->lane) && backlog_of(*log) != 0)
                reasons.add("paused", lane_of(topic, log->lane) + " is paused, with " +
                                          events(backlog_of(*log)) +
                                          " in it; topic alter --pause-lanes resumes it");
    }
    return {};
}

Result<void> explain_queue(Session& session, const std::string& name, Reasons& reasons) {
    CASC_TRY(const auto queue, describe_queue(session, name));
    const QueueCounts all = count(queue);
    if (queue.members.empty() && all.backlog != 0)
        reasons.add("no_members", "it has no members, and " + events(all.backlog) + " to settle");
    CASC_TRY_VOID(explain_paused(session, queue, reasons));
    const std::uint32_t in_flight_max =
        queue.settings ? queue.settings->in_flight_events_max.value_or(0) : 0;
    if (in_flight_max != 0 &&
        all.leased + all.ready + all.delayed + all.given_up + all.blocked >= in_flight_max)
        reasons.add("in_flight_max",
                    "nothing new is delivered while " + std::to_string(in_flight_max) +
                        " events (in_flight_events_max) are delivered and not settled");
    const bool full = !queue.members.empty() &&
                      std::all_of(queue.members.begin(), queue.members.end(), [](const auto& one) {
                          return one->in_flight_events >= one->prefetch_events;
                      });
    if (full)
        reasons.add("no_room", "all " + std::to_string(queue.members.size()) +
                                   " members have as many events as they asked for, and settle "
                                   "none");
    if (all.blocked != 0)
        reasons.add("blocked", events(all.blocked) +
                                   " wait until the one before them with the same key is "
                                   "settled");
    if (all.given_up != 0)
        reasons.add("given_up", events(all.given_up) +
                                    " are about to become dead letters; the "
                                    "broker's log says what is in the way");
    CASC_TRY_VOID(explain_pending(session, name, all, reasons));
    if (reasons.empty())
        reasons.add(all.backlog == 0 ? "caught_up" : "delivering",
                    all.backlog == 0 ? "nothing: every event is settled"
                                     : "nothing: " + events(all.backlog) + " are on their way to " +
                                           std::to_string(queue.members.size()) + " members");
    return {};
}

// ---- stream groups ------------------------------------------------------------------------------

Result<void> explain_stream(Session& session, const std::string& name, Reasons& reasons) {
    CASC_TRY(const auto group, describe_group(session, name));
    const std::uint64_t lag = total_lag(group);
    if (group.members.empty() && lag != 0)
        reasons.add("no_members", "it has no members, and is " + events(lag) + " behind");
    for (const auto& member : group.members) {
        if (!member->connected)
            reasons.add("member_away",
                        "member " + member->member_id +
                            " is not connected, and keeps its partitions until its "
                            "session of " +
                            format_duration(milliseconds(member->session_timeout_ms)) +
                            " runs out");
        if (!member->revoking.empty())
            reasons.add("rebalancing", "member " + member->member_id + " has not let go of " +
                                           std::to_string(member->revoking.size()) +
                                           " partitions that others wait for: it polls too "
                                           "seldom");
    }
    std::set<std::string> topics;
    for (const auto& log : group.lag)
        topics.insert(log->topic);
    for (const std::string& topic : topics) {
        CASC_TRY(const std::uint8_t lanes, paused_lanes(session, topic));
        for (const auto& log : group.lag)
            if (log->topic == topic && has_lane(lanes, log->lane) && lag_of(*log) != 0)
                reasons.add("paused", lane_of(topic, log->lane) + " is paused, " +
                                          events(lag_of(*log)) + " ahead of the group");
    }
    const auto worst =
        std::max_element(group.lag.begin(), group.lag.end(),
                         [](const auto& a, const auto& b) { return lag_of(*a) < lag_of(*b); });
    if (worst != group.lag.end() && lag_of(**worst) != 0 && !group.members.empty())
        reasons.add("behind", "it is " + events(lag) + " behind, most on " + (*worst)->topic + "/" +
                                  std::to_string((*worst)->partition) + ", which " +
                                  ((*worst)->member_id.empty() ? "nobody owns"
                                                               : (*worst)->member_id + " reads"));
    if (reasons.empty()) reasons.add("caught_up", "nothing: it has read everything");
    return {};
}

Result<ExitCode> why_group(Session& session, const std::string& name) {
    CASC_TRY(const auto known, find_group(session, name));
    Reasons reasons;
    CASC_TRY_VOID(is_queue(known) ? explain_queue(session, name, reasons)
                                  : explain_stream(session, name, reasons));
    reasons.show(session.out());
    return ExitCode::ok;
}

// ---- topics -------------------------------------------------------------------------------------

Result<ExitCode> why_topic(Session& session, const std::string& name) {
    fb::DescribeTopicT request;
    request.name = name;
    CASC_TRY(const auto reply, session.call(request));
    Reasons reasons;
    const std::uint8_t paused =
        reply.topic->settings ? reply.topic->settings->paused_lanes.value_or(0) : std::uint8_t{0};
    for (const Lane lane : kLanes)
        if (has_lane(paused, static_cast<std::uint8_t>(lane)))
            reasons.add("paused", lane_of(name, static_cast<std::uint8_t>(lane)) +
                                      " is paused: subscriptions and queue groups get nothing of "
                                      "it until topic alter --pause-lanes none");
    fb::ListSchedulesT waiting;
    waiting.topic = name;
    CASC_TRY(const auto schedules, session.call(waiting));
    const auto next =
        std::min_element(schedules.schedules.begin(), schedules.schedules.end(),
                         [](const auto& a, const auto& b) { return a->due_ns < b->due_ns; });
    if (next != schedules.schedules.end())
        reasons.add("scheduled", std::to_string(schedules.schedules.size()) +
                                     (schedules.more ? " and more" : "") +
                                     " schedules and delayed batches wait for their time, the "
                                     "first until " +
                                     format_time(EpochNanos((*next)->due_ns)));
    if (reasons.empty())
        reasons.add("open", "nothing: what is sent to it is stored, and delivered at once");
    reasons.show(session.out());
    return ExitCode::ok;
}

}  // namespace

void add_why_command(Commands& commands) {
    CLI::App* why =
        commands.noun("why", "What a group, a topic or a producer waits for, in a sentence");
    const auto add = [&](const char* what, const char* help, auto run) {
        auto name = std::make_shared<std::string>();
        CLI::App* verb = why->add_subcommand(what, help);
        verb->add_option("NAME", *name, "Its name")->required();
        commands.on(verb, [name, run](Session& session) { return run(session, *name); });
    };
    add("group", "A group of either kind", why_group);
    add("topic", "A topic", why_topic);
    add("producer", "By its name, its number or its client's id", why_producer);
}

}  // namespace casc::admin
