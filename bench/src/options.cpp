#include "options.hpp"

#include "quantities.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <map>
#include <stdexcept>

namespace casc::bench {
namespace {

// A flag whose text `parse` turns into a value of `target`; what it throws becomes CLI11's usage
// error.
template <class Target, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, Target& target, Parse parse,
                        const std::string& help) {
    return app.add_option_function<std::string>(
        name,
        [&target, parse, name](const std::string& text) {
            try {
                target = parse(text);
            } catch (const std::invalid_argument& error) {
                throw CLI::ValidationError(name, error.what());
            }
        },
        help);
}

std::uint32_t parse_small_count(const std::string& text) {
    const std::uint64_t count = parse_count(text);
    if (count > 1'000'000) throw std::invalid_argument("more than a million: '" + text + "'");
    return static_cast<std::uint32_t>(count);
}

std::uint32_t parse_positive_count(const std::string& text) {
    const std::uint32_t count = parse_small_count(text);
    if (count == 0) throw std::invalid_argument("must be at least 1");
    return count;
}

using Adder = std::function<void(CLI::App&, Options&, const std::string&)>;

const std::map<std::string_view, Adder>& adders() {
    static const std::map<std::string_view, Adder> all{
        {"--size",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.size_bytes, parse_bytes,
                        "payload bytes of one event, as 100 or 64KiB");
         }},
        {"--acks",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.acks, "when the producer is told")
                 ->check(CLI::IsMember({"none", "memory", "durable", "replicated"}))
                 ->capture_default_str();
         }},
        {"--durability",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.durability,
                            "of the topics: volatile ones store nothing; default: what --acks asks "
                            "for")
                 ->check(CLI::IsMember({"volatile", "memory", "durable"}));
         }},
        {"--producers",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.producer_count, parse_small_count,
                        "producers, one thread and connection each");
         }},
        {"--consumers",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.consumer_count, parse_small_count,
                        "consumers, one thread and connection each");
         }},
        {"--group",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.group,
                            "consumer group; without it every consumer reads everything");
         }},
        {"--idle-groups",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.idle_group_count, parse_small_count,
                        "queue groups that have a member and nothing to do");
         }},
        {"--idle-connections",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.idle_connection_count, parse_small_count,
                        "clients beside those that are measured: connected, and silent but for "
                        "their heartbeats");
         }},
        {"--idle-topics",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.idle_topic_count, parse_small_count,
                        "further topics, with default settings and an event each");
         }},
        {"--slow-consumer",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(
                 app, n, o.slow_consumer_count, parse_small_count,
                 "further consumers that fall behind: ten times a second they take 64 KiB, or "
                 "one batch that is longer; of a queue one event each");
         }},
        {"--keys",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.key_count, parse_small_count,
                        "events have one of so many keys, which decides their partition; 0: none");
         }},
        {"--backlog",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.backlog_count, parse_count,
                        "low events that are waiting all the time, as 1M");
         }},
        {"--batch-bytes",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.batch_bytes, parse_bytes,
                        "a producer sends a batch when it has this many bytes");
         }},
        {"--linger",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.linger, parse_duration,
                        "... or when its first event is this old, as 250us");
         }},
        {"--rate",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.rate, parse_count,
                        "events per second over all producers; default: as fast as it goes");
         }},
        {"--duration",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.duration, parse_duration, "stop after this time, as 10s");
         }},
        {"--events",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.event_count, parse_count, "stop after this many events, as 10M");
         }},
        {"--total",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.total_bytes, parse_bytes,
                        "stop after this much payload, as 8GiB");
         }},
        {"--in-flight",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.in_flight_count, parse_positive_count,
                        "batches sent and not acknowledged, per producer");
         }},
        {"--topics",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.topic_count, parse_positive_count, "topics to spread over");
         }},
        {"--partitions",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.partition_count, parse_positive_count,
                        "partitions of each topic");
         }},
        {"--lane",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.lane, "priority lane to produce into")
                 ->check(CLI::IsMember({"critical", "high", "normal", "low"}))
                 ->capture_default_str();
         }},
        {"--compression",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.compression, "how producers compress batches")
                 ->check(CLI::IsMember({"none", "lz4"}))
                 ->capture_default_str();
         }},
        {"--retention-bytes",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.retention_bytes, parse_bytes,
                        "keep about this much of each log; default: everything");
         }},
        {"--passes",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.pass_count, parse_positive_count,
                        "how often everything is read, the cold pass included");
         }},
        {"--transport",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.transport,
                            "how clients reach its own broker: TCP, rings in shared memory, or "
                            "both in turn")
                 ->check(CLI::IsMember({"tcp", "shm", "both"}))
                 ->capture_default_str();
         }},
        {"--over",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.scale_over,
                            "what grows: partitions, connections, groups, size or backlog");
         }},
        {"--steps",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.scale_steps,
                            "through which steps, as 1,10,1k or 16,1KiB; default: a ladder for "
                            "each");
         }},
        {"--model",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.model_folder,
                            "the folder of a model, with config.json and safetensors; default: one "
                            "of random numbers");
         }},
        {"--backend",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.backend, "what computes the model")
                 ->check(CLI::IsMember({"cpu", "cuda", "cuda-fp8"}))
                 ->capture_default_str();
         }},
        {"--seed",
         [](auto& app, auto& o, const auto& n) {
             add_parsed(app, n, o.seed, parse_count,
                        "of what is asked and when; the same seed asks the same");
         }},
        {"--address",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(
                 n, o.address,
                 "a running broker, as host:port, unix:///path or shm:///path; default: one "
                 "of its own");
         }},
        {"--data-dir",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.data_folder,
                            "where its own broker keeps its data; default: $TMPDIR, or here");
         }},
        {"--set",
         [](auto& app, auto& o, const auto& n) {
             app.add_option(n, o.settings,
                            "a setting of its own broker, as limits.connections=5; may be repeated")
                 ->allow_extra_args(false);
         }},
    };
    return all;
}

}  // namespace

void add_flag(CLI::App& app, Options& options, std::string_view name) {
    adders().at(name)(app, options, std::string(name));
}

void add_flags(CLI::App& app, Options& options, std::span<const std::string_view> names) {
    for (const std::string_view name : names)
        add_flag(app, options, name);
    const std::map<std::string, Output> outputs{{"text", Output::text}, {"json", Output::json}};
    app.add_option("-o,--output", options.output, "text, or json: one object on standard output")
        ->transform(CLI::CheckedTransformer(outputs, CLI::ignore_case));
}

}  // namespace casc::bench
