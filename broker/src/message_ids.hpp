#pragma once
// Deduplication by message id: what the topics that ask for it have taken within their windows.
//
// Ids are kept in memory only. At start they are read again from the events themselves: those that
// the logs have got within the window, and those that wait in schedules.

#include "topic_observers.hpp"
#include "topic_registry.hpp"

#include <casc/storage/store.hpp>
#include <casc/types/vocabulary.hpp>
#include <casc/wire/batch_slice.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <cstring>
#include <deque>
#include <optional>
#include <unordered_map>

namespace casc::broker {

using MessageId = std::array<std::byte, 16>;

// Thread: owning shard.
class MessageIds final : public TopicObserver {
public:
    // Where the event went that had the id first.
    struct Seen {
        LogId log;
        Offset offset;
        std::uint64_t schedule_id = 0;  // instead of the offset, while it waits
        JournalSequence sequence;       // durable with this entry
        EpochNanos at{};                // when it came
    };

    MessageIds(storage::Store& store, const TopicRegistry& topics, TopicObservers& observers)
        : store_(store), topics_(topics) {
        observers.add(*this);
    }

    // Once at start: `ids_max` at most. Fails with: storage errors, data_corrupt.
    [[nodiscard]] Result<void> load(EpochNanos now, std::size_t ids_max);

    // Whether ids of the topic are looked at.
    [[nodiscard]] static bool wanted(const Topic& topic) noexcept {
        return topic.settings.dedup_window_ms != 0;
    }
    [[nodiscard]] const Seen* find(const Topic& topic, const MessageId& id, EpochNanos now);
    void remember(const Topic& topic, const MessageId& id, const Seen& seen, EpochNanos now);
    // Those of a batch that has got its place in a log, or waits.
    void remember_all(const Topic& topic, const wire::BatchView& batch, wire::SliceRange range,
                      const Seen& first, EpochNanos at);

    // The batch of a schedule has been appended, `first` being its first event, or, with nothing,
    // taken away. Ids that have expired since stay so.
    void schedule_ended(const Topic& topic, std::uint64_t schedule_id, const wire::BatchView& batch,
                        const std::optional<Seen>& first);

    // Lets go of what is older than its window.
    void expire(EpochNanos now);
    void on_topics_changed() override {}
    void on_topic_removed(TopicId topic) override;
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    struct Hash {
        std::size_t operator()(const MessageId& id) const noexcept {
            std::uint64_t halves[2];
            std::memcpy(halves, id.data(), sizeof halves);
            return (halves[0] ^ halves[1] * 0x9E3779B97F4A7C15ull) * 0xD6E8FEB86659FD93ull;
        }
    };
    struct Window {
        boost::unordered_flat_map<MessageId, Seen, Hash> seen;
        std::deque<std::pair<EpochNanos, MessageId>> order;  // oldest first
    };

    void expire(Window& window, const Topic& topic, EpochNanos now);
    [[nodiscard]] Result<void> load_log(const Topic& topic, LogId log,
                                        const storage::LogState& state, EpochNanos from,
                                        std::size_t ids_max);
    [[nodiscard]] Result<std::vector<storage::BatchRef>> read(LogId log, Offset from, Offset end);

    storage::Store& store_;
    const TopicRegistry& topics_;
    std::unordered_map<TopicId, Window> windows_;
    std::size_t size_ = 0;  // of all of them
};

// The id of event `index`, if it has one.
[[nodiscard]] std::optional<MessageId> message_id_of(const wire::BatchView& batch,
                                                     std::uint32_t index) noexcept;

}  // namespace casc::broker
