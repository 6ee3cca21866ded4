#pragma once
// tools/admin/queue_text.hpp: a queue group in words and numbers; for group info, group lag, check
// lag, top and dlq. Thread: any (free functions).

#include "listing.hpp"
#include "session.hpp"

namespace casc::admin {

// Fails with: wrong_group_kind (it is a stream group), unknown_group.
[[nodiscard]] Result<fb::DescribeQueueReplyT> describe_queue(Session& session,
                                                             const std::string& name);

// Events of the log that are not settled.
[[nodiscard]] std::uint64_t backlog_of(const fb::QueueLogT& log) noexcept;
[[nodiscard]] std::uint64_t total_backlog(const fb::DescribeQueueReplyT& group) noexcept;
// By log: what is left, and what becomes of it.
[[nodiscard]] Listing backlog_listing(const fb::DescribeQueueReplyT& group);
[[nodiscard]] Document queue_document(const std::string& name,
                                      const fb::DescribeQueueReplyT& group);

}  // namespace casc::admin
