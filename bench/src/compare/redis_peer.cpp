// Redis: streams for what is stored, lists for requests, channels for what is not.

#include "peers.hpp"
#include "redis_client.hpp"
#include "server_peer.hpp"
#include "spread_writer.hpp"

#include <utility>
#include <vector>

namespace casc::bench::compare {
namespace {

// Redis takes 16 KiB of each connection before it syncs: with one, that is all that a sync is for.
constexpr std::size_t kSyncedConnections = 16;

// Nobody else keeps requests, and what is published goes into no log.
bool is_logged(const Case& asked) {
    return asked.question != Question::request && asked.question != Question::volatile_;
}

std::string redis_guarantee(const Case& asked) {
    switch (asked.question) {
        case Question::produce:
            return "in the page cache; fsync every second, so that the last second can be lost";
        case Question::produce_fsync:
            return "on the disk (fsync) before the acknowledgement";
        case Question::consume:
        case Question::queue:
            return "at least once; each event acknowledged by itself; fsync every second";
        case Question::consume_log:
            return "in log order; the reader keeps its position";
        case Question::e2e:
            return "seen when in the page cache; fsync every second";
        case Question::e2e_fsync:
            return "seen when on the disk (fsync)";
        case Question::request:
            return "kept in memory until it is popped; lost with whoever has popped it";
        case Question::volatile_:
            return "kept nowhere; dropped for who is too slow (here nobody is)";
    }
    return {};
}

std::string redis_configuration(const Case& asked) {
    const std::string server = is_logged(asked) ? std::string("appendonly yes, appendfsync ") +
                                                      (asked.is_durable() ? "always" : "everysec")
                                                : "appendonly no";
    const std::string block = std::to_string(redis_block_events(asked.payload_bytes));
    switch (asked.question) {
        case Question::produce_fsync:
            return server + "; XADD, one entry an event, on each of " +
                   std::to_string(kSyncedConnections) + " connections 2 blocks of " + block +
                   " on their way";
        case Question::produce:
            return server + "; XADD, one entry an event, 2 blocks of " + block + " on their way" +
                   on_connections(asked);
        case Question::consume:
        case Question::queue:
            return server + "; XREADGROUP COUNT 1000, 2 on their way, one XACK for each";
        case Question::consume_log:
            return server + "; XRANGE COUNT 1000";
        case Question::e2e:
        case Question::e2e_fsync:
            return server + "; XADD one by one, XREAD BLOCK COUNT 1000";
        case Question::request:
            return server + "; LPUSH and BLMPOP COUNT 64, a list each way";
        case Question::volatile_:
            return server + "; PUBLISH in blocks, SUBSCRIBE, window " +
                   (asked.width > 1 ? "1" : "8") + " MiB" + on_connections(asked);
    }
    return {};
}

class RedisPeer final : public ServerPeer {
public:
    std::string name() const override { return "redis"; }
    std::string package() const override { return "redis-server"; }
    std::string version() const override { return version_; }
    std::optional<Terms> terms(const Case& asked) const override {
        return Terms{redis_guarantee(asked), redis_configuration(asked)};
    }

    void start(const std::filesystem::path& folder, const Case& asked) override {
        port_ = free_port();
        Command command{.name = "redis-server",
                        .program = find_program("redis-server"),
                        .arguments = {"--bind", "127.0.0.1", "--port", std::to_string(port_),
                                      "--dir", folder.string(), "--daemonize", "no", "--save", "",
                                      "--appendonly", is_logged(asked) ? "yes" : "no",
                                      "--appendfsync", asked.is_durable() ? "always" : "everysec",
                                      // A rewrite in the middle of a run would measure the rewrite.
                                      "--auto-aof-rewrite-percentage", "0", "--maxclients",
                                      std::to_string(asked.idle_connection_count + 10'000),
                                      // Our own window is what bounds a subscriber.
                                      "--client-output-buffer-limit", "pubsub 0 0 0"},
                        .environment = {},
                        .folder = folder};
        server_ = std::make_unique<ChildProcess>(std::move(command));
        wait_until_ready(*server_, std::chrono::seconds(30), [&] { return is_listening(port_); });
        const std::string info = RedisConnection(port_).ask({"INFO", "server"});
        constexpr std::string_view kVersion = "redis_version:";
        if (const auto at = info.find(kVersion); at != std::string::npos)
            version_ =
                info.substr(at + kVersion.size(), info.find('\r', at) - at - kVersion.size());
    }
    void stop() noexcept override { server_.reset(); }

protected:
    std::unique_ptr<Writer> make_writer(const Case& asked) override {
        if (asked.question == Question::volatile_)
            return make_channel_writer(port_, asked.payload_bytes);
        if (asked.question != Question::produce_fsync)
            return make_stream_writer(port_, asked.payload_bytes);
        std::vector<std::unique_ptr<Writer>> writers;
        for (std::size_t i = 0; i < kSyncedConnections; ++i)
            writers.push_back(make_stream_writer(port_, asked.payload_bytes));
        return make_spread_writer(std::move(writers));
    }
    std::unique_ptr<Reader> make_reader(const Case& asked, std::uint32_t pass) override {
        switch (asked.question) {
            case Question::consume:
            case Question::queue:
                return make_group_reader(port_, "group-" + std::to_string(pass));
            case Question::consume_log:
                return make_range_reader(port_);
            case Question::volatile_:
                return make_channel_reader(port_);
            default:
                return make_tail_reader(port_);
        }
    }
    std::unique_ptr<Requester> make_requester(const Case&) override {
        return make_list_requester(port_);
    }
    std::unique_ptr<Responder> make_responder(const Case&) override {
        return make_list_responder(port_);
    }
    std::shared_ptr<void> connect_idle() override {
        return std::make_shared<RedisConnection>(port_);
    }
    std::uint64_t stored_events() override {
        const std::string reply = RedisConnection(port_).ask({"XLEN", kRedisStream});
        return static_cast<std::uint64_t>(std::stoull(reply.substr(1)));
    }

private:
    std::uint16_t port_ = 0;
    std::string version_;
    std::unique_ptr<ChildProcess> server_;
};

}  // namespace

std::unique_ptr<Contestant> make_redis() {
    return std::make_unique<RedisPeer>();
}

}  // namespace casc::bench::compare
