#pragma once
// One subscription of one connection: sends what it reads as far as its credit goes, all of it or
// what its filter lets through, of the logs that it was given and of those of topics whose names
// match its patterns.

#include "filtered_parts.hpp"
#include "lane_reader.hpp"
#include "subject_pattern.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

namespace casc::broker {

struct SubscriptionSettings {
    DeliveryOrder order = DeliveryOrder::priority;
    std::size_t deliver_bytes_max = 1_MiB;
    std::optional<Filter> filter{};
    std::vector<SubjectPattern> patterns{};
    bool from_now_on = false;  // where logs begin that have events and come by a pattern
};

// Thread: owning shard. Lifetime: owned by the delivery table of its session; `session` outlives
// it.
class Subscription final : public LaneReader, public TopicWatcher {
public:
    Subscription(Core& core, Session& session, ReaderScheduler& scheduler, std::uint32_t id,
                 SubscriptionSettings settings)
        : LaneReader(core, scheduler, settings.order, settings.deliver_bytes_max),
          session_(session),
          id_(id),
          settings_(std::move(settings)) {}
    ~Subscription() override;

    void set_generation(std::uint32_t generation) { generation_ = generation; }
    void grant(std::uint64_t bytes, std::uint64_t events);
    // As those of LaneReader; what was not told yet of the log is forgotten.
    void move_source(const Topic& topic, LogId log, Offset from);
    void end_source(LogId log);

    // ---- patterns ----
    // Follows all topics that match, and tells the subscriber their names.
    void follow_topics();
    void on_topic_created(const Topic& topic);
    void on_topic_removed(TopicId topic);
    void tell_gone(TopicId topic);
    [[nodiscard]] bool has_patterns() const noexcept { return !settings_.patterns.empty(); }
    void on_topic_visible(LogId log, Offset visible_end) override;

    // ---- filters ----
    // Whether the reader has not been told yet how far it is, because nothing has matched.
    [[nodiscard]] bool is_silent() const noexcept { return !silent_.empty(); }
    void tell_progress();

private:
    using Positions = std::vector<std::pair<LogId, Offset>>;

    [[nodiscard]] bool may_send() const noexcept override;
    [[nodiscard]] bool has_room_for(Lane lane) const noexcept override;
    [[nodiscard]] bool has_had_its_share(Lane lane) const noexcept override {
        return passed_over_bytes_[static_cast<std::size_t>(lane)] < 0;
    }
    void begin_turn() override;
    [[nodiscard]] bool has_time() const noexcept override { return scanned_bytes_ < kScanBytes; }
    void deliver(Source& source, std::uint64_t arrival_bound) override;
    void on_dropped(const Source& source, ErrorCode why) override;

    [[nodiscard]] Handed take(const Source& source, const storage::BatchRef& batch);
    // How much of a credit a lane leaves for what is more urgent, if the subscriber reads that.
    [[nodiscard]] std::int64_t left_by(Lane lane, std::int64_t window) const noexcept;
    struct Share {
        std::int64_t bytes;
        std::int64_t events;
    };
    [[nodiscard]] Share share_of(Lane lane) const noexcept;
    void send(const Source& source, std::int64_t events);
    [[nodiscard]] bool matches(std::string_view name) const;
    [[nodiscard]] Positions follow(const Topic& topic);
    void tell_matched(std::span<const std::pair<TopicId, Positions>> topics, bool gone = false);

    // That a turn may look at for events that match.
    static constexpr std::size_t kScanBytes = 1_MiB;

    Session& session_;
    const std::uint32_t id_;
    const SubscriptionSettings settings_;
    std::uint32_t generation_ = 0;
    std::int64_t credit_bytes_ = 0;
    std::int64_t credit_events_ = 0;
    std::int64_t window_bytes_ = 0;  // the most credit that there was
    std::int64_t window_events_ = 0;
    // Sent of more urgent lanes since a lane had its last turn; below 0 when it has taken more than
    // its share of that.
    std::array<std::int64_t, kLaneCount> passed_over_bytes_{};
    std::vector<storage::BatchRef> sending_;

    // Of a filter.
    FilteredParts parts_;
    std::size_t scanned_bytes_ = 0;                                      // in this turn
    boost::unordered_flat_map<LogId, Offset, std::hash<LogId>> silent_;  // position, not told

    // Of patterns.
    struct Followed {
        bool watched = false;  // a pattern has brought it in
        bool told = false;     // the subscriber knows its name
    };
    boost::unordered_flat_map<TopicId, Followed, std::hash<TopicId>> followed_;
    std::vector<LogId> fresh_;  // have their first event
    // Whoever reads has taken them out, and a pattern does not bring them in again.
    boost::unordered_flat_set<LogId, std::hash<LogId>> left_out_;
};

}  // namespace casc::broker
