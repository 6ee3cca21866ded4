#include "sample_frames.hpp"

#include <casc/wire/batch_builder.hpp>

namespace casc::golden {
namespace {

using namespace wire;

// One event, as requests and answers have it.
Bytes lone_batch(const char* payload, bool stamped) {
    const std::string_view text(payload);
    BatchBuilder builder(Lane::high);
    builder.add({.payload = std::as_bytes(std::span(text)),
                 .type = "sum",
                 .correlation_id = "c-1",
                 .source = "till-2"},
                EpochNanos(1'700'000'000'000'000'000));
    Bytes bytes;
    builder.finish({}, bytes);
    if (stamped) stamp_batch(bytes, Offset(0), EpochNanos(1'700'000'000'000'001'000), 0, 0);
    return bytes;
}

template <class Message>
Sample one_way(const char* name, Api api, const Message& message, const Bytes& attachments = {}) {
    return {std::string(name) + ".one_way",
            frame_of(FrameKind::one_way, api, message, attachments)};
}
template <class Message>
Sample push(const char* name, Api api, const Message& message, const Bytes& attachments = {}) {
    return {std::string(name) + ".push", frame_of(FrameKind::push, api, message, attachments)};
}

void serving(std::vector<Sample>& samples) {
    fb::ServeT serve;
    serve.subject = "math.sum";
    serve.serve_id = 4;
    serve.open_max = 100;
    samples.push_back(request("serve", serve));
    fb::ServeReplyT served;
    served.responder = 17;
    samples.push_back(response<fb::ServeT>("serve", served));
    fb::StopServingT stop;
    stop.serve_id = 4;
    samples.push_back(request("stop_serving", stop));

    fb::CallT call;
    call.serve_id = 4;
    call.call = 0x5'0000'0001ull;
    call.remaining_ms = 2'990;
    call.credit_bytes = 65'536;
    samples.push_back(push("call", Api::call, call, lone_batch("1+1", true)));
    fb::AnswerT answer;
    answer.call = call.call;
    samples.push_back(one_way("answer", Api::answer, answer, lone_batch("2", false)));
    answer.more = true;
    samples.push_back(one_way("answer_part", Api::answer, answer, lone_batch("2", false)));
    answer.more = false;
    answer.error = static_cast<std::uint16_t>(ErrorCode::model_overloaded);
    answer.message = "three are before you";
    answer.retry_after_ms = 5'000;
    samples.push_back(one_way("answer_failed", Api::answer, answer));
    answer.fallback_available = true;
    samples.push_back(one_way("answer_failed_fallback", Api::answer, answer));
    fb::CallCancelledT cancelled;
    cancelled.serve_id = 4;
    cancelled.call = call.call;
    cancelled.why = static_cast<std::uint16_t>(ErrorCode::timeout);
    samples.push_back(push("call_cancelled", Api::call_cancelled, cancelled));
    fb::CallCreditT credit;
    credit.serve_id = 4;
    credit.call = call.call;
    credit.bytes = 32'768;
    samples.push_back(push("call_credit", Api::call_credit, credit));
}

void requesting(std::vector<Sample>& samples) {
    fb::RequestT ask;
    ask.subject = "math.sum";
    ask.timeout_ms = 3'000;
    samples.push_back(request("request", ask, lone_batch("1+1", false)));
    ask.mode = 1;
    ask.quorum = 2;
    ask.credit_bytes = 65'536;
    samples.push_back(request("request_all", ask, lone_batch("1+1", false)));
    fb::RequestReplyT reply;
    reply.responder = 17;
    samples.push_back(response<fb::RequestT>("request", reply, lone_batch("2", true)));
    reply.responder = 0;
    reply.responders = 3;
    reply.answers = 2;
    reply.failures = 1;
    samples.push_back(response<fb::RequestT>("request_all", reply));

    fb::ReplyPartT part;
    part.request = 77;
    part.responder = 17;
    part.more = true;
    samples.push_back(push("reply_part", Api::reply_part, part, lone_batch("2", true)));
    part.more = false;
    part.error = static_cast<std::uint16_t>(ErrorCode::responder_lost);
    part.message = "the connection of the responder ended before its answer came";
    part.retry_after_ms = 100;
    samples.push_back(push("reply_part_failed", Api::reply_part, part));
    part.fallback_available = true;
    samples.push_back(push("reply_part_failed_fallback", Api::reply_part, part));
    fb::CancelRequestT cancel;
    cancel.request = 77;
    samples.push_back(one_way("cancel_request", Api::cancel_request, cancel));
    fb::PartCreditT credit;
    credit.request = 77;
    credit.responder = 17;
    credit.bytes = 32'768;
    samples.push_back(one_way("part_credit", Api::part_credit, credit));

    fb::ListServicesT list;
    list.prefix = "math.";
    list.after = "math.div";
    list.limit = 50;
    samples.push_back(request("list_services", list));
    fb::ListServicesReplyT listed;
    auto& service = append(listed.services);
    service.subject = "math.sum";
    service.responders = 2;
    service.open = 5;
    service.waiting = 1;
    service.served = 1'000;
    listed.more = true;
    samples.push_back(response<fb::ListServicesT>("list_services", listed));
}

}  // namespace

std::vector<Sample> request_samples() {
    std::vector<Sample> samples;
    serving(samples);
    requesting(samples);
    return samples;
}

}  // namespace casc::golden
