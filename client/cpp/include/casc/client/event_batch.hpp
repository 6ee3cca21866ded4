#pragma once
// casc/client/event_batch.hpp: what poll() hands out.
//
//   for (const ConsumedEvent& e : *consumer.poll(500, 100ms)) handle(e.topic, e.event.payload);
//   for (const ReceivedBatch& b : *consumer.poll_batches(100ms)) handle_columns(b.view,
//   b.payloads);

#include <casc/types/vocabulary.hpp>
#include <casc/wire/batch.hpp>

#include <iterator>
#include <span>
#include <string_view>

namespace casc::client {

// Which event it is, for as long as its topic exists.
struct EventId {
    LogId log;
    Offset offset;
    friend auto operator<=>(const EventId&, const EventId&) = default;
};

// Views into the receive buffer: valid until the next poll of the consumer that gave them.
struct ConsumedEvent {
    TopicId topic_id;
    std::string_view topic;
    PartitionId partition;
    wire::EventView event;
    std::uint32_t attempts = 0;  // deliveries by a queue group, this one included; 0: no queue

    [[nodiscard]] EventId id() const noexcept {
        return {LogId(topic_id, partition, event.lane), event.offset};
    }
};

// The events [first, end) of a batch that was checked and opened. The ones outside are not the
// reader's: below the position it asked for, or left for the next poll.
struct ReceivedBatch {
    TopicId topic_id;
    std::string_view topic;
    PartitionId partition;
    wire::BatchView view;
    std::span<const std::byte> payloads;  // of all its events, uncompressed
    std::uint32_t first = 0;
    std::uint32_t end = 0;
    std::uint32_t attempts = 0;  // as in ConsumedEvent

    [[nodiscard]] ConsumedEvent event(std::uint32_t index) const noexcept {
        return {topic_id, topic, partition, view.event(index, payloads), attempts};
    }
};

// A run of events, in the order in which they should be handled.
// Thread: the polling one. Lifetime: until the next poll.
class EventBatch {
public:
    class Iterator {
    public:
        using iterator_concept = std::input_iterator_tag;
        using value_type = ConsumedEvent;
        using difference_type = std::ptrdiff_t;

        Iterator() = default;
        explicit Iterator(const ReceivedBatch* batch) noexcept : batch_(batch) {}
        Iterator(const ReceivedBatch* batch, std::uint32_t index) noexcept
            : batch_(batch), index_(index) {}

        [[nodiscard]] ConsumedEvent operator*() const noexcept { return batch_->event(index_); }
        Iterator& operator++() noexcept {
            // Every batch in the run has at least one event; the run ends with one that is only a
            // mark.
            if (++index_ == batch_->end) index_ = (++batch_)->first;
            return *this;
        }
        void operator++(int) noexcept { ++*this; }
        friend bool operator==(const Iterator&, const Iterator&) = default;

    private:
        const ReceivedBatch* batch_ = nullptr;
        std::uint32_t index_ = 0;
    };

    EventBatch() = default;
    // `batches` has one element more than is handed out: the mark at the end, with first == 0.
    EventBatch(std::span<const ReceivedBatch> batches, std::size_t events) noexcept
        : batches_(batches), events_(events) {}

    [[nodiscard]] std::size_t size() const noexcept { return events_; }
    [[nodiscard]] bool empty() const noexcept { return events_ == 0; }
    [[nodiscard]] std::span<const ReceivedBatch> batches() const noexcept {
        return empty() ? batches_.first(0) : batches_.first(batches_.size() - 1);
    }
    [[nodiscard]] Iterator begin() const noexcept {
        return empty() ? Iterator() : Iterator(batches_.data(), batches_.front().first);
    }
    [[nodiscard]] Iterator end() const noexcept {
        return empty() ? Iterator() : Iterator(batches_.data() + batches_.size() - 1, 0);
    }

private:
    std::span<const ReceivedBatch> batches_;
    std::size_t events_ = 0;
};

}  // namespace casc::client
