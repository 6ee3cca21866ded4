#pragma once
// Consumers of what is measured that take it far more slowly than it comes: to each the broker may
// push kSlowCreditBytes (or one batch that is longer), and only ten times a second somebody takes
// that and gives room for more. Each has a connection of its own, as one that is elsewhere would.
//
// Thread:   one at a time; all are served by one thread of their own, which sleeps in between.
// Lifetime: `target` must outlive it.

#include "target.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace casc::bench {

inline constexpr std::size_t kSlowCreditBytes = 64 * 1024;

enum class SlowKind : std::uint8_t {
    reader,  // of the log, from its oldest event on, without a position
    member,  // of one queue group for all of them; takes and settles one event at a time
    tap      // which leaves out the oldest when it is full
};

class SlowConsumers {
public:
    SlowConsumers(const Target& target, const std::vector<std::string>& topics, SlowKind kind,
                  std::uint32_t count);
    ~SlowConsumers();
    SlowConsumers(const SlowConsumers&) = delete;
    SlowConsumers& operator=(const SlowConsumers&) = delete;

    // Ends them, but not before there was an event for one of them at least, and says how many have
    // kept their connection and had no error.
    [[nodiscard]] std::uint32_t count_there();
    // After count_there(): that all have taken together, and what went wrong first.
    [[nodiscard]] std::uint64_t events() const { return events_; }
    [[nodiscard]] const std::string& first_error() const { return first_error_; }

private:
    struct Slow;
    void serve();
    void take_from_each();
    void stop(std::chrono::milliseconds patience);

    std::vector<std::unique_ptr<Slow>> all_;
    // The thread's while it runs.
    std::uint64_t events_ = 0;
    std::string first_error_;
    // Of what follows; the thread lets go of it only to sleep.
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::chrono::milliseconds patience_{};  // then, for a first event
    std::thread thread_;
};

}  // namespace casc::bench
