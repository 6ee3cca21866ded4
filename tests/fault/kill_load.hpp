#pragma once
// kill_load.hpp: what the tests that kill a broker share: a load that goes on through its deaths,
// and readers that tell a DeliveryHistory what is there.

#include <casc/client/call.hpp>

#include <atomic>
#include <delivery_history.hpp>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <test_broker.hpp>
#include <thread>

namespace casc::test {

inline constexpr std::uint32_t kPartitions = 2;

// A seed from the environment repeats a run.
[[nodiscard]] std::uint32_t seed_of_this_run();

// Patient enough to outlive a restart of the broker.
[[nodiscard]] std::unique_ptr<client::Client> connect(const TestBroker& broker);
void create_topic(client::Client& client, const std::string& name);
// No event of the topic is let go any more, however old or many they are.
void keep_from_now_on(client::Client& client, const std::string& topic);

struct LoadOptions {
    std::uint32_t events_per_second = 0;  // 0: as many as are acknowledged in time
    // Hardly any event is of the lowest lane: long after the others of their time, these few are
    // kept, and what stores them is mostly empty.
    bool low_lane_is_rare = false;
};

// Sends numbered events to random logs until it is stopped; the client repeats what a crash has cut
// off. Thread: constructed and stopped by one; sends on its own.
class Load {
public:
    Load(client::Client& client, DeliveryHistory& history, const std::string& topic,
         std::uint32_t seed, const LoadOptions& options = {});
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    // Everything accepted is acknowledged or has failed afterwards. What the last flush said.
    Result<void> stop();

    std::atomic<std::uint64_t> failures{0};

private:
    void run();
    [[nodiscard]] Lane any_lane();

    DeliveryHistory& history_;
    std::mt19937 random_;
    const LoadOptions options_;
    std::optional<client::Producer> producer_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

// Reads every log from its beginning to its end.
void read_everything(client::Client& client, DeliveryHistory& history, const std::string& topic);

// Nothing that was promised is broken.
void check_history(const DeliveryHistory& history);

}  // namespace casc::test
