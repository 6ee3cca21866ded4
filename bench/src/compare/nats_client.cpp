#include "nats_client.hpp"

#include <boost/json.hpp>

#include <stdexcept>

namespace casc::bench::compare {
namespace {

constexpr std::string_view kInbox = "_INBOX.ask";
constexpr int kInboxSid = 1000;  // no reader of ours has it

std::string version_in(std::string_view info) {
    boost::system::error_code malformed;
    const auto value = boost::json::parse(info, malformed);
    if (malformed || !value.is_object()) return "unknown";
    const auto* version = value.as_object().if_contains("version");
    return version != nullptr && version->is_string() ? std::string(version->as_string())
                                                      : "unknown";
}

}  // namespace

NatsConnection::NatsConnection(std::uint16_t port) : connection_(port) {
    connection_.send(
        "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"name\":\"casc-bench\","
        "\"lang\":\"c++\",\"version\":\"1\",\"protocol\":1}\r\n");
    settle();
}

void NatsConnection::settle() {
    connection_.send("PING\r\n");
    for (;;) {
        std::string_view rest = connection_.unread();
        const auto frame = take_frame(rest);
        if (!frame) {
            connection_.need_more("NATS");
            continue;
        }
        if (frame->kind == NatsKind::info) server_version_ = version_in(frame->text);
        if (frame->kind == NatsKind::error)
            throw std::runtime_error("NATS says:" + std::string(frame->text));
        connection_.consume(connection_.unread().size() - rest.size());
        if (frame->kind == NatsKind::pong) return;
    }
}

std::optional<NatsFrame> NatsConnection::next_message() {
    for (;;) {
        std::string_view rest = connection_.unread();
        const auto frame = take_frame(rest);
        if (!frame) return {};
        // What it refers to stays where it is until more is received.
        connection_.consume(connection_.unread().size() - rest.size());
        if (frame->kind == NatsKind::message) return frame;
        if (frame->kind == NatsKind::ping) connection_.send("PONG\r\n");
        if (frame->kind == NatsKind::error)
            throw std::runtime_error("NATS says:" + std::string(frame->text));
    }
}

std::string NatsConnection::ask(std::string_view subject, std::string_view payload) {
    std::string frames;
    append_subscribe(frames, kInbox, kInboxSid);
    append_publish(frames, subject, kInbox, payload);
    frames += "UNSUB " + std::to_string(kInboxSid) + " 1\r\n";
    send(frames);
    for (;;) {
        if (const auto message = next_message()) return std::string(message->payload);
        connection_.need_more("NATS");
    }
}

std::string ask_jetstream(NatsConnection& connection, const std::string& api,
                          const std::string& request) {
    std::string answer = connection.ask("$JS.API." + api, request);
    boost::system::error_code malformed;
    const auto value = boost::json::parse(answer, malformed);
    if (malformed || !value.is_object() || value.as_object().contains("error"))
        throw std::runtime_error("JetStream, " + api + ": " + answer);
    return answer;
}

}  // namespace casc::bench::compare
