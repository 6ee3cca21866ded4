#pragma once
// Producers at work: each a thread with a connection of its own, sending as fast as it goes or at a
// rate.
//
// Thread:   one at a time; the producers have their own.
// Lifetime: `target` must outlive it.

#include "histogram.hpp"
#include "options.hpp"
#include "payload.hpp"
#include "target.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace casc::bench {

struct LoadPlan {
    std::vector<std::string> topics;  // events go to them in turn
    std::size_t payload_bytes = 100;
    std::uint32_t key_count = 0;  // 0: events have no keys
    std::uint32_t producer_count = 1;
    std::optional<std::uint64_t> event_count;  // over all producers; unset: until stop()
    std::optional<std::uint64_t> rate;         // events per second over all producers
    Lane lane = Lane::normal;
    std::uint32_t run = 0;  // marks the payloads
    client::ProducerOptions producer;
};

// The client's own defaults, and what the flags say.
[[nodiscard]] client::ProducerOptions producer_options(const Options& options);

class Load {
public:
    Load(const Target& target, LoadPlan plan);  // connected, not sending yet
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    void start();
    // Latencies are recorded from now on; before, everything is warming up.
    void begin_measuring() { measuring_.store(true, std::memory_order_relaxed); }
    // No event is sent any more; returns when each has been acknowledged or has failed. The
    // connections stay.
    void drain();
    // The same, and closes the connections.
    void finish();
    // Every producer has sent what it was to send.
    [[nodiscard]] bool has_sent_everything() const {
        return running_.load(std::memory_order_acquire) == 0;
    }

    [[nodiscard]] std::uint64_t acknowledged() const;
    [[nodiscard]] std::uint64_t failed() const;
    // When the latest acknowledgement came.
    [[nodiscard]] std::chrono::steady_clock::time_point last_acknowledged() const;

    // What each producer got acknowledged, that is what a reader must find: its events 0 ... count
    // - 1 when none failed.
    [[nodiscard]] std::vector<std::uint64_t> acknowledged_by_producer() const;
    // After finish(): of every 256th event, from the call of send() (any wait for room included)
    // until its acknowledgement.
    [[nodiscard]] Histogram latency_ns() const;
    [[nodiscard]] const std::string& first_error() const { return first_error_; }

private:
    struct Sender;
    void run(Sender& sender);

    // Fixed after construction.
    const LoadPlan plan_;
    // Shared: written by the caller, read by the producers.
    std::atomic<bool> stopping_{false};
    std::atomic<bool> measuring_{false};
    // Written by the producers, read by the caller.
    std::atomic<std::uint32_t> running_{0};
    std::vector<std::unique_ptr<Sender>> senders_;
    std::string first_error_;  // after finish()
};

}  // namespace casc::bench
