#pragma once
// A tap, frame by frame, on a connection of its own.

#include "broker_verbs.hpp"

#include <string>
#include <utility>
#include <vector>

namespace casc::test {

inline void in_no_storage(fb::TopicSettingsT& settings) {
    settings.durability = 0;
}

class Tapper {
public:
    static constexpr std::uint64_t kPlenty = 1u << 30;

    explicit Tapper(const TestBroker& broker) : raw_(broker.endpoint()) { raw_.hello(); }

    // All of topic "t", with plenty of credit unless `change` says otherwise.
    Result<fb::TapReplyT> tap(const std::function<void(fb::TapT&)>& change = {}) {
        fb::TapT request;
        request.subscription_id = 1;
        request.topics = {"t"};
        request.order = 1;
        request.credit_bytes = kPlenty;
        request.credit_events = kPlenty;
        if (change) change(request);
        return raw_.call(request);
    }
    void credit(std::uint64_t events = kPlenty, std::uint64_t bytes = kPlenty) {
        fb::CreditT credit;
        credit.subscription_id = 1;
        credit.bytes = bytes;
        credit.events = events;
        wire::Encoder encoder;
        raw_.send(
            frame_bytes(wire::FrameKind::one_way, wire::Api::credit, 0, encoder.encode(credit)));
    }
    // The next Deliver.
    fb::DeliverT next() {
        const auto frame = raw_.receive();
        REQUIRE(frame);
        return keep(*frame);
    }
    // The next `count` events.
    std::vector<std::string> take(std::size_t count) {
        while (texts_.size() < count)
            REQUIRE(next().error == 0);
        const auto end = texts_.begin() + static_cast<std::ptrdiff_t>(count);
        std::vector<std::string> taken(texts_.begin(), end);
        texts_.erase(texts_.begin(), end);
        return taken;
    }
    // Everything up to the event `last`.
    std::vector<std::string> take_until(const std::string& last) {
        std::vector<std::string> taken;
        while (taken.empty() || taken.back() != last)
            taken.push_back(take(1).front());
        return taken;
    }
    // What has come so far.
    std::vector<std::string> take_all() { return std::exchange(texts_, {}); }
    // Keeps what the broker has for it by now: it answers a ping at once, and what a tap has leaves
    // with that answer, so before the next one.
    void drain() {
        for (int pings = 0; pings < 2; ++pings) {
            REQUIRE(raw_.send(request_bytes(fb::PingT{}, 4711)));
            for (bool answered = false; !answered;) {
                const auto frame = raw_.receive();
                REQUIRE(frame);
                answered = frame->header.kind != wire::FrameKind::push;
                if (!answered) keep(*frame);
            }
        }
    }
    RawConnection& raw() { return raw_; }

    std::uint64_t skipped = 0;

private:
    fb::DeliverT keep(const RawFrame& frame) {
        REQUIRE(frame.header.kind == wire::FrameKind::push);
        auto body = must(wire::decode<fb::Deliver>(frame.body));
        skipped += body.skipped;
        std::size_t bit = 0;
        for (auto& text : events_in(frame.attachments)) {
            const bool meant =
                body.matches.empty() || (body.matches.at(bit / 64) >> bit % 64 & 1u) != 0;
            ++bit;
            if (meant) texts_.push_back(std::move(text));
        }
        return body;
    }

    RawConnection raw_;
    std::vector<std::string> texts_;
};

inline void no_credit(fb::TapT& request) {
    request.credit_bytes = request.credit_events = 0;
}

}  // namespace casc::test
