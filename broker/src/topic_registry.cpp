#include "topic_registry.hpp"

#include "row_codec.hpp"

#include <casc/types/assert.hpp>

namespace casc::broker {
namespace {

using storage::StateTable;

// The row of the broker table that keeps numbers of removed topics from coming back.
constexpr std::string_view kNextTopicId = "next_topic_id";

RowWriter topic_key(TopicId id) {
    return RowWriter{}.put(id.value());
}

}  // namespace

void TopicRegistry::load() {
    std::uint32_t next = 1;
    store_.scan(StateTable::broker, [&](std::string_view key, std::string_view value) {
        if (key == kNextTopicId) next = RowReader(value).get<std::uint32_t>();
    });
    store_.scan(StateTable::topic, [&](std::string_view key, std::string_view value) {
        const TopicId id(RowReader(key).get<std::uint32_t>());
        const auto row = wire::decode<wire::fb::TopicRow>(std::as_bytes(std::span(value)));
        CASC_ASSERT(row && row->settings, "topic row", id.value());
        auto topic = std::make_unique<Topic>();
        topic->id = id;
        topic->name = row->name;
        topic->created = EpochNanos(row->created_ns);
        const auto settings = apply_settings(TopicSettings{}, *row->settings);
        CASC_ASSERT(settings, row->name);
        topic->settings = *settings;
        if (by_id_.size() <= id.value()) by_id_.resize(id.value() + 1);
        by_name_.emplace(topic->name, topic.get());
        by_id_[id.value()] = std::move(topic);
    });
    if (by_id_.size() < next) by_id_.resize(next);
}

Result<void> TopicRegistry::erase_orphans() {
    std::vector<LogId> orphans;
    store_.for_each_log(LogId(), LogId(~std::uint64_t{0}),
                        [&](LogId log, const storage::LogState&) {
                            if (find(log.topic()) == nullptr) orphans.push_back(log);
                        });
    for (const LogId log : orphans)
        CASC_TRY_VOID(store_.erase_log(log));
    return {};
}

Result<TopicRegistry::Created> TopicRegistry::create(std::string_view name,
                                                     const TopicSettings& settings, EpochNanos now,
                                                     std::size_t topics_max) {
    CASC_TRY_VOID(check_name("a topic name", name));
    if (find(name) != nullptr) return Error(ErrorCode::topic_exists, "'" + std::string(name) + "'");
    if (by_name_.size() >= topics_max)
        return Error(ErrorCode::overloaded, "topics.topics_max is " + std::to_string(topics_max));
    auto topic = std::make_unique<Topic>();
    topic->id = TopicId(static_cast<std::uint32_t>(by_id_.size()));
    topic->name = name;
    topic->created = now;
    topic->settings = settings;
    CASC_TRY_VOID(store_.put(StateTable::broker, kNextTopicId,
                             RowWriter{}.put(topic->id.value() + 1).view()));
    CASC_TRY(const JournalSequence sequence, write_row(*topic));
    by_name_.emplace(topic->name, topic.get());
    by_id_.push_back(std::move(topic));
    return Created{by_id_.back().get(), sequence};
}

Result<JournalSequence> TopicRegistry::alter(TopicId id, const TopicSettings& settings) {
    Topic& topic = *by_id_[id.value()];
    Topic changed = topic;
    changed.settings = settings;
    CASC_TRY(const JournalSequence sequence, write_row(changed));
    topic.settings = settings;
    return sequence;
}

Result<JournalSequence> TopicRegistry::remove(TopicId id) {
    CASC_TRY(JournalSequence sequence, store_.erase(StateTable::topic, topic_key(id).view()));
    std::vector<LogId> logs;
    broker::for_each_log(store_, id,
                         [&](LogId log, const storage::LogState&) { logs.push_back(log); });
    for (const LogId log : logs) {
        CASC_TRY(sequence, store_.erase_log(log));
    }
    by_name_.erase(by_id_[id.value()]->name);
    by_id_[id.value()].reset();
    return sequence;
}

const Topic* TopicRegistry::find(std::string_view name) const noexcept {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
}

void TopicRegistry::for_each(std::string_view prefix, std::string_view after,
                             const std::function<bool(const Topic&)>& visit) const {
    auto it = after.empty() ? by_name_.lower_bound(prefix)
                            : by_name_.upper_bound(std::max(prefix, after));
    for (; it != by_name_.end() && it->first.starts_with(prefix); ++it)
        if (!visit(*it->second)) return;
}

Result<JournalSequence> TopicRegistry::write_row(const Topic& topic) {
    wire::fb::TopicRowT row;
    row.name = topic.name;
    row.created_ns = topic.created.value();
    row.settings = std::make_unique<wire::fb::TopicSettingsT>(topic.settings.to_message());
    const auto bytes = encoder_.encode(row);
    return store_.put(StateTable::topic, topic_key(topic.id).view(), row_text(bytes));
}

}  // namespace casc::broker
