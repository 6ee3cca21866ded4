// casc-admin produce: lines of text, or of JSON, as events.

#include "commands.hpp"
#include "event_json.hpp"
#include "interrupt.hpp"
#include "text_codec.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <limits>
#include <mutex>
#include <unistd.h>

namespace casc::admin {

namespace {

// What fits the field: a little over 49 days.
Result<milliseconds> parse_time_to_live(const std::string& text) {
    CASC_TRY(const milliseconds time, parse_duration(text));
    if (time.count() <= std::numeric_limits<std::uint32_t>::max()) return time;
    return Error(ErrorCode::invalid_request, "'" + text + "' is longer than 49 days");
}
Result<milliseconds> parse_delay(const std::string& text) {
    CASC_TRY(const milliseconds delay, parse_duration(text));
    if (delay <= std::chrono::hours(24 * 365 * 100)) return delay;
    return Error(ErrorCode::invalid_request, "'" + text + "' is longer than a hundred years");
}
Result<EpochNanos> parse_time_now(const std::string& text) {
    return parse_time(text, wall_now());
}
Result<std::array<std::byte, 16>> parse_id(const std::string& text) {
    return parse_message_id(text);
}

struct ProduceOptions {
    std::string topic;
    std::vector<std::string> values;
    std::string file;
    bool json = false;
    std::optional<std::string> key;
    std::optional<std::string> key_delimiter;
    std::vector<std::string> headers;  // name=value
    std::optional<Lane> lane;
    std::optional<std::uint64_t> partition;
    std::optional<milliseconds> time_to_live;
    std::optional<milliseconds> delay;
    std::optional<EpochNanos> at;
    std::optional<std::array<std::byte, 16>> message_id;
    Acks acks = Acks::durable;
    bool lz4 = false;
};

// What became of the events. Thread: filled by the client's I/O thread, read after the producer is
// closed.
class Tally {
public:
    void settle(std::uint32_t count, const Result<void>& outcome) {
        const std::lock_guard lock(mutex_);
        (outcome ? delivered_ : failed_) += count;
        if (!outcome && !why_) why_ = outcome.error();
    }
    // Refused before it was sent.
    void refuse(const Error& why) { settle(1, why); }

    [[nodiscard]] std::uint64_t delivered() const {
        const std::lock_guard lock(mutex_);
        return delivered_;
    }
    [[nodiscard]] std::uint64_t failed() const {
        const std::lock_guard lock(mutex_);
        return failed_;
    }
    [[nodiscard]] std::optional<Error> why() const {
        const std::lock_guard lock(mutex_);
        return why_;
    }

private:
    mutable std::mutex mutex_;
    std::uint64_t delivered_ = 0;
    std::uint64_t failed_ = 0;
    std::optional<Error> why_;
};

// Lines of a stream or of the command line, as events.
class EventSource {
public:
    explicit EventSource(const ProduceOptions& options) : options_(options) {
        if (!options.file.empty() && options.file != "-")
            file_.open(options.file, std::ios::binary);
    }
    [[nodiscard]] bool good() const {
        return file_.is_open() || options_.file.empty() || options_.file == "-";
    }
    [[nodiscard]] std::uint64_t line() const noexcept { return line_; }

    // The next event; nullopt at the end. A line that is no event is an error, and can be passed
    // over.
    std::optional<Result<EventText>> next() {
        std::string text;
        if (!next_line(text)) return std::nullopt;
        ++line_;
        auto event = read(std::move(text));
        if (!event) {
            Error error = std::move(event).error();
            error.detail = "line " + std::to_string(line_) + ": " + error.detail;
            return Result<EventText>(std::move(error));
        }
        add_defaults(*event);
        return event;
    }

private:
    bool next_line(std::string& text) {
        if (!options_.values.empty()) {
            if (line_ == options_.values.size()) return false;
            text = options_.values[line_];
            return true;
        }
        std::istream& from = file_.is_open() ? static_cast<std::istream&>(file_) : std::cin;
        return !interrupted() && std::getline(from, text);
    }

    Result<EventText> read(std::string text) const {
        if (options_.json) return event_from_json(text);
        EventText event;
        if (options_.key_delimiter) {
            const std::size_t at = text.find(*options_.key_delimiter);
            if (at == text.npos)
                return Error(ErrorCode::invalid_request,
                             "there is no '" + *options_.key_delimiter + "' between key and value");
            event.key = text.substr(0, at);
            text.erase(0, at + options_.key_delimiter->size());
        }
        event.value = std::move(text);
        return event;
    }

    // What the flags say holds for events that do not say it themselves.
    void add_defaults(EventText& event) const {
        if (!event.key) event.key = options_.key;
        if (!event.lane) event.lane = options_.lane;
        if (!event.partition && options_.partition)
            event.partition = static_cast<std::uint32_t>(*options_.partition);
        if (event.time_to_live_ms == 0 && options_.time_to_live)
            event.time_to_live_ms = static_cast<std::uint32_t>(options_.time_to_live->count());
        if (!event.deliver_at_ns && options_.at) event.deliver_at_ns = options_.at->value();
        if (!event.deliver_at_ns && options_.delay)
            event.deliver_at_ns =
                wall_now().value() + std::chrono::nanoseconds(*options_.delay).count();
        if (!event.message_id) event.message_id = options_.message_id;
        for (const std::string& header : options_.headers) {
            const std::size_t equals = header.find('=');
            event.headers.emplace_back(header.substr(0, equals), header.substr(equals + 1));
        }
    }

    const ProduceOptions& options_;
    std::ifstream file_;
    std::uint64_t line_ = 0;
};

Result<void> send(client::Producer& producer, const EventText& text) {
    std::vector<wire::HeaderInput> headers;
    for (const auto& [name, value] : text.headers)
        headers.push_back({name, value});
    client::Event event;
    event.payload = as_bytes_of(text.value);
    if (text.key) event.key = as_bytes_of(*text.key);
    event.lane = text.lane.value_or(Lane::normal);
    if (text.partition) event.partition = PartitionId(*text.partition);
    event.headers = headers;
    if (text.timestamp_ns) event.timestamp = EpochNanos(*text.timestamp_ns);
    event.type = text.type;
    event.correlation_id = text.correlation_id;
    event.source = text.source;
    event.destination = text.destination;
    event.schema_version = text.schema_version;
    event.time_to_live_ms = text.time_to_live_ms;
    if (text.deliver_at_ns) event.deliver_at = EpochNanos(*text.deliver_at_ns);
    event.message_id = text.message_id;
    return producer.send(event);
}

// Whether the next event could fare better.
bool is_final(ErrorCode code) {
    return code == ErrorCode::queue_full || code == ErrorCode::cancelled ||
           code == ErrorCode::producer_fenced || code == ErrorCode::timeout;
}

void send_all(Session& session, client::Producer& producer, EventSource& source, Tally& tally,
              std::uint64_t& bytes) {
    while (auto event = source.next()) {
        if (!*event) {
            tally.refuse(event->error());
            session.out().note(event->error().detail);
            continue;
        }
        const auto sent = send(producer, **event);
        if (sent) {
            bytes += (*event)->value.size();
            continue;
        }
        tally.refuse(sent.error());
        session.out().note("line " + std::to_string(source.line()) + ": " + sent.error().message());
        if (is_final(sent.error().code)) return;
    }
}

ExitCode summarise(Session& session, const ProduceOptions& options, const Tally& tally,
                   std::uint64_t bytes) {
    Document document;
    document.add("topic", "TOPIC", json::value(options.topic));
    document.add("events", "EVENTS", tally.delivered(), Style::count);
    document.add("bytes", "SIZE", bytes, Style::bytes);
    document.add("failed", "FAILED", tally.failed(), Style::count);
    document.add("acks", "ACKS", json::value(to_string(options.acks)));
    session.out().done(
        document,
        "sent " + std::to_string(tally.delivered()) + " events to '" + options.topic + "'" +
            (tally.failed() == 0 ? "" : ", " + std::to_string(tally.failed()) + " failed"));
    if (tally.failed() == 0) return ExitCode::ok;
    const ExitCode code = session.out().fail(*tally.why());
    return tally.delivered() == 0 ? code : ExitCode::partial;
}

Result<ExitCode> produce(Session& session, const ProduceOptions& options) {
    for (const std::string& header : options.headers)
        if (header.find('=') == header.npos || header.front() == '=')
            return Error(ErrorCode::invalid_request, "-H " + header + " is not name=value");
    EventSource source(options);
    if (!source.good())
        return Error(ErrorCode::invalid_request, "cannot read '" + options.file + "'");
    CASC_TRY(client::Client* const client, session.client());

    // Outlives the producer, whose callbacks fill it.
    Tally tally;
    client::ProducerOptions producer_options;
    producer_options.acks = options.acks;
    producer_options.codec = options.lz4 ? wire::Codec::lz4 : wire::Codec::none;
    if (session.options().timeout) producer_options.delivery_timeout = *session.options().timeout;
    producer_options.on_batch = [&tally](const client::Delivery&, std::uint32_t count,
                                         const Result<void>& outcome) {
        tally.settle(count, outcome);
    };
    CASC_TRY(auto producer, client->make_producer(options.topic, producer_options));
    if (options.values.empty() && options.file.empty() && is_terminal(STDIN_FILENO))
        session.out().note("one event per line; Ctrl-D ends");
    watch_for_interrupt();
    std::uint64_t bytes = 0;
    send_all(session, producer, source, tally, bytes);
    // What is on its way has its own deadline; a little more, and everything has been settled.
    (void)producer.close(producer_options.delivery_timeout + milliseconds(1000));
    return summarise(session, options, tally, bytes);
}

}  // namespace

void add_produce_command(Commands& commands) {
    auto options = std::make_shared<ProduceOptions>();
    CLI::App* verb = commands.root().add_subcommand("produce", "Send events: a line of input each");
    verb->add_option("TOPIC", options->topic, "Where to")->required();
    CLI::Option* values =
        add_repeatable(verb, "-v,--value", options->values, "TEXT",
                       "An event with this value, instead of reading any; may be repeated");
    verb->add_option("--file", options->file, "Read this file instead of stdin; - is stdin")
        ->type_name("FILE")
        ->excludes(values);
    verb->add_flag("--json", options->json,
                   "Lines are objects: value, key, headers, lane, partition, timestamp_ns, type, "
                   "...; value_base64 and key_base64 for bytes");
    CLI::Option* key =
        verb->add_option("--key", options->key, "The key of all events")->type_name("TEXT");
    verb->add_option("--key-delimiter", options->key_delimiter, "Lines are key, this, value")
        ->type_name("TEXT")
        ->excludes(key);
    add_repeatable(verb, "-H,--header", options->headers, "NAME=VALUE",
                   "A header of all events; may be repeated");
    add_parsed(verb, "--lane", options->lane, parse_lane, "LANE",
               "critical, high, normal (default) or low");
    add_parsed(verb, "--partition", options->partition, parse_number, "NUMBER",
               "All events to this partition (default: by key, or spread)");
    add_parsed(verb, "--ttl", options->time_to_live, parse_time_to_live, "DURATION",
               "Nobody is given them later than this after they were stored");
    CLI::Option* delay = add_parsed(verb, "--delay", options->delay, parse_delay, "DURATION",
                                    "They are delivered so much later; schedule ls shows them");
    add_parsed(verb, "--at", options->at, parse_time_now, "TIME", "They are delivered then")
        ->excludes(delay);
    add_parsed(verb, "--message-id", options->message_id, parse_id, "HEX",
               "Their id (32 digits of hex, or a UUID); a topic with a --dedup-window stores it "
               "once");
    add_parsed(verb, "--acks", options->acks, parse_acks, "LEVEL",
               "What to wait for: none, memory or durable (default)");
    verb->add_flag("--lz4", options->lz4, "Compress");
    commands.on(verb, [options](Session& session) { return produce(session, *options); });
}

}  // namespace casc::admin
