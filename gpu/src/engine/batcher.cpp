#include <casc/gpu/batcher.hpp>

#include <algorithm>
#include <array>
#include <string>

namespace casc::gpu {
namespace {

// A deadline is near when a step and a fifth of one are left.
constexpr Batcher::Nanos with_slack(Batcher::Nanos step) {
    return step + step / 5;
}
// So many good steps make the limit one larger; a bad one makes it a tenth smaller (additive
// increase, multiplicative decrease, as Clipper does it: Crankshaw et al., NSDI 2017).
constexpr unsigned kGoodSteps = 8;

}  // namespace

std::string_view to_string(FireReason reason) noexcept {
    constexpr std::array<std::string_view, 5> names{"size", "tokens", "deadline", "timer", "idle"};
    return names[static_cast<std::size_t>(reason)];
}

Batcher::Batcher(const BatchPolicy& policy)
    : policy_(policy), queues_(policy.queue_capacity), size_limit_(policy.max_batch) {}

// ---- who comes and goes -------------------------------------------------------------------------

Result<void> Batcher::offer(const WaitingRequest& request) {
    if (policy_.tokens_max != 0 && request.tokens > policy_.tokens_max)
        return Error(ErrorCode::invalid_request, std::to_string(request.tokens) +
                                                     " tokens, and a batch has at most " +
                                                     std::to_string(policy_.tokens_max));
    // There will never be room.
    if (request.tokens > policy_.queue_tokens_max)
        return Error(ErrorCode::invalid_request, std::to_string(request.tokens) +
                                                     " tokens, and all in line have at most " +
                                                     std::to_string(policy_.queue_tokens_max));
    gap_.arrived(request.arrived);
    CASC_TRY_VOID(check_room(request.lane));
    if (waiting_tokens_ + request.tokens > policy_.queue_tokens_max)
        return Error(ErrorCode::model_overloaded,
                     "requests with " + std::to_string(waiting_tokens_) + " tokens wait",
                     retry_after_ms(request.lane));
    if (!queues_.push(request))
        return Error(ErrorCode::invalid_request,
                     "a request with the id " + std::to_string(request.id) + " waits already");
    waiting_tokens_ += request.tokens;
    return {};
}

Result<void> Batcher::check_room(Lane lane) const {
    if (queues_.size(lane) < policy_.queue_capacity) return {};
    return Error(ErrorCode::model_overloaded,
                 std::to_string(policy_.queue_capacity) + " requests wait in lane " +
                     std::string(to_string(lane)),
                 retry_after_ms(lane));
}

std::uint32_t Batcher::retry_after_ms(Lane lane) const noexcept {
    const Nanos step = step_times_.known() ? step_times_.of(size_limit_) : policy_.max_wait;
    const auto steps = static_cast<std::int64_t>(queues_.size(lane) / size_limit_ + 1);
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(steps * step).count();
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 1, 60'000));
}

WaitingRequest Batcher::gone(WaitingRequest request) noexcept {
    waiting_tokens_ -= request.tokens;
    return request;
}

bool Batcher::cancel(RequestId id) {
    const auto request = queues_.erase(id);
    if (request) static_cast<void>(gone(*request));
    return request.has_value();
}

std::optional<WaitingRequest> Batcher::next_expired(MonoNanos now) {
    const auto request = queues_.pop_expired(now);
    if (request) static_cast<void>(gone(*request));
    return request;
}

// ---- when ---------------------------------------------------------------------------------------

MonoNanos Batcher::oldest_arrival() const noexcept {
    MonoNanos oldest = kNoDeadline;
    for (const Lane lane : kLanes)
        if (const WaitingRequest* first = queues_.front(lane))
            oldest = std::min(oldest, first->arrived);
    return oldest;
}

Batcher::Nanos Batcher::worth_waiting(std::size_t waiting) const noexcept {
    const auto next = static_cast<std::int64_t>(waiting + 1);
    return step_times_.of(1) / next - (step_times_.of(waiting + 1) - step_times_.of(waiting));
}

BatchPlan Batcher::plan(MonoNanos now, Device device) {
    const MonoNanos deadline = queues_.earliest_deadline();
    if (queues_.empty() || device == Device::busy) return {.look_again = deadline};
    if (queues_.size() >= size_limit_) return {.fires = FireReason::size};
    if (policy_.tokens_max != 0 && waiting_tokens_ >= policy_.tokens_max)
        return {.fires = FireReason::tokens};
    MonoNanos look_again = kNoDeadline;
    if (deadline != kNoDeadline) {
        look_again = deadline + -with_slack(step_times_.of(queues_.size()));
        if (look_again <= now) return {.fires = FireReason::deadline};
    }
    const MonoNanos patience_ends = oldest_arrival() + policy_.max_wait;
    if (patience_ends <= now) return {.fires = FireReason::timer};
    look_again = std::min(look_again, patience_ends);
    if (device == Device::idle) {
        const Nanos worth = worth_waiting(queues_.size());
        const auto gap = gap_.expected(now);
        if (!gap || *gap >= worth) return {.fires = FireReason::idle};
        look_again = std::min(look_again, gap_.expected_from(worth));
    }
    return {.look_again = look_again};
}

// ---- who ----------------------------------------------------------------------------------------

std::optional<Lane> Batcher::most_urgent() const noexcept {
    const auto found =
        std::ranges::find_if(kLanes, [this](Lane lane) { return queues_.front(lane) != nullptr; });
    if (found == kLanes.end()) return std::nullopt;
    return *found;
}

std::optional<Lane> Batcher::longest_waiting_below(Lane top) const noexcept {
    std::optional<Lane> longest;
    for (const Lane lane : kLanes) {
        const WaitingRequest* const first = lane > top ? queues_.front(lane) : nullptr;
        if (first == nullptr) continue;
        if (!longest || first->arrived < queues_.front(*longest)->arrived) longest = lane;
    }
    return longest;
}

bool Batcher::take(Lane lane, std::vector<WaitingRequest>& batch) {
    const std::uint64_t tokens = batch_tokens_ + queues_.front(lane)->tokens;
    if (policy_.tokens_max != 0 && tokens > policy_.tokens_max) return false;
    batch_tokens_ = tokens;
    batch.push_back(gone(queues_.pop(lane)));
    return true;
}

// Nobody overtakes one whose tokens do not fit any more.
void Batcher::take_by_priority(std::vector<WaitingRequest>& batch) {
    while (batch.size() < batch_most_) {
        const auto lane = most_urgent();
        if (!lane || !take(*lane, batch)) return;
    }
}

void Batcher::take_batch(std::vector<WaitingRequest>& batch, std::size_t most) {
    batch.clear();
    batch_tokens_ = 0;
    batch_most_ = std::min(size_limit_, most);
    const auto top = most_urgent();
    if (!top) return;
    const bool others_wait = queues_.size() > queues_.size(*top);
    if (!others_wait) owed_below_ = 0;
    for (auto owed = static_cast<std::size_t>(owed_below_); owed > 0; --owed) {
        const auto lane = longest_waiting_below(*top);
        if (!lane || batch.size() == batch_most_ || !take(*lane, batch)) break;
    }
    take_by_priority(batch);
    std::ranges::stable_sort(batch, {}, &WaitingRequest::lane);
    if (others_wait) share_out(batch, *top);
}

// By what really went: a batch that its tokens have kept small owes little.
void Batcher::share_out(const std::vector<WaitingRequest>& batch, Lane top) {
    const auto below = static_cast<double>(std::ranges::count_if(
        batch, [&](const WaitingRequest& request) { return request.lane > top; }));
    const double share =
        static_cast<double>(batch.size()) / static_cast<double>(policy_.starvation_share);
    owed_below_ = std::clamp(owed_below_ + share - below, 0.0, static_cast<double>(size_limit_));
}

// ---- what is learned ----------------------------------------------------------------------------

void Batcher::finished(std::size_t batch, Nanos took) {
    step_times_.measured(batch, took);
    if (policy_.step_objective.count() == 0) return;
    if (took > policy_.step_objective) {
        // Who was on the device when the limit fell still is: that has been answered for.
        if (batch > size_limit_) return;
        good_steps_ = 0;
        size_limit_ = std::max<std::size_t>(size_limit_ - (size_limit_ + 9) / 10, 1);
    } else if (batch >= size_limit_ && ++good_steps_ == kGoodSteps) {
        good_steps_ = 0;
        size_limit_ = std::min(size_limit_ + 1, policy_.max_batch);
    }
}

}  // namespace casc::gpu
