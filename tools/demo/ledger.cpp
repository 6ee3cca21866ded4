#include "ledger.hpp"

#include "producing.hpp"

#include <casc/types/clock.hpp>

#include <algorithm>
#include <map>
#include <tuple>

namespace casc::demo {

namespace {

using Log = std::tuple<Kind, PartitionId, Lane>;

Log log_of(const Place& place) {
    return {place.kind, place.partition, place.lane};
}

std::string name_of(const Place& place) {
    return std::string(kTopics[static_cast<std::size_t>(place.kind)]) + "/" +
           std::to_string(place.partition.value()) + "/" + std::string(to_string(place.lane));
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

// --- sending -------------------------------------------------------------------------------------

SendLedger::SendLedger(const std::vector<Record>& records)
    : records_(records), entries_(records.size()) {}

void SendLedger::sent(std::size_t number) {
    entries_[number].sent = mono_now();
}

void SendLedger::settled(std::size_t number, const Result<client::Delivery>& outcome) {
    Entry& entry = entries_[number];
    entry.settled = mono_now();
    if (outcome) {
        entry.place = {records_[number].kind, outcome->partition, outcome->lane, outcome->offset};
        entry.acknowledged = true;
        acknowledged_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    failed_.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    if (first_failure_.empty()) first_failure_ = outcome.error().message();
}

std::string SendLedger::first_failure() const {
    const std::lock_guard lock(mutex_);
    return first_failure_;
}

// --- receiving -----------------------------------------------------------------------------------

GroupLedger::GroupLedger(const std::vector<Record>& records, std::size_t members)
    : records_(records),
      seen_(std::make_unique<std::atomic<bool>[]>(records.size())),
      members_(members) {}

void GroupLedger::received(std::size_t member, Kind kind, const client::ConsumedEvent& consumed) {
    Member& own = members_[member];
    const wire::EventView& event = consumed.event;
    const std::string payload = text_of(event.payload);
    const auto number = number_of(payload);
    const bool known = number && *number < records_.size() && records_[*number].kind == kind &&
                       records_[*number].lane == event.lane &&
                       records_[*number].payload == payload && event.key &&
                       text_of(*event.key) == records_[*number].key;
    if (!known) {
        ++own.wrong;
    } else if (seen_[*number].exchange(true, std::memory_order_relaxed)) {
        ++own.redelivered;
    } else {
        const std::size_t order = distinct_.fetch_add(1, std::memory_order_acq_rel);
        own.receipts.push_back(
            {*number, order, mono_now(), {kind, consumed.partition, event.lane, event.offset}});
    }
}

std::vector<GroupLedger::Receipt> GroupLedger::receipts() const {
    std::vector<Receipt> all;
    for (const Member& member : members_)
        all.insert(all.end(), member.receipts.begin(), member.receipts.end());
    std::sort(all.begin(), all.end(),
              [](const Receipt& a, const Receipt& b) { return a.order < b.order; });
    return all;
}

std::size_t GroupLedger::redelivered() const {
    std::size_t count = 0;
    for (const Member& member : members_)
        count += member.redelivered;
    return count;
}

std::size_t GroupLedger::wrong() const {
    std::size_t count = 0;
    for (const Member& member : members_)
        count += member.wrong;
    return count;
}

// --- the checks ----------------------------------------------------------------------------------

std::string check_produced(const SendLedger& sent) {
    if (sent.failed() != 0)
        return std::to_string(sent.failed()) +
               " records failed, the first: " + sent.first_failure();
    const std::size_t missing = sent.entries().size() - sent.acknowledged();
    return missing == 0 ? "" : std::to_string(missing) + " records were never acknowledged";
}

std::string check_received(const SendLedger& sent, const GroupLedger& group) {
    if (group.wrong() != 0)
        return std::to_string(group.wrong()) + " events were changed or never sent";
    if (!group.complete())
        return std::to_string(sent.entries().size() - group.distinct()) + " records never came";
    for (const GroupLedger::Receipt& receipt : group.receipts()) {
        const Place& acknowledged = sent.entries()[receipt.number].place;
        if (receipt.place != acknowledged) {
            return "record " + std::to_string(receipt.number) + " came from " +
                   name_of(receipt.place) + ":" + std::to_string(receipt.place.offset.value()) +
                   " and was acknowledged at " + name_of(acknowledged) + ":" +
                   std::to_string(acknowledged.offset.value());
        }
    }
    return "";
}

std::string check_stored_order(const SendLedger& sent, const std::vector<Record>& records) {
    // A producer sends its records by rising number, so their offsets in a log must rise too.
    std::map<std::pair<Log, std::size_t>, Offset> last;
    std::map<Log, std::vector<bool>> taken;
    for (std::size_t number = 0; number < records.size(); ++number) {
        const Place& place = sent.entries()[number].place;
        const auto [at, first] =
            last.try_emplace({log_of(place), producer_of(records[number])}, place.offset);
        if (!first && place.offset <= at->second) {
            return "record " + std::to_string(number) + " stands before an earlier one in " +
                   name_of(place);
        }
        at->second = place.offset;
        std::vector<bool>& log = taken[log_of(place)];
        if (log.size() <= place.offset.value()) log.resize(place.offset.value() + 1);
        if (log[place.offset.value()]) return "two records have one offset in " + name_of(place);
        log[place.offset.value()] = true;
    }
    return "";
}

std::string check_received_order(const GroupLedger& group) {
    std::map<Log, Offset> next;
    for (const GroupLedger::Receipt& receipt : group.receipts()) {
        Offset& expected = next[log_of(receipt.place)];
        if (receipt.place.offset != expected) {
            return name_of(receipt.place) + ": offset " +
                   std::to_string(receipt.place.offset.value()) + " came where " +
                   std::to_string(expected.value()) + " was due";
        }
        expected = expected.next();
    }
    return "";
}

std::string check_priority(const GroupLedger& group) {
    // With a backlog in every lane, all of a lane's events must come before the first of the next
    // lower lane, but for the few that the starvation bound lets through: one delivery in sixteen.
    constexpr double kLetThrough = 1.0 / 8;
    struct Seen {
        std::array<std::size_t, kLaneCount> total{};
        std::array<std::size_t, kLaneCount> before_last_critical{};
    };
    std::map<std::pair<Kind, PartitionId>, Seen> partitions;
    const std::vector<GroupLedger::Receipt> receipts = group.receipts();
    for (const auto& receipt : receipts) {
        Seen& seen = partitions[{receipt.place.kind, receipt.place.partition}];
        ++seen.total[static_cast<std::size_t>(receipt.place.lane)];
        if (receipt.place.lane == Lane::critical) seen.before_last_critical = seen.total;
    }
    for (const auto& [partition, seen] : partitions) {
        std::size_t lower = 0;
        std::size_t early = 0;
        for (std::size_t lane = 1; lane < kLaneCount; ++lane) {
            lower += seen.total[lane];
            early += seen.before_last_critical[lane];
        }
        if (static_cast<double>(early) > kLetThrough * static_cast<double>(lower)) {
            return std::to_string(early) + " of " + std::to_string(lower) + " lower events of " +
                   kTopics[static_cast<std::size_t>(partition.first)] + "/" +
                   std::to_string(partition.second.value()) + " came before its last critical one";
        }
    }
    return "";
}

std::size_t count_logs(const SendLedger& sent) {
    std::map<Log, bool> logs;
    for (const SendLedger::Entry& entry : sent.entries())
        logs[log_of(entry.place)] = true;
    return logs.size();
}

}  // namespace casc::demo
