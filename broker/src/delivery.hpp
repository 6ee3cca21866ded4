#pragma once
// All subscriptions, by connection, and the requests that change them.

#include "subscription.hpp"

#include <unordered_map>

namespace casc::broker {

// Thread: owning shard.
class Delivery final : public ReaderScheduler, public TopicObserver {
public:
    explicit Delivery(Core& core) : core_(core) { core.topic_observers.add(*this); }

    void on_subscribe(const wire::fb::SubscribeT& request, Session& session,
                      const Responder& responder);
    void on_update(const wire::fb::UpdateSubscriptionT& request, Session& session,
                   const Responder& responder);
    void on_unsubscribe(const wire::fb::UnsubscribeT& request, Session& session,
                        const Responder& responder);
    void on_credit(const wire::fb::Credit& credit, const Session& session);
    [[nodiscard]] bool has(const Session& session, std::uint32_t id) {
        return find(session, id) != nullptr;
    }

    void on_closed(Session& session);
    void on_writable(Session& session);
    void on_topic_created(const Topic& topic) override;
    void on_topics_changed() override {}
    void on_topic_removed(TopicId topic) override;
    // Tells readers how far they are whose filters have let nothing through for a while.
    void tick();

    // Lets everything that was scheduled send. Returns whether there was anything.
    bool run();
    void schedule(LaneReader& reader) override;

    [[nodiscard]] std::size_t count() const noexcept;

private:
    using Subscriptions = std::unordered_map<std::uint32_t, std::unique_ptr<Subscription>>;

    [[nodiscard]] Subscription* find(const Session& session, std::uint32_t id);
    void forget(Subscription& subscription);
    [[nodiscard]] static Result<SubscriptionSettings> settings_of(
        const wire::fb::SubscribeT& request);
    [[nodiscard]] Result<void> add_sources(
        Subscription& to, const std::vector<std::unique_ptr<wire::fb::FetchSourceT>>& sources);

    Core& core_;
    std::unordered_map<std::uint64_t, Subscriptions> by_session_;
    std::vector<Subscription*> with_patterns_, with_filter_;
    // Weak, because it may be gone when its turn comes.
    std::vector<std::weak_ptr<LaneReader*>> scheduled_, running_;
};

}  // namespace casc::broker
