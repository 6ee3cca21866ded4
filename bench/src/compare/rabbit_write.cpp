// RabbitMQ: messages in frames of a hundred, confirmed in any number at a time.

#include "rabbit_client.hpp"

#include <stdexcept>

namespace casc::bench::compare {
namespace {

constexpr std::uint8_t kPublisher = 1;
// The server takes frames of a MiB, heads included.
constexpr std::size_t kRabbitFrameBytesMax = 1000u << 10;
constexpr std::size_t kMessageHeadBytes = 12;
// Over all writers: when it is busy the server makes one chunk of all that waits, and delivers a
// chunk in one frame.
constexpr std::size_t kRabbitWindowBytesMax = 32u << 20;

class RabbitWriter final : public Writer {
public:
    RabbitWriter(std::uint16_t port, const Case& asked, bool holds_back)
        : connection_(port),
          block_events_(rabbit_block_events(asked.payload_bytes)),
          window_events_(rabbit_window_events(asked)),
          holds_back_(holds_back) {
        std::string body;
        append_u8(body, kPublisher);
        append_string(body, {});  // no name: nothing is deduplicated
        append_string(body, kRabbitStream);
        connection_.ask(RabbitKey::declare_publisher, body);
    }

    std::uint64_t block_events() const override { return block_events_; }
    std::uint64_t window_events() const override { return window_events_; }

    void put(std::span<const std::byte> payload) override {
        append_u64(messages_, sequence_++);
        append_bytes(messages_, {reinterpret_cast<const char*>(payload.data()), payload.size()});
        ++count_;
    }
    // RabbitMQ writes and delivers some thousand frames a second. Sent one by one, events that come
    // faster queue up for a second and more; so while a frame is unconfirmed, the next collects
    // what comes (tried with 1 and 4 unconfirmed, and without).
    void send() override {
        if (holds_back_) poll();
        if (!holds_back_ || confirmed_ == sent_) send_frame();
    }
    void finish() override {
        while (count_ > 0) {
            if (confirmed_ < sent_) wait();
            send();
        }
    }
    std::uint64_t wait() override {
        for (int tick = 0; tick < Connection::kPatienceTicks; ++tick) {
            if (!connection_.receive()) continue;
            if (const std::uint64_t confirmed = count_confirms(); confirmed > 0) return confirmed;
        }
        throw std::runtime_error("RabbitMQ has not confirmed anything for 30 s");
    }
    std::uint64_t poll() override {
        while (connection_.receive_available()) {
        }
        return count_confirms();
    }

private:
    void send_frame() {
        frames_.clear();
        {
            const RabbitFrame frame(frames_, RabbitKey::publish);
            append_u8(frames_, kPublisher);
            append_u32(frames_, count_);
            frames_ += messages_;
        }
        connection_.send(frames_);
        messages_.clear();
        count_ = 0;
        sent_ = sequence_;
    }
    std::uint64_t count_confirms() {
        std::uint64_t confirmed = 0;
        while (const auto frame = connection_.next_frame()) {
            if (frame->is(RabbitKey::publish_error))
                throw std::runtime_error("RabbitMQ has refused an event");
            if (!frame->is(RabbitKey::publish_confirm)) continue;
            RabbitBody body(frame->body);
            static_cast<void>(body.u8());
            confirmed += body.u32();
        }
        confirmed_ += confirmed;
        return confirmed;
    }

    RabbitConnection connection_;
    const std::uint64_t block_events_;
    const std::uint64_t window_events_;
    const bool holds_back_;
    std::uint64_t sequence_ = 0;
    std::uint64_t confirmed_ = 0;
    std::uint64_t sent_ = 0;
    std::uint32_t count_ = 0;
    std::string messages_;
    std::string frames_;
};

}  // namespace

// The hundred and the ten thousand are what RabbitMQ's own clients do by default, and what was
// fastest.
std::uint64_t rabbit_block_events(std::size_t payload_bytes) {
    return events_within(kRabbitFrameBytesMax, payload_bytes + kMessageHeadBytes, 100);
}

std::uint64_t rabbit_window_events(const Case& asked) {
    return events_within(kRabbitWindowBytesMax / asked.producer_count, asked.payload_bytes, 10'000);
}

std::unique_ptr<Writer> make_rabbit_writer(std::uint16_t port, const Case& asked, bool holds_back) {
    return std::make_unique<RabbitWriter>(port, asked, holds_back);
}

}  // namespace casc::bench::compare
