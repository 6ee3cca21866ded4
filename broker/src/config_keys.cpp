#include "config_keys.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace casc::broker {

namespace {

constexpr std::int64_t operator""_s(unsigned long long n) {
    return static_cast<std::int64_t>(n) * 1000;
}
constexpr std::int64_t operator""_days(unsigned long long n) {
    return static_cast<std::int64_t>(n) * 24 * 3600 * 1000;
}
constexpr std::int64_t kKiB = 1 << 10;
constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGiB = 1 << 30;
constexpr std::int64_t kTiB = kGiB << 10;
constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::max();

constexpr std::array kSections{
    ConfigSection{"node", "Who this broker is and where its data lies."},
    ConfigSection{
        "listen",
        "Where clients reach it. There is no authentication yet, so anything but this machine's\n"
        "own addresses is refused unless insecure = true."},
    ConfigSection{"limits", "Bounds that keep one client from harming the others."},
    ConfigSection{
        "topics",
        "What a new topic gets when its creator does not say. Existing topics keep theirs."},
    ConfigSection{"storage", "The journal, the log behind it, and the disk under both."},
    ConfigSection{"groups", "Consumer groups."},
    ConfigSection{"delivery", "The order in which a subscriber gets the events of several lanes."},
    ConfigSection{"volatile", "Topics of which nothing is stored."},
    ConfigSection{"producers", "Memory of the producers whose duplicates are recognised."},
    ConfigSection{"requests", "Request and reply: what may be under way and wait in memory."},
    ConfigSection{
        "shared_memory",
        "Connections of this host that leave their Unix socket for rings in shared memory."},
    ConfigSection{"models", "Models that answer requests, in this process: docs/inference.md."},
    ConfigSection{"log", "The broker's own log lines, on standard error."},
};

#define CASC_MEMBER(path) [](Config& c) -> KeyMember { return &c.path; }

constexpr std::array kKeys{
    ConfigKey{"node.id",
              KeyKind::text,
              {1, 64},
              Reload::no,
              CASC_MEMBER(node.id),
              "Name of this broker in logs and metrics: letters, digits, '-', '_' and '.'."},
    ConfigKey{"node.data_directory",
              KeyKind::text,
              {1, 4096},
              Reload::no,
              CASC_MEMBER(node.data_directory),
              "Folder of journal and log; made when missing, used by one broker at a time."},

    ConfigKey{"listen.endpoints",
              KeyKind::endpoints,
              {},
              Reload::no,
              CASC_MEMBER(listen.endpoints),
              "Addresses for clients: \"host:port\", \"[::1]:port\" or \"unix:///run/casc.sock\" "
              "(owner only).\n"
              "Port 0 takes any free one, which the log then names. \"inproc://name\" is for "
              "clients in\n"
              "the same process, where a program embeds the broker."},
    ConfigKey{"listen.http",
              KeyKind::text,
              {0, 256},
              Reload::no,
              CASC_MEMBER(listen.http),
              "Address of /metrics, /livez, /readyz and /version; empty switches it off."},
    ConfigKey{"listen.insecure",
              KeyKind::boolean,
              {},
              Reload::no,
              CASC_MEMBER(listen.insecure),
              "Allow addresses that other machines reach. Whoever reaches them may read and write "
              "everything."},

    ConfigKey{"limits.connections",
              KeyKind::count,
              {1, 1'000'000},
              Reload::yes,
              CASC_MEMBER(limits.connections),
              "Clients connected at once; one more is told so and closed."},
    ConfigKey{
        "limits.frame_bytes",
        KeyKind::bytes,
        {64 * kKiB, 17 * kMiB},
        Reload::no,
        CASC_MEMBER(limits.frame_bytes),
        "Largest frame accepted: a request with its batch. A longer one closes the connection."},
    ConfigKey{"limits.event_bytes",
              KeyKind::bytes,
              {1, 15 * kMiB},
              Reload::no,
              CASC_MEMBER(limits.event_bytes),
              "Largest single event, key and headers included."},
    ConfigKey{
        "limits.memory_bytes",
        KeyKind::bytes,
        {16 * kMiB, 64 * kTiB},
        Reload::no,
        CASC_MEMBER(limits.memory_bytes),
        "Budget for batches in memory: recent ones for readers, those not yet in the log, and what "
        "is\n"
        "queued to consumers. When it is used up, producers are slowed down; nothing is lost."},
    ConfigKey{"limits.heartbeat",
              KeyKind::duration,
              {100, 3600_s},
              Reload::yes,
              CASC_MEMBER(limits.heartbeat),
              "How often a quiet connection is to show that it is alive; clients learn it when "
              "they connect."},
    ConfigKey{"limits.idle_timeout",
              KeyKind::duration,
              {200, 86400_s},
              Reload::yes,
              CASC_MEMBER(limits.idle_timeout),
              "A connection that was silent this long is closed. Longer than limits.heartbeat."},
    ConfigKey{"limits.handshake_timeout",
              KeyKind::duration,
              {100, 600_s},
              Reload::no,
              CASC_MEMBER(limits.handshake_timeout),
              "A new connection that has not said hello within this time is closed."},

    ConfigKey{"limits.scheduled_bytes",
              KeyKind::bytes,
              {0, 64 * kTiB},
              Reload::yes,
              CASC_MEMBER(limits.scheduled_bytes),
              "Events that wait in memory for the time of their delivery; more are refused."},

    ConfigKey{"topics.auto_create",
              KeyKind::boolean,
              {},
              Reload::yes,
              CASC_MEMBER(topics.auto_create),
              "Make an unknown topic when somebody writes to it. Off, because a typing error would "
              "make one."},
    ConfigKey{"topics.partitions",
              KeyKind::count,
              {1, kPartitionsMax},
              Reload::yes,
              CASC_MEMBER(topics.partitions),
              "Partitions of a new topic."},
    ConfigKey{
        "topics.durability",
        KeyKind::text,
        {.choices = "memory|durable"},
        Reload::yes,
        CASC_MEMBER(topics.durability),
        "When consumers may see an event: \"durable\" once it is on disk, \"memory\" at once.\n"
        "Volatile topics, of which nothing is stored, are made by name only."},
    ConfigKey{
        "topics.retention_ms",
        KeyKind::duration,
        {1000, kNoBound, true},
        Reload::yes,
        CASC_MEMBER(topics.retention_ms),
        "How long events are kept, at the least; they go within a hundredth of it, or a second, "
        "after that."},
    ConfigKey{"topics.retention_bytes",
              KeyKind::bytes,
              {1 * kMiB, kNoBound, true},
              Reload::yes,
              CASC_MEMBER(topics.retention_bytes),
              "How much is kept, per partition."},
    ConfigKey{"topics.retention_events",
              KeyKind::count,
              {1, kNoBound, true},
              Reload::yes,
              CASC_MEMBER(topics.retention_events),
              "How many events are kept, per partition."},
    ConfigKey{"topics.topics_max",
              KeyKind::count,
              {1, 10'000'000},
              Reload::yes,
              CASC_MEMBER(topics.topics_max),
              "Topics of this broker; creating one more is refused."},
    ConfigKey{"topics.keys_memory_bytes",
              KeyKind::bytes,
              {0, 64 * kTiB},
              Reload::yes,
              CASC_MEMBER(topics.keys_memory_bytes),
              "Memory for the keys of compacted topics (about 128 bytes each, and the key); new "
              "ones are\n"
              "refused when it is used up."},

    ConfigKey{"storage.disk",
              KeyKind::text,
              {.choices = "auto|io_uring|pwritev2"},
              Reload::no,
              CASC_MEMBER(storage.disk),
              "How files are written. \"auto\" takes io_uring with direct I/O where the system has "
              "both."},
    ConfigKey{"storage.journal_segment_bytes",
              KeyKind::bytes,
              {1 * kMiB, 4 * kGiB},
              Reload::no,
              CASC_MEMBER(storage.journal_segment_bytes),
              "Size of a journal file; a multiple of 4KiB and at least twice limits.frame_bytes."},
    ConfigKey{"storage.journal_segments_min",
              KeyKind::count,
              {2, 1024},
              Reload::no,
              CASC_MEMBER(storage.journal_segments_min),
              "Journal files made at first start and kept for reuse."},
    ConfigKey{
        "storage.journal_segments_max",
        KeyKind::count,
        {2, 4096},
        Reload::no,
        CASC_MEMBER(storage.journal_segments_max),
        "Journal files under load; when all are in use producers wait for the log to catch up."},
    ConfigKey{"storage.checkpoint_bytes",
              KeyKind::bytes,
              {1 * kMiB, 4 * kGiB},
              Reload::no,
              CASC_MEMBER(storage.checkpoint_bytes),
              "Events in memory that are moved from the journal into the log in one go."},
    ConfigKey{"storage.slice_bytes",
              KeyKind::bytes,
              {1 * kMiB, 1 * kTiB},
              Reload::no,
              CASC_MEMBER(storage.slice_bytes),
              "Size of the pieces in which the log grows and in which retention gives space back."},
    ConfigKey{"storage.rewrite_after",
              KeyKind::duration,
              {0, 3650_days},
              Reload::no,
              CASC_MEMBER(storage.rewrite_after),
              "How long a piece must be mostly expired before what is left of it is copied to give "
              "its space back; at once when the disk is full."},
    ConfigKey{"storage.reserve_bytes",
              KeyKind::bytes,
              {0, 64 * kTiB},
              Reload::no,
              CASC_MEMBER(storage.reserve_bytes),
              "Free disk space under which new events are refused, so that what was accepted "
              "always fits."},
    ConfigKey{"storage.retention_interval",
              KeyKind::duration,
              {10, 3600_s},
              Reload::yes,
              CASC_MEMBER(storage.retention_interval),
              "How often expired events are looked for."},

    ConfigKey{"groups.session_timeout_min",
              KeyKind::duration,
              {100, 86400_s},
              Reload::yes,
              CASC_MEMBER(groups.session_timeout_min),
              "Shortest session timeout that a member may ask for."},
    ConfigKey{"groups.session_timeout_max",
              KeyKind::duration,
              {100, 86400_s},
              Reload::yes,
              CASC_MEMBER(groups.session_timeout_max),
              "Longest session timeout that a member may ask for."},
    ConfigKey{"groups.offsets_retention",
              KeyKind::duration,
              {1000, 3650_days},
              Reload::yes,
              CASC_MEMBER(groups.offsets_retention),
              "How long the positions of a group without members are remembered."},

    ConfigKey{
        "delivery.starvation_bound",
        KeyKind::count,
        {2, 1'000'000},
        Reload::yes,
        CASC_MEMBER(delivery.starvation_bound),
        "Under a backlog of urgent events a lower lane still gets one delivery in this many."},
    ConfigKey{"delivery.starvation_age",
              KeyKind::duration,
              {0, 3600_s},
              Reload::yes,
              CASC_MEMBER(delivery.starvation_age),
              "... and one when it was passed over for this long. 0: the share alone counts."},
    ConfigKey{"delivery.tap_block_timeout",
              KeyKind::duration,
              {100, 3600_s},
              Reload::yes,
              CASC_MEMBER(delivery.tap_block_timeout),
              "A tap that is full, holds its producers back and takes nothing for this long is cut "
              "off."},

    ConfigKey{
        "volatile.memory_bytes",
        KeyKind::bytes,
        {4 * kMiB, 64 * kTiB},
        Reload::yes,
        CASC_MEMBER(volatile_topics.memory_bytes),
        "Memory for the newest events of all volatile topics; beyond it the oldest go. At\n"
        "twice as much, with what waits for taps, these lose events, too, or producers wait."},
    ConfigKey{"volatile.log_bytes",
              KeyKind::bytes,
              {64 * kKiB, 64 * kTiB},
              Reload::yes,
              CASC_MEMBER(volatile_topics.log_bytes),
              "How much is kept of one lane of a partition, if the topic's retention_bytes is not "
              "less."},

    ConfigKey{
        "producers.expiry",
        KeyKind::duration,
        {1000, 3650_days},
        Reload::yes,
        CASC_MEMBER(producers.expiry),
        "How long a silent producer is remembered, and with it which of its batches were stored."},

    ConfigKey{
        "producers.message_ids_max",
        KeyKind::count,
        {0, 1'000'000'000},
        Reload::yes,
        CASC_MEMBER(producers.message_ids_max),
        "Message ids that are remembered for the topics with a deduplication window, about 70 "
        "bytes\n"
        "each; when there are so many, events with ids are refused until some have expired."},
    ConfigKey{"requests.under_way_max",
              KeyKind::count,
              {1, 100'000'000},
              Reload::yes,
              CASC_MEMBER(requests.under_way_max),
              "Requests that wait or that a responder has, of all subjects; one more is refused as "
              "overloaded."},
    ConfigKey{"requests.waiting_max",
              KeyKind::count,
              {0, 100'000'000},
              Reload::yes,
              CASC_MEMBER(requests.waiting_max),
              "Requests of one subject that wait while none of its responders has room."},
    ConfigKey{"requests.waiting_bytes_max",
              KeyKind::bytes,
              {0, 64 * kTiB},
              Reload::yes,
              CASC_MEMBER(requests.waiting_bytes_max),
              "Memory for the requests that wait, of all subjects."},
    ConfigKey{"requests.unread_bytes_max",
              KeyKind::bytes,
              {1 * kMiB, 64 * kTiB},
              Reload::yes,
              CASC_MEMBER(requests.unread_bytes_max),
              "Answers kept for a requester that does not read them; beyond it they fail as "
              "overloaded."},
    ConfigKey{"requests.timeout_max",
              KeyKind::duration,
              {1, 86400_s},
              Reload::yes,
              CASC_MEMBER(requests.timeout_max),
              "Longest time that a request may give its responder."},

    ConfigKey{"shared_memory.enabled",
              KeyKind::boolean,
              {},
              Reload::yes,
              CASC_MEMBER(shared_memory.enabled),
              "Whether clients on a Unix socket are offered rings in shared memory (shm:///path)."},
    ConfigKey{"shared_memory.ring_bytes",
              KeyKind::bytes,
              {4 * kKiB, 64 * kMiB},
              Reload::yes,
              CASC_MEMBER(shared_memory.ring_bytes),
              "Each of the two rings of a connection; a power of two."},
    ConfigKey{"shared_memory.memory_bytes",
              KeyKind::bytes,
              {0, 64 * kTiB},
              Reload::yes,
              CASC_MEMBER(shared_memory.memory_bytes),
              "Memory for the rings of all connections; one more is refused as overloaded."},

    ConfigKey{"models.folder",
              KeyKind::text,
              {0, 4096},
              Reload::no,
              CASC_MEMBER(models.folder),
              "Where models lie, as <name>/<version>/; empty: this broker serves none."},
    ConfigKey{"models.load",
              KeyKind::names,
              {},
              Reload::no,
              CASC_MEMBER(models.load),
              "Loaded at the start: \"name\", which is its newest version, or \"name/version\"."},

    ConfigKey{"log.level",
              KeyKind::text,
              {.choices = "debug|info|warn|error"},
              Reload::yes,
              CASC_MEMBER(log.level),
              "The least important lines that are written."},
    ConfigKey{"log.format",
              KeyKind::text,
              {.choices = "text|json"},
              Reload::no,
              CASC_MEMBER(log.format),
              "\"text\": a line for people; \"json\": one object per line."},
};

#undef CASC_MEMBER

// Levenshtein's distance: letters to insert, remove or replace.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

}  // namespace

std::span<const ConfigKey> config_keys() {
    return kKeys;
}
std::span<const ConfigSection> config_sections() {
    return kSections;
}

const ConfigKey* find_config_key(std::string_view name) {
    const auto found = std::find_if(kKeys.begin(), kKeys.end(),
                                    [&](const ConfigKey& k) { return k.name == name; });
    return found == kKeys.end() ? nullptr : &*found;
}

std::string_view nearest_config_key(std::string_view name) {
    const std::string_view leaf = name.substr(name.find('.') == name.npos ? 0 : name.find('.') + 1);
    // More than a third of the letters wrong is no typing error any more.
    std::size_t best = name.size() / 3 + 1;
    std::string_view nearest;
    for (const ConfigKey& key : kKeys) {
        // The right name in the wrong section counts as one mistake.
        const std::size_t distance =
            std::min(edit_distance(name, key.name), edit_distance(leaf, key.leaf()) + 1);
        if (distance < best) {
            best = distance;
            nearest = key.name;
        }
    }
    return nearest;
}

}  // namespace casc::broker
