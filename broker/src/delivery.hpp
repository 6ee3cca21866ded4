#pragma once
// All subscriptions, by connection, and the requests that change them.

#include "subscription.hpp"

#include <unordered_map>

namespace casc::broker {

// Thread: owning shard.
class Delivery final : public ReaderScheduler {
public:
    explicit Delivery(Core& core) : core_(core) {}

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

    void on_closed(Session& session) { by_session_.erase(session.number()); }
    void on_writable(Session& session);

    // Lets everything that was scheduled send. Returns whether there was anything.
    bool run();
    void schedule(LaneReader& reader) override;

    [[nodiscard]] std::size_t count() const noexcept;

private:
    using Subscriptions = std::unordered_map<std::uint32_t, std::unique_ptr<Subscription>>;

    [[nodiscard]] Subscription* find(const Session& session, std::uint32_t id);
    [[nodiscard]] Result<void> add_sources(
        Subscription& to, const std::vector<std::unique_ptr<wire::fb::FetchSourceT>>& sources);

    Core& core_;
    std::unordered_map<std::uint64_t, Subscriptions> by_session_;
    // Weak, because it may be gone when its turn comes.
    std::vector<std::weak_ptr<LaneReader*>> scheduled_, running_;
};

}  // namespace casc::broker
