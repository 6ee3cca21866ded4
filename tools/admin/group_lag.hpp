#pragma once
// tools/admin/group_lag.hpp: how far a group is behind; for group info, group lag, check lag and
// top. Thread: any (free functions).

#include "listing.hpp"
#include "session.hpp"

namespace casc::admin {

[[nodiscard]] Result<fb::DescribeGroupReplyT> describe_group(Session& session,
                                                             const std::string& name);

[[nodiscard]] std::uint64_t lag_of(const fb::GroupLagT& log) noexcept;
[[nodiscard]] std::uint64_t total_lag(const fb::DescribeGroupReplyT& group) noexcept;
// Of either kind. Fails with: unknown_group.
[[nodiscard]] Result<fb::GroupSummaryT> find_group(Session& session, const std::string& name);
[[nodiscard]] bool is_queue(const fb::GroupSummaryT& group) noexcept;
[[nodiscard]] Result<std::uint64_t> lag_of_group(Session& session, const fb::GroupSummaryT& group);
[[nodiscard]] Listing lag_listing(const fb::DescribeGroupReplyT& group);

}  // namespace casc::admin
