// RabbitMQ: streams, by their own protocol. Its queues are not asked: they are several times
// slower, and would stand for something else.

#include "peers.hpp"
#include "rabbit_client.hpp"
#include "server_peer.hpp"

#include <fstream>
#include <vector>

namespace casc::bench::compare {
namespace {

// Erlang starts in some seconds, on a busy machine in more.
constexpr std::chrono::seconds kStartPatience{90};
// Debian's rabbitmq-server on $PATH would become the user of its service when we are root.
const std::filesystem::path kServerItself = "/usr/lib/rabbitmq/bin/rabbitmq-server";

std::string rabbit_guarantee(const Case& asked) {
    switch (asked.question) {
        case Question::produce:
            return "in the page cache; never synced, the kernel writes it back";
        case Question::consume:
            return "in log order; the position stored every 10 000 events";
        case Question::consume_log:
            return "in log order; the reader keeps its position";
        case Question::e2e:
            return "seen when in the page cache; never synced";
        default:
            return {};
    }
}

std::string rabbit_configuration(const Case& asked) {
    switch (asked.question) {
        case Question::produce:
            return "stream, one replica; " +
                   std::to_string(rabbit_block_events(asked.payload_bytes)) +
                   " messages in a frame, " + std::to_string(rabbit_window_events(asked)) +
                   " unconfirmed" + on_connections(asked);
        case Question::consume:
            return "stream; subscription with a credit of 10 chunks, StoreOffset";
        case Question::consume_log:
            return "stream; subscription with a credit of 10 chunks";
        case Question::e2e:
            return "stream; a frame of what has come while one is unconfirmed, subscription";
        default:
            return {};
    }
}

void write_file(const std::filesystem::path& file, const std::string& text) {
    std::ofstream(file) << text;
}

class RabbitPeer final : public ServerPeer {
public:
    std::string name() const override { return "rabbitmq"; }
    std::string package() const override { return "rabbitmq-server"; }
    std::string version() const override { return version_; }
    // A stream never syncs, has no replies, and keeps everything.
    std::optional<Terms> terms(const Case& asked) const override {
        std::string guarantee = rabbit_guarantee(asked);
        if (guarantee.empty()) return {};
        return Terms{std::move(guarantee), rabbit_configuration(asked)};
    }

    void start(const std::filesystem::path& folder, const Case&) override {
        std::filesystem::path program = find_program("rabbitmq-server");
        if (std::filesystem::exists(kServerItself)) program = kServerItself;
        const std::uint16_t names_port = free_port();
        start_names(folder, names_port);
        port_ = free_port();
        Command command{.name = "rabbitmq-server",
                        .program = program,
                        .arguments = {},
                        .environment = environment(folder, names_port),
                        .folder = folder};
        write_file(folder / "enabled_plugins", "[rabbitmq_stream].\n");
        write_file(folder / "rabbitmq.conf",
                   "listeners.tcp.1 = 127.0.0.1:" + std::to_string(free_port()) +
                       "\nstream.listeners.tcp.1 = 127.0.0.1:" + std::to_string(port_) + '\n');
        server_ = std::make_unique<ChildProcess>(std::move(command));
        wait_until_ready(*server_, kStartPatience, [&] { return is_listening(port_); });
        RabbitConnection connection(port_);
        version_ = connection.server_version();
        std::string body;
        append_string(body, kRabbitStream);
        append_u32(body, 0);  // no arguments: nothing is deleted
        connection.ask(RabbitKey::create, body);
    }
    void stop() noexcept override {
        server_.reset();
        names_.reset();
    }

protected:
    std::unique_ptr<Writer> make_writer(const Case& asked) override {
        return make_rabbit_writer(port_, asked, asked.question == Question::e2e);
    }
    std::unique_ptr<Reader> make_reader(const Case& asked, std::uint32_t pass) override {
        return make_rabbit_reader(port_, asked.question == Question::consume
                                             ? "reader-" + std::to_string(pass)
                                             : std::string());
    }
    std::shared_ptr<void> connect_idle() override {
        return std::make_shared<RabbitConnection>(port_);
    }
    std::uint64_t stored_events() override { return rabbit_end_offset(port_); }

private:
    // Erlang's directory of names would be started as a daemon that stays; one of our own, on a
    // port of its own, goes with us.
    void start_names(const std::filesystem::path& folder, std::uint16_t port) {
        names_ = std::make_unique<ChildProcess>(
            Command{.name = "epmd",
                    .program = find_program("epmd"),
                    .arguments = {"-port", std::to_string(port), "-address", "127.0.0.1"},
                    .environment = {},
                    .folder = folder});
        wait_until_ready(*names_, kStartPatience, [&] { return is_listening(port); });
    }

    static std::vector<std::string> environment(const std::filesystem::path& folder,
                                                std::uint16_t names_port) {
        const std::string base = folder.string();
        return {"HOME=" + base, "ERL_EPMD_PORT=" + std::to_string(names_port),
                "ERL_EPMD_ADDRESS=127.0.0.1", "RABBITMQ_NODENAME=casc-bench@localhost",
                "RABBITMQ_DIST_PORT=" + std::to_string(free_port()),
                "RABBITMQ_CONF_ENV_FILE=" + base + "/none",
                "RABBITMQ_CONFIG_FILE=" + base + "/rabbitmq",
                "RABBITMQ_ADVANCED_CONFIG_FILE=" + base + "/advanced",
                "RABBITMQ_GENERATED_CONFIG_DIR=" + base + "/generated",
                "RABBITMQ_ENABLED_PLUGINS_FILE=" + base + "/enabled_plugins",
                "RABBITMQ_MNESIA_BASE=" + base + "/data", "RABBITMQ_LOG_BASE=" + base + "/log",
                "RABBITMQ_PID_FILE=" + base + "/pid", "RABBITMQ_LOGS=-",
                // Erlang's own port is for this machine, too.
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
                // Erlang in place of the script, so that it is the process that we end.
                "RUNNING_UNDER_SYSTEMD=true"};
    }

    std::uint16_t port_ = 0;
    std::string version_;
    std::unique_ptr<ChildProcess> names_;
    std::unique_ptr<ChildProcess> server_;
};

}  // namespace

std::unique_ptr<Contestant> make_rabbitmq() {
    return std::make_unique<RabbitPeer>();
}

}  // namespace casc::bench::compare
