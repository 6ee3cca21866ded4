#include "group_rows.hpp"

#include "row_codec.hpp"

namespace casc::broker {
namespace {

using storage::StateTable;

constexpr std::string_view kNextGroupId = "next_group_id";

}  // namespace

void GroupRows::load(
    const std::function<void(const std::string& name, const wire::fb::GroupRowT&)>& group) {
    store_.scan(StateTable::broker, [&](std::string_view key, std::string_view value) {
        if (key == kNextGroupId) next_id_ = RowReader(value).get<std::uint32_t>();
    });
    store_.scan(StateTable::group, [&](std::string_view key, std::string_view value) {
        const auto row = wire::decode<wire::fb::GroupRow>(std::as_bytes(std::span(value)));
        CASC_ASSERT(row, "group row", key);
        const std::string name(key);
        kinds_[name] = static_cast<GroupKind>(row->kind);
        group(name, *row);
    });
}

Result<void> GroupRows::check_kind(const std::string& name, GroupKind kind) const {
    const auto found = kinds_.find(name);
    if (found == kinds_.end() || found->second == kind) return {};
    return Error(ErrorCode::wrong_group_kind,
                 "'" + name + "' is a " + (found->second == GroupKind::queue ? "queue" : "stream") +
                     " group");
}

Result<std::uint32_t> GroupRows::create(const std::string& name, wire::fb::GroupRowT row,
                                        EpochNanos now) {
    const auto kind = static_cast<GroupKind>(row.kind);
    CASC_TRY_VOID(check_name("a group name", name));
    CASC_TRY_VOID(check_kind(name, kind));
    row.group_id = next_id_;
    row.created_ns = now.value();
    const auto bytes = encoder_.encode(row);
    constexpr std::size_t overhead_bytes = 256;
    CASC_TRY_VOID(store_.keep_together(0, bytes.size() + name.size() + overhead_bytes));
    CASC_TRY_VOID(
        store_.put(StateTable::broker, kNextGroupId, RowWriter{}.put(next_id_ + 1).view()));
    CASC_TRY_VOID(store_.put(StateTable::group, name, row_text(bytes)));
    kinds_[name] = kind;
    return next_id_++;
}

Result<JournalSequence> GroupRows::update(const std::string& name, const wire::fb::GroupRowT& row) {
    return store_.put(StateTable::group, name, row_text(encoder_.encode(row)));
}

Result<JournalSequence> GroupRows::erase(const std::string& name) {
    CASC_TRY(const JournalSequence sequence, store_.erase(StateTable::group, name));
    kinds_.erase(name);
    return sequence;
}

}  // namespace casc::broker
