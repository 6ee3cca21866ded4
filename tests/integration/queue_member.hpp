#pragma once
// A member of a queue group, frame by frame.

#include "broker_verbs.hpp"

#include <casc/wire/compression.hpp>

#include <optional>

namespace casc::test {

struct Leased {
    std::uint64_t offset;
    std::string text;
    std::uint32_t attempts;
    Lane lane;
    friend bool operator==(const Leased&, const Leased&) = default;
};

// One member on a connection of its own.
class QueueMember {
public:
    explicit QueueMember(const TestBroker& broker) : raw_(broker.endpoint()) { raw_.hello(); }

    fb::JoinQueueT join_request(const std::string& group, std::uint32_t prefetch = 100) {
        fb::JoinQueueT request;
        request.group = group;
        request.subscription_id = 1;
        request.topics = {"t"};
        request.prefetch_events = prefetch;
        request.prefetch_bytes = 1 << 20;
        request.settings = std::make_unique<fb::QueueSettingsT>();
        request.settings->retry_delay_ms = 0;
        return request;
    }
    fb::JoinQueueReplyT join(const std::string& group, std::uint32_t prefetch = 100) {
        return must(call(join_request(group, prefetch)));
    }
    // A request's answer; leases that come meanwhile are kept.
    template <class Request>
    Result<typename wire::Rpc<Request>::ReplyMessage> call(
        const Request& request, std::span<const std::byte> attachments = {}) {
        const std::uint32_t correlation = ++correlation_;
        REQUIRE(raw_.send(request_bytes(request, correlation, attachments)));
        for (;;) {
            const RawFrame frame = next_frame();
            if (keep_lease(frame)) continue;
            REQUIRE(frame.header.correlation_id == correlation);
            if (frame.error != ErrorCode::ok) return Error(frame.error, frame.message);
            return wire::decode<typename wire::Rpc<Request>::Reply>(frame.body);
        }
    }
    // The next `count` events that this member is given.
    std::vector<Leased> take(std::size_t count) {
        while (leased_.size() < count)
            REQUIRE(keep_lease(next_frame()));
        std::vector<Leased> taken(leased_.begin(),
                                  leased_.begin() + static_cast<std::ptrdiff_t>(count));
        leased_.erase(leased_.begin(), leased_.begin() + static_cast<std::ptrdiff_t>(count));
        return taken;
    }
    std::vector<std::string> texts(std::size_t count) {
        std::vector<std::string> texts;
        for (const Leased& event : take(count))
            texts.push_back(event.text);
        return texts;
    }
    // What has come so far, without waiting for more than the answer to a ping.
    std::size_t held() {
        must(call(fb::PingT{}));
        return leased_.size();
    }
    fb::SettleReplyT done(const std::vector<Leased>& events) {
        return must(call(done_request(events)));
    }
    fb::SettleT done_request(const std::vector<Leased>& events) const {
        fb::SettleT request;
        request.subscription_id = 1;
        for (const Leased& event : events) {
            auto& log = log_of(request, event.lane);
            const auto base = event.offset / 64 * 64;
            if (log.done.empty()) log.base = base;
            if (base < log.base) {
                log.done.insert(log.done.begin(), (log.base - base) / 64, 0);
                log.base = base;
            }
            log.done.resize(std::max<std::size_t>(log.done.size(), (base - log.base) / 64 + 1));
            log.done[(base - log.base) / 64] |= std::uint64_t{1} << event.offset % 64;
        }
        return request;
    }
    fb::SettleReplyT say(const Leased& event, std::uint8_t verdict, const std::string& error = "",
                         std::optional<std::uint32_t> delay_ms = {}) {
        fb::SettleT request;
        request.subscription_id = 1;
        auto& other =
            log_of(request, event.lane).others.emplace_back(std::make_unique<fb::EventVerdictT>());
        other->offset = event.offset;
        other->verdict = verdict;
        other->error = error;
        if (delay_ms) other->delay_ms = *delay_ms;
        return must(call(request));
    }
    // Does not wait for the answer.
    template <class Request>
    void send(const Request& request, std::span<const std::byte> attachments = {}) {
        static_cast<void>(raw_.send(request_bytes(request, ++correlation_, attachments)));
    }
    void send_done(const std::vector<Leased>& events) { send(done_request(events)); }
    void vanish() { raw_.abort(); }

    static constexpr std::uint8_t kRefused = 1, kReleased = 2, kGivenUp = 3, kRenewed = 4;
    std::uint32_t topic = 1;

private:
    fb::LogVerdictsT& log_of(fb::SettleT& request, Lane lane) const {
        for (auto& log : request.logs)
            if (log->lane == static_cast<std::uint8_t>(lane)) return *log;
        auto& log = request.logs.emplace_back(std::make_unique<fb::LogVerdictsT>());
        log->topic_id = topic;
        log->lane = static_cast<std::uint8_t>(lane);
        return *log;
    }
    RawFrame next_frame() {
        auto frame = raw_.receive();
        REQUIRE(frame);
        return std::move(*frame);
    }
    bool keep_lease(const RawFrame& frame) {
        if (frame.header.api != wire::Api::lease) return false;
        const auto lease = must(wire::decode<fb::Lease>(frame.body));
        std::span<const std::byte> rest(frame.attachments);
        std::uint64_t next = lease.first;
        while (!rest.empty()) {
            const auto bytes = must(wire::BatchView::peek_bytes(rest));
            const auto batch = must(wire::BatchView::parse(rest.first(bytes)));
            REQUIRE(batch.verify_stamp());
            REQUIRE(batch.verify_body());
            wire::Decompressor decompressor;
            const auto payloads = must(decompressor.open(batch));
            for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
                const auto event = batch.event(i, payloads);
                if (event.offset.value() < next || event.offset.value() >= lease.end) continue;
                next = event.offset.value() + 1;
                const auto word = (event.offset.value() - lease.first / 64 * 64) / 64;
                if (!lease.leased.empty() &&
                    (lease.leased.at(word) >> event.offset.value() % 64 & 1) == 0)
                    continue;
                leased_.push_back(
                    {event.offset.value(),
                     {reinterpret_cast<const char*>(event.payload.data()), event.payload.size()},
                     lease.attempts,
                     static_cast<Lane>(lease.lane)});
            }
            rest = rest.subspan(bytes);
        }
        CHECK(next == lease.end);
        return true;
    }

    RawConnection raw_;
    std::uint32_t correlation_ = 1000;
    std::vector<Leased> leased_;
};

}  // namespace casc::test
