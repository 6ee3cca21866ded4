#include "producer_api.hpp"

#include <algorithm>
#include <charconv>

namespace casc::broker {
namespace {

// Of a producer's name as of a client's id, which may be any text.
constexpr std::size_t kAskedBytesMax = 249;

// In one answer.
constexpr std::size_t kProducersMax = 100;
constexpr std::size_t kConnectionsMax = 100;
constexpr std::size_t kLogsMax = 1000;

std::optional<ProducerId> number_in(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return ProducerId(number);
}

std::uint64_t ms_since(MonoNanos then, MonoNanos now) {
    return static_cast<std::uint64_t>(std::max((now - then).value(), std::int64_t{0})) / 1'000'000;
}

}  // namespace

void ProducerApi::on_describe(const wire::fb::DescribeProducerT& request,
                              const std::vector<ProducingConnection>& connections,
                              const Responder& responder) const {
    if (request.producer.empty() || request.producer.size() > kAskedBytesMax)
        return responder.error(Error(ErrorCode::invalid_request,
                                     "producer must be the name or number of a producer or the id "
                                     "of a client, of 1 to 249 bytes"));
    // A client id may be the name of a producer, too: both are meant.
    std::vector<ProducerId> wanted;
    if (const auto named = core_.producers.find(request.producer)) {
        wanted.push_back(*named);
    } else if (const auto number = number_in(request.producer);
               number && core_.producers.was_given_out(*number)) {
        wanted.push_back(*number);
    }
    const std::size_t asked_for = wanted.size();
    wire::fb::DescribeProducerReplyT reply;
    for (const ProducingConnection& connection : connections) {
        const Session& session = *connection.session;
        const bool is_client = session.client_id == request.producer;
        if (!is_client && (asked_for == 0 || !session.produced.has(wanted.front()))) continue;
        if (reply.connections.size() == kConnectionsMax) break;
        reply.connections.push_back(tell(connection));
        if (!is_client) continue;
        for (const ProducerId id : session.produced.producers())
            if (wanted.size() < kProducersMax) wanted.push_back(id);
    }
    for (const ProducerTable::Known& known : core_.producers.describe(wanted, kLogsMax))
        reply.producers.push_back(tell(known));
    if (reply.producers.empty() && reply.connections.empty())
        return responder.error(
            Error(ErrorCode::unknown_producer,
                  "no producer has the name or number '" + request.producer +
                      "', and no connection that has produced has this client id"));
    if (const auto accepts = core_.store.accepts(); !accepts) {
        reply.refused_code = static_cast<std::uint16_t>(accepts.error().code);
        reply.refused_message = accepts.error().detail;
    }
    responder.reply(reply);
}

std::unique_ptr<wire::fb::KnownProducerT> ProducerApi::tell(
    const ProducerTable::Known& known) const {
    auto told = std::make_unique<wire::fb::KnownProducerT>();
    told->producer_id = known.id.value();
    told->name = known.name;
    told->epoch = known.epoch;
    told->more_logs = known.more_logs;
    for (const ProducerTable::LogUse& use : known.logs) {
        auto log = std::make_unique<wire::fb::ProducerLogT>();
        const Topic* topic = core_.topics.find(use.log.topic());
        log->topic_id = use.log.topic().value();
        log->topic = topic != nullptr ? topic->name : std::string();
        log->partition = use.log.partition().value();
        log->lane = static_cast<std::uint8_t>(use.log.lane());
        log->epoch = use.epoch;
        log->next_sequence = use.next_sequence;
        log->last_append_ns = use.last_used.value();
        log->batches_not_durable = use.batches_not_durable;
        told->logs.push_back(std::move(log));
    }
    return told;
}

std::unique_ptr<wire::fb::ProducingConnectionT> ProducerApi::tell(
    const ProducingConnection& connection) const {
    const Session& session = *connection.session;
    const MonoNanos now = mono_now();
    auto told = std::make_unique<wire::fb::ProducingConnectionT>();
    told->client_id = session.client_id;
    told->address = session.address();
    for (const ProducerId id : session.produced.producers())
        told->producers.push_back(id.value());
    told->idle_ms = ms_since(session.produced.last().value_or(session.last_active()), now);
    told->queued_bytes = session.queued_bytes();
    told->held_by = static_cast<std::uint8_t>(connection.held_by);
    if (connection.held_by == HeldBy::tap) told->tap_client_id = tap_holder_(session);
    if (const auto& refused = session.produced.refusal()) {
        told->refused_code = static_cast<std::uint16_t>(refused->error.code);
        told->refused_message = refused->error.detail;
        told->refused_ms = ms_since(refused->at, now);
    }
    return told;
}

}  // namespace casc::broker
