#pragma once
// The requests about topics.

#include "compaction.hpp"
#include "core.hpp"
#include "retention.hpp"

namespace casc::broker {

// Thread: owning shard.
class TopicApi {
public:
    TopicApi(Core& core, Retention& retention, Compaction& compaction)
        : core_(core), retention_(retention), compaction_(compaction) {}

    void on_create(const wire::fb::CreateTopicT& request, const Responder& responder);
    void on_delete(const wire::fb::DeleteTopicT& request, const Responder& responder);
    void on_alter(const wire::fb::AlterTopicT& request, const Responder& responder);
    void on_list(const wire::fb::ListTopicsT& request, const Responder& responder);
    void on_describe(const wire::fb::DescribeTopicT& request, const Responder& responder);
    void on_purge(const wire::fb::PurgeTopicT& request, const Responder& responder);
    void on_delete_event(const wire::fb::DeleteEventT& request, const Responder& responder);

private:
    [[nodiscard]] TopicSettings defaults() const;
    [[nodiscard]] std::unique_ptr<wire::fb::TopicSummaryT> summarise(const Topic& topic) const;
    // Creates a topic with default settings when the policy allows it.
    [[nodiscard]] Result<TopicRegistry::Created> find_or_auto_create(const std::string& name);

    Core& core_;
    Retention& retention_;
    Compaction& compaction_;
};

}  // namespace casc::broker
