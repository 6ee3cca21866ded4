#pragma once
// Clients beside those that are measured: connected, greeted, and with nothing to say but their
// heartbeats. Bare sockets, because ten thousand clients of the library would be as many threads.
//
// Thread: one at a time; the heartbeats have a thread of their own, which sleeps in between.

#include "frame_socket.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace casc::bench {

class IdleConnections {
public:
    // `endpoint`: of a broker, as --address says it. Returns when the broker has greeted each;
    // throws when it did not take one.
    IdleConnections(const std::string& endpoint, std::uint32_t count);
    ~IdleConnections();
    IdleConnections(const IdleConnections&) = delete;
    IdleConnections& operator=(const IdleConnections&) = delete;

    // Ends the heartbeats and asks the broker once more over each connection: how many it answers
    // before `patience` is over, which is that of all together.
    [[nodiscard]] std::uint32_t count_answered(
        std::chrono::nanoseconds patience = std::chrono::seconds(30));
    [[nodiscard]] std::uint64_t heartbeats() const { return heartbeats_; }
    // After count_answered(): why the first one of those that are lost is lost.
    [[nodiscard]] const std::string& first_error() const { return first_error_; }

private:
    void greet(std::size_t from, std::size_t end);
    void watch();
    void keep_alive();
    void beat(std::chrono::steady_clock::time_point now);
    // Whose turn it was and what has come.
    using Taker = std::function<void(std::size_t number, const wire::Frame& frame)>;
    void receive_ready(std::chrono::steady_clock::time_point until, const Taker& take);
    void call_the_roll();
    void lose(std::size_t number, const Error& why);
    void stop();

    // The thread's while it runs.
    std::vector<FrameSocket> sockets_;
    std::vector<bool> lost_;
    std::chrono::nanoseconds gap_{};  // from one connection's heartbeat to the next one's
    std::size_t next_ = 0;            // whose turn it is, at next_beat_
    std::chrono::steady_clock::time_point next_beat_;
    std::uint64_t heartbeats_ = 0;
    FrameMemory memory_;
    std::string first_error_;
    // Fixed after construction.
    int poll_ = -1;  // watches the sockets and wake_
    int wake_ = -1;
    // Shared: written by the owner (release), read by the thread (acquire).
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace casc::bench
