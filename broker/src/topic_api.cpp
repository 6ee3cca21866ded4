#include "topic_api.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

constexpr std::uint32_t kListMax = 10'000;
constexpr std::size_t kDescribedLogsMax = 100'000;  // at about 64 bytes each they fit a body

}  // namespace

TopicSettings TopicApi::defaults() const {
    const auto& from = core_.config.topics;
    TopicSettings settings;
    settings.partitions = from.partitions;
    settings.durability = from.durability;
    settings.retention_ms = from.retention_ms;
    settings.retention_bytes = from.retention_bytes;
    settings.retention_events = from.retention_events;
    settings.event_bytes_max = core_.config.limits.event_bytes;
    return settings;
}

void TopicApi::on_create(const wire::fb::CreateTopicT& request, const Responder& responder) {
    const auto settings = apply_settings(
        defaults(), request.settings ? *request.settings : wire::fb::TopicSettingsT{});
    if (!settings) return responder.error(settings.error());
    if (request.validate_only) {
        if (const auto name = check_name("a topic name", request.name); !name)
            return responder.error(name.error());
        if (core_.topics.find(request.name) != nullptr)
            return responder.error(ErrorCode::topic_exists);
        return responder.reply(wire::fb::CreateTopicReplyT{});
    }
    const auto created =
        core_.topics.create(request.name, *settings, core_.now(), core_.config.topics.topics_max);
    if (!created) return responder.error(created.error());
    wire::fb::CreateTopicReplyT reply;
    reply.topic_id = created->topic->id.value();
    responder.reply_when_durable(created->sequence, reply);
    core_.consumed.put(*created->topic);
    core_.topic_observers.created(*created->topic);
}

void TopicApi::on_delete(const wire::fb::DeleteTopicT& request, const Responder& responder) {
    const auto topic = core_.topic(request.name);
    if (!topic) return responder.error(topic.error());
    const TopicId id = (*topic)->id;
    const auto sequence = core_.topics.remove(id);
    if (!sequence) return responder.error(sequence.error());
    core_.producers.forget_topic(id);
    core_.visibility.forget_topic(id);
    core_.volatile_logs.forget_topic(id);
    core_.keys.forget_topic(id);
    core_.consumed.forget(id);
    core_.deleted.forget_topic(id);
    compaction_.forget_topic(id);
    core_.watch.topic_removed(id);
    core_.topic_observers.removed(id);
    core_.store.post_reclaim();
    responder.reply_when_durable(*sequence, wire::fb::DoneT{});
}

void TopicApi::on_alter(const wire::fb::AlterTopicT& request, const Responder& responder) {
    const auto topic = core_.topic(request.name);
    if (!topic) return responder.error(topic.error());
    const Topic& old = **topic;
    const auto settings = apply_settings(
        old.settings, request.settings ? *request.settings : wire::fb::TopicSettingsT{});
    if (!settings) return responder.error(settings.error());
    if (settings->partitions < old.settings.partitions)
        return responder.error(
            Error(ErrorCode::invalid_config, "partitions cannot be taken away: there are " +
                                                 std::to_string(old.settings.partitions)));
    if (settings->durability != old.settings.durability)
        return responder.error(
            Error(ErrorCode::invalid_config, "durability is fixed when a topic is created"));
    if (settings->cleanup != old.settings.cleanup)
        return responder.error(
            Error(ErrorCode::invalid_config, "cleanup is fixed when a topic is created"));
    if (old.is_compacted() && settings->partitions != old.settings.partitions)
        return responder.error(Error(ErrorCode::invalid_config,
                                     "a compacted topic keeps its partitions: with another number "
                                     "its keys would belong elsewhere"));
    if (request.validate_only) return responder.reply(wire::fb::DoneT{});
    const bool more_partitions = settings->partitions > old.settings.partitions;
    const bool lanes_changed = settings->paused_lanes != old.settings.paused_lanes;
    const auto sequence = core_.topics.alter(old.id, *settings);
    if (!sequence) return responder.error(sequence.error());
    responder.reply_when_durable(*sequence, wire::fb::DoneT{});
    core_.consumed.put(old);
    core_.logs.for_each(
        old.id, [&](LogId log, const storage::LogState&) { retention_.on_bounds_changed(log); });
    if (more_partitions) core_.topic_observers.changed();
    if (!lanes_changed) return;
    core_.logs.for_each(old.id, [&](LogId log, const storage::LogState&) {
        core_.watch.visible(log, core_.visibility.visible_end(old, log));
    });
}

std::unique_ptr<wire::fb::TopicSummaryT> TopicApi::summarise(const Topic& topic) const {
    auto summary = std::make_unique<wire::fb::TopicSummaryT>();
    summary->topic_id = topic.id.value();
    summary->name = topic.name;
    summary->created_ns = topic.created.value();
    summary->settings = std::make_unique<wire::fb::TopicSettingsT>(topic.settings.to_message());
    core_.logs.for_each(topic.id, [&](LogId, const storage::LogState& state) {
        summary->bytes += state.bytes;
        summary->events += (state.end - state.start).value();
    });
    if (topic.is_compacted()) summary->keys = core_.keys.keys(topic.id);
    return summary;
}

void TopicApi::on_list(const wire::fb::ListTopicsT& request, const Responder& responder) {
    const std::uint32_t limit = request.limit == 0 ? kListMax : std::min(request.limit, kListMax);
    wire::fb::ListTopicsReplyT reply;
    core_.topics.for_each(request.prefix, request.after, [&](const Topic& topic) {
        if (reply.topics.size() == limit) {
            reply.more = true;
            return false;
        }
        reply.topics.push_back(summarise(topic));
        return true;
    });
    responder.reply(reply);
}

Result<TopicRegistry::Created> TopicApi::find_or_auto_create(const std::string& name) {
    if (const Topic* topic = core_.topics.find(name))
        return TopicRegistry::Created{topic, JournalSequence()};
    if (!core_.config.topics.auto_create) return Error(ErrorCode::unknown_topic, "'" + name + "'");
    CASC_TRY(const TopicRegistry::Created created,
             core_.topics.create(name, defaults(), core_.now(), core_.config.topics.topics_max));
    core_.topic_observers.created(*created.topic);
    return created;
}

void TopicApi::on_describe(const wire::fb::DescribeTopicT& request, const Responder& responder) {
    const auto found = find_or_auto_create(request.name);
    if (!found) return responder.error(found.error());
    const Topic& topic = *found->topic;
    wire::fb::DescribeTopicReplyT reply;
    reply.topic = summarise(topic);
    core_.logs.for_each(topic.id, [&](LogId log, const storage::LogState& state) {
        if (reply.logs.size() == kDescribedLogsMax) return;
        auto info = std::make_unique<wire::fb::LogInfoT>();
        info->partition = log.partition().value();
        info->lane = static_cast<std::uint8_t>(log.lane());
        info->start = state.start.value();
        info->visible_end = core_.visibility.visible_end(topic, log).value();
        info->bytes = state.bytes;
        info->last_append_ns = state.last_append.value();
        info->epoch = state.epoch;
        info->complete_from = core_.keys.log_keys(log).complete_from.value();
        reply.logs.push_back(std::move(info));
    });
    // A number that a client has been told must not come to mean another topic after a crash.
    responder.reply_when_durable(found->sequence, std::move(reply));
}

void TopicApi::on_purge(const wire::fb::PurgeTopicT& request, const Responder& responder) {
    const auto topic = core_.topic(request.name);
    if (!topic) return responder.error(topic.error());
    std::vector<std::pair<LogId, Offset>> trims;
    if (request.positions.empty())
        core_.logs.for_each((*topic)->id, [&](LogId log, const storage::LogState&) {
            trims.emplace_back(log, core_.visibility.visible_end(**topic, log));
        });
    for (const auto& position : request.positions) {
        const auto place = core_.place((*topic)->id.value(), position->partition, position->lane);
        if (!place) return responder.error(place.error());
        const auto state = core_.logs.state(place->log);
        if (!state || Offset(position->before) > core_.visibility.visible_end(**topic, place->log))
            return responder.error(
                Error(ErrorCode::offset_out_of_range, std::to_string(position->before)));
        trims.emplace_back(place->log, Offset(position->before));
    }
    JournalSequence sequence;
    for (const auto& [log, before] : trims) {
        const auto trimmed = core_.logs.trim(log, before);
        if (!trimmed) return responder.error(trimmed.error());
        sequence = *trimmed;
        core_.deleted.on_trimmed(log);
        if ((*topic)->is_compacted()) core_.keys.on_trimmed(log);
    }
    core_.store.post_reclaim();
    responder.reply_when_durable(sequence, wire::fb::DoneT{});
}

void TopicApi::on_delete_event(const wire::fb::DeleteEventT& request, const Responder& responder) {
    const auto topic = core_.topic(request.topic);
    if (!topic) return responder.error(topic.error());
    const auto place = core_.place((*topic)->id.value(), request.partition, request.lane);
    if (!place) return responder.error(place.error());
    if ((*topic)->is_volatile())
        return responder.error(
            Error(ErrorCode::not_supported, "nothing of the volatile topic " + request.topic +
                                                " is stored: its events go by themselves"));
    const Offset offset(request.offset);
    if (offset >= core_.visibility.visible_end(**topic, place->log))
        return responder.error(
            Error(ErrorCode::offset_out_of_range, std::to_string(request.offset)));
    if (offset < core_.logs.state(place->log)->start) return responder.reply(wire::fb::DoneT{});
    const auto sequence = core_.deleted.add(place->log, offset);
    if (!sequence) return responder.error(sequence.error());
    responder.reply_when_durable(*sequence, wire::fb::DoneT{});
}

}  // namespace casc::broker
