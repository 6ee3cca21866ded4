#pragma once
// inference/src/event_requests.hpp: requests that are events, and their answers, exactly once.

#include "pending_requests.hpp"

#include <casc/client/client.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace casc::inference {

// What is to be written for a request: it is done, and this is its answer.
struct FinishedEvent {
    FromEvent of;
    Lane lane = Lane::normal;
    std::string payload;
    std::string request_id;  // for the error that takes the place of an answer that is too large
};

// Thread: one at a time. Lifetime: the client must outlive it.
class EventRequests {
public:
    // Fails with: unknown_topic, invalid_config (the results' topic is not durable), and as
    // Client::make_queue_consumer() and make_transactor() do.
    [[nodiscard]] static Result<std::unique_ptr<EventRequests>> open(client::Client& client,
                                                                     const std::string& topic,
                                                                     const std::string& group,
                                                                     const std::string& results,
                                                                     std::size_t events_max);

    // Up to `max_events` that have come; never waits.
    [[nodiscard]] Result<client::EventBatch> take(std::size_t max_events) {
        return queue_.poll(max_events, std::chrono::milliseconds(0));
    }
    void when_ready(std::function<void()> done) { queue_.when_ready(std::move(done)); }

    // To be written with the next commit.
    void finish(FinishedEvent finished);
    [[nodiscard]] std::size_t finished_count() const noexcept { return finished_.size(); }
    // Whether there is something to commit, and it is time to.
    [[nodiscard]] bool is_due() const noexcept;
    // Writes what has been finished, as much as one transaction may have. When the broker has no
    // room for it now, it is tried again a little later, with the same answers, for as long as the
    // group lets requests be held (30 minutes by default). When it fails
    // otherwise nothing of it was written, or nobody knows; these requests are refused, so that the
    // group delivers again those that are not done, a little later and as often as its settings
    // say.
    [[nodiscard]] Result<void> commit();
    // Gives back what has been finished and could not be written.
    void release_finished();
    // Gives a request back that has no answer: at once, or a little later.
    void release(const FromEvent& of);
    void again_later(const FromEvent& of, const Error& why);
    // Leaves the group.
    void close();

private:
    EventRequests(client::QueueConsumer queue, client::Transactor transactor, std::string results)
        : queue_(std::move(queue)),
          transactor_(std::move(transactor)),
          results_(std::move(results)) {}

    [[nodiscard]] Result<void> write(std::size_t count);
    [[nodiscard]] std::size_t count_that_fits() const noexcept;
    [[nodiscard]] bool may_be_written_later(ErrorCode code);

    client::QueueConsumer queue_;
    client::Transactor transactor_;
    const std::string results_;
    std::vector<FinishedEvent> finished_;
    unsigned overloads_ = 0;                             // in a row
    std::chrono::steady_clock::time_point commit_at_{};  // not before; set when there was no room
};

}  // namespace casc::inference
