#pragma once
// The flags that all workloads share, so that `--size 64KiB` means the same in each. A workload
// says which ones it reads; the others are refused rather than ignored.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace casc::bench {

enum class Output : std::uint8_t { text, json };

// Times in nanoseconds; unset means: the workload's own default.
struct Options {
    std::optional<std::uint64_t> size_bytes;  // payload of one event
    std::string acks = "durable";             // none, memory, durable, replicated
    std::string durability;                   // of topics; empty: what `acks` asks for
    std::uint32_t producer_count = 1;
    std::uint32_t consumer_count = 1;
    std::string group;  // consumer group; empty: independent consumers
    std::optional<std::uint64_t> batch_bytes;
    std::optional<std::chrono::nanoseconds> linger;
    std::optional<std::uint64_t>
        rate;  // events per second over all producers; unset: as fast as it goes
    std::optional<std::chrono::nanoseconds> duration;
    std::optional<std::uint64_t> event_count;
    std::optional<std::uint64_t> total_bytes;  // stop after this much payload
    std::optional<std::uint32_t>
        in_flight_count;  // batches sent and not yet acknowledged, per producer
    std::uint32_t topic_count = 1;
    std::uint32_t partition_count = 1;
    std::string lane = "normal";
    std::string compression = "none";              // none, lz4
    std::optional<std::uint64_t> retention_bytes;  // per log; unset: everything is kept
    std::uint64_t backlog_count = 1'000'000;
    std::uint32_t idle_group_count = 0;  // that are there, and have nothing to do
    std::uint32_t idle_connection_count = 0;
    std::uint32_t idle_topic_count = 0;
    std::uint32_t slow_consumer_count = 0;  // of what is measured, beside who is
    std::uint32_t key_count = 0;            // that events have; 0: none
    std::uint32_t pass_count = 6;           // how often everything is read
    std::string transport = "tcp";          // tcp, shm, both in turn
    std::string address;                    // empty: a broker of our own
    std::string data_folder;   // of our own broker; empty: $TMPDIR or the current folder
    std::string scale_over;    // what grows, and through which steps; empty: the default ones
    std::string scale_steps;   // as they were given: what they count depends on what grows
    std::string model_folder;  // of a model to serve; empty: one of random numbers
    std::string backend = "cpu";
    std::uint64_t seed = 1;  // of what is asked, and when
    std::vector<std::string>
        settings;  // "key=value" of our own broker, on top of the shipped defaults
    Output output = Output::text;
};

// The names of the shared flags, as in `--batch-bytes`, for a workload's list of those it reads.
inline constexpr std::string_view kFlagNames[] = {
    "--size",          "--acks",        "--producers",
    "--consumers",     "--group",       "--batch-bytes",
    "--linger",        "--rate",        "--duration",
    "--events",        "--total",       "--in-flight",
    "--topics",        "--partitions",  "--keys",
    "--lane",          "--compression", "--retention-bytes",
    "--idle-groups",   "--idle-topics", "--idle-connections",
    "--slow-consumer", "--passes",      "--transport",
    "--address",       "--data-dir",    "--set",
    "--over",          "--steps",       "--durability",
    "--model",         "--backend",     "--seed"};

// Adds one shared flag to `app`; it fills in `options`, which must outlive it.
void add_flag(CLI::App& app, Options& options, std::string_view name);
// Adds `-o` and those of the shared flags that are in `names`, in the same way.
void add_flags(CLI::App& app, Options& options, std::span<const std::string_view> names);

}  // namespace casc::bench
