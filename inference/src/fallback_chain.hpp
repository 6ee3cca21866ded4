#pragma once
// inference/src/fallback_chain.hpp: asks others what a model cannot answer, one after the other,
// until one does.

#include <casc/client/client.hpp>
#include <casc/gpu/generation.hpp>
#include <casc/inference/fallback_settings.hpp>
#include <casc/ring/waker.hpp>
#include <casc/types/vocabulary.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace casc::inference {

// What marks a request that has been passed on; whoever gets it does not pass it on again, so that
// two models which stand in for each other do not ask in a circle.
inline constexpr std::string_view kFallbackHeader = "casc-fallback-of";

struct ToPassOn {
    gpu::RequestId id = 0;
    std::string request;  // JSON, as request_for_others() makes it
    std::string request_id;
    Lane lane = Lane::normal;
    std::chrono::steady_clock::time_point deadline;
};
struct PassedOn {
    gpu::RequestId id = 0;
    Result<std::string> answer;  // JSON; the error is what the last one of them said
};

// A choice that fails again and again is passed over for a while, as the model itself is. Each has
// its share of what time is left, so that one that says nothing leaves some for the others.
//
// Thread:   one at a time. Starts one of its own (casc-fallback), which connects to other brokers
//           and looks at what they say; throws std::system_error when it cannot.
// Lifetime: `here`, the client of this broker, must outlive it. The destructor forgets what is
//           under way, and may wait for a connection that is being made (a second).
class FallbackChain {
public:
    FallbackChain(const FallbackSettings& settings, std::string model, client::Client& here,
                  const client::ClientOptions& elsewhere, std::shared_ptr<ring::Waker> waker);
    ~FallbackChain();
    FallbackChain(const FallbackChain&) = delete;
    FallbackChain& operator=(const FallbackChain&) = delete;

    // Each is answered once, by take(). The waker is woken then.
    void ask(ToPassOn request);
    [[nodiscard]] std::vector<PassedOn> take();
    // Nobody waits for it any more; it may be answered all the same.
    void forget(gpu::RequestId id);
    // Whether anybody would be asked now, as far as is known. Any thread.
    [[nodiscard]] bool can_ask() const;
    // Whether take() has something. Any thread.
    [[nodiscard]] bool ready() const noexcept;

private:
    class Impl;
    const std::shared_ptr<Impl> impl_;  // callbacks of clients share it
    std::thread thread_;
};

}  // namespace casc::inference
