// What a subscription reads by patterns: topics that are there, and those that come.
//
// A log without events costs nothing but an entry for its topic: it becomes a source with its first
// event, which its topic's watcher is told of.

#include "subscription.hpp"

#include <algorithm>

namespace casc::broker {
namespace {

// A body holds this many names and their positions.
constexpr std::size_t kMatchedMax = 4096;
constexpr std::size_t kPositionsMax = 65'536;

}  // namespace

Subscription::~Subscription() {
    for (const auto& [topic, how] : followed_)
        core_.watch.leave_topic(topic, *this);
}

bool Subscription::matches(std::string_view name) const {
    return std::any_of(settings_.patterns.begin(), settings_.patterns.end(),
                       [&](const SubjectPattern& pattern) { return pattern.matches(name); });
}

Subscription::Positions Subscription::follow(const Topic& topic) {
    Positions positions;
    core_.watch.watch_topic(topic.id, *this);
    core_.logs.for_each(topic.id, [&](LogId log, const storage::LogState& state) {
        if (reads(log)) return;  // it was given, with a position
        const Offset from =
            settings_.from_now_on ? core_.visibility.visible_end(topic, log) : state.start;
        add_source(topic, log, from);
        positions.emplace_back(log, from);
    });
    return positions;
}

void Subscription::follow_topics() {
    std::vector<std::pair<TopicId, Positions>> told;
    std::size_t positions = 0;
    for (const SubjectPattern& pattern : settings_.patterns)
        core_.topics.for_each(pattern.prefix(), {}, [&](const Topic& topic) {
            if (!pattern.matches(topic.name)) return true;
            Followed& how = followed_[topic.id];
            if (std::exchange(how.watched, true)) return true;  // another pattern has, too
            Positions begins = follow(topic);
            if (begins.empty()) return true;
            how.told = true;
            positions += begins.size();
            told.emplace_back(topic.id, std::move(begins));
            if (told.size() < kMatchedMax && positions < kPositionsMax) return true;
            tell_matched(told);
            told.clear();
            positions = 0;
            return true;
        });
    if (!told.empty()) tell_matched(told);
}

void Subscription::on_topic_created(const Topic& topic) {
    if (!matches(topic.name)) return;
    followed_[topic.id].watched = true;
    core_.watch.watch_topic(topic.id, *this);
}

void Subscription::on_topic_removed(TopicId topic) {
    const auto found = followed_.find(topic);
    if (found == followed_.end()) return;
    core_.watch.leave_topic(topic, *this);
    boost::unordered::erase_if(left_out_, [&](LogId log) { return log.topic() == topic; });
    const bool told = found->second.told;
    followed_.erase(found);
    if (told) tell_gone(topic);
}

void Subscription::tell_gone(TopicId topic) {
    const std::pair<TopicId, Positions> gone{topic, {}};
    tell_matched({&gone, 1}, true);
}

void Subscription::on_topic_visible(LogId log, Offset) {
    if (reads(log) || left_out_.contains(log)) return;
    fresh_.push_back(log);
    schedule();
}

void Subscription::begin_turn() {
    scanned_bytes_ = 0;
    for (const LogId log : fresh_) {
        const auto followed = followed_.find(log.topic());
        const Topic* topic = core_.topics.find(log.topic());
        if (topic == nullptr || followed == followed_.end() || reads(log)) continue;
        if (!std::exchange(followed->second.told, true)) {
            const std::pair<TopicId, Positions> came{topic->id, {}};
            tell_matched({&came, 1});
        }
        const auto state = core_.logs.state(log);
        add_source(*topic, log, state ? state->start : Offset(0));
    }
    fresh_.clear();
}

void Subscription::tell_matched(std::span<const std::pair<TopicId, Positions>> topics, bool gone) {
    wire::fb::TopicsMatchedT message;
    message.subscription_id = id_;
    for (const auto& [id, positions] : topics) {
        auto matched = std::make_unique<wire::fb::MatchedTopicT>();
        matched->topic_id = id.value();
        matched->gone = gone;
        if (const Topic* topic = core_.topics.find(id)) matched->topic = topic->name;
        for (const auto& [log, offset] : positions) {
            auto position = std::make_unique<wire::fb::PartitionPositionT>();
            position->topic_id = id.value();
            position->partition = log.partition().value();
            position->lane = static_cast<std::uint8_t>(log.lane());
            position->offset = offset.value();
            matched->positions.push_back(std::move(position));
        }
        message.topics.push_back(std::move(matched));
    }
    session_.send(wire::FrameKind::push, wire::Api::topics_matched, 0,
                  core_.encoder.encode(message));
}

}  // namespace casc::broker
