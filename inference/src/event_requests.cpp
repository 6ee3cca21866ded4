#include "event_requests.hpp"

#include "bytes.hpp"

#include <casc/client/call.hpp>
#include <casc/inference/request_json.hpp>
#include <casc/types/clock.hpp>
#include <casc/types/units.hpp>
#include <casc/wire/messages.hpp>

#include <span>

namespace casc::inference {
namespace {

// Of one transaction: a frame of the broker holds 17 MiB.
constexpr std::size_t kCommitBytesMax = 8_MiB;
constexpr std::size_t kCommitEventsMax = 512;
// After an answer could not be written, for whatever reason it was.
constexpr std::chrono::milliseconds kAgainAfter{1000};
// The service does nothing else meanwhile.
constexpr std::chrono::milliseconds kWritePatience{5000};

// Of a topic that is compacted it may be for good: its keys have no more room.
constexpr unsigned kOverloadsMax = 10;

Result<void> must_be_durable(client::Client& client, const std::string& topic) {
    wire::fb::DescribeTopicT ask;
    ask.name = topic;
    CASC_TRY(const auto described, client.call(ask));
    const auto durability = static_cast<Durability>(described.topic->settings->durability.value_or(
        static_cast<std::uint8_t>(Durability::durable)));
    if (durability == Durability::durable) return {};
    return Error(
        ErrorCode::invalid_config,
        "'" + topic + "' is a topic of " + std::string(to_string(durability)) +
            " durability; answers and what they answer are written together, which takes a "
            "durable one");
}

}  // namespace

Result<std::unique_ptr<EventRequests>> EventRequests::open(client::Client& client,
                                                           const std::string& topic,
                                                           const std::string& group,
                                                           const std::string& results,
                                                           std::size_t events_max) {
    client::QueueOptions reading;
    reading.group = group;
    reading.topics = {topic};
    reading.prefetch_events = static_cast<std::uint32_t>(events_max);
    // Where answers go must be there before anything is computed.
    CASC_TRY_VOID(must_be_durable(client, results));
    CASC_TRY(auto queue, client.make_queue_consumer(reading));
    client::TransactorOptions writing;
    writing.timeout = kWritePatience;
    writing.retries_refusals = false;
    CASC_TRY(auto transactor, client.make_transactor(writing));
    return std::unique_ptr<EventRequests>(
        new EventRequests(std::move(queue), std::move(transactor), results));
}

void EventRequests::finish(FinishedEvent finished) {
    finished_.push_back(std::move(finished));
}

std::size_t EventRequests::count_that_fits() const noexcept {
    std::size_t bytes = 0;
    std::size_t count = 0;
    for (const FinishedEvent& one : finished_) {
        bytes += one.payload.size() + one.of.key.size() + one.of.correlation_id.size();
        if (count == kCommitEventsMax || (count > 0 && bytes > kCommitBytesMax)) break;
        ++count;
    }
    return count;
}

Result<void> EventRequests::write(std::size_t count) {
    client::Transaction transaction(transactor_);
    for (const FinishedEvent& one : std::span(finished_).first(count)) {
        client::Event event{.payload = bytes_of(one.payload),
                            .lane = one.lane,
                            .correlation_id = one.of.correlation_id};
        if (one.of.has_key) event.key = bytes_of(one.of.key);
        // Who has lost a request to another service leaves its answer to that one.
        if (!transaction.done(queue_, one.of.id)) continue;
        auto sent = transaction.send(results_, event);
        if (!sent && sent.error().code == ErrorCode::event_too_large) {
            // It alone would keep all the others from being written.
            const std::string error = error_json(one.request_id, sent.error(), wall_now());
            event.payload = bytes_of(error);
            sent = transaction.send(results_, event);
        }
        CASC_TRY_VOID(std::move(sent));
    }
    CASC_TRY_VOID(transaction.commit());
    return {};
}

bool EventRequests::may_be_written_later(ErrorCode code) {
    overloads_ = code == ErrorCode::overloaded ? overloads_ + 1 : 0;
    return code == ErrorCode::disk_full || code == ErrorCode::shutting_down ||
           (code == ErrorCode::overloaded && overloads_ < kOverloadsMax);
}

Result<void> EventRequests::commit() {
    const std::size_t count = count_that_fits();
    Result<void> written = write(count);
    if (!written && may_be_written_later(written.error().code)) {
        // Nothing was written, for a reason that passes.
        commit_at_ = std::chrono::steady_clock::now() + kAgainAfter;
        return written;
    }
    commit_at_ = {};
    overloads_ = 0;
    if (!written) {
        // Not at once, and not for ever: who cannot be answered becomes a dead letter in the end.
        for (const FinishedEvent& one : std::span(finished_).first(count))
            again_later(one.of, written.error());
    }
    finished_.erase(finished_.begin(), finished_.begin() + static_cast<std::ptrdiff_t>(count));
    return written;
}

bool EventRequests::is_due() const noexcept {
    return !finished_.empty() && std::chrono::steady_clock::now() >= commit_at_;
}

void EventRequests::release_finished() {
    for (const FinishedEvent& one : finished_)
        release(one.of);
    finished_.clear();
}

void EventRequests::release(const FromEvent& of) {
    // Not this member's any more: then it is another one's already.
    static_cast<void>(queue_.release(of.id));
}

void EventRequests::again_later(const FromEvent& of, const Error& why) {
    static_cast<void>(queue_.refuse(of.id, why.message(), kAgainAfter));
}

void EventRequests::close() {
    static_cast<void>(queue_.close());
}

}  // namespace casc::inference
