#pragma once
// casc/wire/message_list.hpp: every table that can be the body of a frame, for what has to be done
// for each of them. New ones go to the end: their places are the first bytes of the fuzzer's
// corpus.

// clang-format off
#define CASC_WIRE_MESSAGES(X) \
    X(Hello) X(HelloReply) X(Ping) X(PingReply) X(ErrorReply) X(Done) X(CreateTopic) \
    X(CreateTopicReply) X(DeleteTopic) X(AlterTopic) X(ListTopics) X(ListTopicsReply) \
    X(DescribeTopic) X(DescribeTopicReply) X(PurgeTopic) X(InitProducer) X(InitProducerReply) \
    X(Produce) X(ProduceReply) X(Fetch) X(FetchReply) X(ListOffsets) X(ListOffsetsReply) \
    X(Subscribe) X(UpdateSubscription) X(Unsubscribe) X(Credit) X(Deliver) X(JoinGroup) \
    X(JoinGroupReply) X(Assignment) X(ReleasePartitions) X(LeaveGroup) X(Commit) X(Committed) \
    X(CommittedReply) X(ListGroups) X(ListGroupsReply) X(DescribeGroup) X(DescribeGroupReply) \
    X(DeleteGroup) X(ResetGroup) X(ResetGroupReply) X(NodeInfo) X(NodeInfoReply) X(NodeConfig) \
    X(NodeConfigReply) X(Backup) X(BackupReply) X(JoinQueue) X(JoinQueueReply) X(LeaveQueue) \
    X(Lease) X(Settle) X(SettleReply) X(DescribeQueue) X(DescribeQueueReply) X(ListPending) \
    X(ListPendingReply) X(AtomicWrite) X(AtomicWriteReply) X(CreateSchedule) \
    X(CreateScheduleReply) X(ListSchedules) X(ListSchedulesReply) X(CancelSchedule) \
    X(ScheduleRow) X(Serve) X(ServeReply) X(StopServing) X(Request) X(RequestReply) X(Call) \
    X(Answer) X(ReplyPart) X(CancelRequest) X(CallCancelled) X(PartCredit) X(CallCredit) \
    X(ListServices) X(ListServicesReply) X(Tap) X(TapReply) X(Untap) X(TopicsMatched) X(KvPut) \
    X(KvPutReply) X(KvGet) X(KvGetReply) X(KvList) X(KvListReply) X(KvHistory) X(KvHistoryReply) \
    X(DeleteEvent) X(OpenRings) X(OpenRingsReply) X(DescribeProducer) X(DescribeProducerReply)
// clang-format on
