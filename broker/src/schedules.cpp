#include "schedules.hpp"

#include "row_codec.hpp"

#include <casc/broker/logging.hpp>
#include <casc/types/assert.hpp>
#include <casc/types/fail_point.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

using storage::StateTable;

constexpr std::size_t kFiredPerTurn = 256;
constexpr std::size_t kFiredBytesPerTurn = 4_MiB;
constexpr auto kPauseAfterFailure = 100ms;
// The year 2200; the clock counts to 2262.
constexpr std::int64_t kDueMax = 7'258'118'400'000'000'000;
constexpr std::uint32_t kSchedulesListed = 1'000;

RowWriter row_key(std::uint64_t id) {
    return RowWriter{}.put(id);
}

Result<wire::BatchView> parse(const std::vector<std::byte>& batch) {
    return wire::BatchView::parse(batch);
}

}  // namespace

// ---- rows ---------------------------------------------------------------------------------------

std::size_t Schedules::row_bytes(std::size_t batch_bytes, std::size_t text_bytes) {
    constexpr std::size_t fixed_bytes = 256;
    return batch_bytes + text_bytes + fixed_bytes;
}

Result<JournalSequence> Schedules::write_row(std::uint64_t id, const Schedule& schedule) {
    const auto row = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        const auto name = builder.CreateString(schedule.name);
        const auto cron = builder.CreateString(schedule.cron_text);
        const auto batch = builder.CreateVector(
            reinterpret_cast<const std::uint8_t*>(schedule.batch.data()), schedule.batch.size());
        return wire::fb::CreateScheduleRow(builder, name, schedule.log.topic().value(),
                                           schedule.log.partition().value(), schedule.due.value(),
                                           cron, schedule.created.value(), batch);
    });
    return core_.store.put(StateTable::schedule, row_key(id).view(), row_text(row));
}

Result<JournalSequence> Schedules::erase_row(std::uint64_t id) {
    return core_.store.erase(StateTable::schedule, row_key(id).view());
}

Result<void> Schedules::load() {
    std::optional<Error> bad;
    core_.store.scan(StateTable::schedule, [&](std::string_view key, std::string_view row) {
        RowReader reader(key);
        const auto id = reader.get<std::uint64_t>();
        if (bad) return;
        if (const auto loaded = load_row(id, row); !loaded) bad = loaded.error();
    });
    if (bad) return *bad;
    return {};
}

Result<void> Schedules::erase_orphans() {
    for (const std::uint64_t id : std::exchange(orphans_, {}))
        CASC_TRY_VOID(erase_row(id));
    return {};
}

Result<void> Schedules::load_row(std::uint64_t id, std::string_view text) {
    CASC_TRY(wire::fb::ScheduleRowT row,
             wire::decode<wire::fb::ScheduleRow>(std::as_bytes(std::span(text))));
    last_id_ = std::max(last_id_, id);
    const Topic* topic = core_.topics.find(TopicId(row.topic_id));
    // A crash came between the removal of the topic and that of its schedules.
    if (topic == nullptr) {
        orphans_.push_back(id);
        return {};
    }
    const auto bytes = std::as_bytes(std::span(row.batch));
    Schedule schedule{.name = row.name,
                      .log = {},
                      .due = EpochNanos(row.due_ns),
                      .cron_text = row.cron,
                      .created = EpochNanos(row.created_ns),
                      .batch = {bytes.begin(), bytes.end()}};
    const auto batch = parse(schedule.batch);
    if (!batch || !batch->verify_body())
        return Error(ErrorCode::data_corrupt, "the batch of schedule " + std::to_string(id));
    schedule.log = LogId(topic->id, PartitionId(row.partition), batch->header().lane);
    schedule.events = batch->event_count();
    if (!row.cron.empty()) {
        CASC_TRY(schedule.cron, Cron::parse(row.cron));
    }
    // Of delayed events; those of schedules come again and again.
    if (row.name.empty() && row.cron.empty())
        ids_.remember_all(*topic, *batch, {0, batch->event_count()},
                          {.log = schedule.log, .offset = {}, .schedule_id = id, .sequence = {}},
                          schedule.created);
    keep(id, std::move(schedule));
    return {};
}

// ---- coming and going ---------------------------------------------------------------------------

Result<void> Schedules::check_room(std::size_t bytes) const {
    const std::size_t bytes_max = core_.config.limits.scheduled_bytes;
    if (bytes_ + bytes <= bytes_max) return {};
    return Error(ErrorCode::overloaded,
                 std::to_string(bytes_) +
                     " bytes of events wait for their time already; "
                     "limits.scheduled_bytes is " +
                     std::to_string(bytes_max),
                 1000);
}

// Rises with time, so that none comes a second time, also after a restart.
std::uint64_t Schedules::next_id() {
    return std::max(last_id_ + 1,
                    static_cast<std::uint64_t>(std::max<std::int64_t>(core_.now().value(), 0)));
}

Result<Schedules::Added> Schedules::store(Schedule schedule) {
    const std::uint64_t id = next_id();
    CASC_TRY(const JournalSequence sequence, write_row(id, schedule));
    last_id_ = id;
    keep(id, std::move(schedule));
    return Added{id, sequence};
}

Result<Schedules::Added> Schedules::add(const Core::Place& place, std::span<const std::byte> batch,
                                        std::uint32_t events, EpochNanos due) {
    return store({.name = {},
                  .log = place.log,
                  .due = due,
                  .cron_text = {},
                  .created = core_.now(),
                  .batch = {batch.begin(), batch.end()},
                  .events = events});
}

void Schedules::keep(std::uint64_t id, Schedule schedule) {
    bytes_ += schedule.bytes();
    due_.emplace(schedule.due, id);
    if (!schedule.name.empty()) by_name_[schedule.name] = id;
    by_id_.emplace(id, std::move(schedule));
    arm();
}

void Schedules::forget(ById::iterator at) {
    const Schedule& schedule = at->second;
    bytes_ -= schedule.bytes();
    due_.erase({schedule.due, at->first});
    if (const auto named = by_name_.find(schedule.name);
        named != by_name_.end() && named->second == at->first)
        by_name_.erase(named);
    by_id_.erase(at);
}

// Before its time: its ids are free again.
void Schedules::take_away(ById::iterator at) {
    const Schedule& schedule = at->second;
    if (const Topic* topic = core_.topics.find(schedule.log.topic()))
        ids_.schedule_ended(*topic, at->first, *parse(schedule.batch), std::nullopt);
    forget(at);
}

void Schedules::on_topic_removed(TopicId topic) {
    for (auto at = by_id_.begin(); at != by_id_.end();) {
        const auto gone = at++;
        if (gone->second.log.topic() != topic) continue;
        // A row that cannot be erased now (the disk is full) is erased at the next start.
        static_cast<void>(erase_row(gone->first));
        forget(gone);
    }
}

// ---- when the time has come ---------------------------------------------------------------------

void Schedules::arm() {
    if (due_.empty()) return;
    const EpochNanos at = due_.begin()->first;
    const std::int64_t wait_ns =
        std::max((at - wall_now()).value(), (not_before_ - mono_now()).value());
    // The tick asks again: the wall clock may be set meanwhile.
    constexpr std::int64_t soon_ns = 1'000'000'000;
    if (wait_ns > soon_ns || at == armed_for_) return;
    armed_for_ = at;
    timer_.expires_after(std::chrono::nanoseconds(std::max<std::int64_t>(wait_ns, 0)));
    timer_.async_wait([](const boost::system::error_code&) {});
}

bool Schedules::run() {
    if (due_.empty() || due_.begin()->first > core_.now() || mono_now() < not_before_) return false;
    std::size_t fired = 0;
    std::size_t bytes = 0;
    while (!due_.empty() && due_.begin()->first <= core_.now() && fired < kFiredPerTurn &&
           bytes < kFiredBytesPerTurn && !core_.store.congested()) {
        const auto schedule = by_id_.find(due_.begin()->second);
        bytes += schedule->second.batch.size();
        if (const auto done = fire(schedule); !done) {
            if (!error_info(done.error().code).retryable) {
                // It will not pass, and must not stop the others.
                log_event(LogLevel::error, "schedule_stopped",
                          {{"schedule", schedule->first}, {"why", done.error().message()}});
                due_.erase(due_.begin());
                continue;
            }
            if (!std::exchange(failing_, true))
                log_event(LogLevel::warn, "schedules_wait",
                          {{"due", due_.size()}, {"why", done.error().message()}});
            not_before_ = mono_now() + kPauseAfterFailure;
            armed_for_ = {};
            break;
        }
        failing_ = false;
        ++fired;
    }
    arm();
    return fired != 0;
}

Result<void> Schedules::fire(ById::iterator at) {
    Schedule& schedule = at->second;
    const std::uint64_t id = at->first;
    const Topic* topic = core_.topics.find(schedule.log.topic());
    CASC_ASSERT(topic != nullptr, id);  // on_topic_removed() would have taken it along
    const Core::Place place{topic, schedule.log};
    CASC_TRY_VOID(appender_.prepare(place));
    const bool again = schedule.cron.has_value();
    const std::size_t texts = schedule.name.size() + schedule.cron_text.size();
    CASC_TRY_VOID(
        core_.store.keep_together(LogAppender::entry_bytes(schedule.batch.size()),
                                  row_bytes(again ? schedule.batch.size() : 0, again ? texts : 0)));
    CASC_TRY(const auto ticket, appender_.append(place, schedule.batch));
    CASC_FAIL_POINT("schedule.fire");
    if (!again) {
        const auto erased = seeded_bug("schedule_kept") ? ticket.sequence : erase_row(id);
        CASC_ASSERT(erased, id);  // keep_together() has promised it
        ids_.schedule_ended(
            *topic, id, *parse(schedule.batch),
            MessageIds::Seen{
                .log = schedule.log, .offset = ticket.base, .sequence = ticket.sequence});
        forget(at);
        return {};
    }
    due_.erase({schedule.due, id});
    // What was missed while the broker was down happened once, now.
    schedule.due = schedule.cron->next(core_.now());
    due_.emplace(schedule.due, id);
    const auto written = write_row(id, schedule);
    CASC_ASSERT(written, id);
    return {};
}

// ---- requests -----------------------------------------------------------------------------------

Result<Schedules::Schedule> Schedules::read_request(const wire::Frame& frame) {
    CASC_TRY(const wire::fb::CreateScheduleT request,
             wire::decode<wire::fb::CreateSchedule>(frame.body));
    if (!request.name.empty()) CASC_TRY_VOID(check_name("a schedule name", request.name));
    constexpr std::size_t cron_bytes_max = 256;
    if (request.cron.size() > cron_bytes_max)
        return Error(ErrorCode::invalid_request, "cron is too long");
    CASC_TRY(const wire::BatchView batch, wire::BatchView::parse(frame.attachments));
    if (!batch.verify_body()) return ErrorCode::batch_corrupt;
    CASC_TRY(const Core::Place place, core_.place(request.topic_id, request.partition,
                                                  static_cast<std::uint8_t>(batch.header().lane)));
    if (place.topic->is_volatile())
        return Error(ErrorCode::not_supported,
                     "nothing of a volatile topic is stored, not even "
                     "what is to come");
    if (place.topic->is_compacted())
        CASC_TRY_VOID(core_.keys.check(*place.topic, place.log.partition(), batch,
                                       core_.config.topics.keys_memory_bytes));
    if (batch.header().producer_id != 0 || batch.has(wire::Column::deliver_at))
        return Error(ErrorCode::invalid_request,
                     "the batch of a schedule has no producer and no times of its own");
    if (request.due_ns > kDueMax)
        return Error(ErrorCode::invalid_request, "due_ns lies beyond the year 2200");
    if (std::max<std::size_t>(batch.header().payload_bytes, batch.bytes().size()) >
        place.topic->settings.event_bytes_max + wire::kBatchOverheadBytes)
        return Error(ErrorCode::event_too_large,
                     "the batch of a schedule is at most as large as "
                     "an event of the topic");
    Schedule schedule{.name = request.name,
                      .log = place.log,
                      .due = EpochNanos(request.due_ns),
                      .cron_text = request.cron,
                      .created = core_.now(),
                      .batch = {batch.bytes().begin(), batch.bytes().end()},
                      .events = batch.event_count()};
    if (!request.cron.empty()) {
        CASC_TRY(schedule.cron, Cron::parse(request.cron));
        schedule.due = schedule.cron->next(std::max(core_.now(), schedule.due));
    } else if (request.due_ns <= 0) {
        return Error(ErrorCode::invalid_request, "neither due_ns nor cron says when");
    }
    const auto old = by_name_.find(schedule.name);
    const std::size_t freed = old == by_name_.end() ? 0 : by_id_.at(old->second).bytes();
    if (schedule.bytes() > freed) CASC_TRY_VOID(check_room(schedule.bytes() - freed));
    return schedule;
}

void Schedules::on_create(const wire::Frame& frame, const Responder& responder) {
    auto schedule = read_request(frame);
    if (!schedule) return responder.error(schedule.error());
    const std::size_t texts = schedule->name.size() + schedule->cron_text.size();
    // The one that had the name goes in the same entry; and each time both the batch and its row
    // are written, which must fit, too.
    const auto together =
        core_.store.keep_together(0, 2 * row_bytes(schedule->batch.size(), texts));
    if (!together) return responder.error(together.error());
    if (const auto old = by_name_.find(schedule->name); old != by_name_.end()) {
        const auto erased = erase_row(old->second);
        if (!erased) return responder.error(erased.error());
        take_away(by_id_.find(old->second));
    }
    wire::fb::CreateScheduleReplyT reply;
    reply.due_ns = schedule->due.value();
    const auto added = store(std::move(*schedule));
    if (!added) return responder.error(added.error());
    reply.schedule_id = added->id;
    responder.reply_when_durable(added->sequence, reply);
}

void Schedules::on_list(const wire::fb::ListSchedulesT& request, const Responder& responder) {
    const std::uint32_t limit =
        request.limit == 0 ? kSchedulesListed : std::min(request.limit, kSchedulesListed);
    std::optional<TopicId> wanted;
    if (!request.topic.empty()) {
        const auto topic = core_.topic(request.topic);
        if (!topic) return responder.error(topic.error());
        wanted = (*topic)->id;
    }
    wire::fb::ListSchedulesReplyT reply;
    for (auto at = by_id_.upper_bound(request.after); at != by_id_.end(); ++at) {
        const Schedule& schedule = at->second;
        if (wanted && schedule.log.topic() != *wanted) continue;
        if (reply.schedules.size() == limit) {
            reply.more = true;
            break;
        }
        auto summary = std::make_unique<wire::fb::ScheduleSummaryT>();
        summary->schedule_id = at->first;
        summary->name = schedule.name;
        summary->topic_id = schedule.log.topic().value();
        summary->topic = core_.topics.find(schedule.log.topic())->name;
        summary->partition = schedule.log.partition().value();
        summary->lane = static_cast<std::uint8_t>(schedule.log.lane());
        summary->due_ns = schedule.due.value();
        summary->cron = schedule.cron_text;
        summary->created_ns = schedule.created.value();
        summary->events = schedule.events;
        summary->bytes = schedule.batch.size();
        reply.schedules.push_back(std::move(summary));
    }
    responder.reply(reply);
}

void Schedules::on_cancel(const wire::fb::CancelScheduleT& request, const Responder& responder) {
    std::uint64_t id = request.schedule_id;
    if (id == 0)
        if (const auto named = by_name_.find(request.name); named != by_name_.end())
            id = named->second;
    const auto found = by_id_.find(id);
    if (found == by_id_.end())
        return responder.error(Error(ErrorCode::unknown_schedule, request.schedule_id == 0
                                                                      ? "'" + request.name + "'"
                                                                      : std::to_string(id)));
    const auto erased = erase_row(id);
    if (!erased) return responder.error(erased.error());
    take_away(found);
    responder.reply_when_durable(*erased, wire::fb::DoneT{});
}

}  // namespace casc::broker
