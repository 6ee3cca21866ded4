#pragma once
// Topics whose events go as soon as every group has done with them.

#include "topic.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <vector>

namespace casc::broker {

// Which there are, and where a group has moved on since they were last looked at.
// Thread: owning shard.
class ConsumedTopics {
public:
    void put(const Topic& topic) {
        if (topic.settings.delete_consumed) {
            all_.insert(topic.id);
            touched_.insert(topic.id);
        } else {
            forget(topic.id);
        }
    }
    void forget(TopicId topic) {
        all_.erase(topic);
        touched_.erase(topic);
    }
    // Cheap: there are mostly none.
    void touch(TopicId topic) {
        if (!all_.empty() && all_.contains(topic)) touched_.insert(topic);
    }
    // To be looked at now: those that were touched, and, since groups also go, some of the others
    // in turn.
    [[nodiscard]] std::vector<TopicId> take(std::size_t max) {
        std::vector<TopicId> taken;
        while (!touched_.empty() && taken.size() < max) {
            taken.push_back(*touched_.begin());
            touched_.erase(touched_.begin());
        }
        if (round_.empty()) round_.assign(all_.begin(), all_.end());
        while (!round_.empty() && taken.size() < max) {
            if (all_.contains(round_.back())) taken.push_back(round_.back());
            round_.pop_back();
        }
        return taken;
    }

private:
    using Topics = boost::unordered_flat_set<TopicId, std::hash<TopicId>>;
    Topics all_;
    Topics touched_;
    std::vector<TopicId> round_;
};

// What a group has done with of each log of a topic; nothing: it has not begun.
using DoneWith = std::function<std::optional<Offset>(LogId)>;

}  // namespace casc::broker
