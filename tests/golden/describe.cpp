#include "describe.hpp"

#include <casc/wire/batch.hpp>
#include <casc/wire/compression.hpp>
#include <casc/wire/rpc.hpp>

#include <map>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace casc::golden {
namespace {

using namespace wire;
using BodyText = std::string (*)(std::span<const std::byte>);
using BodyTexts = std::map<std::pair<Api, FrameKind>, BodyText>;

template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    return std::move(result).value();
}

template <class Table>
std::string body_text(std::span<const std::byte> body) {
    must(view<Table>(body));
    flatbuffers::ToStringVisitor visitor("\n", /*quotes=*/false, "  ", /*vdelimited=*/false);
    flatbuffers::IterateFlatBuffer(reinterpret_cast<const std::uint8_t*>(body.data()),
                                   Table::MiniReflectTypeTable(), &visitor);
    return visitor.s;
}

template <class... Requests>
BodyTexts rpc_bodies() {
    BodyTexts texts;
    const auto put = [&]<class Request>(std::type_identity<Request>) {
        texts[{Rpc<Request>::api, FrameKind::request}] = body_text<typename Rpc<Request>::Table>;
        texts[{Rpc<Request>::api, FrameKind::response}] = body_text<typename Rpc<Request>::Reply>;
        texts[{Rpc<Request>::api, FrameKind::error}] = body_text<fb::ErrorReply>;
    };
    (put(std::type_identity<Requests>{}), ...);
    return texts;
}

const BodyTexts& bodies() {
    static const BodyTexts all = [] {
        BodyTexts texts = rpc_bodies<
            fb::HelloT, fb::PingT, fb::CreateTopicT, fb::DeleteTopicT, fb::AlterTopicT,
            fb::ListTopicsT, fb::DescribeTopicT, fb::PurgeTopicT, fb::InitProducerT, fb::ProduceT,
            fb::AtomicWriteT, fb::CreateScheduleT, fb::ListSchedulesT, fb::CancelScheduleT,
            fb::FetchT, fb::ListOffsetsT, fb::SubscribeT, fb::UpdateSubscriptionT, fb::UnsubscribeT,
            fb::JoinGroupT, fb::LeaveGroupT, fb::ReleasePartitionsT, fb::JoinQueueT,
            fb::LeaveQueueT, fb::SettleT, fb::DescribeQueueT, fb::ListPendingT, fb::CommitT,
            fb::CommittedT, fb::ListGroupsT, fb::DescribeGroupT, fb::DeleteGroupT, fb::ResetGroupT,
            fb::NodeInfoT, fb::NodeConfigT, fb::BackupT, fb::ServeT, fb::StopServingT, fb::RequestT,
            fb::ListServicesT, fb::TapT, fb::UntapT, fb::KvPutT, fb::KvGetT, fb::KvListT,
            fb::KvHistoryT, fb::DeleteEventT, fb::OpenRingsT, fb::DescribeProducerT>();
        texts[{Api::produce, FrameKind::one_way}] = body_text<fb::Produce>;
        texts[{Api::credit, FrameKind::one_way}] = body_text<fb::Credit>;
        texts[{Api::deliver, FrameKind::push}] = body_text<fb::Deliver>;
        texts[{Api::assignment, FrameKind::push}] = body_text<fb::Assignment>;
        texts[{Api::lease, FrameKind::push}] = body_text<fb::Lease>;
        texts[{Api::call, FrameKind::push}] = body_text<fb::Call>;
        texts[{Api::answer, FrameKind::one_way}] = body_text<fb::Answer>;
        texts[{Api::reply_part, FrameKind::push}] = body_text<fb::ReplyPart>;
        texts[{Api::cancel_request, FrameKind::one_way}] = body_text<fb::CancelRequest>;
        texts[{Api::call_cancelled, FrameKind::push}] = body_text<fb::CallCancelled>;
        texts[{Api::part_credit, FrameKind::one_way}] = body_text<fb::PartCredit>;
        texts[{Api::call_credit, FrameKind::push}] = body_text<fb::CallCredit>;
        texts[{Api::topics_matched, FrameKind::push}] = body_text<fb::TopicsMatched>;
        return texts;
    }();
    return all;
}

std::string_view name_of(FrameKind kind) {
    switch (kind) {
        case FrameKind::request:
            return "request";
        case FrameKind::response:
            return "response";
        case FrameKind::error:
            return "error";
        case FrameKind::one_way:
            return "one-way";
        case FrameKind::push:
            return "push";
    }
    throw std::runtime_error("unknown kind of frame");
}

std::string quoted(std::span<const std::byte> bytes) {
    std::string text;
    flatbuffers::EscapeString(reinterpret_cast<const char*>(bytes.data()), bytes.size(), &text,
                              /*allow_non_utf8=*/true,
                              /*natural_utf8=*/false);
    return text;
}

std::string quoted(std::string_view text) {
    return quoted(std::as_bytes(std::span(text)));
}

void describe_event(std::ostream& out, const EventView& event) {
    out << "event " << event.offset.value() << ": payload " << quoted(event.payload)
        << ", timestamp " << event.timestamp.value();
    if (event.key) out << ", key " << quoted(*event.key);
    if (event.message_id) out << ", message id " << quoted(*event.message_id);
    HeaderCursor headers(event.headers);
    std::string_view name, value;
    while (headers.next(name, value))
        out << ", header " << quoted(name) << " = " << quoted(value);
    if (!event.type.empty()) out << ", type " << quoted(event.type);
    if (!event.correlation_id.empty()) out << ", correlation id " << quoted(event.correlation_id);
    if (!event.source.empty()) out << ", source " << quoted(event.source);
    if (!event.destination.empty()) out << ", destination " << quoted(event.destination);
    if (event.schema_version != 0) out << ", schema version " << event.schema_version;
    if (event.time_to_live_ms != 0) out << ", time to live " << event.time_to_live_ms << " ms";
    if (event.deliver_at != EpochNanos{}) out << ", deliver at " << event.deliver_at.value();
    out << '\n';
}

}  // namespace

std::string describe_batch(std::span<const std::byte> bytes) {
    const auto batch = must(BatchView::parse(bytes));
    if (!batch.verify_body()) throw std::runtime_error("the body does not match its checksum");
    const auto& stamp = batch.stamp();
    const auto& header = batch.header();
    std::ostringstream out;
    out << "batch: " << stamp.batch_bytes << " bytes, base offset " << stamp.base_offset
        << ", append time " << stamp.append_time << ", arrival " << stamp.arrival << ", epoch "
        << stamp.epoch << (batch.verify_stamp() ? ", stamped" : ", not stamped") << '\n'
        << "producer " << header.producer_id << ", epoch " << header.producer_epoch
        << ", base sequence " << header.base_sequence << ", created at " << header.created_at
        << ", lane " << to_string(header.lane) << '\n'
        << header.event_count << " events, columns " << header.columns << " in "
        << header.columns_bytes << " bytes, payloads of " << header.payload_bytes
        << " bytes stored in " << header.stored_payload_bytes << " with codec "
        << static_cast<unsigned>(header.codec) << '\n';
    Decompressor decompressor;
    const auto payloads = must(decompressor.open(batch));
    for (std::uint32_t i = 0; i < batch.event_count(); ++i)
        describe_event(out, batch.event(i, payloads));
    return out.str();
}

std::string describe_frame(std::span<const std::byte> bytes) {
    const auto header = must(peek_frame(bytes, kFrameBytesMax));
    if (!header) throw std::runtime_error("shorter than a frame header");
    const auto frame = must(open_frame(bytes));
    const auto text = bodies().find({frame.header.api, frame.header.kind});
    if (text == bodies().end()) throw std::runtime_error("no such message");
    std::ostringstream out;
    out << "frame: " << name_of(frame.header.kind) << ", api "
        << static_cast<unsigned>(frame.header.api) << ", correlation id "
        << frame.header.correlation_id << ", " << frame.header.frame_bytes << " bytes, body of "
        << frame.header.body_bytes << '\n'
        << text->second(frame.body) << '\n';
    for (auto rest = frame.attachments; !rest.empty();) {
        const std::size_t batch_bytes = must(BatchView::peek_bytes(rest));
        out << describe_batch(rest.first(batch_bytes));
        rest = rest.subspan(batch_bytes);
    }
    return out.str();
}

std::string describe(std::span<const std::byte> bytes) {
    const bool is_frame = bytes.size() > 4 && bytes[4] == std::byte{kFrameMagic};
    return is_frame ? describe_frame(bytes) : describe_batch(bytes);
}

}  // namespace casc::golden
