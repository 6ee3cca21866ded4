#include "top_sample.hpp"

#include <casc/types/clock.hpp>

#include <algorithm>

namespace casc::admin {

Result<TopSample> take_sample(Session& session) {
    TopSample sample;
    CASC_TRY(const auto info, session.call(fb::NodeInfoT{}));
    sample.at = mono_now();
    sample.broker_id = info.broker_id;
    sample.uptime_ms = info.uptime_ms;
    for (const auto& figure : info.figures)
        sample.figures[figure->name] = figure->value;
    fb::ListTopicsT request;
    for (bool more = true; more;) {
        CASC_TRY(const auto reply, session.call(request));
        for (const auto& topic : reply.topics)
            sample.topics[topic->name] = {topic->events, topic->bytes};
        more = reply.more && !reply.topics.empty();
        if (more) request.after = reply.topics.back()->name;
    }
    CASC_TRY(const auto groups, session.call(fb::ListGroupsT{}));
    for (const auto& group : groups.groups) {
        const auto lag = lag_of_group(session, *group);
        // It may have gone since it was listed.
        if (!lag && lag.error().code == ErrorCode::unknown_group) continue;
        if (!lag) return lag.error();
        sample.lag[group->name] = *lag;
    }
    return sample;
}

TopView::TopView(TopSample sample, const TopSample* before) : now(std::move(sample)) {
    // A broker that was restarted in between has counted from 0 again.
    const bool same_run = before != nullptr && before->uptime_ms <= now.uptime_ms;
    if (same_run) seconds = static_cast<double>((now.at - before->at).value()) / 1e9;
    const auto per_second = [&](double difference) {
        return seconds > 0 ? difference / seconds : 0;
    };

    if (same_run)
        for (const auto& [name, value] : now.figures)
            if (const auto old = before->figures.find(name); old != before->figures.end())
                rates_[name] = per_second(value - old->second);
    for (const auto& [name, topic] : now.topics) {
        double grown = 0;
        if (same_run)
            if (const auto old = before->topics.find(name); old != before->topics.end())
                grown = static_cast<double>(topic.events) - static_cast<double>(old->second.events);
        topics.push_back({name, topic.events, topic.bytes, per_second(grown)});
    }
    std::stable_sort(topics.begin(), topics.end(), [](const TopicRow& a, const TopicRow& b) {
        return std::pair(a.events_per_second, a.events) > std::pair(b.events_per_second, b.events);
    });
    for (const auto& [name, lag] : now.lag) {
        double grown = 0;
        if (same_run)
            if (const auto old = before->lag.find(name); old != before->lag.end())
                grown = static_cast<double>(lag) - static_cast<double>(old->second);
        groups.push_back({name, lag, per_second(grown)});
    }
    std::stable_sort(groups.begin(), groups.end(),
                     [](const GroupRow& a, const GroupRow& b) { return a.lag > b.lag; });
}

double TopView::figure(std::string_view name) const {
    const auto found = now.figures.find(name);
    return found == now.figures.end() ? 0 : found->second;
}

double TopView::rate(std::string_view counter) const {
    const auto found = rates_.find(counter);
    return found == rates_.end() ? 0 : found->second;
}

}  // namespace casc::admin
