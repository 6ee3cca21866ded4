#include "delivery.hpp"

#include <algorithm>
#include <utility>

namespace casc::broker {

Subscription* Delivery::find(const Session& session, std::uint32_t id) {
    const auto subscriptions = by_session_.find(session.number());
    if (subscriptions == by_session_.end()) return nullptr;
    const auto found = subscriptions->second.find(id);
    return found == subscriptions->second.end() ? nullptr : found->second.get();
}

Result<void> Delivery::add_sources(
    Subscription& to, const std::vector<std::unique_ptr<wire::fb::FetchSourceT>>& sources) {
    // All or nothing: every place is looked up before the first is added.
    for (const auto& source : sources)
        CASC_TRY_VOID([&]() -> Result<void> {
            CASC_TRY([[maybe_unused]] const auto place,
                     core_.place(source->topic_id, source->partition, source->lane));
            return {};
        }());
    for (const auto& source : sources) {
        const auto place = core_.place(source->topic_id, source->partition, source->lane);
        to.add_source(*place->topic, place->log, Offset(source->offset));
    }
    return {};
}

void Delivery::on_subscribe(const wire::fb::SubscribeT& request, Session& session,
                            const Responder& responder) {
    if (find(session, request.subscription_id) != nullptr)
        return responder.error(ErrorCode::already_subscribed);
    if (request.order > static_cast<std::uint8_t>(DeliveryOrder::arrival))
        return responder.error(
            Error(ErrorCode::invalid_request, "order must be 0 (priority) or 1 (arrival)"));
    constexpr std::size_t deliver_bytes_max = 4_MiB;
    const std::size_t deliver_bytes =
        std::clamp<std::size_t>(request.deliver_bytes_max == 0 ? 1_MiB : request.deliver_bytes_max,
                                1_KiB, deliver_bytes_max);
    auto subscription =
        std::make_unique<Subscription>(core_, session, *this, request.subscription_id,
                                       static_cast<DeliveryOrder>(request.order), deliver_bytes);
    if (const auto added = add_sources(*subscription, request.sources); !added)
        return responder.error(added.error());
    Subscription& kept = *subscription;
    by_session_[session.number()].emplace(request.subscription_id, std::move(subscription));
    responder.reply(wire::fb::DoneT{});
    kept.grant(request.credit_bytes, request.credit_events);
}

void Delivery::on_update(const wire::fb::UpdateSubscriptionT& request, Session& session,
                         const Responder& responder) {
    Subscription* subscription = find(session, request.subscription_id);
    if (subscription == nullptr) return responder.error(ErrorCode::unknown_subscription);
    if (const auto added = add_sources(*subscription, request.add); !added)
        return responder.error(added.error());
    for (const auto& source : request.remove)
        subscription->remove_source(LogId(TopicId(source->topic_id), PartitionId(source->partition),
                                          static_cast<Lane>(source->lane)));
    subscription->set_generation(request.generation);
    responder.reply(wire::fb::DoneT{});
}

void Delivery::on_unsubscribe(const wire::fb::UnsubscribeT& request, Session& session,
                              const Responder& responder) {
    const auto subscriptions = by_session_.find(session.number());
    if (subscriptions == by_session_.end() ||
        subscriptions->second.erase(request.subscription_id) == 0)
        return responder.error(ErrorCode::unknown_subscription);
    responder.reply(wire::fb::DoneT{});
}

void Delivery::on_credit(const wire::fb::Credit& credit, const Session& session) {
    // Credit for a subscription that was just ended is no error: the two crossed on the way.
    if (Subscription* subscription = find(session, credit.subscription_id()))
        subscription->grant(credit.bytes(), credit.events());
}

void Delivery::on_writable(Session& session) {
    const auto subscriptions = by_session_.find(session.number());
    if (subscriptions == by_session_.end()) return;
    for (auto& [id, subscription] : subscriptions->second)
        schedule(*subscription);
}

void Delivery::schedule(LaneReader& reader) {
    if (std::exchange(reader.scheduled, true)) return;
    scheduled_.push_back(reader.handle());
}

bool Delivery::run() {
    if (scheduled_.empty()) return false;
    running_.swap(scheduled_);
    for (const auto& handle : running_) {
        const auto reader = handle.lock();
        if (!reader || *reader == nullptr) continue;
        (*reader)->scheduled = false;
        (*reader)->run();
    }
    running_.clear();
    return true;
}

std::size_t Delivery::count() const noexcept {
    std::size_t sum = 0;
    for (const auto& [session, subscriptions] : by_session_)
        sum += subscriptions.size();
    return sum;
}

}  // namespace casc::broker
