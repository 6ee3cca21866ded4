#include "config_check.hpp"

#include "config_address.hpp"
#include "config_keys.hpp"
#include "config_value.hpp"

#include <bit>
#include <set>

namespace casc::broker {

namespace {

constexpr std::uint64_t kBlockBytes = 4_KiB;
// What a frame carries beside the event: its header, the request body, the batch header and
// columns.
constexpr std::uint64_t kFrameOverheadBytes = 16_KiB;

// Thread: any. Lives for one check_config().
class Checker {
public:
    Checker(const Config& config, const ConfigPlaces& places) : config_(config), places_(places) {}

    std::vector<std::string> run() {
        check_endpoints();
        check_sizes();
        check_times();
        check_names();
        check_models();
        return std::move(problems_);
    }

private:
    // limits.heartbeat = 60s (casc.toml:4:13)
    std::string setting(std::string_view name) const {
        const ConfigKey* key = find_config_key(name);
        CASC_ASSERT(key != nullptr, name);
        const auto place = places_.find(name);
        return std::string(name) + " = " + config_value_text(config_, *key) + " (" +
               (place == places_.end() ? "default" : place->second) + ")";
    }

    void require(bool holds, std::string_view name, const std::string& rule) {
        if (!holds) problems_.push_back(setting(name) + " " + rule);
    }

    void check_endpoint(std::string_view key, const std::string& text) {
        const Result<ListenAddress> endpoint = parse_listen_address(text);
        if (!endpoint) {
            problems_.push_back(setting(key) + ": " + endpoint.error().detail);
        } else if (!endpoint->local_only() && !config_.listen.insecure) {
            problems_.push_back(
                setting(key) + ": other machines could reach " + text +
                ", and this version has no authentication: everybody there could read and delete "
                "everything. Listen on 127.0.0.1, [::1] or a Unix socket, or accept that with "
                "listen.insecure = true (--insecure)");
        }
    }

    void check_endpoints() {
        std::set<std::string> seen;
        for (const std::string& text : config_.listen.endpoints) {
            check_endpoint("listen.endpoints", text);
            const bool any_port = text.ends_with(":0");
            require(any_port || seen.insert(text).second, "listen.endpoints",
                    "names " + text + " twice");
        }
        if (config_.listen.http.empty()) return;
        check_endpoint("listen.http", config_.listen.http);
        require(config_.listen.http.find("://") == std::string::npos, "listen.http",
                "must be host:port: HTTP is served over TCP");
        require(config_.listen.http.ends_with(":0") || !seen.contains(config_.listen.http),
                "listen.http", "is also one of listen.endpoints");
    }

    void check_sizes() {
        const auto& limits = config_.limits;
        const auto& storage = config_.storage;
        require(limits.event_bytes + kFrameOverheadBytes <= limits.frame_bytes,
                "limits.event_bytes",
                "does not fit a frame: it must be at least 16KiB below " +
                    setting("limits.frame_bytes"));
        require(limits.memory_bytes >= 4ull * limits.frame_bytes, "limits.memory_bytes",
                "must be at least four times " + setting("limits.frame_bytes"));
        require(limits.memory_bytes >= 2 * storage.checkpoint_bytes, "limits.memory_bytes",
                "must be at least twice " + setting("storage.checkpoint_bytes"));
        require(storage.journal_segment_bytes % kBlockBytes == 0, "storage.journal_segment_bytes",
                "must be a multiple of 4KiB");
        require(storage.journal_segment_bytes >= 2ull * limits.frame_bytes,
                "storage.journal_segment_bytes",
                "must be at least twice " + setting("limits.frame_bytes") +
                    ", or the largest batch would not fit the journal");
        require(storage.journal_segments_max >= storage.journal_segments_min,
                "storage.journal_segments_max",
                "must not be less than " + setting("storage.journal_segments_min"));
        require(storage.journal_segments_max * storage.journal_segment_bytes >=
                    2 * storage.checkpoint_bytes,
                "storage.journal_segments_max",
                "times " + setting("storage.journal_segment_bytes") + " must hold twice " +
                    setting("storage.checkpoint_bytes"));
        require(std::has_single_bit(config_.shared_memory.ring_bytes), "shared_memory.ring_bytes",
                "must be a power of two");
        require(storage.slice_bytes >= storage.checkpoint_bytes, "storage.slice_bytes",
                "must be at least " + setting("storage.checkpoint_bytes"));
    }

    void check_models() {
        require(config_.models.load.empty() || !config_.models.folder.empty(), "models.load",
                "needs a folder to load from: " + setting("models.folder"));
    }

    void check_times() {
        require(config_.limits.idle_timeout > config_.limits.heartbeat, "limits.idle_timeout",
                "must be longer than " + setting("limits.heartbeat") +
                    ", or idle connections are closed between two "
                    "heartbeats");
        require(config_.groups.session_timeout_max >= config_.groups.session_timeout_min,
                "groups.session_timeout_max",
                "must not be less than " + setting("groups.session_timeout_min"));
    }

    void check_names() {
        const std::string& id = config_.node.id;
        const bool plain =
            id.find_first_not_of(
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
            std::string::npos;
        require(plain, "node.id", "may have letters, digits, '-', '_' and '.'");
    }

    const Config& config_;
    const ConfigPlaces& places_;
    std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> check_config(const Config& config, const ConfigPlaces& places) {
    return Checker(config, places).run();
}

}  // namespace casc::broker
