#pragma once
// casc/gpu/batcher.hpp: which requests go to the device together, and when.
//
//   batcher.offer({.id = 7, .lane = Lane::high, .arrived = now, .deadline = now + 1s});
//   while (const auto late = batcher.next_expired(now)) answer TIMEOUT
//   const BatchPlan plan = batcher.plan(now, Device::idle);
//   if (plan.fires) batcher.take_batch(batch);            // … and batcher.finished(32, took) later
//   else wait until plan.look_again, or for another request
//
// A batch leaves when it is full, when a deadline comes near, when somebody has waited for
// max_wait, or when the device is idle and waiting for one more would cost more than it saves. What
// it costs is known from the arrivals and the step times so far: with n in line, a gap g until the
// next one and T(n) for a batch, all n wait g longer, and the next one neither waits for their
// batch nor needs one of its own. That is worth it as long as
//
//   g < T(1) / (n + 1) - (T(n + 1) - T(n))
//
// so a quiet model answers at once, and a busy one gathers about as many as come during a step.

#include <casc/gpu/arrival_gap.hpp>
#include <casc/gpu/batch_policy.hpp>
#include <casc/gpu/lane_queues.hpp>
#include <casc/gpu/step_times.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

namespace casc::gpu {

enum class FireReason : std::uint8_t { size, tokens, deadline, timer, idle };
inline constexpr std::array kFireReasons{FireReason::size, FireReason::tokens, FireReason::deadline,
                                         FireReason::timer, FireReason::idle};
[[nodiscard]] std::string_view to_string(FireReason reason) noexcept;

// What the device could do with a batch now.
enum class Device : std::uint8_t {
    idle,           // begin it
    takes_another,  // keep it for the moment at which the present one ends
    busy            // nothing
};

struct BatchPlan {
    std::optional<FireReason> fires{};   // nothing: not yet
    MonoNanos look_again = kNoDeadline;  // unless a request comes or the device changes before
};

// Thread: one at a time. No clock of its own.
class Batcher {
public:
    using Nanos = std::chrono::nanoseconds;
    static constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

    // The policy must have passed check().
    explicit Batcher(const BatchPolicy& policy);

    // Puts a request into the line of its lane. Fails with: model_overloaded (its lane is full, or
    // those in line would have too many tokens; retry_after_ms says when there should be room),
    // invalid_request (its id waits already, or no batch or no line may have so many tokens).
    [[nodiscard]] Result<void> offer(const WaitingRequest& request);
    // Whether offer() would find room in the lane: to be asked before a request is made ready for
    // it. Fails with: model_overloaded.
    [[nodiscard]] Result<void> check_room(Lane lane) const;
    // False: it does not wait (any more).
    bool cancel(RequestId id);
    // One that nobody waits for any longer, to be answered with TIMEOUT. Until there is none.
    [[nodiscard]] std::optional<WaitingRequest> next_expired(MonoNanos now);

    // After next_expired(now) had none left: who is late is not worth a step any more.
    [[nodiscard]] BatchPlan plan(MonoNanos now, Device device);
    // Fills `batch` with those that go, most urgent lanes first; nobody when nobody waits. No more
    // than `most`: some of a batch may be on the device already.
    void take_batch(std::vector<WaitingRequest>& batch, std::size_t most = kAll);
    // A batch of so many took the device so long. More than size_limit() when some of them were on
    // the device before the limit fell: then a slow one does not make it fall again.
    void finished(std::size_t batch, Nanos took);

    // How large batches are at the moment, at most: less than max_batch while the device takes
    // longer than step_objective.
    [[nodiscard]] std::size_t size_limit() const noexcept { return size_limit_; }
    [[nodiscard]] const LaneQueues& waiting() const noexcept { return queues_; }
    [[nodiscard]] const StepTimes& step_times() const noexcept { return step_times_; }

private:
    [[nodiscard]] MonoNanos oldest_arrival() const noexcept;
    // How long the next request may let itself be waited for.
    [[nodiscard]] Nanos worth_waiting(std::size_t waiting) const noexcept;
    [[nodiscard]] std::optional<Lane> most_urgent() const noexcept;
    // The lane below `top` whose first one has waited longest.
    [[nodiscard]] std::optional<Lane> longest_waiting_below(Lane top) const noexcept;
    // What lanes below `top` are owed after a batch for which they waited, too.
    void share_out(const std::vector<WaitingRequest>& batch, Lane top);
    // Takes the first of the lane into the batch, if its tokens fit.
    bool take(Lane lane, std::vector<WaitingRequest>& batch);
    void take_by_priority(std::vector<WaitingRequest>& batch);
    [[nodiscard]] std::uint32_t retry_after_ms(Lane lane) const noexcept;
    [[nodiscard]] WaitingRequest gone(WaitingRequest request) noexcept;

    const BatchPolicy policy_;
    LaneQueues queues_;
    ArrivalGap gap_;
    StepTimes step_times_;
    std::uint64_t waiting_tokens_ = 0;
    std::uint64_t batch_tokens_ = 0;  // of the batch that is being made
    std::size_t batch_most_ = 0;      // requests in it
    std::size_t size_limit_;
    unsigned good_steps_ = 0;  // full ones within the objective, in a row
    double owed_below_ = 0;    // requests, to lanes that others were preferred to
};

}  // namespace casc::gpu
