// Redis: XADD and PUBLISH in blocks, whose replies are counted.

#include "redis_client.hpp"

#include <stdexcept>

namespace casc::bench::compare {
namespace {

// A block of 1000 small commands, two of them on their way, is what was fastest; of larger events a
// hundred are as good and answered sooner.
constexpr std::uint64_t kSmallBlock = 1000;
constexpr std::uint64_t kLargeBlock = 100;
constexpr std::size_t kRedisBlockBytesMax = 1600u << 10;
constexpr std::size_t kSmallBytesMax = 256;

class RedisWriter final : public Writer {
public:
    // `head` are the words of the command in front of the payload.
    RedisWriter(std::uint16_t port, std::size_t payload_bytes, std::string head)
        : connection_(port), payload_bytes_(payload_bytes), head_(std::move(head)) {}

    std::uint64_t block_events() const override { return redis_block_events(payload_bytes_); }
    std::uint64_t window_events() const override { return 2 * block_events(); }

    void put(std::span<const std::byte> payload) override {
        block_ += head_;
        append_bulk(block_, {reinterpret_cast<const char*>(payload.data()), payload.size()});
    }
    void send() override {
        connection_.send(block_);
        block_.clear();
    }
    std::uint64_t wait() override {
        return wait_for_any(
            connection_, [this] { return count_replies(); }, "Redis has not answered for 30 s");
    }
    std::uint64_t poll() override {
        while (connection_.receive_available()) {
        }
        return count_replies();
    }

private:
    std::uint64_t count_replies() {
        std::uint64_t replies = 0;
        while (!connection_.next_reply().empty())
            ++replies;
        return replies;
    }

    RedisConnection connection_;
    const std::size_t payload_bytes_;
    const std::string head_;
    std::string block_;
};

}  // namespace

std::uint64_t redis_block_events(std::size_t payload_bytes) {
    return events_within(kRedisBlockBytesMax, payload_bytes,
                         payload_bytes <= kSmallBytesMax ? kSmallBlock : kLargeBlock);
}

std::unique_ptr<Writer> make_stream_writer(std::uint16_t port, std::size_t payload_bytes) {
    std::string head;
    append_array(head, 5);
    for (const std::string_view word :
         {std::string_view("XADD"), kRedisStream, std::string_view("*"), std::string_view("d")})
        append_bulk(head, word);
    return std::make_unique<RedisWriter>(port, payload_bytes, std::move(head));
}

std::unique_ptr<Writer> make_channel_writer(std::uint16_t port, std::size_t payload_bytes) {
    std::string head;
    append_array(head, 3);
    append_bulk(head, "PUBLISH");
    append_bulk(head, kRedisChannel);
    return std::make_unique<RedisWriter>(port, payload_bytes, std::move(head));
}

}  // namespace casc::bench::compare
