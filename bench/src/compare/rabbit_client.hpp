#pragma once
// Streams of RabbitMQ as a client uses them best: many messages in a frame, confirms as they come.
//
// Thread: one at a time, each object.

#include "case.hpp"
#include "connection.hpp"
#include "rabbit_frames.hpp"
#include "roles.hpp"

#include <memory>
#include <optional>
#include <string>

namespace casc::bench::compare {

class RabbitConnection {
public:
    explicit RabbitConnection(std::uint16_t port);  // logged in as guest, "/" open

    void send(std::string_view frames) { connection_.send(frames); }
    // The next frame that is there, valid until more is received; heartbeats are not among them.
    [[nodiscard]] std::optional<ReceivedFrame> next_frame();
    bool receive() { return connection_.receive(); }
    bool receive_available() { return connection_.receive_available(); }
    // Sends a request whose body begins behind the correlation, and waits for its answer with
    // nothing else on its way. Throws when that is no success. Returns what is behind its code.
    std::string ask(RabbitKey key, std::string_view body);
    [[nodiscard]] const std::string& server_version() const { return server_version_; }

private:
    void log_in();
    [[nodiscard]] ReceivedFrame need_frame();

    Connection connection_;
    std::uint32_t correlation_ = 0;
    std::string server_version_;
};

inline constexpr std::string_view kRabbitStream = "events";

// Messages of one frame, and those that may be unconfirmed.
[[nodiscard]] std::uint64_t rabbit_block_events(std::size_t payload_bytes);
[[nodiscard]] std::uint64_t rabbit_window_events(const Case& asked);
// `holds_back`: for events that are sent one by one, so that they do not overrun the broker.
[[nodiscard]] std::unique_ptr<Writer> make_rabbit_writer(std::uint16_t port, const Case& asked,
                                                         bool holds_back);
// `reference`: under it the broker keeps the position, stored every 10 000 events; empty: it keeps
// none.
[[nodiscard]] std::unique_ptr<Reader> make_rabbit_reader(std::uint16_t port,
                                                         const std::string& reference);
// Behind the last message that is stored. Requires that there is one.
[[nodiscard]] std::uint64_t rabbit_end_offset(std::uint16_t port);

}  // namespace casc::bench::compare
