#pragma once
// client/src/key_watch.hpp: what KeyWatch does: first, when it is asked for, what the log has up to
// where it ends now, read by Fetch; then what comes, read by a consumer from exactly there.

#include "core.hpp"

#include <casc/client/key_value.hpp>
#include <casc/wire/batch.hpp>

#include <deque>

namespace casc::client {

[[nodiscard]] KeyValueEntry entry_of(const wire::EventView& event, PartitionId partition);

// Thread: one at a time.
class WatchImpl {
public:
    WatchImpl(std::shared_ptr<Core> core, std::string topic, TopicId id, WatchOptions options,
              Consumer consumer)
        : core_(std::move(core)),
          topic_(std::move(topic)),
          id_(id),
          options_(std::move(options)),
          consumer_(std::move(consumer)) {}

    // Finds out where to begin. Fails with: unknown_topic, not_compacted, revision_compacted,
    // invalid_request, and as a call does.
    [[nodiscard]] Result<void> begin();
    [[nodiscard]] Result<std::optional<KeyChange>> next(milliseconds timeout);
    [[nodiscard]] std::vector<Place> positions() const;

private:
    // Of one partition.
    struct Part {
        PartitionId partition;
        Offset next;   // behind what was told
        Offset until;  // of the current values
        bool is_read = false;
    };

    [[nodiscard]] Result<void> place(Part& part, const wire::fb::DescribeTopicReplyT& topic) const;
    [[nodiscard]] bool wants(std::string_view key) const;
    [[nodiscard]] Result<void> read_current();
    [[nodiscard]] Result<void> read_part(Part& part);
    [[nodiscard]] Result<void> go_live();
    [[nodiscard]] Result<void> take(milliseconds timeout);

    std::shared_ptr<Core> core_;
    const std::string topic_;
    const TopicId id_;
    const WatchOptions options_;
    Consumer consumer_;
    std::vector<Part> parts_;
    // Read and not told; with the position behind each.
    struct Waiting {
        KeyChange change;
        std::size_t part;
        Offset next;
    };
    std::deque<Waiting> waiting_;
    bool is_live_ = false;
};

}  // namespace casc::client
