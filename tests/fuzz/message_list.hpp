#pragma once
// message_list.hpp: every table that can be the body of a frame. The first byte of a message fuzz
// input picks one by its place here, so new ones go to the end.

#include <casc/wire/messages.hpp>

#include <tuple>

namespace casc::fuzz {

namespace fb = wire::fb;

using MessageList = std::tuple<
    fb::Hello, fb::HelloReply, fb::Ping, fb::PingReply, fb::ErrorReply, fb::Done, fb::CreateTopic,
    fb::CreateTopicReply, fb::DeleteTopic, fb::AlterTopic, fb::ListTopics, fb::ListTopicsReply,
    fb::DescribeTopic, fb::DescribeTopicReply, fb::PurgeTopic, fb::InitProducer,
    fb::InitProducerReply, fb::Produce, fb::ProduceReply, fb::Fetch, fb::FetchReply,
    fb::ListOffsets, fb::ListOffsetsReply, fb::Subscribe, fb::UpdateSubscription, fb::Unsubscribe,
    fb::Credit, fb::Deliver, fb::JoinGroup, fb::JoinGroupReply, fb::Assignment,
    fb::ReleasePartitions, fb::LeaveGroup, fb::Commit, fb::Committed, fb::CommittedReply,
    fb::ListGroups, fb::ListGroupsReply, fb::DescribeGroup, fb::DescribeGroupReply, fb::DeleteGroup,
    fb::ResetGroup, fb::ResetGroupReply, fb::NodeInfo, fb::NodeInfoReply, fb::NodeConfig,
    fb::NodeConfigReply, fb::Backup, fb::BackupReply, fb::JoinQueue, fb::JoinQueueReply,
    fb::LeaveQueue, fb::Lease, fb::Settle, fb::SettleReply, fb::DescribeQueue,
    fb::DescribeQueueReply, fb::ListPending, fb::ListPendingReply, fb::AtomicWrite,
    fb::AtomicWriteReply, fb::CreateSchedule, fb::CreateScheduleReply, fb::ListSchedules,
    fb::ListSchedulesReply, fb::CancelSchedule, fb::ScheduleRow, fb::Serve, fb::ServeReply,
    fb::StopServing, fb::Request, fb::RequestReply, fb::Call, fb::Answer, fb::ReplyPart,
    fb::CancelRequest, fb::CallCancelled, fb::PartCredit, fb::CallCredit, fb::ListServices,
    fb::ListServicesReply, fb::Tap, fb::TapReply, fb::Untap, fb::TopicsMatched, fb::KvPut,
    fb::KvPutReply, fb::KvGet, fb::KvGetReply, fb::KvList, fb::KvListReply, fb::KvHistory,
    fb::KvHistoryReply, fb::DeleteEvent, fb::OpenRings, fb::OpenRingsReply>;

inline constexpr std::size_t kMessageCount = std::tuple_size_v<MessageList>;

}  // namespace casc::fuzz
