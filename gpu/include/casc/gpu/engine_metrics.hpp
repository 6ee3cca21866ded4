#pragma once
// casc/gpu/engine_metrics.hpp: what an engine has done and has, counted where it happens. Names and
// meanings are those of the field's servers: queue, first token, time per token, batch sizes.

#include <casc/gpu/batcher.hpp>
#include <casc/types/vocabulary.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace casc::gpu {

// Thread: one writes, any reads.
class Counter {
public:
    void add(std::uint64_t more = 1) noexcept { set(value() + more); }
    void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t value() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }

private:
    std::atomic<std::uint64_t> value_{0};
};

// How many values were at most as large as each of some limits, and how many were larger.
// Thread: as a Counter. A reader sees each number as it is, not all of one moment.
template <std::size_t N>
class Distribution {
public:
    explicit Distribution(const std::array<std::uint64_t, N>& limits) : limits_(limits) {}

    void record(std::uint64_t value, std::uint64_t times = 1) noexcept {
        const auto part = std::ranges::lower_bound(limits_, value) - limits_.begin();
        parts_[static_cast<std::size_t>(part)].add(times);
        sum_.add(value * times);
    }
    [[nodiscard]] const std::array<std::uint64_t, N>& limits() const noexcept { return limits_; }
    // Of values in that part alone: above the limit before, and not above this one.
    [[nodiscard]] std::uint64_t count_in(std::size_t part) const noexcept {
        return parts_[part].value();
    }
    [[nodiscard]] std::uint64_t count() const noexcept {
        std::uint64_t all = 0;
        for (const Counter& part : parts_)
            all += part.value();
        return all;
    }
    [[nodiscard]] std::uint64_t sum() const noexcept { return sum_.value(); }

private:
    std::array<std::uint64_t, N> limits_;
    std::array<Counter, N + 1> parts_{};
    Counter sum_;
};

namespace metrics {
inline constexpr std::uint64_t kMicro = 1'000;
inline constexpr std::uint64_t kMilli = 1'000'000;
// Nanoseconds.
inline constexpr std::array<std::uint64_t, 19> kTimes{
    100 * kMicro,    250 * kMicro,    500 * kMicro,    1 * kMilli,     2500 * kMicro,
    5 * kMilli,      10 * kMilli,     25 * kMilli,     50 * kMilli,    100 * kMilli,
    250 * kMilli,    500 * kMilli,    1000 * kMilli,   2500 * kMilli,  5000 * kMilli,
    10'000 * kMilli, 15'000 * kMilli, 30'000 * kMilli, 60'000 * kMilli};
inline constexpr std::array<std::uint64_t, 9> kBatches{1, 2, 4, 8, 16, 24, 32, 64, 128};
}  // namespace metrics

using Times = Distribution<metrics::kTimes.size()>;  // nanoseconds
using BatchSizes = Distribution<metrics::kBatches.size()>;

// How requests end.
enum class Outcome : std::uint8_t { ok, timeout, rejected, cancelled, error };
inline constexpr std::array<std::string_view, 5> kOutcomeNames{"ok", "timeout", "rejected",
                                                               "cancelled", "error"};

// Thread: the engine's writes, any reads.
struct EngineMetrics {
    // Since it was opened.
    Counter steps;
    Counter failed_steps;
    Counter prompt_tokens;  // computed; twice when they were computed again
    Counter answer_tokens;
    std::array<Counter, kOutcomeNames.size()> outcomes;
    std::array<Counter, kFireReasons.size()> fired;  // batches that an idle device was given
    Counter joined;                                  // requests that came to others at work
    BatchSizes batch_size{metrics::kBatches};        // sequences of a step
    Times batch_wait{metrics::kTimes};   // of the first one in a batch for an idle device
    Times prompt_step{metrics::kTimes};  // steps that had parts of prompts
    Times decode_step{metrics::kTimes};  // steps that had none
    std::array<Times, kLaneCount> queued{Times(metrics::kTimes), Times(metrics::kTimes),
                                         Times(metrics::kTimes), Times(metrics::kTimes)};
    // Of requests that were answered well.
    Times first_token{metrics::kTimes};
    Times per_token{metrics::kTimes};  // after the first one
    Times request{metrics::kTimes};
    // Now.
    Counter running;
    std::array<Counter, kLaneCount> waiting;
    Counter cached_tokens;  // that have keys and values in a slot
    // Fixed.
    std::uint64_t slots = 0;
    std::uint64_t cache_tokens = 0;  // that all slots have room for

    [[nodiscard]] Counter& of(Outcome outcome) noexcept {
        return outcomes[static_cast<std::size_t>(outcome)];
    }
    [[nodiscard]] const Counter& of(FireReason reason) const noexcept {
        return fired[static_cast<std::size_t>(reason)];
    }
    // Sequences of a step; 0: there was none.
    [[nodiscard]] double batch_mean() const noexcept {
        const auto all = static_cast<double>(steps.value());
        return all > 0 ? static_cast<double>(batch_size.sum()) / all : 0;
    }
};

}  // namespace casc::gpu
