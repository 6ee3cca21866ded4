// Redis: request and reply over two lists. Each side pushes all that it has with one command, and
// waits for up to 64 at a time.

#include "redis_client.hpp"

#include <stdexcept>
#include <vector>

namespace casc::bench::compare {
namespace {

constexpr std::string_view kRedisRequests = "requests";
constexpr std::string_view kRedisReplies = "replies";

// One end: pushes to one list and pops from the other. A pop that waits blocks its connection, so
// that there are two.
class ListEnd {
public:
    ListEnd(std::uint16_t port, std::string_view to, std::string_view from)
        : pushing_(port), popping_(port), to_(to) {
        append_command(pop_, {"BLMPOP", "0", "1", from, "RIGHT", "COUNT", "64"});
        popping_.send(pop_);
    }

    void put(std::string_view payload) {
        append_bulk(payloads_, payload);
        ++count_;
    }
    void send() {
        if (count_ == 0) return;
        std::string command;
        append_array(command, 2 + count_);
        append_bulk(command, "LPUSH");
        append_bulk(command, to_);
        command += payloads_;
        pushing_.send(command);
        payloads_.clear();
        count_ = 0;
        pushing_.receive_available();
        while (!pushing_.next_reply().empty()) {
        }
    }
    template <class Each>
    void receive(Each&& each) {
        popping_.receive();
        std::string_view reply = popping_.next_reply();
        if (reply.empty()) return;
        // [list, [payload ...]]
        static_cast<void>(take_token(reply));
        static_cast<void>(take_token(reply));
        const auto payloads = take_token(reply);
        if (!payloads || payloads->kind != '*')
            throw std::runtime_error("Redis has answered something else than a list");
        for (std::int64_t i = 0; i < payloads->number; ++i)
            each(take_token(reply)->text);
        popping_.send(pop_);
    }

private:
    RedisConnection pushing_;
    RedisConnection popping_;
    const std::string to_;
    std::string pop_;
    std::string payloads_;
    std::size_t count_ = 0;
};

class RedisRequester final : public Requester {
public:
    explicit RedisRequester(std::uint16_t port) : end_(port, kRedisRequests, kRedisReplies) {}
    void put(std::span<const std::byte> payload) override {
        end_.put({reinterpret_cast<const char*>(payload.data()), payload.size()});
    }
    void send() override { end_.send(); }
    void receive(const Take& take) override {
        end_.receive([&](std::string_view payload) { take(std::as_bytes(std::span(payload))); });
    }

private:
    ListEnd end_;
};

class RedisResponder final : public Responder {
public:
    explicit RedisResponder(std::uint16_t port) : end_(port, kRedisReplies, kRedisRequests) {}
    void serve() override {
        end_.receive([&](std::string_view payload) { end_.put(payload); });
        end_.send();
    }

private:
    ListEnd end_;
};

}  // namespace

std::unique_ptr<Requester> make_list_requester(std::uint16_t port) {
    return std::make_unique<RedisRequester>(port);
}

std::unique_ptr<Responder> make_list_responder(std::uint16_t port) {
    return std::make_unique<RedisResponder>(port);
}

}  // namespace casc::bench::compare
