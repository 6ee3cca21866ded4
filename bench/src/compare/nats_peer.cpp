// NATS: JetStream for what is stored, core NATS for requests and for what is not.

#include "nats_client.hpp"
#include "peers.hpp"
#include "server_peer.hpp"

#include <boost/json.hpp>

namespace casc::bench::compare {
namespace {

std::string nats_guarantee(const Case& asked) {
    switch (asked.question) {
        case Question::produce:
            return "in the page cache; fsync every 2 minutes, so that these can be lost";
        case Question::consume:
            return "at least once; one acknowledgement for a thousand events";
        case Question::queue:
            return "at least once; each event acknowledged by itself; fsync every 2 minutes";
        case Question::consume_log:
            return "in log order; the reader keeps its position";
        case Question::e2e:
            return "seen when in the page cache; fsync every 2 minutes";
        case Question::request:
            return "kept nowhere; who asked is told when nobody listens";
        case Question::volatile_:
            return "kept nowhere; who is too slow is disconnected (here nobody is)";
        default:
            return {};
    }
}

std::string nats_configuration(const Case& asked) {
    const std::string window = asked.width > 1 ? "1" : "8";
    switch (asked.question) {
        case Question::produce:
            return "JetStream, file storage, one replica; asynchronous publish, " +
                   std::to_string(jetstream_window_events(asked)) + " on their way" +
                   on_connections(asked);
        case Question::consume:
            return "JetStream, file storage; pull consumer, fetch 1000, 2 on their way, ack all";
        case Question::queue:
            return "JetStream, file storage; pull consumer, fetch 1000, 2 on their way, ack "
                   "explicit";
        case Question::consume_log:
            return "JetStream, file storage; push consumer with flow control, ack none";
        case Question::e2e:
            return "JetStream, file storage; asynchronous publish one by one, push consumer";
        case Question::request:
            return "core NATS, one inbox for all replies, what is read at once answered at once";
        case Question::volatile_:
            return "core NATS, published in blocks of 64 KiB, window " + window + " MiB" +
                   on_connections(asked);
        default:
            return {};
    }
}

bool is_stored(const Case& asked) {
    return asked.question != Question::request && asked.question != Question::volatile_;
}

class NatsPeer final : public ServerPeer {
public:
    std::string name() const override { return "nats"; }
    std::string package() const override { return "nats-server"; }
    std::string version() const override { return version_; }
    // Before its version 2.10 JetStream has no setting to sync before it acknowledges.
    std::optional<Terms> terms(const Case& asked) const override {
        if (asked.is_durable()) return {};
        return Terms{nats_guarantee(asked), nats_configuration(asked)};
    }

    void start(const std::filesystem::path& folder, const Case& asked) override {
        port_ = free_port();
        Command command{.name = "nats-server",
                        .program = find_program("nats-server"),
                        .arguments = {"--addr", "127.0.0.1", "--port", std::to_string(port_),
                                      "--jetstream", "--store_dir", (folder / "data").string()},
                        .environment = {},
                        .folder = folder};
        server_ = std::make_unique<ChildProcess>(std::move(command));
        wait_until_ready(*server_, std::chrono::seconds(30), [&] { return is_listening(port_); });
        NatsConnection connection(port_);
        version_ = connection.server_version();
        if (is_stored(asked))
            static_cast<void>(ask_jetstream(
                connection, "STREAM.CREATE.events",
                R"({"name":"events","subjects":["events.in"],"retention":"limits",)"
                R"("storage":"file","num_replicas":1,"max_msgs":-1,"max_bytes":-1,"discard":"old"})"));
    }
    void stop() noexcept override { server_.reset(); }

protected:
    std::unique_ptr<Writer> make_writer(const Case& asked) override {
        return is_stored(asked) ? make_jetstream_writer(port_, asked)
                                : make_subject_writer(port_, asked.payload_bytes);
    }
    std::unique_ptr<Reader> make_reader(const Case& asked, std::uint32_t pass) override {
        const std::string consumer = "reader-" + std::to_string(pass);
        switch (asked.question) {
            case Question::consume:
                return make_pull_reader(port_, consumer, Acknowledging::everything_before);
            case Question::queue:
                return make_pull_reader(port_, consumer, Acknowledging::each);
            case Question::volatile_:
                return make_subject_reader(port_);
            default:
                return make_push_reader(port_, consumer);
        }
    }
    std::shared_ptr<void> connect_idle() override {
        return std::make_shared<NatsConnection>(port_);
    }
    std::unique_ptr<Requester> make_requester(const Case&) override {
        return make_nats_requester(port_);
    }
    std::unique_ptr<Responder> make_responder(const Case&) override {
        return make_nats_responder(port_);
    }
    std::uint64_t stored_events() override {
        NatsConnection connection(port_);
        const auto info = boost::json::parse(ask_jetstream(connection, "STREAM.INFO.events", ""));
        return info.at("state").at("messages").to_number<std::uint64_t>();
    }

private:
    std::uint16_t port_ = 0;
    std::string version_;
    std::unique_ptr<ChildProcess> server_;
};

}  // namespace

std::unique_ptr<Contestant> make_nats() {
    return std::make_unique<NatsPeer>();
}

}  // namespace casc::bench::compare
