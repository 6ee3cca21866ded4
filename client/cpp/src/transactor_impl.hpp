#pragma once
// client/src/transactor_impl.hpp: what transactions have in common (TransactorImpl), and what one
// has gathered (TransactionParts).

#include "blocking_call.hpp"
#include "consumer_impl.hpp"
#include "queue_consumer_impl.hpp"

#include <casc/client/transaction.hpp>
#include <casc/wire/batch_builder.hpp>

#include <map>
#include <unordered_map>

namespace casc::client {

// Thread: one at a time.
class TransactorImpl {
public:
    struct Topic {
        TopicId id;
        std::uint32_t partitions;
        std::size_t event_bytes_max;
        std::uint32_t sticky = 0;  // where events without a key go
    };
    struct Identity {
        ProducerId id;
        std::uint32_t epoch;
    };

    TransactorImpl(std::shared_ptr<Core> core, TransactorOptions options);

    [[nodiscard]] Core& core() noexcept { return *core_; }
    [[nodiscard]] const TransactorOptions& options() const noexcept { return options_; }
    [[nodiscard]] Result<Topic*> topic(std::string_view name);

    // Asks the broker for one when there is none.
    [[nodiscard]] Result<Identity> identity(std::optional<milliseconds> deadline);
    // The number of the next event for a log, under the present identity.
    [[nodiscard]] std::uint32_t sequence(LogId log) const;
    void count(LogId log, std::uint32_t events) { sequences_[log] += events; }
    // Nobody knows what was written under it.
    void forget_identity();
    // Some of them are not what they were.
    void forget_topics() { topics_.clear(); }

    [[nodiscard]] Backoff& backoff() noexcept { return backoff_; }

private:
    const std::shared_ptr<Core> core_;
    const TransactorOptions options_;
    std::map<std::string, Topic, std::less<>> topics_;
    std::optional<Identity> identity_;
    std::unordered_map<LogId, std::uint32_t> sequences_;
    Backoff backoff_;
};

// Thread: the transactor's. Lifetime: borrows the consumers.
class TransactionParts {
public:
    explicit TransactionParts(TransactorImpl& transactor) : transactor_(transactor) {}
    ~TransactionParts();
    TransactionParts(const TransactionParts&) = delete;
    TransactionParts& operator=(const TransactionParts&) = delete;

    [[nodiscard]] Result<void> send(std::string_view topic, const Event& event);
    [[nodiscard]] Result<void> add(ConsumerImpl& consumer);
    template <class Events>
    [[nodiscard]] Result<void> done(QueueConsumerImpl& queue, const Events& events) {
        CASC_TRY_VOID(check(queue));
        return queue.withdraw(events, withdrawn_of(queue));
    }
    [[nodiscard]] Result<TransactionReceipt> commit();

private:
    struct Batch {
        std::string topic;
        wire::BatchBuilder builder;
    };
    struct Positions {
        ConsumerImpl* consumer;
        ConsumerImpl::Positions positions;
    };
    struct Done {
        QueueConsumerImpl* queue;
        QueueConsumerImpl::Withdrawn events;
    };
    struct Request {
        std::vector<std::byte> body;
        std::vector<std::byte> batches;
    };

    [[nodiscard]] QueueConsumerImpl::Withdrawn& withdrawn_of(QueueConsumerImpl& queue);
    [[nodiscard]] bool empty() const noexcept;
    [[nodiscard]] Result<void> check(QueueConsumerImpl& queue) const;
    [[nodiscard]] Request encode(const TransactorImpl::Identity& identity);
    [[nodiscard]] Result<Reply> send_until_answered(const Request& request, SteadyTime until);
    [[nodiscard]] Result<TransactionReceipt> written(const Reply& reply);

    TransactorImpl& transactor_;
    std::map<LogId, Batch> batches_;
    std::vector<Positions> positions_;
    std::vector<Done> done_;
    std::size_t bytes_ = 0;
};

}  // namespace casc::client
