// RabbitMQ: a subscription from the first message on, paid for in chunks.

#include "rabbit_client.hpp"

#include <stdexcept>
#include <utility>

namespace casc::bench::compare {
namespace {

constexpr std::uint8_t kSubscription = 1;
constexpr std::uint16_t kChunksAhead = 10;
constexpr std::uint16_t kFromFirst = 1;
constexpr std::uint16_t kFromLast = 2;  // the last chunk
// As RabbitMQ's own clients do by default.
constexpr std::uint64_t kStoredEvery = 10'000;

void subscribe(RabbitConnection& connection, std::uint16_t from, std::uint16_t chunks) {
    std::string body;
    append_u8(body, kSubscription);
    append_string(body, kRabbitStream);
    append_u16(body, from);
    append_u16(body, chunks);
    append_u32(body, 0);  // no properties
    connection.ask(RabbitKey::subscribe, body);
}

class RabbitReader final : public Reader {
public:
    RabbitReader(std::uint16_t port, std::string reference)
        : connection_(port), reference_(std::move(reference)) {
        subscribe(connection_, kFromFirst, kChunksAhead);
    }

    void receive(const Take& take) override {
        connection_.receive();
        while (const auto frame = connection_.next_frame()) {
            if (!frame->is(RabbitKey::deliver)) continue;
            const RabbitChunk chunk = chunk_of(*frame);
            pay_for(chunk);
            each_message(chunk, take);
        }
    }

private:
    // One chunk more, and where we are once this one is taken.
    void pay_for(const RabbitChunk& chunk) {
        frames_.clear();
        {
            const RabbitFrame frame(frames_, RabbitKey::credit);
            append_u8(frames_, kSubscription);
            append_u16(frames_, 1);
        }
        taken_ += chunk.record_count;
        if (!reference_.empty() && taken_ - stored_ >= kStoredEvery) {
            stored_ = taken_;
            const RabbitFrame frame(frames_, RabbitKey::store_offset);
            append_string(frames_, reference_);
            append_string(frames_, kRabbitStream);
            append_u64(frames_, chunk.first_offset + chunk.record_count - 1);
        }
        connection_.send(frames_);
    }

    RabbitConnection connection_;
    const std::string reference_;
    std::uint64_t taken_ = 0;
    std::uint64_t stored_ = 0;  // of them, when the position was stored
    std::string frames_;
};

}  // namespace

std::unique_ptr<Reader> make_rabbit_reader(std::uint16_t port, const std::string& reference) {
    return std::make_unique<RabbitReader>(port, reference);
}

std::uint64_t rabbit_end_offset(std::uint16_t port) {
    RabbitConnection connection(port);
    subscribe(connection, kFromLast, 1);
    for (int tick = 0; tick < Connection::kPatienceTicks; ++tick) {
        connection.receive();
        while (const auto frame = connection.next_frame()) {
            if (!frame->is(RabbitKey::deliver)) continue;
            const RabbitChunk chunk = chunk_of(*frame);
            return chunk.first_offset + chunk.record_count;
        }
    }
    throw std::runtime_error("RabbitMQ does not deliver its last chunk");
}

}  // namespace casc::bench::compare
