#pragma once
// consuming.hpp: a consumer group of two members, and a reader of everything.

#include "ledger.hpp"
#include "producing.hpp"

#include <casc/client/client.hpp>
#include <casc/client/consumer.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace casc::demo {

inline constexpr std::size_t kMemberCount = 2;

// Reads both topics into its ledger until every record has come, or until told to stop.
// Thread: main; it starts one thread with a connection of its own per member. `records` must
// outlive it.
class Group {
public:
    Group(std::string name, const std::string& endpoint, const std::vector<Record>& records);
    ~Group();
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;

    // True once every member has joined and has partitions.
    [[nodiscard]] bool assembled() const {
        return assigned_members_.load(std::memory_order_acquire) == kMemberCount;
    }
    [[nodiscard]] const GroupLedger& ledger() const { return ledger_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    // Ends the members; the ledger is at rest afterwards. Throws std::runtime_error when one of
    // them had to give up.
    void stop();

private:
    void run(std::size_t member);
    void read(std::size_t member);
    void give_up(const std::string& why);

    const std::string name_;
    const std::string endpoint_;
    GroupLedger ledger_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::size_t> assigned_members_{0};
    std::mutex mutex_;
    std::string trouble_;
    std::vector<std::thread> threads_;
};

// Reads `topic` from its beginning until `events` have come; events and payload bytes that it
// found.
[[nodiscard]] Throughput read_everything(client::Client& client, const std::string& topic,
                                         std::uint32_t partitions, std::uint64_t events);

}  // namespace casc::demo
