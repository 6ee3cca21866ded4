// casc-admin why producer: what holds it back, from what the broker knows of it.

#include "text_codec.hpp"
#include "values.hpp"
#include "why_reasons.hpp"

#include <casc/wire/rpc.hpp>

namespace casc::admin {

namespace {

namespace fb = wire::fb;

// A connection that has been silent for less is at work.
constexpr std::uint64_t kIdleMs = 2'000;

std::string ago(std::uint64_t ms) {
    return format_duration(milliseconds(static_cast<std::int64_t>(ms))) + " ago";
}

std::string code_text(std::uint16_t code, const std::string& message) {
    const ErrorInfo info = error_info(static_cast<ErrorCode>(code));
    return std::to_string(code) + " " + std::string(info.name) + ": " +
           (message.empty() ? std::string(info.sentence) : printable(message));
}

std::string client_text(const std::string& client_id) {
    return client_id.empty() ? "a client without an id" : printable(client_id);
}

std::string name_of(const fb::ProducingConnectionT& connection) {
    return "the connection of " + client_text(connection.client_id) + " (" + connection.address +
           ")";
}

void explain_hold(const fb::ProducingConnectionT& connection, Reasons& reasons) {
    const std::string who = name_of(connection);
    switch (connection.held_by) {
        case 1:
            return reasons.add("storage_behind",
                               who +
                                   " is not read from: the storage is behind, and takes more "
                                   "when the disk has caught up (casc-admin check storage)");
        case 2:
            return reasons.add("tap_full",
                               who + " is not read from: a tap of " +
                                   client_text(connection.tap_client_id) +
                                   " is full, and was set up to have its producers wait");
        case 3:
            return reasons.add("answers_not_taken", who + " is not read from: it has not taken " +
                                                        std::to_string(connection.queued_bytes) +
                                                        " bytes of what it was sent");
        case 4:
            return reasons.add("stopping", who + " is not read from: the broker is stopping");
        default:
            break;
    }
}

void explain(const fb::ProducingConnectionT& connection, Reasons& reasons) {
    explain_hold(connection, reasons);
    if (connection.refused_code != 0)
        reasons.add("refused", "what came last over " + name_of(connection) + ", " +
                                   ago(connection.refused_ms) + ", was refused with " +
                                   code_text(connection.refused_code, connection.refused_message));
    if (connection.held_by == 0 && connection.idle_ms >= kIdleMs)
        reasons.add("idle", name_of(connection) + " last sent an event " + ago(connection.idle_ms) +
                                ": nothing here holds it back");
}

void explain(const fb::KnownProducerT& producer, Reasons& reasons) {
    const std::string who = "producer " + std::to_string(producer.producer_id) +
                            (producer.name.empty() ? "" : " (" + printable(producer.name) + ")");
    std::uint64_t waiting = 0;
    for (const auto& log : producer.logs)
        waiting += log->batches_not_durable;
    if (waiting != 0)
        reasons.add("not_durable",
                    std::to_string(waiting) + " batches of " + who +
                        " wait for the disk before they are acknowledged as durable");
    if (producer.logs.empty())
        return reasons.add("nothing_sent", who + " has appended nothing that is remembered");
    const fb::ProducerLogT& last = *producer.logs.front();
    reasons.add("last_append",
                who + " last appended to " +
                    (last.topic.empty() ? "topic " + std::to_string(last.topic_id) : last.topic) +
                    "/" + std::to_string(last.partition) + " lane " +
                    std::string(to_string(static_cast<Lane>(last.lane & 3))) + " at " +
                    format_time(EpochNanos(last.last_append_ns)) + ", in epoch " +
                    std::to_string(last.epoch) + "; epoch " + std::to_string(producer.epoch) +
                    " goes on there with number " + std::to_string(last.next_sequence));
}

}  // namespace

Result<ExitCode> why_producer(Session& session, const std::string& name) {
    fb::DescribeProducerT request;
    request.producer = name;
    CASC_TRY(const auto reply, session.call(request));
    Reasons reasons;
    if (reply.refused_code != 0)
        reasons.add("broker_refuses", "the broker stores no event of anybody: " +
                                          code_text(reply.refused_code, reply.refused_message));
    if (reply.connections.empty())
        reasons.add("not_connected",
                    "no open connection has brought anything of it (the broker remembers the "
                    "last 64 producers of each)");
    for (const auto& connection : reply.connections)
        explain(*connection, reasons);
    for (const auto& producer : reply.producers)
        explain(*producer, reasons);
    if (reasons.empty())
        reasons.add("producing", "nothing: what it sends is taken, and it sent something just now");
    reasons.show(session.out());
    return ExitCode::ok;
}

}  // namespace casc::admin
