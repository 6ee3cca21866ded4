// casc-admin consume: prints events, as a reader of its own or as a member of a group.

#include "commands.hpp"
#include "event_printer.hpp"
#include "interrupt.hpp"
#include "read_end.hpp"
#include "topic_patterns.hpp"

#include <casc/types/subject.hpp>

#include <algorithm>

namespace casc::admin {

namespace {

constexpr milliseconds kPollWait{100};  // how soon Ctrl-C and the end are noticed
constexpr std::size_t kPollEvents = 1000;
// A log of a topic of `memory` durability may have a gap at its end after a crash: nothing comes,
// and the end is not reached either. After this long without an event the reading is over.
constexpr std::chrono::seconds kQuiet{5};

struct ConsumeOptions {
    std::vector<std::string> topics;
    std::optional<StartPoint> from;
    std::optional<std::uint64_t> partition;
    std::optional<Lane> lane;
    std::string group;
    std::string instance;
    std::string filter;
    std::optional<EventFormat> format;
    bool follow = false;
    std::optional<std::uint64_t> count;
    client::Order order = client::Order::arrival;

    // Topics that come later are read, too: by a group, or for ever.
    [[nodiscard]] bool follows_patterns() const {
        return (follow || !group.empty()) &&
               std::any_of(topics.begin(), topics.end(), has_wildcard);
    }
};

Result<client::Order> parse_order(const std::string& text) {
    if (text == "arrival") return client::Order::arrival;
    if (text == "priority") return client::Order::priority;
    return Error(ErrorCode::invalid_request, "'" + text + "' is not arrival or priority");
}

class Consumption {
public:
    Consumption(Session& session, const ConsumeOptions& options, client::Consumer consumer)
        : session_(session),
          options_(options),
          printer_(session, options.format),
          consumer_(std::move(consumer)) {}

    Result<ExitCode> run() {
        if (!options_.group.empty())
            CASC_TRY_VOID(join());
        else if (options_.follows_patterns())
            CASC_TRY_VOID(consumer_.subscribe(options_.topics));
        else
            CASC_TRY_VOID(assign());
        const Result<void> read = options_.count == 0u ? Result<void>() : read_on();
        const Result<void> closed = consumer_.close();
        if (!read) return read.error();
        if (!closed) return closed.error();
        session_.out().note(std::to_string(printer_.printed()) + " events");
        return ExitCode::ok;
    }

private:
    // Without a group: every lane of every partition, from where the flags say.
    Result<void> assign() {
        std::vector<client::Place> places;
        CASC_TRY(const auto topics, matching_topics(session_, options_.topics));
        for (const std::string& topic : topics) {
            CASC_TRY(const TopicFacts facts, topic_facts(session_, topic));
            CASC_TRY(const auto partitions, chosen_partitions(topic, facts));
            CASC_TRY(auto logs, log_ends(session_, topic, partitions));
            if (options_.lane)
                std::erase_if(logs, [&](const LogEnd& log) { return log.lane != *options_.lane; });
            CASC_TRY_VOID(add_places(places, facts.id, logs));
            end_.expect(std::move(logs));
        }
        return consumer_.assign(places);
    }

    Result<std::vector<PartitionId>> chosen_partitions(const std::string& topic,
                                                       const TopicFacts& facts) const {
        if (options_.partition && *options_.partition >= facts.partitions)
            return Error(ErrorCode::unknown_partition,
                         "'" + topic + "' has " + std::to_string(facts.partitions));
        std::vector<PartitionId> all;
        if (options_.partition) {
            all.emplace_back(static_cast<std::uint32_t>(*options_.partition));
            return all;
        }
        for (std::uint32_t i = 0; i < facts.partitions; ++i)
            all.emplace_back(i);
        return all;
    }

    Result<void> add_places(std::vector<client::Place>& places, TopicId topic,
                            std::vector<LogEnd>& logs) {
        const StartPoint from = options_.from.value_or(StartPoint{});
        std::vector<Offset> found;
        if (from.kind == StartPoint::Kind::time) {
            CASC_TRY(found, at_time(topic, logs, from.time));
        }
        for (std::size_t i = 0; i < logs.size(); ++i) {
            Offset at = from.kind == StartPoint::Kind::latest ? logs[i].end
                        : from.kind == StartPoint::Kind::time ? found[i]
                        : from.kind == StartPoint::Kind::offset
                            ? std::max(from.offset, logs[i].start)
                            : logs[i].start;
            if (at > logs[i].end) at = logs[i].end;
            places.push_back({logs[i].topic, logs[i].partition, logs[i].lane, at});
        }
        return {};
    }

    Result<std::vector<Offset>> at_time(TopicId topic, const std::vector<LogEnd>& logs,
                                        EpochNanos time) {
        fb::ListOffsetsT request;
        for (const LogEnd& log : logs) {
            auto& query = request.queries.emplace_back(std::make_unique<fb::OffsetQueryT>());
            query->topic_id = topic.value();
            query->partition = log.partition.value();
            query->lane = static_cast<std::uint8_t>(log.lane);
            query->at = 2;
            query->time_ns = time.value();
        }
        CASC_TRY(const auto reply, session_.call(request));
        std::vector<Offset> offsets;
        for (const auto& answer : reply.answers) {
            if (answer->error != 0) return Error(static_cast<ErrorCode>(answer->error));
            offsets.emplace_back(answer->offset);
        }
        return offsets;
    }

    Result<void> join() {
        client::RebalanceCallbacks callbacks;
        callbacks.assigned = [this](const auto& partitions) { on_assigned(partitions); };
        const auto drop = [this](const auto& partitions) {
            for (const client::TopicPartition& gone : partitions)
                end_.forget(gone.topic, gone.partition);
        };
        callbacks.revoked = drop;
        callbacks.lost = drop;
        return consumer_.subscribe(options_.topics, std::move(callbacks));
    }

    void on_assigned(const std::vector<client::TopicPartition>& partitions) {
        joined_ = true;
        for (const client::TopicPartition& mine : partitions) {
            auto logs = log_ends(session_, mine.topic, {mine.partition});
            if (logs)
                end_.expect(std::move(*logs));
            else
                failed_ = logs.error();
        }
    }

    Result<void> read_on() {
        auto last_news = std::chrono::steady_clock::now();
        for (;;) {
            CASC_TRY(const client::EventBatch events, consumer_.poll(wanted(), kPollWait));
            if (failed_) return *failed_;
            for (const client::ConsumedEvent& event : events)
                printer_.print(event);
            CASC_TRY_VOID(printer_.flush());
            if (options_.count && printer_.printed() >= *options_.count) return {};
            if (interrupted()) return {};
            if (!events.empty()) last_news = std::chrono::steady_clock::now();
            if (options_.follow) continue;
            if (options_.group.empty() || joined_) {
                if (events.empty()) CASC_TRY_VOID(end_.pass_gaps(session_, consumer_));
                if (end_.reached(consumer_)) return {};
                if (std::chrono::steady_clock::now() - last_news > kQuiet) {
                    session_.out().note("nothing for a while; stopped before the end of some log");
                    return {};
                }
            }
        }
    }

    [[nodiscard]] std::size_t wanted() const {
        if (!options_.count) return kPollEvents;
        return static_cast<std::size_t>(
            std::min<std::uint64_t>(kPollEvents, *options_.count - printer_.printed()));
    }

    Session& session_;
    const ConsumeOptions& options_;
    ReadEnd end_;
    bool joined_ = false;
    std::optional<Error> failed_;
    EventPrinter printer_;
    client::Consumer consumer_;  // its callbacks use what is above
};

// A group begins where it has committed; --from is for the partitions where it has not.
Result<client::Reset> reset_of(const ConsumeOptions& options) {
    if (!options.from || options.from->kind == StartPoint::Kind::earliest)
        return client::Reset::earliest;
    if (options.from->kind == StartPoint::Kind::latest) return client::Reset::latest;
    if (options.group.empty())
        return Error(ErrorCode::invalid_request,
                     "where topics are followed by a pattern, --from can only be beginning or end");
    return Error(
        ErrorCode::invalid_request,
        "with --group, --from can only be beginning or end; casc-admin group reset moves a "
        "group to a time or an offset");
}

Result<ExitCode> consume(Session& session, const ConsumeOptions& options) {
    if (!options.group.empty() && (options.partition || options.lane))
        return Error(ErrorCode::invalid_request,
                     "a group reads all partitions and lanes; leave out --partition and --lane");
    if (options.group.empty() && options.follows_patterns() && (options.partition || options.lane))
        return Error(ErrorCode::invalid_request,
                     "a pattern that is followed brings all partitions and lanes; leave out "
                     "--partition and --lane");
    client::ConsumerOptions consumer_options;
    consumer_options.filter = options.filter;
    consumer_options.group = options.group;
    consumer_options.instance_id = options.instance;
    consumer_options.order = options.order;
    if (!options.group.empty() || options.follows_patterns()) {
        CASC_TRY(consumer_options.reset, reset_of(options));
    }
    CASC_TRY(client::Client* const client, session.client());
    // A group does not complain about topics that are not there (they may come); a person wants to
    // know.
    if (!options.follow) CASC_TRY_VOID(matching_topics(session, options.topics));
    for (const std::string& topic : options.topics)
        if (!has_wildcard(topic)) CASC_TRY_VOID(topic_facts(session, topic));
    CASC_TRY(auto consumer, client->make_consumer(consumer_options));
    watch_for_interrupt();
    return Consumption(session, options, std::move(consumer)).run();
}

}  // namespace

void add_consume_command(Commands& commands) {
    auto options = std::make_shared<ConsumeOptions>();
    CLI::App* verb =
        commands.root().add_subcommand("consume", "Print events, up to the end or for ever");
    verb->add_option("TOPIC", options->topics,
                     "From where; 'orders.*' or 'orders.>' for all that match")
        ->required();
    verb->add_option("--filter", options->filter,
                     "Only what matches, such as 'type == \"order\" && json.amount >= 100'")
        ->type_name("EXPRESSION");
    add_parsed(verb, "--from", options->from, parse_start_point_now, "POSITION",
               "beginning (default), end, an offset, a time, or -1h");
    add_parsed(verb, "--partition", options->partition, parse_number, "NUMBER",
               "Only this partition");
    add_parsed(verb, "--lane", options->lane, parse_lane, "LANE", "Only this lane");
    CLI::Option* group =
        verb->add_option("-g,--group", options->group,
                         "Read as a member of this group and commit what was printed")
            ->type_name("NAME");
    verb->add_option("--instance", options->instance, "Be a static member of that id")
        ->type_name("ID")
        ->needs(group);
    add_parsed(
        verb, "-f,--format", options->format,
        [](const std::string& text) { return EventFormat::parse(text); }, "FORMAT", kFormatHelp);
    verb->add_flag("--follow", options->follow, "Wait for more at the end, until Ctrl-C");
    add_parsed(verb, "-n,--count", options->count, parse_number, "COUNT",
               "Stop after so many events");
    add_parsed(verb, "--order", options->order, parse_order, "ORDER",
               "arrival (default), or priority: urgent lanes first");
    commands.on(verb, [options](Session& session) { return consume(session, *options); });
}

}  // namespace casc::admin
