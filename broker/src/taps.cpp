#include "taps.hpp"

#include "stored_batch.hpp"

#include <casc/broker/logging.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

constexpr std::size_t kTopicsMax = 1000;
constexpr std::uint64_t kEventsDefault = 100'000;
constexpr std::uint64_t kBytesDefault = 8_MiB;
constexpr std::uint64_t kEventsMax = std::uint64_t{1} << 31;
constexpr std::size_t kNameBytesMax = 249;
constexpr std::size_t kTapReadBytes = 8_MiB;

enum class TapStart : std::uint8_t { now = 0, last_events = 1, last_per_key = 2 };

Result<void> check(const wire::fb::TapT& request, std::uint64_t bytes_max) {
    const auto invalid = [](std::string why) {
        return Error(ErrorCode::invalid_request, std::move(why));
    };
    if (request.topics.empty()) return invalid("no topics");
    if (request.topics.size() > kTopicsMax)
        return invalid("a tap has at most " + std::to_string(kTopicsMax) + " topics");
    if (request.order > 1) return invalid("order must be 0 (priority) or 1 (arrival)");
    if (request.start > 2)
        return invalid("start must be 0 (now), 1 (last events) or 2 (last per key)");
    if (request.on_full > 3)
        return invalid(
            "on_full must be 0 (drop oldest), 1 (drop newest), 2 (conflate) or 3 (block)");
    if (request.bytes_max > bytes_max || request.events_max > kEventsMax)
        return invalid(
            "events_max must be at most 2^31, bytes_max at most volatile.memory_bytes, " +
            std::to_string(bytes_max));
    if (request.start == 1 && request.last_events == 0)
        return invalid("last_events must be at least 1 when start is 1");
    for (const std::string* name : {&request.share, &request.peer})
        if (name->size() > kNameBytesMax) return invalid("share and peer have at most 249 bytes");
    return {};
}

}  // namespace

// ---- requests -----------------------------------------------------------------------------------

Result<TapSettings> Taps::settings_of(const wire::fb::TapT& request) const {
    const std::uint64_t bytes_max = core_.config.volatile_topics.memory_bytes;
    CASC_TRY_VOID(check(request, bytes_max));
    TapSettings settings;
    for (const std::string& name : request.topics) {
        if (has_wildcard(name)) {
            CASC_TRY(settings.patterns.emplace_back(), SubjectPattern::parse(name));
            continue;
        }
        CASC_TRY(const Topic* topic, core_.topic(name));
        if (std::find(settings.topics.begin(), settings.topics.end(), topic->id) !=
            settings.topics.end())
            return Error(ErrorCode::invalid_request, "topic '" + name + "' is named twice");
        if (request.start != 0 && !topic->is_volatile())
            return Error(ErrorCode::not_supported,
                         "a tap of a stored topic ('" + name +
                             "') begins with what comes from now on; what is there already is read "
                             "with Subscribe");
        settings.topics.push_back(topic->id);
    }
    settings.by_priority = request.order == 0;
    settings.marks = {
        static_cast<OnFull>(request.on_full),
        request.events_max == 0 ? kEventsDefault : request.events_max,
        request.bytes_max == 0 ? std::min(kBytesDefault, bytes_max) : request.bytes_max};
    if (!request.filter.empty()) {
        CASC_TRY(settings.filter.emplace(), Filter::parse(request.filter));
    }
    settings.share = request.share;
    settings.peer = request.peer;
    return settings;
}

Result<Tap*> Taps::find_or_create(const wire::fb::TapT& request, TapSettings settings) {
    if (const auto shared = shares_.find(settings.share);
        !settings.share.empty() && shared != shares_.end()) {
        if (shared->second->settings() == settings) return shared->second;
        return Error(
            ErrorCode::invalid_request,
            "the share '" + settings.share + "' has other topics, another filter, order or marks");
    }
    auto made = std::make_unique<Tap>(core_, std::move(settings));
    Tap& tap = *made;
    taps_.emplace(&tap, std::move(made));
    if (!tap.settings().share.empty()) shares_.emplace(tap.settings().share, &tap);
    find_topics(tap);
    replay(tap, request);
    feed_from_now_on(tap);
    return &tap;
}

void Taps::on_tap(const wire::fb::TapT& request, Session& session, const Responder& responder) {
    auto settings = settings_of(request);
    if (!settings) return responder.error(settings.error());
    wire::fb::TapReplyT reply;
    for (const std::string& name : request.topics) {
        const Topic* topic = core_.topics.find(name);
        reply.topic_ids.push_back(topic == nullptr ? 0 : topic->id.value());
    }
    const auto tap = find_or_create(request, *std::move(settings));
    if (!tap) return responder.error(tap.error());
    constexpr std::size_t deliver_bytes_max = 4_MiB;
    TapMember& member = (*tap)->join(
        TapMember{.session = session.shared_from_this(),
                  .subscription_id = request.subscription_id,
                  .deliver_bytes_max = std::clamp<std::size_t>(
                      request.deliver_bytes_max == 0 ? 1_MiB : request.deliver_bytes_max, 1_KiB,
                      deliver_bytes_max)});
    by_session_[session.number()].emplace(request.subscription_id, *tap);
    responder.reply(reply);
    member.grant(request.credit_bytes, request.credit_events);
    schedule(**tap);
}

void Taps::on_untap(const wire::fb::UntapT& request, Session& session, const Responder& responder) {
    const auto of_session = by_session_.find(session.number());
    if (of_session == by_session_.end() || !of_session->second.contains(request.subscription_id))
        return responder.error(ErrorCode::unknown_subscription);
    Tap& tap = *of_session->second.at(request.subscription_id);
    of_session->second.erase(request.subscription_id);
    leave(tap, session, request.subscription_id);
    responder.reply(wire::fb::DoneT{});
}

bool Taps::has(const Session& session, std::uint32_t subscription_id) const {
    const auto of_session = by_session_.find(session.number());
    return of_session != by_session_.end() && of_session->second.contains(subscription_id);
}

bool Taps::grant(const Session& session, const wire::fb::Credit& credit) {
    const auto of_session = by_session_.find(session.number());
    if (of_session == by_session_.end()) return false;
    const auto found = of_session->second.find(credit.subscription_id());
    if (found == of_session->second.end()) return false;
    found->second->find(session, credit.subscription_id())->grant(credit.bytes(), credit.events());
    schedule(*found->second);
    return true;
}

// ---- coming and going ---------------------------------------------------------------------------

void Taps::leave(Tap& tap, const Session& session, std::uint32_t subscription_id) {
    if (tap.leave(session, subscription_id)) remove(tap);
}

void Taps::remove(Tap& tap) {
    end_holding(tap);
    leave_feeds(tap);
    if (!tap.settings().share.empty()) shares_.erase(tap.settings().share);
    std::erase(scheduled_, &tap);
    for (const auto& member : tap.members())
        if (const auto of = by_session_.find(member->session->number()); of != by_session_.end())
            of->second.erase(member->subscription_id);
    taps_.erase(&tap);
}

void Taps::on_closed(Session& session) {
    const auto node = by_session_.extract(session.number());
    if (node.empty()) return;
    for (const auto& [id, tap] : node.mapped())
        leave(*tap, session, id);
}

void Taps::on_writable(const Session& session) {
    const auto found = by_session_.find(session.number());
    if (found == by_session_.end()) return;
    for (const auto& [id, tap] : found->second)
        schedule(*tap);
}

void Taps::on_topic_removed(TopicId topic) {
    const auto found = feeds_.find(topic);
    if (found == feeds_.end()) return;
    const std::vector<Tap*> taps = found->second->taps;
    for (Tap* tap : taps) {
        if (tap->forget_topic(topic)) {
            schedule(*tap);
        } else {
            remove(*tap);
        }
    }
    // Still there when some tap of it has other topics, too.
    if (const auto feed = feeds_.find(topic); feed != feeds_.end()) {
        to_resume_.insert(to_resume_.end(), feed->second->held.begin(), feed->second->held.end());
        feeds_.erase(feed);
        core_.watch.leave_topic(topic, *this);
    }
}

// ---- what feeds them ----------------------------------------------------------------------------

void Taps::find_topics(Tap& tap) {
    for (const SubjectPattern& pattern : tap.settings().patterns)
        core_.topics.for_each(pattern.prefix(), {}, [&](const Topic& topic) {
            if (pattern.matches(topic.name)) tap.add_topic(topic.id);
            return true;
        });
}

void Taps::on_topic_created(const Topic& topic) {
    for (Tap* tap : with_patterns_) {
        if (!tap->matches(topic.name)) continue;
        tap->add_topic(topic.id);
        feed_from_now_on(*tap, topic.id);
    }
}

void Taps::feed_from_now_on(Tap& tap) {
    if (!tap.settings().patterns.empty()) with_patterns_.push_back(&tap);
    for (const TopicId id : tap.topics())
        feed_from_now_on(tap, id);
}

void Taps::feed_from_now_on(Tap& tap, TopicId id) {
    auto& feed = feeds_[id];
    if (!feed) {
        const Topic& topic = *core_.topics.find(id);
        feed = std::make_unique<Feed>();
        feed->stored = !topic.is_volatile();
        core_.logs.for_each(id, [&](LogId log, const storage::LogState&) {
            feed->given[log] = core_.visibility.visible_end(topic, log);
        });
        core_.watch.watch_topic(id, *this);
    }
    feed->taps.push_back(&tap);
}

void Taps::leave_feeds(Tap& tap) {
    std::erase(with_patterns_, &tap);
    for (const TopicId id : tap.topics()) {
        const auto feed = feeds_.find(id);
        if (feed == feeds_.end()) continue;
        std::erase(feed->second->taps, &tap);
        if (!feed->second->taps.empty()) continue;
        to_resume_.insert(to_resume_.end(), feed->second->held.begin(), feed->second->held.end());
        feeds_.erase(feed);
        core_.watch.leave_topic(id, *this);
    }
}

void Taps::on_topic_visible(LogId log, Offset visible_end) {
    const auto found = feeds_.find(log.topic());
    if (found == feeds_.end()) return;
    Feed& feed = *found->second;
    auto [given, is_new] = feed.given.try_emplace(log);
    if (is_new) given->second = core_.logs.state(log)->start;
    Offset from = given->second;
    given->second = std::max(from, visible_end);
    while (from < visible_end) {
        reading_.clear();
        const bool there = core_.logs.read_tail(log, from, visible_end, kTapReadBytes, reading_);
        if (!there || reading_.empty()) {
            // Gone from memory before it was seen.
            for (Tap* tap : feed.taps)
                tap->count_skipped((visible_end - from).value());
            break;
        }
        offer(feed, log, reading_);
        from = stored_extent(reading_.back()).end;
    }
    reading_.clear();
}

void Taps::offer(Feed& feed, LogId log, std::span<const storage::BatchRef> batches) {
    for (Tap* tap : feed.taps) {
        for (const storage::BatchRef& batch : batches)
            tap->offer(log, batch, feed.stored);
        schedule(*tap);
        look_at_marks(*tap);
    }
    if (pressed()) shed();
}

void Taps::replay(Tap& tap, const wire::fb::TapT& request) {
    if (request.start == static_cast<std::uint8_t>(TapStart::now)) return;
    struct Old {
        std::uint64_t arrival;  // of the broker, over all logs
        TapItem item;
    };
    std::vector<Old> old;
    const bool by_key = request.start == static_cast<std::uint8_t>(TapStart::last_per_key);
    for (const TopicId topic : tap.topics())
        core_.volatile_logs.for_each(topic, [&](LogId log, const storage::LogState& state) {
            for (const VolatileLog::Kept& kept : core_.volatile_logs.find(log)->kept()) {
                const StoredExtent extent = stored_extent(kept.batch);
                if (!by_key && (state.end - extent.end).value() >= request.last_events) continue;
                old.push_back({extent.arrival, {log, kept.batch, extent.event_count}});
            }
        });
    std::sort(old.begin(), old.end(),
              [](const Old& a, const Old& b) { return a.arrival < b.arrival; });
    BatchArena arena(core_.volatile_logs.pools());
    std::deque<TapItem> items;
    for (Old& one : old)
        items.push_back(std::move(one.item));
    if (by_key) {
        items = last_per_key(items, core_.opened, arena);
    } else {
        keep_last(items, request.last_events, core_.opened, arena);
    }
    for (const TapItem& item : items)
        tap.replay(item.log, item.batch);
}

// ---- turns --------------------------------------------------------------------------------------

void Taps::schedule(Tap& tap) {
    if (std::exchange(tap.scheduled, true)) return;
    scheduled_.push_back(&tap);
}

bool Taps::run() {
    if (scheduled_.empty()) return false;
    running_.swap(scheduled_);
    for (Tap* tap : running_) {
        tap->scheduled = false;
        if (tap->run()) schedule(*tap);
        look_at_marks(*tap);
    }
    running_.clear();
    return true;
}

void Taps::look_at_marks(Tap& tap) {
    if (!tap.blocks()) return;
    const bool short_of_memory = !tap.queue().empty() && pressed();
    if (!tap.holding && (tap.queue().full() || short_of_memory)) {
        tap.holding = true;
        ++holding_;
    } else if (tap.holding && tap.queue().low() && !short_of_memory) {
        end_holding(tap);
    }
}

void Taps::end_holding(Tap& tap) {
    if (!std::exchange(tap.holding, false)) return;
    --holding_;
    // Whoever has to wait for another one is made to by its next batch.
    for (const TopicId topic : tap.topics())
        if (const auto feed = feeds_.find(topic); feed != feeds_.end()) {
            auto& held = feed->second->held;
            to_resume_.insert(to_resume_.end(), held.begin(), held.end());
            held.clear();
        }
}

void Taps::tick(MonoNanos now) {
    if (pressed()) shed();
    if (holding_ == 0) return;
    const auto timeout = std::chrono::nanoseconds(core_.config.delivery.tap_block_timeout).count();
    std::vector<Tap*> dead;
    for (const auto& [tap, owned] : taps_)
        if (tap->holding && (now - tap->last_taken()).value() >= timeout) dead.push_back(tap);
    for (Tap* tap : dead)
        cut_off(*tap);
}

void Taps::cut_off(Tap& tap) {
    const TopicId topic = tap.topics().empty() ? TopicId() : *tap.topics().begin();
    const Topic* known = core_.topics.find(topic);
    log_event(LogLevel::warn, "tap_cut_off",
              {{"topic", known == nullptr ? std::string() : known->name},
               {"share", tap.settings().share},
               {"events", tap.queue().events()},
               {"why", "it was full, held its producers back and took nothing"}});
    ++core_.counters.taps_cut_off;
    tap.count_skipped(tap.queue().events());
    tap.say(topic, ErrorCode::tap_cut_off);
    remove(tap);
}

void Taps::shed() {
    for (std::size_t tries = taps_.size(); tries > 0 && pressed(); --tries) {
        Tap* largest = nullptr;
        for (const auto& [tap, owned] : taps_)
            if (!tap->blocks() && !tap->queue().empty() &&
                (largest == nullptr || tap->queue().bytes() > largest->queue().bytes()))
                largest = tap;
        if (largest == nullptr) return;
        largest->shed();
    }
}

// ---- producers ----------------------------------------------------------------------------------

bool Taps::refuses(const Session& producer, TopicId topic) const {
    const auto feed = feeds_.find(topic);
    if (feed == feeds_.end()) return false;
    return std::any_of(feed->second->taps.begin(), feed->second->taps.end(), [&](const Tap* tap) {
        return tap->holding && tap->queue().overfull() && tap->has_member_on(producer);
    });
}

void Taps::hold_if_full(Session& producer, TopicId topic) {
    const auto found = feeds_.find(topic);
    if (found == feeds_.end() || producer.held()) return;
    Feed& feed = *found->second;
    const bool full = std::any_of(feed.taps.begin(), feed.taps.end(), [&](const Tap* tap) {
        return tap->holding && !tap->has_member_on(producer);
    });
    if (!full) return;
    producer.hold();
    feed.held.push_back(producer.weak_from_this());
    ++core_.counters.tap_producer_holds;
}

std::optional<std::string> Taps::holder_of(const Session& producer) const {
    for (const auto& [topic, feed] : feeds_) {
        const bool waits = std::any_of(feed->held.begin(), feed->held.end(), [&](const auto& held) {
            return held.lock().get() == &producer;
        });
        if (!waits) continue;
        for (const Tap* tap : feed->taps)
            if (tap->holding && !tap->has_member_on(producer) && !tap->members().empty())
                return tap->members().front()->session->client_id;
    }
    return std::nullopt;
}

bool Taps::resume_producers() {
    if (to_resume_.empty()) return false;
    const auto resuming = std::exchange(to_resume_, {});
    for (const auto& held : resuming)
        if (const SessionPtr session = held.lock()) {
            session->let_go();
            session->resume_reading();
        }
    return true;
}

std::uint64_t Taps::events_skipped() const {
    std::uint64_t sum = core_.counters.tap_events_skipped;
    for (const auto& [tap, owned] : taps_)
        sum += tap->queue().skipped();
    return sum;
}

std::uint64_t Taps::events_waiting() const {
    std::uint64_t sum = 0;
    for (const auto& [tap, owned] : taps_)
        sum += tap->queue().events();
    return sum;
}

}  // namespace casc::broker
