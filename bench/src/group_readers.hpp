#pragma once
// Consumer groups that follow a topic while it is written to: each with one member, which gets
// everything, counts it, throws it away and commits.
//
// Thread:   one; members have threads and connections of their own.
// Lifetime: `target` must outlive it.

#include "target.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace casc::bench {

class GroupReaders {
public:
    // Returns when each has joined its group.
    GroupReaders(const Target& target, const std::vector<std::string>& topics, std::uint64_t count);
    ~GroupReaders();
    GroupReaders(const GroupReaders&) = delete;
    GroupReaders& operator=(const GroupReaders&) = delete;

    // Over all groups. Thread: any.
    [[nodiscard]] std::uint64_t events_read() const {
        return events_read_.load(std::memory_order_relaxed);
    }
    // Ends each when it has so many events, or has waited for one in vain for half a minute.
    // Returns how many they lack together; throws what went wrong in one of them.
    [[nodiscard]] std::uint64_t finish(std::uint64_t acknowledged);

private:
    GroupReaders() = default;
    struct Member;
    void follow(Member& member);

    // Written by who owns it (release), read by the members (acquire): what is enough for each.
    std::atomic<std::uint64_t> enough_{~std::uint64_t{0}};
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> events_read_{0};
    std::mutex mutex_;  // of trouble_
    std::string trouble_;
    std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace casc::bench
