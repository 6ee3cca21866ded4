#pragma once
// casc/client/transaction.hpp: read, process, write exactly once: events for several topics,
// positions of consumers and events of queues that are done, all or nothing.
//
//   CASC_TRY(auto transactor, client->make_transactor({.name = "billing-1"}));
//   while (running) {
//       CASC_TRY(const EventBatch orders, consumer.poll(100, 100ms));
//       Transaction transaction(transactor);
//       for (const ConsumedEvent& order : orders)
//           CASC_TRY_VOID(transaction.send("invoices", invoice_of(order)));
//       CASC_TRY_VOID(transaction.commit_positions(consumer));
//       CASC_TRY(const auto receipt, transaction.commit());
//   }

#include <casc/client/consumer.hpp>
#include <casc/client/options.hpp>
#include <casc/client/producer.hpp>
#include <casc/client/queue_consumer.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace casc::client {

class TransactorImpl;
class TransactionParts;

struct TransactorOptions {
    // A transactor that starts anew under the same name fences the one before it: what that one
    // still tries to write is refused with producer_fenced. Empty: nobody is fenced.
    std::string name;
    milliseconds timeout{30000};  // of one commit(), retries included
    // false: a refusal ends commit(), and only what had no answer is asked again. For who has other
    // things to do until there is room.
    bool retries_refusals = true;
    wire::Codec codec = wire::Codec::none;
    std::size_t compress_bytes_min = 1024;
};

// Makes transactions. Keeps what their retries are recognised by.
//
// Thread:   one at a time, with all its transactions, and with the consumers given to them.
// Lifetime: shared by its transactions.
class Transactor {
public:
    explicit Transactor(std::shared_ptr<TransactorImpl> impl);  // see Client::make_transactor

private:
    friend class Transaction;
    std::shared_ptr<TransactorImpl> impl_;
};

// What was written of one log.
struct WrittenBatch {
    std::string topic;
    Delivery first;  // of its first event; the others follow it, but for those that were known by
                     // their id or wait for their time
    std::uint32_t events = 0;
};
struct TransactionReceipt {
    std::vector<WrittenBatch> batches;
    bool duplicate = false;  // an earlier try had been written, only its answer was lost
};

// Gathers, then writes everything with one request, which the broker carries out whole or not at
// all; readers see all of it at once. Not committed, it is discarded when it ends: nothing was
// written, events of queues are the member's again, and committed positions are as they were. The
// consumer itself goes on behind what it has handed out: seek() back to read that again.
//
// Bounds: one frame of the broker (17 MiB by default), and 1024 logs.
// Lifetime: the consumers that were given to it must outlive it.
class Transaction {
public:
    explicit Transaction(Transactor& transactor);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    // Copied before it returns. Nothing is sent. Fails with: unknown_topic, unknown_partition,
    // event_too_large, invalid_request (over), and as Client::call() when the topic is not known
    // yet.
    [[nodiscard]] Result<void> send(std::string_view topic, const Event& event);
    // Together with the positions behind what poll() has handed out so far; in place of
    // Consumer::commit(). Turn its auto_commit off. Fails with: invalid_request (no group, over,
    // another client's).
    [[nodiscard]] Result<void> commit_positions(Consumer& consumer);
    // Together with having done these; in place of QueueConsumer::done(). Fails with: lease_lost.
    [[nodiscard]] Result<void> done(QueueConsumer& queue, const EventId& event);
    [[nodiscard]] Result<void> done(QueueConsumer& queue, const EventBatch& events);

    // Writes all of it; when it returns it is durable. Tries again what may be tried again until
    // TransactorOptions::timeout. Fails, after which the transaction is over and
    // nothing was written, with: lease_lost, stale_group_epoch, unknown_member (what was read is
    // somebody else's by now), producer_fenced, not_supported (a topic of memory durability),
    // event_too_large, disk_full, overloaded and others; and with connection_closed,
    // timeout, storage_failed or cancelled when nobody knows whether it was written. An empty one
    // is written at once.
    [[nodiscard]] Result<TransactionReceipt> commit();
    // Ends it without writing anything.
    void discard();

private:
    const std::shared_ptr<TransactorImpl> transactor_;
    std::unique_ptr<TransactionParts> parts_;  // nullptr: over
};

}  // namespace casc::client
