#pragma once
// casc/broker/config.hpp: every setting of a broker, with its default, and where each value came
// from.
//
// Layers, later wins: defaults < file (TOML) < environment (CASC_SECTION__KEY) < flags. One table
// (config_keys.cpp) describes each key; the parser, the commented example file, `--check-config`,
// `casc-admin node config` and the documentation are made from it. Thread: any (a value).

#include <casc/types/result.hpp>
#include <casc/types/units.hpp>
#include <casc/types/vocabulary.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace casc::broker {

using std::chrono::milliseconds;

struct Config {
    struct Node {
        std::string id = "casc-1";
        std::filesystem::path data_directory = "casc-data";
    } node;
    struct Listen {
        // "host:port", "unix:///path" or "inproc://name" (for clients in this very process). Port
        // 0: any free one. Anything but loopback needs `insecure`.
        std::vector<std::string> endpoints{"127.0.0.1:7440"};
        std::string http = "127.0.0.1:7441";  // empty: off
        bool insecure = false;
    } listen;
    struct Limits {
        std::uint32_t connections = 10'000;
        std::uint32_t frame_bytes = 17'825'792;  // 17 MiB: one largest batch and its request
        std::uint32_t event_bytes = 1'048'576;
        std::uint64_t memory_bytes =
            512_MiB;  // tail cache, unflushed batches and what is queued to consumers
        milliseconds heartbeat{10'000};
        milliseconds idle_timeout{30'000};
        milliseconds handshake_timeout{5'000};
        std::uint64_t scheduled_bytes = 256_MiB;
    } limits;
    struct Topics {
        bool auto_create = false;
        std::uint32_t partitions = 1;
        Durability durability = Durability::durable;
        std::int64_t retention_ms = 7ll * 24 * 3600 * 1000;
        std::int64_t retention_bytes = -1;
        std::int64_t retention_events = -1;
        std::uint32_t topics_max = 200'000;
        std::uint64_t keys_memory_bytes = 256_MiB;  // of compacted topics
    } topics;
    struct Storage {
        std::string disk = "auto";  // auto, io_uring, pwritev2
        std::uint64_t journal_segment_bytes = 64_MiB;
        std::uint32_t journal_segments_min = 4;
        std::uint32_t journal_segments_max = 32;
        std::uint64_t checkpoint_bytes = 64_MiB;
        std::uint64_t slice_bytes = 1_GiB;
        milliseconds rewrite_after{60'000};
        std::uint64_t reserve_bytes = 1_GiB;
        milliseconds retention_interval{1000};
    } storage;
    struct Groups {
        milliseconds session_timeout_min{1000};
        milliseconds session_timeout_max{1'800'000};
        milliseconds offsets_retention{7ll * 24 * 3600 * 1000};  // of a group without members
    } groups;
    struct Delivery {
        std::uint32_t starvation_bound =
            16;  // a waiting lower lane gets at least one delivery in this many
        milliseconds starvation_age{0};        // ... and one after so long; 0: does not count
        milliseconds tap_block_timeout{5000};  // a tap that holds producers and takes nothing
    } delivery;
    struct Volatile {
        std::uint64_t memory_bytes = 128_MiB;  // kept of all volatile topics
        std::uint64_t log_bytes = 8_MiB;       // of one log, if its topic does not say less
    } volatile_topics;
    struct Producers {
        milliseconds expiry{7ll * 24 * 3600 * 1000};
        std::uint64_t message_ids_max = 4'000'000;
    } producers;
    struct Requests {
        std::uint32_t under_way_max = 262'144;     // of all subjects
        std::uint32_t waiting_max = 10'000;        // of one subject, for a responder with room
        std::uint64_t waiting_bytes_max = 64_MiB;  // of all subjects
        std::uint64_t unread_bytes_max = 64_MiB;  // of one requester: answers that it does not read
        milliseconds timeout_max{3'600'000};
    } requests;
    struct SharedMemory {
        bool enabled = true;                  // for clients on a Unix socket, and in this process
        std::uint64_t ring_bytes = 256_KiB;   // of each of a connection's two rings
        std::uint64_t memory_bytes = 64_MiB;  // of all connections
    } shared_memory;
    struct Models {
        std::filesystem::path folder;   // empty: none
        std::vector<std::string> load;  // "name" or "name/version"
    } models;
    struct Log {
        std::string level = "info";   // debug, info, warn, error
        std::string format = "text";  // text, json
    } log;
};

enum class Origin : std::uint8_t { default_, file, environment, flag };

struct EffectiveSetting {
    std::string key;  // section.name
    std::string value;
    Origin origin;
    bool reloadable;
};

struct LoadedConfig {
    Config config;
    std::vector<EffectiveSetting> settings;  // every key, in the order of the example file
};

// One `section.key=value` from the command line.
struct Override {
    std::string key;
    std::string value;
};

// Reads all layers. `file` may be empty. Fails with invalid_config: "casc.toml:12:3: unknown key
// 'limits.conections', did you mean 'limits.connections'?". Values are checked for range and for
// sense together.
[[nodiscard]] Result<LoadedConfig> load_config(
    const std::filesystem::path& file,
    const std::vector<std::string>& environment,  // "NAME=value"
    const std::vector<Override>& flags);

// The commented example file with every key at its default.
[[nodiscard]] std::string example_config();

}  // namespace casc::broker
