// What those who look on are told of queue groups.

#include "queue_groups.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

// Runs in one ListPendingReply.
constexpr std::size_t kPendingDefault = 100;
constexpr std::size_t kPendingMax = 4000;

std::unique_ptr<wire::fb::QueueLogT> describe(LogId log, const QueueLedger& ledger) {
    auto described = std::make_unique<wire::fb::QueueLogT>();
    described->topic_id = log.topic().value();
    described->partition = log.partition().value();
    described->lane = static_cast<std::uint8_t>(log.lane());
    described->floor = ledger.floor().value();
    described->next = ledger.next().value();
    described->leased = ledger.open(RunState::leased);
    described->ready = ledger.open(RunState::ready);
    described->delayed = ledger.open(RunState::delayed);
    described->given_up = ledger.open(RunState::given_up);
    described->blocked = ledger.open(RunState::blocked);
    return described;
}

// By log, then by offset.
struct PendingPlace {
    LogId log;
    std::uint64_t offset = 0;
};

std::unique_ptr<wire::fb::PendingRunT> pending(const Topic& topic, LogId log,
                                               QueueLedger::Runs::const_iterator place,
                                               MonoNanos now) {
    const auto& [first, run] = *place;
    auto told = std::make_unique<wire::fb::PendingRunT>();
    told->topic_id = log.topic().value();
    told->topic = topic.name;
    told->partition = log.partition().value();
    told->lane = static_cast<std::uint8_t>(log.lane());
    told->first = first;
    told->end = run.end;
    told->events = run.open;
    told->state = static_cast<std::uint8_t>(run.state);
    told->member = run.state == RunState::leased ? run.member : 0;
    told->attempts = run.attempts;
    const bool waits = run.state == RunState::leased || run.state == RunState::delayed;
    if (waits && run.when > now)
        told->wait_ms = static_cast<std::uint64_t>((run.when - now).value() / 1'000'000);
    told->error = run.error;
    return told;
}

}  // namespace

// As it is now: without members nobody has followed what retention takes.
Result<QueueGroups::Entry*> QueueGroups::find(const std::string& name) {
    const auto found = groups_.find(name);
    if (found != groups_.end()) {
        Entry& entry = found->second;
        entry.group->follow_retention();
        if (entry.group->has_changed()) changed_.insert(&entry);
        return &entry;
    }
    CASC_TRY_VOID(rows_.check_kind(name, GroupKind::queue));
    return Error(ErrorCode::unknown_group, "'" + name + "'");
}

void QueueGroups::on_describe(const wire::fb::DescribeQueueT& request, const Responder& responder) {
    const auto found = find(request.group);
    if (!found) return responder.error(found.error());
    const QueueGroup& group = *(*found)->group;
    wire::fb::DescribeQueueReplyT reply;
    reply.topics = group.reads_what().topics;
    reply.filter = group.reads_what().filter_text();
    reply.settings = std::make_unique<wire::fb::QueueSettingsT>(group.settings().to_message());
    for (const auto& member : group.members()) {
        auto& told = reply.members.emplace_back(std::make_unique<wire::fb::QueueMemberT>());
        told->member = member->number;
        told->client_id = member->session->client_id;
        told->address = member->session->address();
        told->in_flight_events = member->in_flight.events;
        told->in_flight_bytes = member->in_flight.bytes;
        told->prefetch_events = member->events_max;
    }
    group.reads_what().wanted.for_each(core_.topics, [&](const Topic& topic) {
        if (topic.name == group.settings().dead_letter_topic) return;
        core_.logs.for_each(topic.id, [&](LogId log, const storage::LogState& state) {
            const auto ledger = group.ledgers().find(log);
            // A log that came when the group had no members is not known to it yet.
            auto described = ledger != group.ledgers().end()
                                 ? describe(log, ledger->second)
                                 : describe(log, QueueLedger(state.start, 0));
            described->topic = topic.name;
            described->visible_end = core_.visibility.visible_end(topic, log).value();
            if (described->visible_end != 0) reply.logs.push_back(std::move(described));
        });
    });
    responder.reply(reply);
}

void QueueGroups::on_list_pending(const wire::fb::ListPendingT& request,
                                  const Responder& responder) {
    const auto group = find(request.group);
    if (!group) return responder.error(group.error());
    const std::size_t limit =
        request.limit == 0 ? kPendingDefault : std::min<std::size_t>(request.limit, kPendingMax);
    PendingPlace after;
    if (request.after)
        after = {LogId(TopicId(request.after->topic_id), PartitionId(request.after->partition),
                       static_cast<Lane>(request.after->lane)),
                 request.after->end};
    const MonoNanos now = mono_now();
    wire::fb::ListPendingReplyT reply;
    const auto& ledgers = (*group)->group->ledgers();
    for (auto at = ledgers.lower_bound(after.log); at != ledgers.end(); ++at) {
        const auto& [log, ledger] = *at;
        const Topic* topic = core_.topics.find(log.topic());
        if (topic == nullptr) continue;
        auto run = ledger.runs().lower_bound(log == after.log ? after.offset : 0);
        for (; run != ledger.runs().end(); ++run) {
            reply.more = reply.runs.size() == limit;
            if (reply.more) return responder.reply(reply);
            reply.runs.push_back(pending(*topic, log, run, now));
        }
    }
    responder.reply(reply);
}

}  // namespace casc::broker
