#pragma once
// Batches that wait for their time: events that were sent to be delivered later, and schedules that
// append a batch once or again and again.
//
// Each is a row in the store and lies in memory. When it is due its batch is appended, and its row
// erased (or moved to the next time), in one journal entry: so it happens once, also over a crash.

#include "cron.hpp"
#include "log_appender.hpp"
#include "message_ids.hpp"

#include <boost/asio/steady_timer.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace casc::broker {

// Thread: owning shard.
class Schedules final : public TopicObserver {
public:
    Schedules(Core& core, LogAppender& appender, MessageIds& ids)
        : core_(core), appender_(appender), ids_(ids), timer_(core.io) {
        core.topic_observers.add(*this);
    }

    // Once at start. Fails with: data_corrupt.
    [[nodiscard]] Result<void> load();
    // After every load().
    [[nodiscard]] Result<void> erase_orphans();

    // Whether so much more may wait. Fails with: overloaded.
    [[nodiscard]] Result<void> check_room(std::size_t bytes) const;
    // What a batch takes of the room that Store::keep_together() is asked for.
    [[nodiscard]] static std::size_t row_bytes(std::size_t batch_bytes, std::size_t text_bytes = 0);
    struct Added {
        std::uint64_t id;
        JournalSequence sequence;
    };
    // A batch that is to be appended at `due`. Fails with: storage errors, unless keep_together()
    // has promised that it will not.
    [[nodiscard]] Result<Added> add(const Core::Place& place, std::span<const std::byte> batch,
                                    std::uint32_t events, EpochNanos due);

    void on_create(const wire::Frame& frame, const Responder& responder);
    void on_list(const wire::fb::ListSchedulesT& request, const Responder& responder);
    void on_cancel(const wire::fb::CancelScheduleT& request, const Responder& responder);

    // Appends what is due, as much as fits a turn. Returns whether there was anything.
    bool run();
    // Sees to it that the loop wakes up when the next one is due, if that is soon; now and then.
    void arm();

    void on_topics_changed() override {}
    void on_topic_removed(TopicId topic) override;

    [[nodiscard]] std::size_t count() const noexcept { return by_id_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    struct Schedule {
        std::string name;
        LogId log;
        EpochNanos due;
        std::string cron_text;
        std::optional<Cron> cron{};
        EpochNanos created;
        std::vector<std::byte> batch;
        std::uint32_t events = 0;

        // About what it takes in memory.
        [[nodiscard]] std::size_t bytes() const noexcept {
            constexpr std::size_t nodes_bytes = 512;
            return batch.size() + name.size() + cron_text.size() + nodes_bytes;
        }
    };
    using ById = std::map<std::uint64_t, Schedule>;

    [[nodiscard]] Result<void> load_row(std::uint64_t id, std::string_view row);
    [[nodiscard]] Result<Schedule> read_request(const wire::Frame& frame);
    [[nodiscard]] std::uint64_t next_id();
    [[nodiscard]] Result<Added> store(Schedule schedule);
    [[nodiscard]] Result<JournalSequence> write_row(std::uint64_t id, const Schedule& schedule);
    [[nodiscard]] Result<JournalSequence> erase_row(std::uint64_t id);
    void keep(std::uint64_t id, Schedule schedule);
    void forget(ById::iterator schedule);
    void take_away(ById::iterator schedule);
    // Fails when it has to be tried again later.
    [[nodiscard]] Result<void> fire(ById::iterator schedule);

    Core& core_;
    LogAppender& appender_;
    MessageIds& ids_;
    ById by_id_;
    std::map<std::string, std::uint64_t, std::less<>> by_name_;
    std::set<std::pair<EpochNanos, std::uint64_t>> due_;
    std::size_t bytes_ = 0;  // of all of them
    std::uint64_t last_id_ = 0;
    std::vector<std::uint64_t> orphans_;  // rows of topics that are gone
    MonoNanos not_before_{};              // after a failure
    bool failing_ = false;                // and it has been logged
    boost::asio::steady_timer timer_;     // wakes the loop, which then runs what is due
    EpochNanos armed_for_{};
};

}  // namespace casc::broker
