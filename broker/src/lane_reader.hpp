#pragma once
// Reads several logs for one receiver of events: which logs, how far it is in each, and which is
// served next. What receives them, and how much it may take, is said by who derives from it: a
// subscription sends them to one connection, a queue group leases them to its members.
//
// A source is idle (nothing to read), ready, or reading (waiting for the disk, or for its turn to
// be read from it). ready sources are served by lane or by arrival; see pick(). Batches leave as
// they are stored.
//
// The disk is read for few partitions at a time, each until all that was read of it has been sent:
// that bounds the answers in memory, however many cold logs a reader has. By partition and not by
// log, because in order of arrival the lanes of a partition wait for one another.

#include "core.hpp"
#include "lane_turns.hpp"

#include <array>
#include <deque>
#include <map>
#include <memory>

namespace casc::broker {

enum class DeliveryOrder : std::uint8_t { priority = 0, arrival = 1 };

class LaneReader;

// Told when a reader has work to do; runs it later in the turn.
class ReaderScheduler {
public:
    virtual ~ReaderScheduler() = default;
    virtual void schedule(LaneReader& reader) = 0;
};

// Thread: owning shard.
class LaneReader : public LogWatcher {
public:
    // `read_bytes`: about so much is read of a log at a time.
    LaneReader(Core& core, ReaderScheduler& scheduler, DeliveryOrder order, std::size_t read_bytes);
    ~LaneReader() override;
    LaneReader(const LaneReader&) = delete;
    LaneReader& operator=(const LaneReader&) = delete;

    // Adds a log from `from` on, or moves it there.
    void add_source(const Topic& topic, LogId log, Offset from);
    void remove_source(LogId log);

    // Hands over what is ready as far as its receiver can take it.
    void run();

    void on_visible(LogId log, Offset visible_end) override;
    void on_removed(LogId log) override;

    // Points to nullptr once the reader is gone.
    [[nodiscard]] std::weak_ptr<LaneReader*> handle() const { return self_; }

    bool scheduled = false;  // the scheduler's own mark

protected:
    enum class State : std::uint8_t { idle, ready, reading };

    // A log has a second source while something of it is read again.
    struct SourceKey {
        SourceKey(LogId of, bool is_again = false)
            : log(of), again(is_again) {}  // NOLINT(google-explicit-constructor)
        LogId log;
        bool again;
        friend auto operator<=>(const SourceKey&, const SourceKey&) = default;
    };

    struct Source {
        TopicId topic;
        LogId log;
        bool again = false;
        Offset next;
        Offset visible_end;
        State state = State::idle;
        std::uint64_t reading_token = 0;        // of the latest read, see last_token_
        bool from_disk = false;                 // being read there, or not all of it is sent
        std::deque<storage::BatchRef> fetched;  // read, not sent
    };

    [[nodiscard]] virtual bool may_send() const noexcept = 0;
    // The same of one lane, when may_send(): some of the room may be kept for more urgent ones.
    [[nodiscard]] virtual bool has_room_for(Lane) const noexcept { return true; }
    // Whether a lane without room has had its share already, so that its turn does not come by
    // being passed over either.
    [[nodiscard]] virtual bool has_had_its_share(Lane) const noexcept { return false; }
    // Of a turn of run(): it begins, and whether there is time for more in it.
    virtual void begin_turn() {}
    [[nodiscard]] virtual bool has_time() const noexcept { return true; }
    // Whether the receiver has a use for this source now; if not, it waits for look_at_all().
    [[nodiscard]] virtual bool wants(const Source&) const noexcept { return true; }
    // Takes at least the first batch of source.fetched, and moves source.next on; in order of
    // arrival none that arrived behind `arrival_bound`.
    virtual void deliver(Source& source, std::uint64_t arrival_bound) = 0;
    // What has come from the disk, before it is delivered.
    virtual void on_read(LogId, const std::vector<storage::BatchRef>&) {}
    // The source could not be read further, and is gone.
    virtual void on_dropped(const Source& source, ErrorCode why) = 0;

    void schedule() { scheduler_.schedule(*this); }
    // Reads [from, until) of a log again, ahead of what is new in its lane; instead of what was to
    // be read again of it.
    void read_again(const Topic& topic, LogId log, Offset from, Offset until);
    [[nodiscard]] bool reads(LogId log) const { return sources_.contains(log); }
    // Whether it serves the lanes by urgency and reads one that is more urgent than this.
    [[nodiscard]] bool reads_above(Lane lane) const noexcept;
    // Whether something of the log waits to be read again, or is on its way.
    [[nodiscard]] bool reads_again(LogId log) const;
    // What wants() said may have changed.
    void look_at_all();

    Core& core_;
    const std::size_t read_bytes_;

private:
    // The ready source to serve next, by lane.
    [[nodiscard]] Source* pick();
    // The lane of the picked log's partition whose next batch arrived first. May end sources.
    [[nodiscard]] Source* earliest_sibling(LogId picked, std::uint64_t& arrival_bound);
    [[nodiscard]] bool is_reading(LogId of_partition, Lane lane) const;
    void hold_back(LogId partition);
    // Puts something into source.fetched. False: nothing there now (idle, reading, or dropped with
    // an error).
    [[nodiscard]] bool fill(Source& source);
    void read_from_disk(Source& source);
    // Starts what waits for its turn, as far as there are turns.
    void start_waiting();
    void start_cold_read(Source& source);
    // Up to where it is worth reading: what is behind visible_end may be what is asked for next.
    [[nodiscard]] Offset read_end(const Source& source) const;
    // With the last of its partition the partition's turn ends, and somebody else's begins.
    void end_turn(Source& source);
    void give_up_reading(Source& source);
    [[nodiscard]] Source& put(SourceKey key, TopicId topic, Offset from, Offset visible_end);
    void remove(SourceKey key);
    void look_again(Source& source);  // ready when it is idle and has something to say
    [[nodiscard]] bool is_paused(const Source& source) const;
    void set_aside(Source& source);
    void set_ready(Source& source);
    void unready(Source& source);
    void drop(Source& source, ErrorCode why);

    ReaderScheduler& scheduler_;
    const DeliveryOrder order_;
    std::map<SourceKey, std::unique_ptr<Source>> sources_;
    std::array<std::size_t, kLaneCount> source_counts_{};
    std::array<std::deque<Source*>, kLaneCount> ready_;  // round-robin inside a lane
    LaneTurns turns_of_lanes_;
    // Of all reads of all sources: the answer to one that was given up must not pass for another's,
    // even of a source that was taken out and put in again.
    std::uint64_t last_token_ = 0;
    std::map<std::uint64_t, SourceKey> waiting_;  // by token: who has waited longest is first
    std::map<LogId, unsigned> turns_;  // of partitions (their first lane): how many are from_disk
    std::vector<storage::BatchRef> filling_;
    std::shared_ptr<LaneReader*> self_;  // lets a late disk answer find out that this is gone
};

}  // namespace casc::broker
