#pragma once
// All taps: which connection has which, which topics feed them, and which producers wait for one
// that is full.

#include "tap.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <map>
#include <memory>
#include <unordered_map>

namespace casc::broker {

// Thread: owning shard.
class Taps final : public TopicObserver, public TopicWatcher {
public:
    explicit Taps(Core& core) : core_(core) { core.topic_observers.add(*this); }

    void on_tap(const wire::fb::TapT& request, Session& session, const Responder& responder);
    void on_untap(const wire::fb::UntapT& request, Session& session, const Responder& responder);
    // False: the credit is not for a tap.
    [[nodiscard]] bool grant(const Session& session, const wire::fb::Credit& credit);
    [[nodiscard]] bool has(const Session& session, std::uint32_t subscription_id) const;

    void on_closed(Session& session);
    void on_writable(const Session& session);
    void on_topic_visible(LogId log, Offset visible_end) override;
    void on_topic_created(const Topic& topic) override;
    void on_topics_changed() override {}
    void on_topic_removed(TopicId topic) override;

    // Lets everything that has something send. Returns whether there was anything.
    bool run();
    // Cuts off what holds producers and takes nothing, and sees to the memory that taps hold.
    void tick(MonoNanos now);

    // ---- producers ----
    // Whether the next two have anything to do: some tap is full and wants producers to wait.
    [[nodiscard]] bool holding() const noexcept { return holding_ != 0; }
    // A tap of the connection itself is so full that what it produces cannot be taken any more. It
    // cannot be made to wait: the credit that would end the waiting comes over this connection.
    [[nodiscard]] bool refuses(const Session& producer, TopicId topic) const;
    // Makes the connection wait if a tap of somebody else's is full.
    void hold_if_full(Session& producer, TopicId topic);
    // The client id of who has the full tap that the connection waits for; nothing: for none.
    [[nodiscard]] std::optional<std::string> holder_of(const Session& producer) const;
    // Lets those go on that waited for what is no longer full. Once per turn, at its end.
    // Returns whether there were any.
    bool resume_producers();

    [[nodiscard]] std::size_t count() const noexcept { return taps_.size(); }
    [[nodiscard]] std::uint64_t events_waiting() const;
    // Since the broker started, told to a subscriber or not yet.
    [[nodiscard]] std::uint64_t events_skipped() const;

private:
    // A topic that somebody taps.
    struct Feed {
        bool stored;
        // How far each log was given to the taps; of those not in here nothing was, and everything
        // has come since the first tap.
        boost::unordered_flat_map<LogId, Offset, std::hash<LogId>> given;
        std::vector<Tap*> taps;
        std::vector<std::weak_ptr<Session>> held;  // producers that wait
    };

    [[nodiscard]] Result<TapSettings> settings_of(const wire::fb::TapT& request) const;
    [[nodiscard]] Result<Tap*> find_or_create(const wire::fb::TapT& request, TapSettings settings);
    void replay(Tap& tap, const wire::fb::TapT& request);
    void find_topics(Tap& tap);
    void feed_from_now_on(Tap& tap);
    void feed_from_now_on(Tap& tap, TopicId id);
    void leave_feeds(Tap& tap);
    void remove(Tap& tap);
    void leave(Tap& tap, const Session& session, std::uint32_t subscription_id);
    void offer(Feed& feed, LogId log, std::span<const storage::BatchRef> batches);
    void schedule(Tap& tap);
    void look_at_marks(Tap& tap);
    void cut_off(Tap& tap);
    // Memory is short: those that may lose events lose some, the largest first.
    void shed();
    [[nodiscard]] bool pressed() const noexcept {
        return core_.volatile_logs.pressed(core_.config.volatile_topics);
    }
    void end_holding(Tap& tap);

    Core& core_;
    std::unordered_map<Tap*, std::unique_ptr<Tap>> taps_;
    std::map<std::string, Tap*> shares_;
    std::vector<Tap*> with_patterns_;
    std::unordered_map<std::uint64_t, std::map<std::uint32_t, Tap*>> by_session_;
    boost::unordered_flat_map<TopicId, std::unique_ptr<Feed>, std::hash<TopicId>> feeds_;
    std::vector<Tap*> scheduled_, running_;
    std::size_t holding_ = 0;  // taps
    std::vector<std::weak_ptr<Session>> to_resume_;
    std::vector<storage::BatchRef> reading_;
};

}  // namespace casc::broker
