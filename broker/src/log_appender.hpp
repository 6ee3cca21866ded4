#pragma once
// The one way in which events get into a log: a checked batch is appended, and what hangs on that
// is seen to: counters, retention, who reads what is visible at once.

#include "compaction.hpp"
#include "core.hpp"
#include "retention.hpp"

namespace casc::broker {

// The sequence of what is never stored.
inline constexpr JournalSequence kNeverDurable(~std::uint64_t{0});

// Thread: owning shard.
class LogAppender {
public:
    LogAppender(Core& core, Retention& retention, Compaction& compaction)
        : core_(core), retention_(retention), compaction_(compaction) {}

    // What a batch takes of the room that Store::keep_together() is asked for.
    [[nodiscard]] static std::size_t entry_bytes(std::size_t batch_bytes) noexcept {
        constexpr std::size_t record_bytes = 16;
        return batch_bytes + record_bytes;
    }
    // What must be in the journal ahead of an append; before keep_together(), which events of
    // volatile topics do not need. Fails with: storage errors.
    [[nodiscard]] Result<void> prepare(const Core::Place& place);
    // Fails with: storage errors, unless keep_together() has promised that it will not.
    [[nodiscard]] Result<storage::AppendTicket> append(const Core::Place& place,
                                                       std::span<const std::byte> batch);

private:
    void note_keys(const Core::Place& place, std::span<const std::byte> batch,
                   const storage::AppendTicket& ticket);
    void count(Lane of, std::span<const std::byte> batch);
    [[nodiscard]] storage::AppendTicket append_volatile(const Core::Place& place,
                                                        std::span<const std::byte> batch);

    Core& core_;
    Retention& retention_;
    Compaction& compaction_;
};

}  // namespace casc::broker
