// NATS: publishing to a stream and to a subject that nobody keeps.

#include "nats_client.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace casc::bench::compare {
namespace {

// Where one writer is told: on a subject that two share each would count what the other has sent.
std::string own_inbox() {
    static std::atomic<std::uint32_t> writers{0};
    return "_INBOX.acks." + std::to_string(writers.fetch_add(1, std::memory_order_relaxed));
}

// Over all writers: the server keeps what it has not stored yet in memory.
constexpr std::size_t kJetStreamWindowBytesMax = 64u << 20;

class JetStreamWriter final : public Writer {
public:
    JetStreamWriter(std::uint16_t port, const Case& asked)
        : connection_(port), window_events_(jetstream_window_events(asked)) {
        std::string subscribe;
        append_subscribe(subscribe, inbox_, 1);
        connection_.send(subscribe);
    }

    std::uint64_t block_events() const override {
        return std::max<std::uint64_t>(1, window_events_ / 16);
    }
    std::uint64_t window_events() const override { return window_events_; }

    void put(std::span<const std::byte> payload) override {
        append_publish(block_, kNatsSubject, inbox_,
                       {reinterpret_cast<const char*>(payload.data()), payload.size()});
    }
    void send() override {
        connection_.send(block_);
        block_.clear();
    }
    std::uint64_t wait() override {
        return wait_for_any(
            connection_, [this] { return count_acks(); },
            "JetStream has not acknowledged anything for 30 s");
    }
    std::uint64_t poll() override {
        while (connection_.receive_available()) {
        }
        return count_acks();
    }

private:
    std::uint64_t count_acks() {
        std::uint64_t acks = 0;
        while (const auto message = connection_.next_message()) {
            if (status_of(*message) != 0 ||
                message->payload.find("\"error\"") != message->payload.npos)
                throw std::runtime_error(
                    "JetStream has refused an event: " + std::string(message->headers) +
                    std::string(message->payload));
            ++acks;
        }
        return acks;
    }

    NatsConnection connection_;
    const std::string inbox_ = own_inbox();
    const std::uint64_t window_events_;
    std::string block_;
};

class SubjectWriter final : public Writer {
public:
    SubjectWriter(std::uint16_t port, std::size_t payload_bytes)
        : connection_(port), block_events_(std::max<std::size_t>(1, kBlockBytes / payload_bytes)) {}

    std::uint64_t block_events() const override { return block_events_; }
    std::uint64_t window_events() const override { return ~std::uint64_t{0}; }

    void put(std::span<const std::byte> payload) override {
        append_publish(block_, kNatsSubject, {},
                       {reinterpret_cast<const char*>(payload.data()), payload.size()});
    }
    void send() override {
        connection_.send(block_);
        block_.clear();
    }
    std::uint64_t wait() override { throw std::logic_error("core NATS acknowledges nothing"); }
    std::uint64_t poll() override {
        // The server's pings.
        while (connection_.receive_available()) {
        }
        static_cast<void>(connection_.next_message());
        return 0;
    }

private:
    static constexpr std::size_t kBlockBytes = 64u << 10;

    NatsConnection connection_;
    const std::uint64_t block_events_;
    std::string block_;
};

}  // namespace

std::uint64_t jetstream_window_events(const Case& asked) {
    // 4096 is what NATS' own clients were fastest with.
    return events_within(kJetStreamWindowBytesMax / asked.producer_count, asked.payload_bytes,
                         4096);
}

std::unique_ptr<Writer> make_jetstream_writer(std::uint16_t port, const Case& asked) {
    return std::make_unique<JetStreamWriter>(port, asked);
}

std::unique_ptr<Writer> make_subject_writer(std::uint16_t port, std::size_t payload_bytes) {
    return std::make_unique<SubjectWriter>(port, payload_bytes);
}

}  // namespace casc::bench::compare
