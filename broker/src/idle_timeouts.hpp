#pragma once
// When to look at a connection again to see whether it has fallen silent.
//
// A connection has one place in this queue, whatever it receives: when its time comes, it is either
// silent or goes back in with a later time. So ten thousand busy connections cost a few hundred
// looks a second, and nothing per frame.

#include <casc/types/clock.hpp>
#include <casc/types/vocabulary.hpp>

#include <optional>
#include <queue>
#include <vector>

namespace casc::broker {

// Thread: owning shard.
class IdleTimeouts {
public:
    void look_at(std::uint64_t connection, MonoNanos when) { queue_.push({when, connection}); }

    // A connection whose time has come; the caller looks at it and puts it back unless it is gone.
    [[nodiscard]] std::optional<std::uint64_t> next_due(MonoNanos now) {
        if (queue_.empty() || queue_.top().when > now) return std::nullopt;
        const std::uint64_t connection = queue_.top().connection;
        queue_.pop();
        return connection;
    }

private:
    struct Look {
        MonoNanos when;
        std::uint64_t connection;
        friend bool operator>(const Look& a, const Look& b) { return a.when > b.when; }
    };
    std::priority_queue<Look, std::vector<Look>, std::greater<>> queue_;
};

}  // namespace casc::broker
