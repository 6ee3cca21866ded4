#pragma once
// Who is to know when topics come, go or get more partitions.

#include <casc/types/vocabulary.hpp>

#include <vector>

namespace casc::broker {

struct Topic;

class TopicObserver {
public:
    virtual ~TopicObserver() = default;
    // Nothing of it has been read or written yet.
    virtual void on_topic_created(const Topic&) {}
    // A topic has more partitions.
    virtual void on_topics_changed() = 0;
    virtual void on_topic_removed(TopicId topic) = 0;
};

// Thread: owning shard. Lifetime: observers outlive it.
class TopicObservers {
public:
    void add(TopicObserver& observer) { observers_.push_back(&observer); }
    void created(const Topic& topic) const {
        for (TopicObserver* observer : observers_)
            observer->on_topic_created(topic);
    }
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
