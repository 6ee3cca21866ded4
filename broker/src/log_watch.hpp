#pragma once
// Who is to be told when a log has something new to read.

#include <casc/types/vocabulary.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <vector>

namespace casc::broker {

// Neither callback may add or remove watchers: it marks itself ready and acts later in the turn.
class LogWatcher {
public:
    virtual ~LogWatcher() = default;
    virtual void on_visible(LogId log, Offset visible_end) = 0;
    virtual void on_removed(LogId log) = 0;
};

// Of everything that becomes visible in some topics, whichever log it is in. As above: no topic is
// added or taken out meanwhile.
class TopicWatcher {
public:
    virtual ~TopicWatcher() = default;
    virtual void on_topic_visible(LogId log, Offset visible_end) = 0;
};

// Thread: owning shard. Costs nothing for logs that nobody watches.
class LogWatch {
public:
    void add(LogId log, LogWatcher& watcher) { watchers_[log].push_back(&watcher); }

    void remove(LogId log, LogWatcher& watcher) {
        const auto found = watchers_.find(log);
        if (found == watchers_.end()) return;
        auto& list = found->second;
        if (const auto at = std::find(list.begin(), list.end(), &watcher); at != list.end()) {
            *at = list.back();
            list.pop_back();
        }
        if (list.empty()) watchers_.erase(found);
    }

    // Once for each topic, for as many topics as it likes.
    void watch_topic(TopicId topic, TopicWatcher& watcher) { topics_[topic].push_back(&watcher); }
    void leave_topic(TopicId topic, TopicWatcher& watcher) {
        const auto found = topics_.find(topic);
        if (found == topics_.end()) return;
        std::erase(found->second, &watcher);
        if (found->second.empty()) topics_.erase(found);
    }

    void visible(LogId log, Offset visible_end) {
        if (!topics_.empty()) tell_of_topic(log, visible_end);
        const auto found = watchers_.find(log);
        if (found == watchers_.end()) return;
        for (LogWatcher* watcher : found->second)
            watcher->on_visible(log, visible_end);
    }

    void topic_removed(TopicId topic) {
        for (auto& [log, list] : watchers_)
            if (log.topic() == topic)
                for (LogWatcher* watcher : list)
                    watcher->on_removed(log);
    }

private:
    void tell_of_topic(LogId log, Offset visible_end) {
        const auto found = topics_.find(log.topic());
        if (found == topics_.end()) return;
        for (TopicWatcher* watcher : found->second)
            watcher->on_topic_visible(log, visible_end);
    }

    boost::unordered_flat_map<LogId, std::vector<LogWatcher*>, std::hash<LogId>> watchers_;
    boost::unordered_flat_map<TopicId, std::vector<TopicWatcher*>, std::hash<TopicId>> topics_;
};

}  // namespace casc::broker
