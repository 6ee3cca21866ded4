#include "server_peer.hpp"

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace casc::bench::compare {

std::unique_ptr<Requester> ServerPeer::make_requester(const Case& asked) {
    throw std::logic_error(name() + " has nothing for " + asked.name());
}

std::unique_ptr<Responder> ServerPeer::make_responder(const Case& asked) {
    throw std::logic_error(name() + " has nothing for " + asked.name());
}

std::shared_ptr<void> ServerPeer::connect_idle() {
    throw std::runtime_error("idle connections are not supported with " + name());
}

Sample ServerPeer::run(const Case& asked) {
    std::vector<std::shared_ptr<void>> idle;
    for (std::uint32_t i = 0; i < asked.idle_connection_count; ++i)
        idle.push_back(connect_idle());
    return run_alone(asked);
}

Sample ServerPeer::run_alone(const Case& asked) {
    switch (asked.question) {
        case Question::produce:
        case Question::produce_fsync:
            return produce(asked);
        case Question::consume:
        case Question::consume_log:
        case Question::queue:
            return consume(asked);
        case Question::e2e:
        case Question::e2e_fsync: {
            const auto writer = make_writer(asked);
            const auto reader = make_reader(asked, 0);
            return drive_e2e(*writer, *reader, asked);
        }
        case Question::request: {
            const auto responder = make_responder(asked);
            const auto requester = make_requester(asked);
            return drive_request(*requester, *responder, asked);
        }
        case Question::volatile_: {
            std::vector<std::unique_ptr<Reader>> readers;
            for (std::uint32_t i = 0; i < asked.width; ++i)
                readers.push_back(make_reader(asked, i));
            return drive_volatile(make_writers(asked), readers, asked);
        }
    }
    throw std::logic_error("no such question");
}

std::vector<std::unique_ptr<Writer>> ServerPeer::make_writers(const Case& asked) {
    std::vector<std::unique_ptr<Writer>> writers;
    for (std::uint32_t i = 0; i < asked.producer_count; ++i)
        writers.push_back(make_writer(asked));
    return writers;
}

Sample ServerPeer::produce(const Case& asked) {
    std::uint64_t sent = 0;
    const Sample sample = drive_produce(make_writers(asked), asked, sent);
    if (const std::uint64_t stored = stored_events(); stored != sent)
        throw std::runtime_error(std::to_string(sent) + " events were acknowledged, " +
                                 std::to_string(stored) + " are stored");
    return sample;
}

Sample ServerPeer::consume(const Case& asked) {
    fill(*make_writer(asked), asked);
    return drive_consume([&](std::uint32_t pass) { return make_reader(asked, pass); }, asked);
}

std::string on_connections(const Case& asked) {
    if (asked.producer_count == 1) return {};
    return "; on each of " + std::to_string(asked.producer_count) + " connections";
}

void wait_until_ready(ChildProcess& server, std::chrono::seconds patience,
                      const std::function<bool()>& is_ready) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!is_ready()) {
        if (server.has_ended()) server.fail("it ended instead of serving");
        if (std::chrono::steady_clock::now() > deadline) server.fail("it does not serve");
        // A server says nowhere that it is ready but on its port.
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

}  // namespace casc::bench::compare
