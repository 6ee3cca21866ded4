#pragma once
// NATS as a client uses it best: messages in blocks, acknowledgements as they come.
//
// Thread: one at a time, each object.

#include "case.hpp"
#include "connection.hpp"
#include "nats_protocol.hpp"
#include "roles.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace casc::bench::compare {

class NatsConnection {
public:
    explicit NatsConnection(std::uint16_t port);  // greeted, ready to be used

    void send(std::string_view frames) { connection_.send(frames); }
    // Waits until the server has seen all that was sent. No message may come meanwhile.
    void settle();
    // The next message that is there, valid until more is received. Answers what the server asks,
    // and throws what it complains of.
    [[nodiscard]] std::optional<NatsFrame> next_message();
    bool receive() { return connection_.receive(); }
    bool receive_available() { return connection_.receive_available(); }
    // Sends one message to `subject` and waits for the reply, with nothing else on its way.
    [[nodiscard]] std::string ask(std::string_view subject, std::string_view payload);
    [[nodiscard]] const std::string& server_version() const { return server_version_; }

private:
    Connection connection_;
    std::string server_version_;
};

inline constexpr std::string_view kNatsStream = "events";
inline constexpr std::string_view kNatsSubject = "events.in";

// Throws what JetStream answers when that is an error.
std::string ask_jetstream(NatsConnection& connection, const std::string& api,
                          const std::string& request);

// To a stream, each acknowledged; so many on their way.
[[nodiscard]] std::uint64_t jetstream_window_events(const Case& asked);
[[nodiscard]] std::unique_ptr<Writer> make_jetstream_writer(std::uint16_t port, const Case& asked);
[[nodiscard]] std::unique_ptr<Writer> make_subject_writer(std::uint16_t port,
                                                          std::size_t payload_bytes);
// How a reader acknowledges: one for a thousand events, or each by itself.
enum class Acknowledging : std::uint8_t { everything_before, each };
// A pull consumer whose progress the server keeps.
[[nodiscard]] std::unique_ptr<Reader> make_pull_reader(std::uint16_t port,
                                                       const std::string& consumer,
                                                       Acknowledging acknowledging);
// A push consumer without acknowledgements, in order.
[[nodiscard]] std::unique_ptr<Reader> make_push_reader(std::uint16_t port,
                                                       const std::string& consumer);
[[nodiscard]] std::unique_ptr<Reader> make_subject_reader(std::uint16_t port);
[[nodiscard]] std::unique_ptr<Requester> make_nats_requester(std::uint16_t port);
[[nodiscard]] std::unique_ptr<Responder> make_nats_responder(std::uint16_t port);

}  // namespace casc::bench::compare
