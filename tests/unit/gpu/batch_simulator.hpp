#pragma once
// A model's device, its requests and the clock, all made up: what a batching policy makes of a
// load.

#include <casc/gpu/batcher.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace casc::test {

struct SimulatedLoad {
    double per_second = 100;
    std::size_t requests = 2000;
    std::array<double, kLaneCount> lanes{0, 0, 1, 0};  // weights
    std::chrono::nanoseconds time_to_live{0};          // 0: no deadline
    std::uint32_t tokens_max = 1;
};

struct SimulatedDevice {
    std::chrono::nanoseconds step{9'000'000};
    std::chrono::nanoseconds per_request{1'000'000};
    [[nodiscard]] std::chrono::nanoseconds takes(std::size_t batch) const {
        return step + static_cast<std::int64_t>(batch) * per_request;
    }
};

// Says when a batch leaves; the batcher says who.
using FiresWhen = std::function<gpu::BatchPlan(gpu::Batcher&, MonoNanos, gpu::Device)>;

struct SimulatedRun {
    std::map<std::size_t, std::size_t> batch_sizes;
    std::map<std::string, std::size_t> reasons;
    std::vector<double> wait_ms;     // in line, of those that were served
    std::vector<double> latency_ms;  // until their step had ended
    std::size_t served = 0;
    std::size_t expired = 0;
    std::size_t refused = 0;
    double longest_idle_wait_ms = 0;  // in line while the device had nothing to do

    [[nodiscard]] static double mean(const std::vector<double>& of) {
        return std::accumulate(of.begin(), of.end(), 0.0) /
               static_cast<double>(std::max<std::size_t>(of.size(), 1));
    }
    [[nodiscard]] static double percentile(std::vector<double> of, double share) {
        if (of.empty()) return 0;
        std::ranges::sort(of);
        return of[std::min(of.size() - 1,
                           static_cast<std::size_t>(share * static_cast<double>(of.size())))];
    }
    [[nodiscard]] double mean_batch() const {
        std::size_t steps = 0;
        for (const auto& [size, count] : batch_sizes)
            steps += count;
        return static_cast<double>(served) / static_cast<double>(std::max<std::size_t>(steps, 1));
    }
    // Batch sizes and waits, by powers of two.
    [[nodiscard]] std::string histograms() const {
        std::ostringstream out;
        std::map<std::size_t, std::size_t> sizes;
        for (const auto& [size, count] : batch_sizes)
            sizes[std::bit_ceil(size)] += count;
        out << "batches:";
        for (const auto& [size, count] : sizes)
            out << " <=" << size << ':' << count;
        std::map<int, std::size_t> waits;
        for (const double ms : wait_ms)
            ++waits[ms < 1 ? 0 : std::ilogb(ms) + 1];
        out << "  waits:";
        for (const auto& [power, count] : waits)
            out << " <" << (1 << power) << "ms:" << count;
        out << "  fired:";
        for (const auto& [reason, count] : reasons)
            out << ' ' << reason << ':' << count;
        return out.str();
    }
};

// Told of each batch as it leaves and of who still waits then; throws what it holds against it.
using WatchesBatch =
    std::function<void(const std::vector<gpu::WaitingRequest>&, const gpu::LaneQueues&)>;

class BatchSimulator {
public:
    BatchSimulator(const gpu::BatchPolicy& policy, SimulatedDevice device, SimulatedLoad load,
                   unsigned seed)
        : batcher_(policy), device_(device), load_(load), random_(seed) {}

    SimulatedRun run(const FiresWhen& fires, const WatchesBatch& watch = {}) {
        draw_arrivals();
        std::size_t next = 0;
        for (;;) {
            end_step();
            for (; next < arrivals_.size() && arrivals_[next].arrived <= now_; ++next)
                offer(arrivals_[next]);
            while (batcher_.next_expired(now_))
                ++run_.expired;
            if (next == arrivals_.size() && batcher_.waiting().empty() && !step_ends_)
                return std::move(run_);
            const auto state = step_ends_ ? gpu::Device::busy : gpu::Device::idle;
            const gpu::BatchPlan plan = fires(batcher_, now_, state);
            if (plan.fires && !step_ends_) {
                begin_step(*plan.fires, watch);
                continue;
            }
            MonoNanos then = plan.look_again;
            if (step_ends_) then = std::min(then, *step_ends_);
            if (next < arrivals_.size()) then = std::min(then, arrivals_[next].arrived);
            if (then <= now_ || then == gpu::kNoDeadline)
                throw std::runtime_error("the policy looks again at no later time");
            now_ = then;
        }
    }

private:
    void draw_arrivals() {
        std::exponential_distribution<double> gap(load_.per_second / 1e9);
        std::discrete_distribution<int> lane(load_.lanes.begin(), load_.lanes.end());
        std::uniform_int_distribution<std::uint32_t> tokens(1, load_.tokens_max);
        double at = 1e9;
        for (std::size_t i = 0; i < load_.requests; ++i) {
            at += std::max(1.0, gap(random_));
            gpu::WaitingRequest request;
            request.id = i;
            request.lane = static_cast<Lane>(lane(random_));
            request.tokens = tokens(random_);
            request.arrived = MonoNanos(static_cast<std::int64_t>(at));
            if (load_.time_to_live.count() != 0)
                request.deadline = request.arrived + load_.time_to_live;
            arrivals_.push_back(request);
        }
        now_ = arrivals_.front().arrived;
        idle_since_ = now_;
    }
    void offer(const gpu::WaitingRequest& request) {
        if (!batcher_.offer(request)) ++run_.refused;
    }
    void begin_step(gpu::FireReason reason, const WatchesBatch& watch) {
        batcher_.take_batch(batch_);
        if (batch_.empty()) throw std::runtime_error("an empty batch was fired");
        if (watch) watch(batch_, batcher_.waiting());
        const auto took = device_.takes(batch_.size());
        for (const gpu::WaitingRequest& request : batch_) {
            run_.wait_ms.push_back(ms(now_ - request.arrived));
            run_.latency_ms.push_back(ms(now_ - request.arrived) +
                                      static_cast<double>(took.count()) / 1e6);
            run_.longest_idle_wait_ms = std::max(run_.longest_idle_wait_ms,
                                                 ms(now_ - std::max(request.arrived, idle_since_)));
        }
        ++run_.batch_sizes[batch_.size()];
        ++run_.reasons[std::string(to_string(reason))];
        run_.served += batch_.size();
        step_ends_ = now_ + took;
    }
    void end_step() {
        if (!step_ends_ || *step_ends_ > now_) return;
        step_ends_.reset();
        idle_since_ = now_;
        batcher_.finished(batch_.size(), device_.takes(batch_.size()));
    }
    static double ms(MonoNanos::distance time) { return static_cast<double>(time.value()) / 1e6; }

    gpu::Batcher batcher_;
    const SimulatedDevice device_;
    const SimulatedLoad load_;
    std::mt19937 random_;
    std::vector<gpu::WaitingRequest> arrivals_;
    std::vector<gpu::WaitingRequest> batch_;
    MonoNanos now_{};
    MonoNanos idle_since_{};
    std::optional<MonoNanos> step_ends_;
    SimulatedRun run_;
};

// ---- policies -----------------------------------------------------------------------------------

inline gpu::BatchPlan as_planned(gpu::Batcher& batcher, MonoNanos now, gpu::Device device) {
    return batcher.plan(now, device);
}
// Whenever the device has nothing to do.
inline gpu::BatchPlan at_once(gpu::Batcher& batcher, MonoNanos, gpu::Device device) {
    if (device != gpu::Device::idle || batcher.waiting().empty()) return {};
    return {.fires = gpu::FireReason::idle};
}
// When it is full, or the first one has waited so long.
inline FiresWhen after(std::chrono::nanoseconds wait, std::size_t full) {
    return [=](gpu::Batcher& batcher, MonoNanos now, gpu::Device device) -> gpu::BatchPlan {
        const gpu::WaitingRequest* const first = batcher.waiting().front(Lane::normal);
        if (device != gpu::Device::idle || first == nullptr) return {};
        if (batcher.waiting().size() >= full) return {.fires = gpu::FireReason::size};
        if (first->arrived + wait <= now) return {.fires = gpu::FireReason::timer};
        return {.look_again = first->arrived + wait};
    };
}

}  // namespace casc::test
