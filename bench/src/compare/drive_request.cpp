// `request`: so many requests on their way, each echoed; a reply makes room for the next request.

#include "drive.hpp"
#include "histogram.hpp"
#include "payload.hpp"
#include "timed_sample.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

namespace casc::bench::compare {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kReplyPatience{10};

// Serves on a thread of its own until it goes.
class Serving {
public:
    explicit Serving(Responder& responder)
        : thread_([this, &responder] {
              try {
                  while (!stopping_)
                      responder.serve();
              } catch (...) {
                  trouble_ = std::current_exception();
              }
          }) {}
    ~Serving() { end(); }
    Serving(const Serving&) = delete;
    Serving& operator=(const Serving&) = delete;

    void end() {
        stopping_ = true;
        if (thread_.joinable()) thread_.join();
    }
    // After end().
    [[nodiscard]] std::exception_ptr trouble() const { return trouble_; }

private:
    std::atomic<bool> stopping_{false};
    std::exception_ptr trouble_;
    std::thread thread_;
};

class Asking {
public:
    Asking(Requester& requester, const Case& asked)
        : requester_(requester), asked_(asked), payloads_(asked.payload_bytes) {}

    Sample run() {
        const auto warm_up = std::min(asked_.duration, std::chrono::milliseconds(500));
        for (std::uint32_t i = 0; i < asked_.width; ++i)
            ask();
        requester_.send();
        answer_until(Clock::now() + warm_up);
        latency_ns_ = Histogram();
        const auto began = Clock::now();
        const std::uint64_t before = answered_;
        answer_until(began + asked_.duration);
        const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
        if (strangers_ > 0)
            throw std::runtime_error(std::to_string(strangers_) + " replies to nothing asked");
        return timed_sample(static_cast<double>(answered_ - before) / seconds, latency_ns_);
    }

private:
    void ask() {
        requester_.put(
            payloads_.next({asked_so_far_++, 0, 0, Clock::now().time_since_epoch().count()}));
    }
    void answer_until(Clock::time_point end) {
        const Take take = [&](std::span<const std::byte> payload) {
            const auto now = Clock::now().time_since_epoch().count();
            const PayloadHead head = head_of(payload);
            if (head.sequence != answered_++) ++strangers_;
            latency_ns_.record(static_cast<std::uint64_t>(now - head.intended));
            ask();
        };
        for (auto last = Clock::now(); Clock::now() < end;) {
            const std::uint64_t before = answered_;
            requester_.receive(take);
            if (answered_ > before) {
                last = Clock::now();
                requester_.send();
            } else if (Clock::now() - last > kReplyPatience) {
                throw std::runtime_error("no reply for 10 s");
            }
        }
    }

    Requester& requester_;
    const Case& asked_;
    Payloads payloads_;
    std::uint64_t asked_so_far_ = 0;
    std::uint64_t answered_ = 0;
    std::uint64_t strangers_ = 0;
    Histogram latency_ns_;
};

}  // namespace

Sample drive_request(Requester& requester, Responder& responder, const Case& asked) {
    Serving serving(responder);
    Sample sample;
    std::exception_ptr trouble;
    try {
        sample = Asking(requester, asked).run();
    } catch (...) {
        trouble = std::current_exception();
    }
    serving.end();
    // Who does not serve is why nobody is answered.
    if (serving.trouble()) std::rethrow_exception(serving.trouble());
    if (trouble) std::rethrow_exception(trouble);
    return sample;
}

}  // namespace casc::bench::compare
