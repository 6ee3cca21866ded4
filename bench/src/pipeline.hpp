#pragma once
// Many requests on their way at a time.

#include <casc/types/result.hpp>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

namespace casc::bench {

inline constexpr std::uint32_t kRequestsInFlight = 256;

// Lets `kRequestsInFlight` requests be on their way and counts those that failed.
// Thread: start() and finish() one; done() any. The mutex is a leaf.
class Pipeline {
public:
    void start() {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [this] { return in_flight_ < kRequestsInFlight; });
        ++in_flight_;
    }
    void done(const Error* why) {
        const std::lock_guard lock(mutex_);
        --in_flight_;
        if (why != nullptr && error_count_++ == 0) first_error_ = why->message();
        room_.notify_one();
    }
    void finish() {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [this] { return in_flight_ == 0; });
    }
    [[nodiscard]] std::uint64_t error_count() const { return error_count_; }       // after finish()
    [[nodiscard]] const std::string& first_error() const { return first_error_; }  // after finish()

private:
    std::mutex mutex_;
    std::condition_variable room_;
    std::uint32_t in_flight_ = 0;
    std::uint64_t error_count_ = 0;
    std::string first_error_;
};

}  // namespace casc::bench
