#pragma once
// group_reader.hpp: a member of a consumer group that goes on through the deaths of the broker, and
// what the members of one group have seen together.

#include <casc/client/call.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace casc::test {

class DeliveryHistory;

// Checked: nobody is given an event below a position that the group has committed (positions never
// go back), an offset names the same event for ever, and in the end every acknowledged event was
// received by some member. Thread: any.
class GroupHistory {
public:
    using Log = std::pair<std::uint32_t, std::uint32_t>;  // partition and lane

    void received(const Log& log, std::uint64_t offset, std::uint64_t counter);
    // The broker has answered: the group's position of `log` is `next`.
    void committed(const Log& log, std::uint64_t next);

    [[nodiscard]] bool has(const Log& log, std::uint64_t counter) const;
    [[nodiscard]] std::uint64_t received_count() const;
    [[nodiscard]] std::uint64_t commits() const;
    [[nodiscard]] std::vector<std::string> violations() const;

private:
    struct State {
        std::map<std::uint64_t, std::uint64_t> counter_at;  // by offset
        std::vector<bool> seen;                             // by counter
        std::uint64_t position = 0;
    };
    void violated(const Log& log, const std::string& what);

    mutable std::mutex mutex_;
    std::map<Log, State> logs_;
    std::uint64_t received_ = 0;
    std::uint64_t commits_ = 0;
    std::vector<std::string> violations_;
};

// Thread: constructed and destroyed by one; polls on its own.
class GroupReader {
public:
    GroupReader(client::Client& client, GroupHistory& history, const std::string& group,
                const std::string& topic);
    ~GroupReader();
    GroupReader(const GroupReader&) = delete;
    GroupReader& operator=(const GroupReader&) = delete;

private:
    void run();
    void commit();

    GroupHistory& history_;
    client::Consumer consumer_;
    std::map<GroupHistory::Log, std::uint64_t>
        handed_out_;  // since the last commit: the next offset
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace casc::test
