#include "queue_text.hpp"

namespace casc::admin {

namespace {

std::string_view order_name(std::uint8_t order) {
    constexpr std::array<std::string_view, 3> kNames{"shared", "by key", "single active"};
    return order < kNames.size() ? kNames[order] : "unknown";
}

Listing members_of(const fb::DescribeQueueReplyT& group) {
    Listing listing{{{"member", "MEMBER", Style::count},
                     {"client_id", "CLIENT"},
                     {"address", "ADDRESS"},
                     {"in_flight_events", "IN FLIGHT", Style::count},
                     {"in_flight_bytes", "BYTES", Style::bytes},
                     {"prefetch_events", "PREFETCH", Style::count}},
                    {}};
    for (const auto& member : group.members)
        listing.add({member->member, json::value(member->client_id), json::value(member->address),
                     member->in_flight_events, member->in_flight_bytes, member->prefetch_events});
    return listing;
}

}  // namespace

Result<fb::DescribeQueueReplyT> describe_queue(Session& session, const std::string& name) {
    fb::DescribeQueueT request;
    request.group = name;
    return session.call(request);
}

std::uint64_t backlog_of(const fb::QueueLogT& log) noexcept {
    const std::uint64_t waiting = log.visible_end - std::min(log.next, log.visible_end);
    return waiting + log.leased + log.ready + log.delayed + log.given_up + log.blocked;
}

std::uint64_t total_backlog(const fb::DescribeQueueReplyT& group) noexcept {
    std::uint64_t sum = 0;
    for (const auto& log : group.logs)
        sum += backlog_of(*log);
    return sum;
}

Listing backlog_listing(const fb::DescribeQueueReplyT& group) {
    Listing listing{{{"topic", "TOPIC"},
                     {"partition", "PARTITION", Style::count},
                     {"lane", "LANE"},
                     {"floor", "SETTLED BELOW", Style::count},
                     {"end", "END", Style::count},
                     {"lag", "LAG", Style::count},
                     {"leased", "LEASED", Style::count},
                     {"ready", "AGAIN", Style::count},
                     {"delayed", "DELAYED", Style::count},
                     {"given_up", "GIVEN UP", Style::count},
                     {"blocked", "BEHIND KEY", Style::count}},
                    {}};
    for (const auto& log : group.logs)
        listing.add({json::value(log->topic), log->partition,
                     json::value(to_string(static_cast<Lane>(log->lane & 3))), log->floor,
                     log->visible_end, backlog_of(*log), log->leased, log->ready, log->delayed,
                     log->given_up, log->blocked});
    return listing;
}

Document queue_document(const std::string& name, const fb::DescribeQueueReplyT& group) {
    Document document;
    document.add("name", "NAME", json::value(name));
    document.add("kind", "KIND", json::value("queue"));
    json::array topics;
    for (const std::string& topic : group.topics)
        topics.push_back(json::value(topic));
    document.add("topics", "TOPICS", std::move(topics));
    document.add("lag", "LAG", total_backlog(group), Style::count);
    if (const auto& settings = group.settings) {
        document.add("order", "ORDER", json::value(order_name(settings->order.value_or(0))));
        document.add("lease_ms", "LEASE", settings->lease_ms.value_or(0), Style::duration_ms);
        document.add("deliveries_max", "DELIVERIES", settings->deliveries_max.value_or(0),
                     Style::count);
        document.add("retry_delay_ms", "RETRY DELAY", settings->retry_delay_ms.value_or(0),
                     Style::duration_ms);
        document.add("retry_delay_max_ms", "RETRY DELAY MAX",
                     settings->retry_delay_max_ms.value_or(0), Style::duration_ms);
        document.add("in_flight_events_max", "IN FLIGHT MAX",
                     settings->in_flight_events_max.value_or(0), Style::count);
        document.add("dead_letter_topic", "DEAD LETTERS", json::value(settings->dead_letter_topic));
    }
    document.sections.push_back({"members", "Members", members_of(group)});
    document.sections.push_back({"logs", "Logs", backlog_listing(group)});
    return document;
}

}  // namespace casc::admin
