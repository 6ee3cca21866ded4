#pragma once
// What the `volatile` workload asks of casc and of ZeroMQ alike: producers send as fast as they can
// for a while, consumers take everything, and each checks that nothing of what it should get is
// missing, doubled or out of place.

#include "histogram.hpp"
#include "payload.hpp"

#include <casc/types/units.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace casc::bench {

struct VolatilePlan {
    std::uint32_t producer_count = 1;
    std::uint32_t consumer_count = 1;  // with more than one each gets everything
    std::size_t payload_bytes = 100;
    std::uint32_t key_count = 0;       // casc: 0 for none
    std::size_t batch_bytes = 0;       // casc: of one batch
    std::size_t in_flight_bytes = 0;   // casc: sent and not acknowledged, of one producer
    std::size_t waiting_bytes = 0;     // casc: marks of a tap, and again its credit
    std::size_t window_bytes = 8_MiB;  // ZeroMQ: high-water mark of each side, or on its way
    std::chrono::milliseconds warm_up{500};
    std::chrono::milliseconds duration{3000};
    std::uint32_t run = 0;
};

struct VolatileOutcome {
    double events_per_second = 0;  // that every consumer got
    Histogram latency_ns;          // from the call of send(), any wait in it included
    std::uint64_t misplaced_count = 0;
    std::string trouble;
};

// Of every so many events one says when it was sent.
inline constexpr std::uint64_t kVolatileTimedEvery = 256;

// What one consumer got. Thread: the consumer's, but for count(), which is anybody's.
class TakenEvents {
public:
    TakenEvents(const VolatilePlan& plan, const std::atomic<bool>& measuring)
        : plan_(plan), measuring_(measuring), next_(plan.producer_count) {}

    void take(std::span<const std::byte> payload) {
        const PayloadHead head = head_of(payload);
        if (head.run != plan_.run || head.producer >= next_.size()) {
            ++misplaced_;
            return;
        }
        std::uint64_t& next = next_[head.producer];
        if (head.sequence != next) ++misplaced_;
        next = head.sequence + 1;
        ++taken_;
        if (head.intended == 0 || !measuring_.load(std::memory_order_relaxed)) return;
        const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
        latency_ns_.record(static_cast<std::uint64_t>(now - head.intended));
    }
    // Now and then: makes count() see what was taken.
    void publish() { published_.store(taken_, std::memory_order_release); }
    [[nodiscard]] std::uint64_t count() const { return published_.load(std::memory_order_acquire); }

    [[nodiscard]] std::uint64_t misplaced() const { return misplaced_; }
    [[nodiscard]] const Histogram& latency_ns() const { return latency_ns_; }

private:
    const VolatilePlan& plan_;
    const std::atomic<bool>& measuring_;
    std::vector<std::uint64_t> next_;  // by producer
    std::uint64_t taken_ = 0;
    std::uint64_t misplaced_ = 0;
    Histogram latency_ns_;
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> published_{0};
};

// The head of event number `sequence`.
inline PayloadHead volatile_head(const VolatilePlan& plan, std::uint32_t producer,
                                 std::uint64_t sequence) {
    PayloadHead head{sequence, producer, plan.run, 0};
    if (sequence % kVolatileTimedEvery == 0)
        head.intended = std::chrono::steady_clock::now().time_since_epoch().count();
    return head;
}

class EventBudget;
class Target;

// Waits for the warm-up and the time that is measured; returns events per second of each consumer.
// What they have cost is added to `budget`, if there is one: an event counts once, however many
// consumers get it.
double measure_rate(const VolatilePlan& plan,
                    const std::vector<std::unique_ptr<TakenEvents>>& tallies,
                    std::atomic<bool>& measuring, EventBudget* budget = nullptr);
// After the consumers have ended.
void sum_up(const std::vector<std::unique_ptr<TakenEvents>>& tallies, VolatileOutcome& outcome);

// A volatile topic through a broker, one tap for each consumer, that makes producers wait.
[[nodiscard]] VolatileOutcome run_casc(const Target& target, const std::string& topic,
                                       const VolatilePlan& plan, EventBudget& budget);
// PUSH/PULL for one consumer, PUB/SUB for several, from producers to consumers without a broker.
[[nodiscard]] VolatileOutcome run_zeromq(const VolatilePlan& plan);

}  // namespace casc::bench
