#pragma once
// The one way in which events get into a log: a checked batch is appended, and what hangs on that
// is seen to: counters, retention, who reads what is visible at once.

#include "core.hpp"
#include "retention.hpp"

namespace casc::broker {

// Thread: owning shard.
class LogAppender {
public:
    LogAppender(Core& core, Retention& retention) : core_(core), retention_(retention) {}

    // What a batch takes of the room that Store::keep_together() is asked for.
    [[nodiscard]] static std::size_t entry_bytes(std::size_t batch_bytes) noexcept {
        constexpr std::size_t record_bytes = 16;
        return batch_bytes + record_bytes;
    }
    // What must be in the journal ahead of an append; before keep_together(). Fails with: storage
    // errors.
    [[nodiscard]] Result<void> prepare(const Core::Place& place);
    // Fails with: storage errors, unless keep_together() has promised that it will not.
    [[nodiscard]] Result<storage::AppendTicket> append(const Core::Place& place,
                                                       std::span<const std::byte> batch);

private:
    Core& core_;
    Retention& retention_;
};

}  // namespace casc::broker
