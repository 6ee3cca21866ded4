#include "rabbit_client.hpp"

#include <stdexcept>

namespace casc::bench::compare {

RabbitConnection::RabbitConnection(std::uint16_t port) : connection_(port) {
    log_in();
}

void RabbitConnection::log_in() {
    std::string properties;
    append_u32(properties, 1);
    append_string(properties, "product");
    append_string(properties, "casc-bench");
    const std::string answer = ask(RabbitKey::peer_properties, properties);
    RabbitBody theirs(answer);
    for (std::uint32_t left = theirs.u32(); left > 0; --left) {
        const std::string_view name = theirs.string();
        const std::string_view value = theirs.string();
        if (name == "version") server_version_ = value;
    }
    ask(RabbitKey::sasl_handshake, {});
    std::string plain;
    append_string(plain, "PLAIN");
    append_bytes(plain, std::string_view("\0guest\0guest", 12));
    ask(RabbitKey::sasl_authenticate, plain);
    // The server says how large frames may be and how often it wants a sign of life; it may have it
    // as it likes, but needs none from who is always busy.
    const ReceivedFrame tune = need_frame();
    if (!tune.is(RabbitKey::tune)) throw std::runtime_error("RabbitMQ does not tune");
    std::string frames;
    {
        const RabbitFrame frame(frames, RabbitKey::tune);
        append_u32(frames, RabbitBody(tune.body).u32());
        append_u32(frames, 0);
    }
    send(frames);
    std::string host;
    append_string(host, "/");
    ask(RabbitKey::open, host);
}

std::optional<ReceivedFrame> RabbitConnection::next_frame() {
    for (;;) {
        std::string_view rest = connection_.unread();
        const auto frame = take_rabbit_frame(rest);
        if (!frame) return {};
        // What it refers to stays where it is until more is received.
        connection_.consume(connection_.unread().size() - rest.size());
        if (frame->is(RabbitKey::close)) {
            RabbitBody body(frame->body);
            static_cast<void>(body.u32());
            static_cast<void>(body.u16());
            throw std::runtime_error("RabbitMQ closes the connection: " +
                                     std::string(body.string()));
        }
        if (!frame->is(RabbitKey::heartbeat)) return frame;
    }
}

ReceivedFrame RabbitConnection::need_frame() {
    for (;;) {
        if (const auto frame = next_frame()) return *frame;
        connection_.need_more("RabbitMQ");
    }
}

std::string RabbitConnection::ask(RabbitKey key, std::string_view body) {
    std::string frames;
    {
        const RabbitFrame frame(frames, key);
        append_u32(frames, ++correlation_);
        frames += body;
    }
    send(frames);
    const ReceivedFrame answer = need_frame();
    if (!answer.is_response_to(key))
        throw std::runtime_error("RabbitMQ has answered request " +
                                 std::to_string(static_cast<int>(key)) + " with " +
                                 std::to_string(answer.key));
    RabbitBody response(answer.body);
    static_cast<void>(response.u32());
    if (const std::uint16_t code = response.u16(); code != kRabbitOk)
        throw std::runtime_error("RabbitMQ has refused request " +
                                 std::to_string(static_cast<int>(key)) + " with code " +
                                 std::to_string(code));
    return std::string(answer.body.substr(6));
}

}  // namespace casc::bench::compare
