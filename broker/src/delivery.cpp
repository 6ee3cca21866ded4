#include "delivery.hpp"

#include <algorithm>
#include <utility>

namespace casc::broker {
namespace {

constexpr std::size_t kSubscriptionPatternsMax = 1000;
// However many readers have much to look through.
constexpr std::chrono::milliseconds kRunMax{10};

}  // namespace

Subscription* Delivery::find(const Session& session, std::uint32_t id) {
    const auto subscriptions = by_session_.find(session.number());
    if (subscriptions == by_session_.end()) return nullptr;
    const auto found = subscriptions->second.find(id);
    return found == subscriptions->second.end() ? nullptr : found->second.get();
}

Result<void> Delivery::add_sources(
    Subscription& to, const std::vector<std::unique_ptr<wire::fb::FetchSourceT>>& sources) {
    // All or nothing: every place is looked up before the first is added. Who follows topics by a
    // pattern may not know yet that one is gone.
    const auto gone = [&](const auto& source) {
        return to.has_patterns() && core_.topics.find(TopicId(source->topic_id)) == nullptr;
    };
    for (const auto& source : sources)
        if (const auto place = core_.place(source->topic_id, source->partition, source->lane);
            !place && !gone(source))
            return place.error();
    for (const auto& source : sources) {
        const auto place = core_.place(source->topic_id, source->partition, source->lane);
        if (place)
            to.move_source(*place->topic, place->log, Offset(source->offset));
        else
            to.tell_gone(TopicId(source->topic_id));
    }
    return {};
}

Result<SubscriptionSettings> Delivery::settings_of(const wire::fb::SubscribeT& request) {
    const auto invalid = [](std::string why) {
        return Error(ErrorCode::invalid_request, std::move(why));
    };
    if (request.order > static_cast<std::uint8_t>(DeliveryOrder::arrival))
        return invalid("order must be 0 (priority) or 1 (arrival)");
    if (request.start > 1) return invalid("start must be 0 (the oldest event) or 1 (from now on)");
    if (request.patterns.size() > kSubscriptionPatternsMax)
        return invalid("a subscription has at most " + std::to_string(kSubscriptionPatternsMax) +
                       " patterns");
    constexpr std::size_t deliver_bytes_max = 4_MiB;
    SubscriptionSettings settings;
    settings.order = static_cast<DeliveryOrder>(request.order);
    settings.deliver_bytes_max =
        std::clamp<std::size_t>(request.deliver_bytes_max == 0 ? 1_MiB : request.deliver_bytes_max,
                                1_KiB, deliver_bytes_max);
    settings.from_now_on = request.start == 1;
    for (const std::string& pattern : request.patterns) {
        CASC_TRY(settings.patterns.emplace_back(), SubjectPattern::parse(pattern));
    }
    if (!request.filter.empty()) {
        CASC_TRY(settings.filter.emplace(), Filter::parse(request.filter));
    }
    return settings;
}

void Delivery::on_subscribe(const wire::fb::SubscribeT& request, Session& session,
                            const Responder& responder) {
    if (find(session, request.subscription_id) != nullptr)
        return responder.error(ErrorCode::already_subscribed);
    auto settings = settings_of(request);
    if (!settings) return responder.error(settings.error());
    const bool filtered = settings->filter.has_value();
    auto subscription = std::make_unique<Subscription>(
        core_, session, *this, request.subscription_id, *std::move(settings));
    if (const auto added = add_sources(*subscription, request.sources); !added)
        return responder.error(added.error());
    Subscription& kept = *subscription;
    by_session_[session.number()].emplace(request.subscription_id, std::move(subscription));
    if (filtered) with_filter_.push_back(&kept);
    responder.reply(wire::fb::DoneT{});
    if (kept.has_patterns()) {
        with_patterns_.push_back(&kept);
        kept.follow_topics();
    }
    kept.grant(request.credit_bytes, request.credit_events);
}

void Delivery::on_update(const wire::fb::UpdateSubscriptionT& request, Session& session,
                         const Responder& responder) {
    Subscription* subscription = find(session, request.subscription_id);
    if (subscription == nullptr) return responder.error(ErrorCode::unknown_subscription);
    if (const auto added = add_sources(*subscription, request.add); !added)
        return responder.error(added.error());
    for (const auto& source : request.remove)
        subscription->end_source(LogId(TopicId(source->topic_id), PartitionId(source->partition),
                                       static_cast<Lane>(source->lane)));
    subscription->set_generation(request.generation);
    responder.reply(wire::fb::DoneT{});
}

void Delivery::on_unsubscribe(const wire::fb::UnsubscribeT& request, Session& session,
                              const Responder& responder) {
    Subscription* subscription = find(session, request.subscription_id);
    if (subscription == nullptr) return responder.error(ErrorCode::unknown_subscription);
    forget(*subscription);
    by_session_[session.number()].erase(request.subscription_id);
    responder.reply(wire::fb::DoneT{});
}

void Delivery::on_credit(const wire::fb::Credit& credit, const Session& session) {
    // Credit for a subscription that was just ended is no error: the two crossed on the way.
    if (Subscription* subscription = find(session, credit.subscription_id()))
        subscription->grant(credit.bytes(), credit.events());
}

void Delivery::forget(Subscription& subscription) {
    std::erase(with_patterns_, &subscription);
    std::erase(with_filter_, &subscription);
}

void Delivery::on_closed(Session& session) {
    const auto subscriptions = by_session_.find(session.number());
    if (subscriptions == by_session_.end()) return;
    for (auto& [id, subscription] : subscriptions->second)
        forget(*subscription);
    by_session_.erase(subscriptions);
}

void Delivery::on_topic_created(const Topic& topic) {
    for (Subscription* subscription : with_patterns_)
        subscription->on_topic_created(topic);
}

void Delivery::on_topic_removed(TopicId topic) {
    for (Subscription* subscription : with_patterns_)
        subscription->on_topic_removed(topic);
}

void Delivery::tick() {
    for (Subscription* subscription : with_filter_)
        if (subscription->is_silent()) subscription->tell_progress();
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
    const MonoNanos until = mono_now() + kRunMax;
    for (auto it = running_.begin(); it != running_.end(); ++it) {
        if (mono_now() >= until) {  // the others are the first of the next turn
            scheduled_.insert(scheduled_.begin(), it, running_.end());
            break;
        }
        const auto reader = it->lock();
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
