// casc-admin dlq replay: dead letters become events again, where they came from or elsewhere.
//
// Some at a time are produced and, once they are durable, taken out of the dead letter topic: what
// is interrupted in between is replayed twice, and nothing is lost.

#include "dlq_replay.hpp"

#include "dead_letter.hpp"
#include "interrupt.hpp"

#include <cstring>
#include <map>
#include <memory>
#include <mutex>

namespace casc::admin {

namespace {

struct ReplayOptions {
    std::string name;
    std::string to;  // empty: each to where it came from
    std::optional<std::uint64_t> count;
    bool dry_run = false;
};

// The first event that was not delivered. Thread: any.
class Failure {
public:
    void note(const Error& why) {
        const std::lock_guard lock(mutex_);
        if (!why_) why_ = why;
    }
    [[nodiscard]] Result<void> outcome() const {
        const std::lock_guard lock(mutex_);
        if (why_) return *why_;
        return {};
    }

private:
    mutable std::mutex mutex_;
    std::optional<Error> why_;
};

class Replay {
public:
    Replay(Session& session, const ReplayOptions& options, std::string topic)
        : session_(session), options_(options), topic_(std::move(topic)) {}

    Result<void> run() {
        const Result<void> read =
            read_dead_letters(session_, topic_, options_.count.value_or(~std::uint64_t{0}),
                              [this](const client::EventBatch& events) { return replay(events); });
        for (auto& [name, producer] : producers_)
            static_cast<void>(producer.close());  // everything was flushed, or has failed
        return read;
    }
    // By topic.
    [[nodiscard]] const std::map<std::string, std::uint64_t>& replayed() const { return replayed_; }

private:
    Result<void> replay(const client::EventBatch& events) {
        std::map<std::string, std::uint64_t> counts;
        std::map<Lane, Offset> done;
        Result<void> outcome;
        for (const client::ConsumedEvent& event : events) {
            auto sent = send(event, counts);
            if (!sent) {
                outcome = std::move(sent).error();
                break;
            }
            done[event.event.lane] = event.event.offset + OffsetDelta(1);
        }
        if (options_.dry_run) return add(counts), outcome;
        for (auto& [name, producer] : producers_)
            CASC_TRY_VOID(producer.flush());
        CASC_TRY_VOID(failure_->outcome());
        if (!done.empty()) CASC_TRY_VOID(take_out(done));
        add(counts);
        return outcome;
    }

    Result<void> send(const client::ConsumedEvent& consumed,
                      std::map<std::string, std::uint64_t>& counts) {
        CASC_TRY(const DeadLetter letter, dead_letter_of(consumed));
        const wire::EventView& from = consumed.event;
        if (!letter.truncated.empty())
            return Error(ErrorCode::invalid_request,
                         "the dead letter at offset " + std::to_string(from.offset.value()) +
                             " was too large to keep its " + std::string(letter.truncated) +
                             "; the event is at offset " + std::to_string(letter.offset) + " of '" +
                             std::string(letter.topic) + "' partition " +
                             std::to_string(letter.partition) + " lane " +
                             std::string(letter.lane) + ", if retention has left it there");
        const std::string to = options_.to.empty() ? std::string(letter.topic) : options_.to;
        if (options_.dry_run) return ++counts[to], Result<void>();
        CASC_TRY(client::Producer* const producer, producer_of(to));
        client::Event event;
        event.payload = from.payload;
        event.key = from.key;
        event.lane = from.lane;
        event.headers = letter.own_headers;
        event.timestamp = from.timestamp;
        event.type = from.type;
        event.correlation_id = from.correlation_id;
        event.source = from.source;
        event.destination = from.destination;
        event.schema_version = from.schema_version;
        if (from.message_id) {
            event.message_id.emplace();
            std::memcpy(event.message_id->data(), from.message_id->data(), from.message_id->size());
        }
        // Back to its own partition, where its neighbours of the same key are.
        if (to == letter.topic && letter.partition < producer->partitions())
            event.partition = PartitionId(letter.partition);
        CASC_TRY_VOID(
            producer->send(event, [failure = failure_](const Result<client::Delivery>& sent) {
                if (!sent) failure->note(sent.error());
            }));
        ++counts[to];
        return {};
    }

    Result<client::Producer*> producer_of(const std::string& name) {
        const auto found = producers_.find(name);
        if (found != producers_.end()) return &found->second;
        if (name == topic_)
            return Error(ErrorCode::invalid_request, "'" + name + "' cannot be replayed to itself");
        CASC_TRY(client::Client* const client, session_.client());
        CASC_TRY(auto producer, client->make_producer(name));
        return &producers_.emplace(name, std::move(producer)).first->second;
    }

    Result<void> take_out(const std::map<Lane, Offset>& done) {
        fb::PurgeTopicT request;
        request.name = topic_;
        for (const auto& [lane, before] : done) {
            auto& position = request.positions.emplace_back(std::make_unique<fb::PurgePositionT>());
            position->lane = static_cast<std::uint8_t>(lane);
            position->before = before.value();
        }
        CASC_TRY_VOID(session_.call(request));
        return {};
    }

    void add(const std::map<std::string, std::uint64_t>& counts) {
        for (const auto& [name, count] : counts)
            replayed_[name] += count;
    }

    Session& session_;
    const ReplayOptions& options_;
    const std::string topic_;
    const std::shared_ptr<Failure> failure_ = std::make_shared<Failure>();
    std::map<std::string, client::Producer> producers_;
    std::map<std::string, std::uint64_t> replayed_;
};

Result<ExitCode> replay(Session& session, const ReplayOptions& options) {
    CASC_TRY(const std::string topic, dead_letter_topic(session, options.name));
    watch_for_interrupt();
    Replay work(session, options, topic);
    const Result<void> outcome = work.run();
    Listing listing{{{"topic", "TO"}, {"events", "EVENTS", Style::count}}, {}};
    std::uint64_t all = 0;
    for (const auto& [name, count] : work.replayed()) {
        listing.add({json::value(name), count});
        all += count;
    }
    session.out().show(listing);
    session.out().note(options.dry_run ? std::to_string(all) + " dead letters would be replayed"
                                       : "replayed " + std::to_string(all) + " dead letters of '" +
                                             topic + "'");
    if (outcome) return ExitCode::ok;
    const ExitCode code = session.out().fail(outcome.error());
    return all == 0 ? code : ExitCode::partial;
}

}  // namespace

void add_dlq_replay(Commands& commands, CLI::App* dlq) {
    auto options = std::make_shared<ReplayOptions>();
    CLI::App* verb = dlq->add_subcommand(
        "replay", "Produce dead letters again and take them out, the oldest first");
    verb->add_option("NAME", options->name, "A queue group, or a dead letter topic")->required();
    verb->add_option("--to", options->to, "Another topic than the one they came from")
        ->type_name("TOPIC");
    add_parsed(verb, "-n,--count", options->count, parse_number, "COUNT",
               "So many at most (default: all that are there)");
    verb->add_flag("--dry-run", options->dry_run, "Say what would be replayed, and do nothing");
    commands.on(verb, [options](Session& session) { return replay(session, *options); });
}

}  // namespace casc::admin
