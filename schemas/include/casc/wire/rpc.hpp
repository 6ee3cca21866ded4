#pragma once
// casc/wire/rpc.hpp: which number a request has and what answers it, so that
// `client.call(fb::CreateTopicT{...})` returns Result<fb::CreateTopicReplyT> and a broker's handler
// is picked by type.

#include <casc/wire/frame.hpp>
#include <casc/wire/messages.hpp>

namespace casc::wire {

template <class Request>
struct Rpc;

#define CASC_RPC(request, number, reply)        \
    template <>                                 \
    struct Rpc<fb::request##T> {                \
        static constexpr Api api = Api::number; \
        using Table = fb::request;              \
        using Reply = fb::reply;                \
        using ReplyMessage = fb::reply##T;      \
    }

CASC_RPC(Hello, hello, HelloReply);
CASC_RPC(Ping, ping, PingReply);
CASC_RPC(CreateTopic, create_topic, CreateTopicReply);
CASC_RPC(DeleteTopic, delete_topic, Done);
CASC_RPC(AlterTopic, alter_topic, Done);
CASC_RPC(ListTopics, list_topics, ListTopicsReply);
CASC_RPC(DescribeTopic, describe_topic, DescribeTopicReply);
CASC_RPC(PurgeTopic, purge_topic, Done);
CASC_RPC(InitProducer, init_producer, InitProducerReply);
CASC_RPC(DescribeProducer, describe_producer, DescribeProducerReply);
CASC_RPC(Produce, produce, ProduceReply);
CASC_RPC(AtomicWrite, atomic_write, AtomicWriteReply);
CASC_RPC(CreateSchedule, create_schedule, CreateScheduleReply);
CASC_RPC(ListSchedules, list_schedules, ListSchedulesReply);
CASC_RPC(CancelSchedule, cancel_schedule, Done);
CASC_RPC(Fetch, fetch, FetchReply);
CASC_RPC(ListOffsets, list_offsets, ListOffsetsReply);
CASC_RPC(Subscribe, subscribe, Done);
CASC_RPC(UpdateSubscription, update_subscription, Done);
CASC_RPC(Unsubscribe, unsubscribe, Done);
CASC_RPC(Tap, tap, TapReply);
CASC_RPC(Untap, untap, Done);
CASC_RPC(JoinGroup, join_group, JoinGroupReply);
CASC_RPC(LeaveGroup, leave_group, Done);
CASC_RPC(ReleasePartitions, release_partitions, Done);
CASC_RPC(Commit, commit, Done);
CASC_RPC(Committed, committed, CommittedReply);
CASC_RPC(ListGroups, list_groups, ListGroupsReply);
CASC_RPC(DescribeGroup, describe_group, DescribeGroupReply);
CASC_RPC(DeleteGroup, delete_group, Done);
CASC_RPC(ResetGroup, reset_group, ResetGroupReply);
CASC_RPC(JoinQueue, join_queue, JoinQueueReply);
CASC_RPC(LeaveQueue, leave_queue, Done);
CASC_RPC(Settle, settle, SettleReply);
CASC_RPC(DescribeQueue, describe_queue, DescribeQueueReply);
CASC_RPC(ListPending, list_pending, ListPendingReply);
CASC_RPC(NodeInfo, node_info, NodeInfoReply);
CASC_RPC(NodeConfig, node_config, NodeConfigReply);
CASC_RPC(Backup, backup, BackupReply);
CASC_RPC(Serve, serve, ServeReply);
CASC_RPC(StopServing, stop_serving, Done);
CASC_RPC(Request, request, RequestReply);
CASC_RPC(ListServices, list_services, ListServicesReply);
CASC_RPC(KvPut, kv_put, KvPutReply);
CASC_RPC(KvGet, kv_get, KvGetReply);
CASC_RPC(KvList, kv_list, KvListReply);
CASC_RPC(KvHistory, kv_history, KvHistoryReply);
CASC_RPC(DeleteEvent, delete_event, Done);
CASC_RPC(OpenRings, open_rings, OpenRingsReply);

#undef CASC_RPC

}  // namespace casc::wire
