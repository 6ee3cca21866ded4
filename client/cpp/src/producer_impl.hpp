#pragma once
// client/src/producer_impl.hpp: a producer as the I/O thread sees it.

#include "accumulator.hpp"
#include "core.hpp"
#include "log_sender.hpp"

#include <casc/client/producer.hpp>

namespace casc::client {

// Thread:   the constructor, accumulator(), bound() and the const parts any; the rest the I/O
// thread. Lifetime: shared by the Producer, by the core while it is attached, and by its unanswered
// produces.
class ProducerImpl final : public Participant,
                           public SenderHost,
                           public std::enable_shared_from_this<ProducerImpl> {
public:
    struct Topic {
        TopicId id;
        std::uint32_t partitions;
        std::size_t event_bytes_max;
        std::size_t batch_bytes_max;
    };

    ProducerImpl(std::shared_ptr<Core> core, Topic topic, ProducerOptions options);

    [[nodiscard]] Core& core() noexcept { return *core_; }
    [[nodiscard]] Accumulator& accumulator() noexcept { return accumulator_; }
    [[nodiscard]] InFlightBound& bound() noexcept { return bound_; }
    [[nodiscard]] const ProducerOptions& options() const noexcept { return options_; }
    [[nodiscard]] const Topic& topic() const noexcept { return topic_; }

    // Accumulator::add(). Without linger the event is also sent by the calling thread, if nobody
    // else has the turn.
    [[nodiscard]] Result<void> add(const Event& event, DeliveryCallback& done) {
        if (options_.linger.count() != 0) return accumulator_.add(event, done);
        const Core::Turn turn(*core_);  // before: so that nobody is woken for the event
        return accumulator_.add(event, done);
    }

    // ---- I/O thread ----
    // Calls `done` when everything accepted so far is settled.
    void flush(std::function<void(Result<void>)> done);
    // Fails everything with `why`, and everything that is still sent.
    void abort(const Error& why);
    // Aborts, and leaves the core once the socket has let go of our memory.
    void leave(const Error& why);

private:
    struct Flush {
        std::uint64_t through;  // serials up to here
        std::size_t remaining;
        std::function<void(Result<void>)> done;
    };

    // Participant
    void connected() override;
    void disconnected(const Error& why) override;
    bool pushed(const wire::Frame&, const BufferRef&) override { return false; }
    bool drain() override;
    bool ready() override;
    void shut_down() override { abort(Error(ErrorCode::cancelled, "the client is closed")); }

    // SenderHost
    Link* link() override { return core_->link(); }
    std::uint32_t expect_answer(LogSender& log, SentBatch& batch) override;
    void need_identity(LogSender& log, bool of_its_own) override;
    void retry_at(SteadyTime when) override;
    std::chrono::microseconds backoff() override { return backoff_.next(); }
    void settle(LogSender& log, SentBatchPtr batch, const Result<BatchDelivery>& outcome) override;
    void fail_producer(const Error& why) override;
    void give_up_link(const Error& why) override { core_->give_up_link(why); }
    SentBatchPtr fresh_batch() override;
    void give_back(std::unique_ptr<Draft> draft) override {
        accumulator_.give_back(std::move(draft));
    }

    void take_in(SteadyTime now);
    void collect_everything();
    [[nodiscard]] LogSender& log(std::uint32_t index);
    void pump(SteadyTime now);
    void recycle_written();
    void tell(const LogSender& log, SentBatch& batch, const Result<BatchDelivery>& outcome);
    void count_off(std::uint64_t serial);
    void arm_linger();
    void arm_expiry();
    void ask_identity(LogSender* own);
    void ask_identity_later();
    void identity_answered(LogSender* own, Result<Reply> reply);
    void wake_at(Timer& timer, SteadyTime when);

    // Fixed after construction.
    const std::shared_ptr<Core> core_;
    const Topic topic_;
    const ProducerOptions options_;

    // Shared with the user's threads.
    InFlightBound bound_;
    Accumulator accumulator_;

    // Owned by the I/O thread.
    std::vector<std::unique_ptr<LogSender>> logs_;  // by Draft::log, made when first used
    std::vector<LogSender*> active_;                // those with something unsettled
    std::vector<DraftPtr> incoming_;
    std::vector<SentBatchPtr> pool_;
    std::vector<SentBatchPtr> unwritten_;  // settled, but a link's queue still has their bytes
    std::size_t outstanding_ = 0;          // batches taken in and not settled
    std::uint64_t last_serial_ = 0;
    std::vector<Flush> flushes_;
    Backoff backoff_;
    ProducerId producer_{};
    std::uint32_t producer_epoch_ = 0;
    bool identity_asked_ = false;
    std::vector<LogSender*> wants_identity_;
    std::vector<LogSender*> wants_own_identity_;
    std::optional<Error> failed_;
    bool leaving_ = false;
    Timer linger_timer_;
    SteadyTime linger_armed_ = SteadyTime::max();
    Timer retry_timer_;
    SteadyTime retry_armed_ = SteadyTime::max();
    Timer expiry_timer_;
    bool expiry_armed_ = false;
    Timer identity_timer_;
};

}  // namespace casc::client
