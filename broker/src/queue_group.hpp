#pragma once
// A queue group: reads its topics' logs and leases the events to whichever of its members has
// room, by priority; hears what becomes of them, and remembers that in the store.
//
// What a member was given stays its own until it has settled it, lets go of it, its lease runs out
// or its connection ends. Acknowledgements change the ledgers at once and are stored together, one
// row per log, before the next journal entry is sealed (write_rows).

#include "batch_parts.hpp"
#include "dead_letters.hpp"
#include "lane_reader.hpp"
#include "queue_key_order.hpp"
#include "queue_ledger.hpp"
#include "queue_settings.hpp"
#include "row_codec.hpp"
#include "wanted_topics.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace casc::broker {

struct QueueMember {
    MemberNumber number;
    SessionPtr session;
    std::uint32_t subscription_id;
    std::uint32_t events_max;  // in flight
    std::uint64_t bytes_max;
    QueueLedger::Freed in_flight{};

    [[nodiscard]] bool has_room() const noexcept {
        return in_flight.events < events_max && in_flight.bytes < bytes_max && session->open() &&
               !session->congested();
    }
    [[nodiscard]] std::uint32_t room_events() const noexcept {
        return events_max - in_flight.events;
    }
};

// What a group reads, decided by the member that creates it.
struct QueueReads {
    std::vector<std::string> topics;  // as they were asked for
    WantedTopics wanted;              // the same
    std::optional<Filter> filter;     // what does not match is settled without being delivered

    // Fails with: invalid_request, invalid_pattern, invalid_filter, filter_too_expensive.
    [[nodiscard]] static Result<QueueReads> parse(const std::vector<std::string>& topics,
                                                  const std::string& filter);
    [[nodiscard]] std::string filter_text() const {
        return filter ? filter->text() : std::string();
    }
};

// Thread: owning shard.
class QueueGroup final : public LaneReader {
public:
    QueueGroup(Core& core, ReaderScheduler& scheduler, DeadLetters& dead_letters, std::uint32_t id,
               std::string name, QueueReads reads, QueueSettings settings);

    // ---- members ----
    void join(QueueMember member);
    // `lost`: its connection has ended, so that what it held counts as delivered.
    void leave(MemberNumber member, bool lost);
    [[nodiscard]] const std::vector<std::unique_ptr<QueueMember>>& members() const {
        return members_;
    }

    // ---- its logs ----
    // Takes over rows of the store: those of the logs, those of their runs, and the end. Fail with:
    // data_corrupt.
    [[nodiscard]] Result<void> load(LogId log, const wire::fb::QueueRow& row);
    [[nodiscard]] Result<void> load_run(LogId log, std::uint64_t first,
                                        const wire::fb::QueueRunRow& row, MonoNanos now);
    void finish_loading();
    // Everything that is there now counts as settled.
    void skip_backlog();
    // Topics were created or got partitions: reads what it does not read yet, if it has members.
    void look_for_logs();
    void on_topic_created(const Topic& topic);
    void on_topic_removed(TopicId topic);

    // ---- what members say ----
    // Checks everything before it changes anything. Adds to `refused` what was not the member's,
    // all of it where the group does not read the log (any more). Fails with: invalid_request,
    // unknown_lane.
    [[nodiscard]] Result<void> settle(MemberNumber member, const wire::fb::SettleT& request,
                                      MonoNanos now, wire::fb::SettleReplyT& refused);

    // Whether settle() would have nothing to refuse and says only that events are done. Fails with:
    // as settle(), not_supported, lease_lost.
    [[nodiscard]] Result<void> check_done(MemberNumber member,
                                          const wire::fb::SettleT& request) const;
    // Of all rows that write_rows() writes after it, when there was nothing to write before.
    [[nodiscard]] std::size_t done_row_bytes(const wire::fb::SettleT& request) const;

    // What retention has taken is settled.
    void follow_retention();

    // ---- time, and what it keeps ----
    void tick(MonoNanos now);
    // Writes the rows of the logs whose ledgers have changed; the entry they are in.
    [[nodiscard]] Result<JournalSequence> write_rows(MonoNanos now);
    [[nodiscard]] bool has_changed() const noexcept { return !changed_.empty(); }
    // Delivered and not settled, of all its logs: what tick() is about.
    [[nodiscard]] std::uint64_t open() const noexcept { return open_; }
    [[nodiscard]] Result<JournalSequence> erase_rows();
    // After a restart it waits for the keys of what was open.
    [[nodiscard]] bool is_learning() const noexcept { return !unlearned_.empty(); }
    // Order by key: between these two nobody is let go in place of what is settled, so that
    // settling changes no rows but those of the events themselves.
    void hold_keys() noexcept { holds_keys_ = true; }
    void let_keys_go();

    [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const QueueReads& reads_what() const noexcept { return reads_what_; }
    [[nodiscard]] const QueueSettings& settings() const noexcept { return settings_; }
    [[nodiscard]] const std::map<LogId, QueueLedger>& ledgers() const noexcept { return ledgers_; }

private:
    using Ledgers = std::map<LogId, QueueLedger>;
    using ManyFreed = std::vector<std::pair<MemberNumber, QueueLedger::Freed>>;

    // LaneReader
    [[nodiscard]] bool may_send() const noexcept override;
    void begin_turn() override { scanned_bytes_ = 0; }
    [[nodiscard]] bool has_time() const noexcept override { return scanned_bytes_ < kScanBytes; }
    [[nodiscard]] bool wants(const Source& source) const noexcept override;
    void deliver(Source& source, std::uint64_t arrival_bound) override;
    void on_read(LogId log, const std::vector<storage::BatchRef>& batches) override;
    void on_dropped(const Source& source, ErrorCode why) override;

    [[nodiscard]] QueueMember* find(MemberNumber number) const;
    // Who is next to be given something.
    [[nodiscard]] QueueMember* next_member();
    void deliver_new(Source& source, QueueLedger& ledger, QueueMember& member);
    void deliver_again(Source& source, QueueLedger& ledger, QueueMember& member);
    void look_for_logs(const Topic& topic);
    // Neighbours, up to `end`, that all match the filter, or none of which does.
    struct MatchRun {
        Offset end;
        bool matching;
    };
    [[nodiscard]] MatchRun match_at(LogId log, const storage::BatchRef& batch, Offset offset);
    // How many new events the member may have, so that the others get theirs.
    [[nodiscard]] std::uint32_t share_of(const QueueMember& member, const Source& source) const;
    // What has expired before it was delivered, up to `end`: settled, or a dead letter.
    void pass_over_new(QueueLedger& ledger, Offset end);
    void pass_over_ready(QueueLedger& ledger, Offset end);
    [[nodiscard]] Cut cut_of(LogId log, const StoredExtent& extent) const;
    void report_missing(LogId log, Offset first, Offset end) const;
    void send(const Source& source, QueueMember& member, Offset first, Offset end,
              std::uint32_t attempts, std::span<const std::uint64_t> leased);

    [[nodiscard]] static Result<void> check(const wire::fb::LogVerdictsT& verdicts);
    [[nodiscard]] bool judge(QueueMember& member, QueueLedger& ledger,
                             const wire::fb::EventVerdictT& verdict, MonoNanos now);
    [[nodiscard]] MonoNanos lease_end() const;
    // Runs `change(ledger)` and does what has to be done after it.
    template <class Change>
    void change(LogId log, QueueLedger& ledger, Change&& change);
    void give_room(MemberNumber member, const QueueLedger::Freed& freed);
    // The next of what is to be delivered again.
    void plan_again(LogId log, const QueueLedger& ledger);
    void aim_again(Source& source, const QueueLedger& ledger);
    [[nodiscard]] QueueLedger& ledger_of(LogId log);
    void follow_retention(LogId log, QueueLedger& ledger);

    // Order by key (queue_group_keys.cpp).
    [[nodiscard]] bool is_by_key() const noexcept { return settings_.order == QueueOrder::by_key; }
    // Adds the keys of [first, end) of the batch to sending_keys_.
    void add_keys(const storage::BatchRef& batch, Offset first, Offset end);
    // Of [first, ...), just leased, with sending_keys_: those that have to wait are taken out of
    // the lease; the others are `leased_`. Tells what was taken out.
    [[nodiscard]] QueueLedger::Freed block_keys(LogId log, QueueLedger& ledger, Offset first);
    // Others of their keys may be delivered instead of those that were closed.
    void release_keys(LogId log, QueueLedger& ledger);
    void let_next_of(QueuePlace closed);
    // After a restart: what was open is read for its keys before anything is delivered.
    void learn_keys();
    using ReadKeys = Result<std::vector<storage::BatchRef>>;
    void on_keys_read(LogId log, Offset until, const ReadKeys& read);
    void learn_from(LogId log, const std::vector<storage::BatchRef>& batches);
    void finish_learning();

    // Dead letters.
    void bury(LogId log, QueueLedger& ledger);
    [[nodiscard]] bool bury_from(LogId log, QueueLedger& ledger, const storage::BatchRef& batch);
    void read_to_bury(LogId log, Offset offset);
    void bury_missing(LogId log, QueueLedger& ledger, Offset offset);
    [[nodiscard]] RowWriter row_key(LogId log) const {
        return RowWriter{}.put(id_).put(log.value());
    }
    [[nodiscard]] RowWriter run_key(LogId log, std::uint64_t first) const {
        return row_key(log).put(first);
    }
    [[nodiscard]] Result<JournalSequence> write_row(LogId log, const QueueLedger& ledger);
    [[nodiscard]] Result<JournalSequence> write_run(LogId log, QueueLedger& ledger,
                                                    std::uint64_t first, MonoNanos now);
    [[nodiscard]] Result<JournalSequence> erase_rows(LogId log, const QueueLedger& ledger);

    const std::uint32_t id_;
    const std::string name_;
    const QueueReads reads_what_;
    const QueueSettings settings_;
    Ledgers ledgers_;
    std::vector<std::unique_ptr<QueueMember>> members_;  // in the order in which they joined
    std::size_t turn_ = 0;                               // whose turn it is
    std::uint64_t open_ = 0;                             // of all ledgers
    mutable bool held_back_ = false;                     // new events are, for want of room
    boost::unordered_flat_set<LogId, std::hash<LogId>> burying_;  // being read for it
    boost::unordered_flat_set<LogId, std::hash<LogId>> changed_;
    DeadLetters& dead_letters_;
    std::vector<storage::BatchRef> sending_;
    std::vector<std::uint64_t> leased_;
    // What the filter has said of the batch that is being delivered, of its events before `end`.
    struct Matches {
        LogId log{};
        Offset base{};
        Offset end{};
        std::vector<std::uint64_t> words;
    } matches_;
    static constexpr std::size_t kScanBytes = 1_MiB;  // in one turn
    std::size_t scanned_bytes_ = 0;
    QueueKeyOrder keys_;
    std::vector<KeyHash> sending_keys_;
    struct LearnedKey {
        KeyHash key;
        QueuePlace event;
        bool delivered;  // so it was the first of its key
    };
    std::map<LogId, Offset> unlearned_;  // from where on
    std::vector<LearnedKey> learned_;
    bool is_learning_ = false;  // from the disk
    bool holds_keys_ = false;
};

template <class Change>
void QueueGroup::change(LogId log, QueueLedger& ledger, Change&& change) {
    const std::uint64_t before = ledger.open();
    change(ledger);
    open_ += ledger.open() - before;
    changed_.insert(log);
    release_keys(log, ledger);
    plan_again(log, ledger);
    if (std::exchange(held_back_, false)) look_at_all();
}

}  // namespace casc::broker
