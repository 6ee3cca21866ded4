#pragma once
// Who is to know when topics come, go or get more partitions.

#include <casc/types/vocabulary.hpp>

#include <vector>

namespace casc::broker {

class TopicObserver {
public:
    virtual ~TopicObserver() = default;
    virtual void on_topics_changed() = 0;
    virtual void on_topic_removed(TopicId topic) = 0;
};

// Thread: owning shard. Lifetime: observers outlive it.
class TopicObservers {
public:
    void add(TopicObserver& observer) { observers_.push_back(&observer); }
    void changed() const {
        for (TopicObserver* observer : observers_)
            observer->on_topics_changed();
    }
    void removed(TopicId topic) const {
        for (TopicObserver* observer : observers_)
            observer->on_topic_removed(topic);
    }

private:
    std::vector<TopicObserver*> observers_;
};

}  // namespace casc::broker
