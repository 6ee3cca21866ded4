#pragma once
// The names and numbers of all groups, of either kind, and the rows that remember them.

#include "topic.hpp"

#include <casc/storage/store.hpp>
#include <casc/wire/messages.hpp>

#include <map>
#include <string>

namespace casc::broker {

enum class GroupKind : std::uint8_t { stream = 0, queue = 1 };

// Thread: owning shard.
class GroupRows {
public:
    explicit GroupRows(storage::Store& store) : store_(store) {}

    // Calls `group` for every one there is; once, at start.
    void load(
        const std::function<void(const std::string& name, const wire::fb::GroupRowT&)>& group);

    // Gives it a number, and returns that. `row.kind` says which kind. Fails with: invalid_request
    // (its name), wrong_group_kind (there is one), storage errors.
    [[nodiscard]] Result<std::uint32_t> create(const std::string& name, wire::fb::GroupRowT row,
                                               EpochNanos now);
    // In place of the row that create() has made.
    [[nodiscard]] Result<JournalSequence> update(const std::string& name,
                                                 const wire::fb::GroupRowT& row);
    [[nodiscard]] Result<JournalSequence> erase(const std::string& name);

    // Fails with: wrong_group_kind, when there is one of that name that is of the other kind.
    [[nodiscard]] Result<void> check_kind(const std::string& name, GroupKind kind) const;

private:
    storage::Store& store_;
    wire::Encoder encoder_;
    std::map<std::string, GroupKind> kinds_;
    std::uint32_t next_id_ = 1;
};

}  // namespace casc::broker
