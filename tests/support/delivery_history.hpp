#pragma once
// delivery_history.hpp: remembers what was sent and acknowledged and judges what was read.
//
// Every event carries (log, counter); counters rise by one per log. Checked: nothing acknowledged
// is missing, nothing is there twice, nothing is there that was never sent, order within a log is
// the order of sending. What was sent but never acknowledged may or may not be there. What lies
// before the first event that is left of a log has expired.

#include <casc/types/vocabulary.hpp>

#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <vector>

namespace casc::test {

struct SentEvent {
    std::uint32_t partition;
    std::uint32_t lane;
    std::uint64_t counter;
};

// Thread: any (acknowledgements come on the client's thread).
class DeliveryHistory {
public:
    // The payload of the next event of a log.
    std::vector<std::byte> next(std::uint32_t partition, std::uint32_t lane, std::size_t padding) {
        const std::lock_guard lock(mutex_);
        const SentEvent event{partition, lane, logs_[{partition, lane}].sent++};
        std::vector<std::byte> payload(sizeof event + padding, std::byte{0x5A});
        std::memcpy(payload.data(), &event, sizeof event);
        return payload;
    }

    void acknowledged(const SentEvent& event) {
        const std::lock_guard lock(mutex_);
        logs_[{event.partition, event.lane}].acknowledged.insert(event.counter);
        ++acknowledged_;
    }

    // `false` when the payload is not one of ours.
    bool received(std::uint32_t partition, std::uint32_t lane, std::span<const std::byte> payload) {
        const std::lock_guard lock(mutex_);
        SentEvent event;
        if (payload.size() < sizeof event) return false;
        std::memcpy(&event, payload.data(), sizeof event);
        if (event.partition != partition || event.lane != lane) return false;
        logs_[{partition, lane}].received.push_back(event.counter);
        return true;
    }

    static SentEvent parse(std::span<const std::byte> payload) {
        SentEvent event;
        std::memcpy(&event, payload.data(), sizeof event);
        return event;
    }

    // From now on the beginning of a log may be missing.
    void expect_retention() { retention_ = true; }

    [[nodiscard]] std::uint64_t acknowledged_count() const {
        const std::lock_guard lock(mutex_);
        return acknowledged_;
    }
    [[nodiscard]] std::uint64_t received_count() const {
        const std::lock_guard lock(mutex_);
        std::uint64_t sum = 0;
        for (const auto& [key, log] : logs_)
            sum += log.received.size();
        return sum;
    }
    // `visit` gets every SentEvent that was acknowledged.
    template <class Visit>
    void for_each_acknowledged(Visit&& visit) const {
        const std::lock_guard lock(mutex_);
        for (const auto& [key, log] : logs_)
            for (const std::uint64_t counter : log.acknowledged)
                visit(SentEvent{key.first, key.second, counter});
    }
    void forget_received() {
        const std::lock_guard lock(mutex_);
        for (auto& [key, log] : logs_)
            log.received.clear();
    }

    // One line per violation; empty when everything that was promised holds.
    [[nodiscard]] std::vector<std::string> violations() const {
        const std::lock_guard lock(mutex_);
        std::vector<std::string> found;
        for (const auto& entry : logs_) {
            const auto& key = entry.first;
            const auto& log = entry.second;
            const auto say = [&](const std::string& what, std::uint64_t counter) {
                std::ostringstream line;
                line << "partition " << key.first << " lane " << key.second << ": " << what << " "
                     << counter;
                if (found.size() < 20) found.push_back(line.str());
            };
            std::set<std::uint64_t> seen;
            std::uint64_t previous = 0;
            for (const std::uint64_t counter : log.received) {
                if (counter >= log.sent) say("never sent", counter);
                if (!seen.insert(counter).second) say("duplicate", counter);
                if (counter < previous) say("out of order", counter);
                previous = counter;
            }
            const std::uint64_t first_kept =
                log.received.empty() || !retention_ ? 0 : log.received.front();
            for (const std::uint64_t counter : log.acknowledged)
                if (counter >= first_kept && !seen.contains(counter))
                    say("acknowledged but lost", counter);
        }
        return found;
    }

private:
    struct Log {
        std::uint64_t sent = 0;
        std::set<std::uint64_t> acknowledged;
        std::vector<std::uint64_t> received;
    };
    mutable std::mutex mutex_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, Log> logs_;
    std::uint64_t acknowledged_ = 0;
    bool retention_ = false;
};

}  // namespace casc::test
