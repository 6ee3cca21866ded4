#include "group_lag.hpp"

#include "queue_text.hpp"

namespace casc::admin {

Result<fb::DescribeGroupReplyT> describe_group(Session& session, const std::string& name) {
    fb::DescribeGroupT request;
    request.group = name;
    return session.call(request);
}

std::uint64_t lag_of(const fb::GroupLagT& log) noexcept {
    // Events that are gone cannot be read any more, so they are not behind either.
    const std::uint64_t at = std::max(log.committed, log.start);
    return log.visible_end - std::min(at, log.visible_end);
}

std::uint64_t total_lag(const fb::DescribeGroupReplyT& group) noexcept {
    std::uint64_t sum = 0;
    for (const auto& log : group.lag)
        sum += lag_of(*log);
    return sum;
}

Result<fb::GroupSummaryT> find_group(Session& session, const std::string& name) {
    fb::ListGroupsT request;
    request.prefix = name;
    CASC_TRY(const auto reply, session.call(request));
    for (const auto& group : reply.groups)
        if (group->name == name) return *group;
    return Error(ErrorCode::unknown_group, "'" + name + "'");
}

bool is_queue(const fb::GroupSummaryT& group) noexcept {
    return group.kind == 1;
}

Result<std::uint64_t> lag_of_group(Session& session, const fb::GroupSummaryT& group) {
    if (is_queue(group)) {
        CASC_TRY(const auto queue, describe_queue(session, group.name));
        return total_backlog(queue);
    }
    CASC_TRY(const auto stream, describe_group(session, group.name));
    return total_lag(stream);
}

Listing lag_listing(const fb::DescribeGroupReplyT& group) {
    Listing listing{{{"topic", "TOPIC"},
                     {"partition", "PARTITION", Style::count},
                     {"lane", "LANE"},
                     {"committed", "COMMITTED", Style::count},
                     {"end", "END", Style::count},
                     {"lag", "LAG", Style::count},
                     {"committed_ns", "COMMITTED AT", Style::time_ns},
                     {"last_append_ns", "LAST APPEND", Style::time_ns},
                     {"member_id", "MEMBER"}},
                    {}};
    for (const auto& log : group.lag) {
        // Without a commit the broker counts from the start of the log.
        const json::value committed =
            log->committed_ns == 0 ? json::value(nullptr) : json::value(log->committed);
        listing.add({json::value(log->topic), log->partition,
                     json::value(to_string(static_cast<Lane>(log->lane & 3))), committed,
                     log->visible_end, lag_of(*log), log->committed_ns, log->last_append_ns,
                     json::value(log->member_id)});
    }
    return listing;
}

}  // namespace casc::admin
