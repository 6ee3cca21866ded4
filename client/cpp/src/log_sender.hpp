#pragma once
// client/src/log_sender.hpp: the batches of one producer for one log on their way, in order.

#include "batch_delivery.hpp"
#include "sent_batch.hpp"

#include <casc/types/vocabulary.hpp>

#include <deque>

namespace casc::client {

class LogSender;

// What a log sender needs from its producer. Thread: the I/O thread.
class SenderHost {
public:
    // The open connection, or null.
    [[nodiscard]] virtual Link* link() = 0;
    // Remembers a produce and returns its correlation id; the answer goes to log.answered(batch,
    // ...).
    [[nodiscard]] virtual std::uint32_t expect_answer(LogSender& log, SentBatch& batch) = 0;
    // log.identified() follows, perhaps much later: with the producer's id, or with one of its own.
    virtual void need_identity(LogSender& log, bool of_its_own) = 0;
    virtual void retry_at(SteadyTime when) = 0;
    // The delay before retry number `failures` + 1.
    [[nodiscard]] virtual std::chrono::microseconds backoff() = 0;
    // The batch is over. Its callbacks run; then it and its memory belong to the host.
    virtual void settle(LogSender& log, SentBatchPtr batch,
                        const Result<BatchDelivery>& outcome) = 0;
    // No batch of this producer can be stored any more.
    virtual void fail_producer(const Error& why) = 0;
    virtual void give_up_link(const Error& why) = 0;
    [[nodiscard]] virtual SentBatchPtr fresh_batch() = 0;
    virtual void give_back(std::unique_ptr<Draft> draft) = 0;

protected:
    ~SenderHost() = default;
};

// Keeps up to batches_max batches on the wire. After a refusal that may pass, or a new connection,
// everything that is not settled goes again, in order and with the same sequences, before anything
// new; the broker recognises what it has.
//
// Thread:   the I/O thread.
// Lifetime: owned by its producer, which must outlive it.
class LogSender {
public:
    struct Settings {
        TopicId topic;
        PartitionId partition;
        Lane lane;
        Acks acks;
        bool idempotent;
        bool can_start_over;  // may take a new producer id; a named producer may not
        unsigned batches_max;
        wire::Codec codec;
        std::size_t compress_bytes_min;
        milliseconds delivery_timeout;
    };

    LogSender(Settings settings, SenderHost& host);

    void add(std::unique_ptr<Draft> draft, std::uint64_t serial, SteadyTime now);
    // Sends what may be sent now.
    void pump(SteadyTime now);
    // acks none: settles what has been written. True when there was something.
    bool settle_written();
    [[nodiscard]] bool has_written() const noexcept;
    void answered(SentBatch& batch, Result<Reply> reply);
    void disconnected();
    // Gives up what is older than its delivery timeout.
    void expire(SteadyTime now);
    void fail_all(const Error& why);
    void identified(ProducerId id, std::uint32_t epoch);

    [[nodiscard]] bool idle() const noexcept { return in_flight_.empty() && drafts_.empty(); }
    [[nodiscard]] const Settings& settings() const noexcept { return settings_; }

private:
    struct Waiting {
        std::unique_ptr<Draft> draft;
        std::uint64_t serial;
        SteadyTime deadline;
    };

    [[nodiscard]] bool may_send() const noexcept;
    [[nodiscard]] bool ensure_identity();
    SentBatch& encode(Waiting waiting);
    void fail(Waiting waiting, const Error& why);
    [[nodiscard]] Waiting next_draft();
    void look_for_waiting();
    void send(SentBatch& batch);
    void back_to_waiting(SentBatch& batch) noexcept;
    void retry_later(std::uint32_t retry_after_ms);
    void refused(SentBatch& batch, const Error& why);
    void out_of_sequence(SentBatch& batch, const Error& why);
    void refused_for_good(SentBatch& batch, const Error& why);
    void give_up_sent(const Error& why);
    void start_over();
    [[nodiscard]] SentBatchPtr take(SentBatch& batch);
    [[nodiscard]] bool is_first(const SentBatch& batch) const noexcept {
        return in_flight_.front().get() == &batch;
    }

    // Fixed after construction.
    const Settings settings_;
    SenderHost& host_;
    std::vector<std::byte> body_;  // of every produce to this log

    std::deque<Waiting> drafts_;  // not encoded yet; bounded by the producer's in-flight bound
    std::deque<SentBatchPtr> in_flight_;  // encoded, not settled
    unsigned sent_ = 0;                   // of those: on the wire
    bool again_ = false;                  // some of those must be sent again, before any draft
    SteadyTime not_before_{};             // pause after a refusal
    ProducerId producer_{};
    std::uint32_t producer_epoch_ = 0;
    bool identified_ = false;
    bool identity_asked_ = false;
    bool started_over_ = false;
    std::uint32_t next_sequence_ = 0;
};

}  // namespace casc::client
