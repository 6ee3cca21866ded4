#pragma once
// A requester or responder, frame by frame.

#include "broker_verbs.hpp"

#include <casc/wire/compression.hpp>

#include <optional>

namespace casc::test {

// What came: a frame with the event of its batch as text.
struct Heard {
    wire::Api api{};
    wire::FrameKind kind{};
    std::uint32_t correlation = 0;
    ErrorCode error = ErrorCode::ok;  // of an error frame
    std::string message;
    std::string text;  // of the event that is attached
    fb::CallT call;
    fb::CallCancelledT cancelled;
    fb::CallCreditT credit;
    fb::ReplyPartT part;
    fb::RequestReplyT reply;
};

// One connection. What comes is taken in order; what is of no use fails the test.
class RequestPeer {
public:
    explicit RequestPeer(const TestBroker& broker) : raw(broker.endpoint()) { raw.hello(); }

    Result<fb::ServeReplyT> try_serve(const std::string& subject, std::uint32_t open_max = 100,
                                      std::uint32_t serve_id = 1) {
        fb::ServeT serve;
        serve.subject = subject;
        serve.open_max = open_max;
        serve.serve_id = serve_id;
        return raw.call(serve);
    }
    std::uint64_t serve(const std::string& subject, std::uint32_t open_max = 100,
                        std::uint32_t serve_id = 1) {
        return must(try_serve(subject, open_max, serve_id)).responder;
    }

    // Sends a request and does not wait; its correlation id.
    std::uint32_t ask(const std::string& subject, const std::string& text,
                      Lane lane = Lane::normal) {
        return send(request_of(subject), batch_of({text}, lane));
    }
    std::uint32_t send(const fb::RequestT& request, std::span<const std::byte> batch) {
        const std::uint32_t correlation = ++correlation_;
        REQUIRE(raw.send(request_bytes(request, correlation, batch)));
        return correlation;
    }
    static fb::RequestT request_of(const std::string& subject, std::uint32_t timeout_ms = 60'000) {
        fb::RequestT request;
        request.subject = subject;
        request.timeout_ms = timeout_ms;
        return request;
    }
    static fb::RequestT to_all(const std::string& subject, std::uint32_t quorum = 0,
                               std::uint32_t timeout_ms = 60'000) {
        fb::RequestT request = request_of(subject, timeout_ms);
        request.mode = 1;
        request.quorum = quorum;
        return request;
    }
    void answer(std::uint64_t call, const std::string& text, bool more = false) {
        fb::AnswerT answer;
        answer.call = call;
        answer.more = more;
        say(wire::Api::answer, answer, batch_of({text}));
    }
    void fail(std::uint64_t call, ErrorCode code, const std::string& message) {
        fb::AnswerT answer;
        answer.call = call;
        answer.error = static_cast<std::uint16_t>(code);
        answer.message = message;
        say(wire::Api::answer, answer);
    }
    void cancel(std::uint32_t correlation) {
        fb::CancelRequestT cancel;
        cancel.request = correlation;
        say(wire::Api::cancel_request, cancel);
    }
    void grant(std::uint32_t correlation, std::uint64_t responder, std::uint64_t bytes) {
        fb::PartCreditT credit;
        credit.request = correlation;
        credit.responder = responder;
        credit.bytes = bytes;
        say(wire::Api::part_credit, credit);
    }
    template <class Message>
    void say(wire::Api api, const Message& message, std::span<const std::byte> batch = {}) {
        wire::Encoder encoder;
        REQUIRE(raw.send(
            frame_bytes(wire::FrameKind::one_way, api, 0, encoder.encode(message), batch)));
    }

    Heard hear() {
        const auto frame = raw.receive();
        REQUIRE(frame);
        Heard heard;
        heard.api = frame->header.api;
        heard.kind = frame->header.kind;
        heard.correlation = frame->header.correlation_id;
        heard.error = frame->error;
        heard.message = frame->message;
        if (!frame->attachments.empty()) heard.text = text_of(frame->attachments);
        if (heard.kind == wire::FrameKind::response && heard.api == wire::Api::request)
            heard.reply = must(wire::decode<fb::RequestReply>(frame->body));
        if (heard.kind != wire::FrameKind::push) return heard;
        if (heard.api == wire::Api::call) heard.call = must(wire::decode<fb::Call>(frame->body));
        if (heard.api == wire::Api::call_cancelled)
            heard.cancelled = must(wire::decode<fb::CallCancelled>(frame->body));
        if (heard.api == wire::Api::call_credit)
            heard.credit = must(wire::decode<fb::CallCredit>(frame->body));
        if (heard.api == wire::Api::reply_part)
            heard.part = must(wire::decode<fb::ReplyPart>(frame->body));
        return heard;
    }
    // The next thing is a request.
    Heard hear_call() {
        Heard heard = hear();
        REQUIRE(heard.api == wire::Api::call);
        REQUIRE(heard.kind == wire::FrameKind::push);
        return heard;
    }
    Heard hear_part() {
        Heard heard = hear();
        REQUIRE(heard.api == wire::Api::reply_part);
        return heard;
    }
    // What has come up to now: everything ahead of the answer to a ping.
    std::vector<Heard> hear_all() {
        const std::uint32_t correlation = ++correlation_;
        REQUIRE(raw.send(request_bytes(fb::PingT{}, correlation)));
        std::vector<Heard> all;
        for (Heard heard = hear(); heard.correlation != correlation; heard = hear())
            all.push_back(std::move(heard));
        return all;
    }
    bool has_silence() { return hear_all().empty(); }

    RawConnection raw;

private:
    static std::string text_of(std::span<const std::byte> bytes) {
        const auto batch = must(wire::BatchView::parse(bytes));
        REQUIRE(batch.verify_stamp());
        REQUIRE(batch.verify_body());
        REQUIRE(batch.event_count() == 1);
        wire::Decompressor decompressor;
        const auto payload = batch.payload(0, must(decompressor.open(batch)));
        return {reinterpret_cast<const char*>(payload.data()), payload.size()};
    }
    std::uint32_t correlation_ = 1000;
};

// A broker, and what it counts.
struct RequestFixture {
    TestBroker broker;

    double figure(const std::string& name) { return figure_of(broker, name); }
    // Its connection's end has been seen.
    void wait_for(const std::string& name, double value) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (figure(name) != value)
            REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
};

}  // namespace casc::test
