#include "store_world.hpp"

#include "store_news.hpp"

#include <casc/wire/batch.hpp>
#include <casc/wire/batch_builder.hpp>

#include <algorithm>
#include <cstring>

namespace casc::sim {

using namespace storage;

namespace {

constexpr std::uint32_t kTopics = 6;
constexpr std::size_t kViolationsMax = 20;
constexpr std::uint64_t kReservedAhead = 50;
constexpr std::size_t kStampBytes = sizeof(wire::BatchStamp);

// So small that a few hundred steps go through every part.
StoreOptions small_options() {
    StoreOptions options;
    options.directory = "/data";
    options.journal.segment_bytes = 256_KiB;
    options.journal.segments_min = 3;
    options.journal.segments_max = 6;
    options.journal.grow_on_helper_thread = false;
    options.checkpoint_bytes = 64_KiB;
    options.slice_bytes = 256_KiB;
    options.rewrite_after = {};
    options.entry_bytes_max = 32_KiB;
    options.tail_cache_bytes = 128_KiB;
    options.unflushed_bytes_max = 1_MiB;
    options.block_cache_bytes = 1_MiB;
    options.reserve_bytes = 0;
    return options;
}

// Every third topic is of the kind whose events are seen before they are durable.
bool is_seen_early(LogId log) {
    return log.topic().value() % 3 == 0;
}

RetentionClass class_of(LogId log) {
    return static_cast<RetentionClass>(log.topic().value() % 3);
}

std::string name_of(LogId log) {
    return "log " + std::to_string(log.topic().value());
}

}  // namespace

World::World(std::uint64_t seed) : disk_(seed), options_(small_options()), random_(seed) {
    for (std::uint32_t i = 0; i < kTopics; ++i)
        topics_.push_back(next_topic_++);
}

World::~World() = default;

LogId World::any_log() {
    return {TopicId(topics_[draw(topics_.size())]), PartitionId(0), Lane::normal};
}

void World::violated(std::string what) {
    if (violations_.size() < kViolationsMax) violations_.push_back(std::move(what));
}

std::string World::violations() const {
    std::string text;
    for (const auto& line : violations_)
        text += line + "\n";
    return text;
}

void World::note(Operation operation) {
    newest_ = std::max(newest_, operation.sequence);
    model_.record(std::move(operation));
}

// --- the life of a store -------------------------------------------------------------------------

Result<void> World::try_open() {
    close();
    advanced_.clear();
    judged_ = false;
    CASC_TRY(store_, Store::open(disk_, options_));
    return {};
}

void World::open() {
    if (const auto opened = open_or_say(); !opened)
        violated("it does not open: " + opened.error().message());
}

Result<void> World::open_or_say() {
    if (auto reused = entries_.look(disk_, options_.directory / "journal"))
        violated(*std::move(reused));
    CASC_TRY_VOID(try_open());
    if (auto reused = entries_.look(disk_, options_.directory / "journal"))
        violated(*std::move(reused));
    if (auto same = entries_.opened()) violated(*std::move(same));
    const auto stats = store_->stats();
    totals_.torn_entries += stats.torn_entries;
    totals_.replayed_entries += stats.replayed_entries;
    const Observed found = observe();
    if (auto misfit = model_.adopt(found, endings_)) violated(*std::move(misfit));
    check_promises();
    judged_ = true;
    newest_ = {};
    endings_ = {Ending::crash};
    return {};
}

void World::close() {
    answers_.clear();  // batches go before the store that they are of
    store_.reset();
}

void World::crash() {
    disk_.cut_power_after(SimulatedDisk::kForEver);
    disk_.crash();
    close();
}

void World::stop() {
    // It is an orderly end when everything happened to be stored.
    endings_ = {Ending::crash, Ending::orderly};
    close();
}

void World::stop_orderly() {
    const auto drained = store_->drain();
    if (!drained) violated("it cannot be stopped: " + drained.error().message());
    turn();
    endings_ = {Ending::orderly};
    close();
}

void World::turn() {
    store_->submit();
    const JournalSequence durable = store_->poll(advanced_, answers_);
    // Before that the numbers of the new life would be taken for those of entries that have been
    // cut.
    if (!judged_) return;
    model_.durable_through(durable);
    for (const auto& [log, end] : advanced_)
        promised_ends_[log] = std::max(promised_ends_[log], end.value());
    advanced_.clear();
}

void World::wait_for_news() {
    test::wait_for_news(*store_);
    turn();
}

void World::settle() {
    turn();
    while (alive() && store_->durable_through() < newest_)
        wait_for_news();
}

void World::settle_and_prove() {
    settle();
    // OVERLOADED passes: what it complains of is being checkpointed.
    while (alive() && !append(any_log(), 10, 1))
        wait_for_news();
    settle();
    // The mark that a store writes when nothing has come for a while.
    const JournalSequence unproven = store_->filling();
    while (alive() && store_->filling() == unproven)
        wait_for_news();
    while (alive() && store_->durable_through().value() + 1 < store_->filling().value())
        wait_for_news();
}

// --- the workload --------------------------------------------------------------------------------

void World::work(int steps) {
    for (int i = 0; i < steps && alive(); ++i) {
        const auto choice = draw(100);
        if (choice < 58)
            append_some();
        else if (choice < 64)
            append_with_a_row();
        else if (choice < 76)
            put_some();
        else if (choice < 82)
            trim_some();
        else if (choice < 83)
            erase_some_log();
        else if (choice < 91)
            read_some();
        else if (choice < 94)
            store_->post_reclaim();
        else if (choice < 95)
            disk_.set_write_delay(0, static_cast<unsigned>(1 + draw(12)));
        else if (choice < 96)
            static_cast<void>(store_->drain());
        // Not after each step, so that entries of many records and several in flight are common.
        if (draw(3) == 0) turn();
    }
}

Result<AppendTicket> World::append(LogId log, std::size_t payload_bytes, std::uint32_t events) {
    if (is_seen_early(log)) CASC_TRY_VOID(reserve_for(log, events));
    wire::BatchBuilder builder;
    for (std::uint32_t i = 0; i < events; ++i) {
        std::string payload = std::to_string(counter_++) + ".";
        payload.resize(std::max(payload.size(), payload_bytes),
                       static_cast<char>('a' + counter_ % 26));
        builder.add_payload(std::as_bytes(std::span(payload)), EpochNanos(1));
    }
    auto bytes = std::make_shared<std::vector<std::byte>>();
    builder.finish({}, *bytes);
    CASC_TRY(const auto ticket, store_->append(log, class_of(log), *bytes, EpochNanos(++time_)));
    totals_.events += events;
    const auto& logs = model_.live().logs;
    const auto known = logs.find(log);
    const std::uint64_t expected = known == logs.end() ? 0 : known->second.end;
    if (ticket.base.value() != expected)
        violated(name_of(log) + " gave out offset " + std::to_string(ticket.base.value()) +
                 " and not " + std::to_string(expected));
    note({.kind = Operation::Kind::append,
          .sequence = ticket.sequence,
          .log = log,
          .number = ticket.base.value(),
          .batch = {events, std::move(bytes)}});
    if (is_seen_early(log)) seen_below_[log] = ticket.base.value() + events;
    return ticket;
}

void World::append_some() {
    switch (draw(8)) {
        case 0:
            static_cast<void>(append(any_log(), 1, 100));
            break;
        case 1:
            static_cast<void>(append(any_log(), 20'000, 1));
            break;
        case 2:
            static_cast<void>(append(any_log(), 50'000, 1));
            break;  // larger than an entry usually is
        default:
            static_cast<void>(
                append(any_log(), draw(3000), 1 + static_cast<std::uint32_t>(draw(4))));
            break;
    }
}

// As a broker does when positions and events arrive together.
void World::append_with_a_row() {
    constexpr std::size_t kPayload = 2000;
    if (!store_->keep_together(kPayload, 1000)) return;
    const JournalSequence together = store_->filling();
    const LogId log = any_log();
    if (is_seen_early(log)) return;  // its reservation would be waited for, in an entry of its own
    const auto ticket = append(log, kPayload, 1);
    if (!ticket) return;
    const std::string key = "with" + std::to_string(log.topic().value());
    const std::string value = std::to_string(ticket->base.value());
    const auto sequence = store_->put(StateTable::group, key, value);
    if (!sequence) return;
    if (*sequence != together || ticket->sequence != together)
        violated("what was kept together is in two entries");
    note({.kind = Operation::Kind::put, .sequence = *sequence, .key = key, .value = value});
}

void World::put_some() {
    const std::string key = "key" + std::to_string(draw(12));
    if (draw(4) == 0) {
        if (const auto sequence = store_->erase(StateTable::group, key))
            note({.kind = Operation::Kind::erase, .sequence = *sequence, .key = key});
        return;
    }
    const std::string value = std::to_string(counter_++) + std::string(draw(200), '-');
    if (const auto sequence = store_->put(StateTable::group, key, value))
        note({.kind = Operation::Kind::put, .sequence = *sequence, .key = key, .value = value});
}

void World::trim_some() {
    const LogId log = any_log();
    const auto state = store_->log_state(log);
    if (!state || state->durable_end <= state->start) return;
    const std::uint64_t start =
        state->start.value() + 1 + draw((state->durable_end - state->start).value());
    if (const auto sequence = store_->trim(log, Offset(start)))
        note({.kind = Operation::Kind::trim, .sequence = *sequence, .log = log, .number = start});
}

void World::erase_some_log() {
    std::uint32_t& topic = topics_[draw(topics_.size())];
    const LogId log{TopicId(topic), PartitionId(0), Lane::normal};
    if (!store_->log_state(log)) return;
    const auto sequence = store_->erase_log(log);
    if (!sequence) return;
    note({.kind = Operation::Kind::erase_log, .sequence = *sequence, .log = log});
    topic = next_topic_++;  // its id is not used again
    seen_below_.erase(log);
    promised_ends_.erase(log);
}

// Nobody sees an offset that a durable reservation does not cover.
Result<void> World::reserve_for(LogId log, std::uint32_t events) {
    const auto& logs = model_.live().logs;
    const auto known = logs.find(log);
    const std::uint64_t end = (known == logs.end() ? 0 : known->second.end) + events;
    if (known != logs.end() && known->second.ceiling >= end) return {};
    const std::uint64_t ceiling = end + kReservedAhead;
    CASC_TRY(const auto sequence, store_->reserve(log, Offset(ceiling)));
    note({.kind = Operation::Kind::reserve, .sequence = sequence, .log = log, .number = ceiling});
    settle();
    if (!alive()) return Error(ErrorCode::storage_failed, "it has failed meanwhile");
    return {};
}

// --- reading -------------------------------------------------------------------------------------

Result<std::vector<BatchRef>> World::read(LogId log, std::uint64_t from, std::uint64_t until) {
    std::vector<BatchRef> batches;
    const std::size_t bytes_max = 1 + draw(64_KiB);
    if (store_->read_tail(log, Offset(from), Offset(until), bytes_max, batches)) return batches;
    const std::uint64_t token = next_token_++;
    store_->post_read({.token = token,
                       .log = log,
                       .from = Offset(from),
                       .until = Offset(until),
                       .bytes_max = bytes_max});
    for (;;) {
        for (auto& answer : answers_)
            if (answer.token == token) {
                auto found = std::move(answer.batches);
                answers_.clear();
                return found;
            }
        if (!alive()) return Error(ErrorCode::storage_failed, "it has failed meanwhile");
        wait_for_news();
    }
}

void World::read_some() {
    const LogId log = any_log();
    const auto& logs = model_.live().logs;
    const auto known = logs.find(log);
    if (known == logs.end() || known->second.end <= known->second.start) return;
    const ModelLog expected = known->second;
    const std::uint64_t from = expected.start + draw(expected.end - expected.start);
    check_log(log, expected, from, expected.end, [this](const Error&) { return !alive(); });
}

void World::check(const std::function<bool(const Error&)>& may_fail) {
    if (store_ == nullptr) return;
    const auto logs = model_.live().logs;
    for (const auto& [log, expected] : logs)
        check_log(log, expected, expected.start, expected.end, may_fail);
}

// Every batch that reaches into [from, until), byte for byte, in order, and nothing else.
void World::check_log(LogId log, const ModelLog& expected, std::uint64_t from, std::uint64_t until,
                      const std::function<bool(const Error&)>& may_fail) {
    auto next = expected.batches.upper_bound(from);
    while (next != expected.batches.begin() &&
           std::prev(next)->first + std::prev(next)->second.events > from)
        --next;
    std::uint64_t arrival = 0;
    const auto say = [&](const std::string& what, std::uint64_t offset) {
        violated(name_of(log) + " [" + std::to_string(expected.start) + ", " +
                 std::to_string(expected.end) + "): " + what + " at offset " +
                 std::to_string(offset));
    };
    while (from < until) {
        const auto batches = read(log, from, until);
        if (!batches) {
            if (may_fail && may_fail(batches.error())) return;
            return violated(name_of(log) + " cannot be read: " + batches.error().message());
        }
        if (batches->empty()) break;
        for (const BatchRef& ref : *batches) {
            const auto batch = wire::BatchView::parse(ref.bytes);
            if (!batch || !batch->verify_stamp() || !batch->verify_body())
                return say("a batch is damaged", from);
            const std::uint64_t base = batch->base_offset().value();
            if (next == expected.batches.end() || next->first >= until)
                return say("a batch too many", base);
            if (base != next->first)
                return say("after " + std::to_string(from) + " comes " + std::to_string(base) +
                               ", so a batch is missing or out of order",
                           next->first);
            const auto& bytes = *next->second.bytes;
            if (ref.bytes.size() != bytes.size() ||
                std::memcmp(ref.bytes.data() + kStampBytes, bytes.data() + kStampBytes,
                            bytes.size() - kStampBytes) != 0)
                return say("other bytes", base);
            if (batch->stamp().arrival <= arrival) say("an arrival that does not rise", base);
            arrival = batch->stamp().arrival;
            from = batch->end_offset().value();
            ++next;
            ++totals_.batches_checked;
        }
    }
    if (next != expected.batches.end() && next->first < until) say("a batch is lost", next->first);
}

// --- judging -------------------------------------------------------------------------------------

Observed World::observe() {
    Observed found;
    store_->scan(StateTable::group, [&](std::string_view key, std::string_view value) {
        found.rows.emplace(key, value);
    });
    store_->for_each_log(LogId(0), LogId(~std::uint64_t{0}), [&](LogId log, const LogState& state) {
        found.logs[log] = {state.start.value(), state.end.value(), {}};
    });
    for (auto& [log, state] : found.logs)
        state.events_end = events_end(log, state.start, state.end);
    return found;
}

// Behind the last event that can be read; nothing when some cannot.
std::optional<std::uint64_t> World::events_end(LogId log, std::uint64_t from, std::uint64_t until) {
    while (from < until) {
        const auto batches = read(log, from, until);
        if (!batches) return std::nullopt;
        if (batches->empty()) break;
        const auto last = wire::BatchView::parse(batches->back().bytes);
        if (!last) return std::nullopt;
        from = last->end_offset().value();
    }
    return from;
}

// What others have been told, held against the store itself and not against the model.
void World::check_promises() {
    for (const auto& [log, end] : promised_ends_) {
        const auto state = store_->log_state(log);
        if (!state && model_.live().logs.contains(log)) violated(name_of(log) + " is lost");
        if (state && state->end.value() < end)
            violated(name_of(log) + " ends at " + std::to_string(state->end.value()) +
                     " and was durable up to " + std::to_string(end));
    }
    for (const auto& [log, end] : seen_below_) {
        const auto state = store_->log_state(log);
        if ((state ? state->end.value() : 0) < end)
            violated(name_of(log) + " goes on at " +
                     std::to_string(state ? state->end.value() : 0) + " though offsets up to " +
                     std::to_string(end) + " were seen");
    }
}

}  // namespace casc::sim
