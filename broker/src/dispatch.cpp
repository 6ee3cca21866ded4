// Frames to handlers.

#include "shard.hpp"

#include <casc/broker/logging.hpp>
#include <casc/wire/batch.hpp>

#include <algorithm>

namespace casc::broker {

using wire::Api;
namespace fb = wire::fb;

void Shard::on_frame(Session& session, const wire::Frame& frame) {
    ++core_.counters.requests;
    const Responder responder(core_, session, frame.header);
    if (frame.header.kind != wire::FrameKind::request &&
        frame.header.kind != wire::FrameKind::one_way)
        return responder.error(
            Error(ErrorCode::invalid_request, "a client sends requests and one-way frames only"));
    if (!session.greeted && frame.header.api != Api::hello) {
        responder.error(ErrorCode::handshake_required);
        return session.close();
    }
    dispatch(session, frame);
}

template <class Table, class Handler>
void Shard::decode(const wire::Frame& frame, const Responder& responder, Handler&& handler) {
    const auto message = wire::decode<Table>(frame.body);
    if (!message) return responder.error(message.error());
    handler(*message);
}

void Shard::dispatch(Session& session, const wire::Frame& frame) {
    const Responder to(core_, session, frame.header);
    switch (frame.header.api) {
        case Api::produce:
            return on_produce(session, frame);
        case Api::atomic_write:
            return on_atomic_write(session, frame);
        case Api::kv_put:
            return on_kv_put(session, frame);
        case Api::kv_get:
            return decode<fb::KvGet>(frame, to, [&](auto& m) { kv_.on_get(m, to); });
        case Api::credit:
            return on_credit(session, frame);
        case Api::request:
            return requests_.on_request(frame, session);
        case Api::answer:
            return requests_.on_answer(frame, session);
        case Api::part_credit:
            return requests_.on_credit(frame, session);
        case Api::cancel_request:
            return requests_.on_cancel(frame, session);
        case Api::fetch:
            return decode<fb::Fetch>(frame, to,
                                     [&](auto& m) { fetches_.on_fetch(m, session, to); });
        case Api::commit:
            return decode<fb::Commit>(frame, to, [&](auto& m) { groups_.on_commit(m, to); });
        case Api::ping:
            return to.reply(fb::PingReplyT{});
        case Api::hello:
            return on_hello(session, frame, to);

        case Api::create_topic:
            return decode<fb::CreateTopic>(frame, to, [&](auto& m) { topics_.on_create(m, to); });
        case Api::delete_topic:
            return decode<fb::DeleteTopic>(frame, to, [&](auto& m) { topics_.on_delete(m, to); });
        case Api::alter_topic:
            return decode<fb::AlterTopic>(frame, to, [&](auto& m) { topics_.on_alter(m, to); });
        case Api::list_topics:
            return decode<fb::ListTopics>(frame, to, [&](auto& m) { topics_.on_list(m, to); });
        case Api::describe_topic:
            return decode<fb::DescribeTopic>(frame, to,
                                             [&](auto& m) { topics_.on_describe(m, to); });
        case Api::purge_topic:
            return decode<fb::PurgeTopic>(frame, to, [&](auto& m) { topics_.on_purge(m, to); });

        case Api::delete_event:
            return decode<fb::DeleteEvent>(frame, to,
                                           [&](auto& m) { topics_.on_delete_event(m, to); });
        case Api::kv_list:
            return decode<fb::KvList>(frame, to, [&](auto& m) { kv_.on_list(m, to); });
        case Api::kv_history:
            return decode<fb::KvHistory>(frame, to, [&](auto& m) { kv_.on_history(m, to); });

        case Api::init_producer:
            return decode<fb::InitProducer>(frame, to,
                                            [&](auto& m) { produce_.on_init_producer(m, to); });

        case Api::describe_producer:
            return decode<fb::DescribeProducer>(frame, to,
                                                [&](auto& m) { on_describe_producer(m, to); });

        case Api::create_schedule:
            return schedules_.on_create(frame, to);
        case Api::list_schedules:
            return decode<fb::ListSchedules>(frame, to,
                                             [&](auto& m) { schedules_.on_list(m, to); });
        case Api::cancel_schedule:
            return decode<fb::CancelSchedule>(frame, to,
                                              [&](auto& m) { schedules_.on_cancel(m, to); });

        case Api::list_offsets:
            return decode<fb::ListOffsets>(frame, to,
                                           [&](auto& m) { fetches_.on_list_offsets(m, to); });
        case Api::subscribe:
            return decode<fb::Subscribe>(frame, to, [&](auto& m) {
                if (taps_.has(session, m.subscription_id))
                    return to.error(ErrorCode::already_subscribed);
                delivery_.on_subscribe(m, session, to);
            });
        case Api::update_subscription:
            return decode<fb::UpdateSubscription>(
                frame, to, [&](auto& m) { delivery_.on_update(m, session, to); });
        case Api::unsubscribe:
            return decode<fb::Unsubscribe>(
                frame, to, [&](auto& m) { delivery_.on_unsubscribe(m, session, to); });

        case Api::tap:
            return decode<fb::Tap>(frame, to, [&](auto& m) {
                if (taps_.has(session, m.subscription_id) ||
                    delivery_.has(session, m.subscription_id))
                    return to.error(ErrorCode::already_subscribed);
                taps_.on_tap(m, session, to);
            });
        case Api::untap:
            return decode<fb::Untap>(frame, to, [&](auto& m) { taps_.on_untap(m, session, to); });

        case Api::join_group:
            return decode<fb::JoinGroup>(frame, to,
                                         [&](auto& m) { groups_.on_join(m, session, to); });
        case Api::leave_group:
            return decode<fb::LeaveGroup>(frame, to, [&](auto& m) { groups_.on_leave(m, to); });
        case Api::release_partitions:
            return decode<fb::ReleasePartitions>(frame, to,
                                                 [&](auto& m) { groups_.on_release(m, to); });
        case Api::committed:
            return decode<fb::Committed>(frame, to, [&](auto& m) { groups_.on_committed(m, to); });
        case Api::list_groups:
            return decode<fb::ListGroups>(frame, to, [&](auto& m) { on_list_groups(m, to); });
        case Api::describe_group:
            return decode<fb::DescribeGroup>(frame, to,
                                             [&](auto& m) { groups_.on_describe(m, to); });
        case Api::delete_group:
            return decode<fb::DeleteGroup>(frame, to, [&](auto& m) {
                if (group_rows_.check_kind(m.group, GroupKind::stream))
                    return groups_.on_delete(m, to);
                queues_.on_delete(m.group, to);
            });
        case Api::reset_group:
            return decode<fb::ResetGroup>(frame, to, [&](auto& m) { groups_.on_reset(m, to); });

        case Api::join_queue:
            return decode<fb::JoinQueue>(frame, to,
                                         [&](auto& m) { queues_.on_join(m, session, to); });
        case Api::leave_queue:
            return decode<fb::LeaveQueue>(frame, to,
                                          [&](auto& m) { queues_.on_leave(m, session, to); });
        case Api::settle:
            return queues_.on_settle(frame, session);
        case Api::describe_queue:
            return decode<fb::DescribeQueue>(frame, to,
                                             [&](auto& m) { queues_.on_describe(m, to); });
        case Api::list_pending:
            return decode<fb::ListPending>(frame, to,
                                           [&](auto& m) { queues_.on_list_pending(m, to); });

        case Api::serve:
            return decode<fb::Serve>(frame, to,
                                     [&](auto& m) { requests_.on_serve(m, session, to); });
        case Api::stop_serving:
            return decode<fb::StopServing>(
                frame, to, [&](auto& m) { requests_.on_stop_serving(m, session, to); });
        case Api::list_services:
            return decode<fb::ListServices>(frame, to, [&](auto& m) { requests_.on_list(m, to); });

        case Api::open_rings:
            return decode<fb::OpenRings>(
                frame, to, [&](auto& m) { rings_.on_open(m, session, frame.header, to); });

        case Api::node_info:
            return node_.on_info(figures(), to);
        case Api::node_config:
            return node_.on_config(to);
        case Api::backup:
            return decode<fb::Backup>(frame, to, [&](auto& m) { node_.on_backup(m, to); });

        case Api::deliver:
        case Api::assignment:
        case Api::lease:
        case Api::call:
        case Api::reply_part:
        case Api::call_cancelled:
        case Api::call_credit:
        case Api::topics_matched:
            break;  // only ever sent by the broker
    }
    to.error(
        Error(ErrorCode::unknown_api, std::to_string(static_cast<unsigned>(frame.header.api))));
}

void Shard::on_produce(Session& session, const wire::Frame& frame) {
    connections_.find(session.number())->second.produces = true;
    // Mostly no tap is full; and then the request need not be looked at twice.
    const auto topic = [&] {
        const auto request = wire::view<fb::Produce>(frame.body);
        return TopicId(request ? (*request)->topic_id() : 0);
    };
    if (taps_.holding() && taps_.refuses(session, topic()))
        return Responder(core_, session, frame.header).error(ErrorCode::tap_full);
    produce_.on_produce(session, frame);
    if (taps_.holding()) taps_.hold_if_full(session, topic());
}

void Shard::on_atomic_write(Session& session, const wire::Frame& frame) {
    connections_.find(session.number())->second.produces = true;
    const auto for_each_topic = [&](auto&& visit) {
        const auto request = wire::view<fb::AtomicWrite>(frame.body);
        if (!request || (*request)->batches() == nullptr) return;
        for (const fb::AtomicBatch* batch : *(*request)->batches())
            visit(TopicId(batch->topic_id()));
    };
    bool refused = false;
    if (taps_.holding())
        for_each_topic([&](TopicId topic) { refused = refused || taps_.refuses(session, topic); });
    if (refused) return Responder(core_, session, frame.header).error(ErrorCode::tap_full);
    atomic_.on_atomic_write(session, frame);
    if (taps_.holding()) for_each_topic([&](TopicId topic) { taps_.hold_if_full(session, topic); });
}

void Shard::on_kv_put(Session& session, const wire::Frame& frame) {
    connections_.find(session.number())->second.produces = true;
    const auto topic = [&] {
        const auto request = wire::view<fb::KvPut>(frame.body);
        return TopicId(request ? (*request)->topic_id() : 0);
    };
    if (taps_.holding() && taps_.refuses(session, topic()))
        return Responder(core_, session, frame.header).error(ErrorCode::tap_full);
    kv_.on_put(session, frame);
    if (taps_.holding()) taps_.hold_if_full(session, topic());
}

void Shard::on_credit(Session& session, const wire::Frame& frame) {
    const auto credit = wire::view<fb::Credit>(frame.body);
    if (!credit) return Responder(core_, session, frame.header).error(credit.error());
    if (!taps_.grant(session, **credit)) delivery_.on_credit(**credit, session);
}

void Shard::on_describe_producer(const fb::DescribeProducerT& request, const Responder& responder) {
    std::vector<ProducingConnection> producing;
    for (const auto& [number, connection] : connections_)
        if (connection.session->produced.last())
            producing.push_back({connection.session, held_by(connection)});
    const ProducerApi api(core_, [this](const Session& session) {
        return taps_.holder_of(session).value_or(std::string());
    });
    api.on_describe(request, producing, responder);
}

HeldBy Shard::held_by(const Connection& connection) const {
    if (draining()) return HeldBy::shutdown;
    if (connection.session->held()) return HeldBy::tap;
    if (connection.session->congested()) return HeldBy::answers;
    return connection.produces && store_->congested() ? HeldBy::storage : HeldBy::nothing;
}

void Shard::on_list_groups(const fb::ListGroupsT& request, const Responder& responder) {
    fb::ListGroupsReplyT reply;
    groups_.list(request.prefix, reply.groups);
    queues_.list(request.prefix, reply.groups);
    std::sort(reply.groups.begin(), reply.groups.end(),
              [](const auto& a, const auto& b) { return a->name < b->name; });
    responder.reply(reply);
}

void Shard::on_hello(Session& session, const wire::Frame& frame, const Responder& responder) {
    decode<fb::Hello>(frame, responder, [&](const fb::HelloT& hello) {
        if (hello.version_min > wire::kProtocolVersion ||
            hello.version_max < wire::kProtocolVersion) {
            responder.error(
                Error(ErrorCode::unsupported_version,
                      "this broker speaks version " + std::to_string(wire::kProtocolVersion)));
            return session.close();
        }
        session.greeted = true;
        session.client_id = hello.client_id.substr(0, 249);
        log_event(LogLevel::debug, "connected",
                  {{"peer", session.address()},
                   {"client", session.client_id},
                   {"software", hello.software}});
        fb::HelloReplyT reply;
        reply.version = wire::kProtocolVersion;
        if (rings_.are_offered_to(session)) reply.features |= wire::kFeatureSharedMemory;
        reply.broker_id = config_.node.id;
        reply.software = software_name();
        reply.frame_bytes_max = config_.limits.frame_bytes;
        reply.batch_bytes_max = static_cast<std::uint32_t>(wire::kBatchBytesMax);
        reply.event_bytes_max = config_.limits.event_bytes;
        reply.heartbeat_ms = static_cast<std::uint32_t>(config_.limits.heartbeat.count());
        reply.idle_timeout_ms = static_cast<std::uint32_t>(config_.limits.idle_timeout.count());
        responder.reply(reply);
    });
}

}  // namespace casc::broker
