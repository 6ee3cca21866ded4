#pragma once
// ledger.hpp: what happened to every single record, written down while it happens and checked
// afterwards.
//
// The send ledger knows when a record was sent and where the broker says it put it. A group's
// ledger knows when which record came back, in which order. The checks compare the two with each
// other and with what the broker says it stores.

#include "records.hpp"

#include <casc/client/event_batch.hpp>
#include <casc/client/producer.hpp>
#include <casc/types/vocabulary.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace casc::demo {

// Where an event is.
struct Place {
    Kind kind;
    PartitionId partition;
    Lane lane;
    Offset offset;
    friend auto operator<=>(const Place&, const Place&) = default;
};

// Thread: sent() by the producer that owns the record, settled() by the client's I/O thread, the
// totals by any; the rest once producing is over.
class SendLedger {
public:
    explicit SendLedger(const std::vector<Record>& records);

    void sent(std::size_t number);
    void settled(std::size_t number, const Result<client::Delivery>& outcome);

    [[nodiscard]] std::size_t acknowledged() const {
        return acknowledged_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::size_t failed() const { return failed_.load(std::memory_order_relaxed); }

    struct Entry {
        MonoNanos sent;
        MonoNanos settled;
        Place place{};
        bool acknowledged = false;
    };
    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
    [[nodiscard]] std::string first_failure() const;

private:
    const std::vector<Record>& records_;
    std::vector<Entry> entries_;
    std::atomic<std::size_t> acknowledged_{0};
    std::atomic<std::size_t> failed_{0};
    mutable std::mutex mutex_;
    std::string first_failure_;
};

// One group's. Thread: received() by its members, the totals by any, the rest once the members are
// done.
class GroupLedger {
public:
    // `records` must outlive it.
    explicit GroupLedger(const std::vector<Record>& records, std::size_t members);

    void received(std::size_t member, Kind kind, const client::ConsumedEvent& event);

    // Different records so far.
    [[nodiscard]] std::size_t distinct() const { return distinct_.load(std::memory_order_acquire); }
    [[nodiscard]] bool complete() const { return distinct() == records_.size(); }

    // The first time that the group got a record. Which came first is told by `order`, counted over
    // all members.
    struct Receipt {
        std::size_t number;
        std::size_t order;
        MonoNanos time;
        Place place;
    };
    // In order.
    [[nodiscard]] std::vector<Receipt> receipts() const;
    [[nodiscard]] std::size_t of_member(std::size_t member) const {
        return members_[member].receipts.size();
    }
    [[nodiscard]] std::size_t redelivered() const;
    [[nodiscard]] std::size_t wrong() const;  // changed, or never sent

private:
    struct Member {
        std::vector<Receipt> receipts;
        std::size_t redelivered = 0;
        std::size_t wrong = 0;
    };

    const std::vector<Record>& records_;
    std::unique_ptr<std::atomic<bool>[]> seen_;
    std::atomic<std::size_t> distinct_{0};
    std::vector<Member> members_;
};

// --- the checks: empty when all is well, otherwise a sentence ------------------------------------

// Every record was acknowledged, none failed.
[[nodiscard]] std::string check_produced(const SendLedger& sent);
// Every record came to the group, unchanged, from the place where the broker said it was.
[[nodiscard]] std::string check_received(const SendLedger& sent, const GroupLedger& group);
// In every log the records of a producer stand in the order in which it sent them, and none stands
// there twice.
[[nodiscard]] std::string check_stored_order(const SendLedger& sent,
                                             const std::vector<Record>& records);
// The group got every log's events in the order of their offsets, without a gap.
[[nodiscard]] std::string check_received_order(const GroupLedger& group);
// Within a partition the group got the urgent events of a backlog first.
[[nodiscard]] std::string check_priority(const GroupLedger& group);

// The logs that hold something.
[[nodiscard]] std::size_t count_logs(const SendLedger& sent);

}  // namespace casc::demo
