// Redis: streams read by a group, in ranges and at their tail, and a channel.

#include "redis_client.hpp"

#include <stdexcept>
#include <string>

namespace casc::bench::compare {
namespace {

constexpr std::string_view kEntriesPerRead = "1000";  // more is not faster

RespToken need_token(std::string_view& rest, char kind) {
    const auto token = take_token(rest);
    if (!token || token->kind != kind)
        throw std::runtime_error("Redis has answered something else than entries");
    return *token;
}

// The entries of a stream: [id, [field, value]] each; only the last field's value is ours. `each`
// gets the id.
template <class Each>
void take_entries(std::string_view& rest, const Take& take, Each&& each) {
    const RespToken entries = need_token(rest, '*');
    for (std::int64_t i = 0; i < entries.number; ++i) {
        static_cast<void>(need_token(rest, '*'));
        const std::string_view id = need_token(rest, '$').text;
        std::string_view value;
        const RespToken fields = need_token(rest, '*');
        for (std::int64_t field = 0; field < fields.number; ++field)
            value = need_token(rest, '$').text;
        take(std::as_bytes(std::span(value)));
        each(id);
    }
}

// What XREAD and XREADGROUP answer: [[stream, entries]].
template <class Each>
void take_streams(std::string_view reply, const Take& take, Each&& each) {
    const RespToken streams = need_token(reply, '*');
    for (std::int64_t i = 0; i < streams.number; ++i) {
        static_cast<void>(need_token(reply, '*'));
        static_cast<void>(need_token(reply, '$'));
        take_entries(reply, take, each);
    }
}

// Two reads are on their way, so that the server never waits for us.
class RedisGroupReader final : public Reader {
public:
    RedisGroupReader(std::uint16_t port, const std::string& group)
        : connection_(port), group_(group) {
        static_cast<void>(connection_.ask({"XGROUP", "CREATE", kRedisStream, group_, "0"}));
        append_command(read_, {"XREADGROUP", "GROUP", group_, "bench", "COUNT", kEntriesPerRead,
                               "STREAMS", kRedisStream, ">"});
        connection_.send(read_ + read_);
    }

    void receive(const Take& take) override {
        connection_.receive();
        for (std::string_view reply = connection_.next_reply(); !reply.empty();
             reply = connection_.next_reply()) {
            if (reply.front() == '*') take_batch(reply, take);
        }
    }

private:
    void take_batch(std::string_view reply, const Take& take) {
        ids_.clear();
        std::size_t count = 0;
        take_streams(reply, take, [&](std::string_view id) {
            append_bulk(ids_, id);
            ++count;
        });
        if (count == 0) return;  // the end, and nothing comes behind it
        std::string commands;
        append_array(commands, 3 + count);
        append_bulk(commands, "XACK");
        append_bulk(commands, kRedisStream);
        append_bulk(commands, group_);
        commands += ids_;
        commands += read_;
        connection_.send(commands);
    }

    RedisConnection connection_;
    const std::string group_;
    std::string read_;
    std::string ids_;
};

class RedisRangeReader final : public Reader {
public:
    explicit RedisRangeReader(std::uint16_t port) : connection_(port) { ask("-"); }

    void receive(const Take& take) override {
        connection_.receive();
        std::string_view reply = connection_.next_reply();
        if (reply.empty()) return;
        std::string last;
        take_entries(reply, take, [&](std::string_view id) { last.assign(id); });
        if (!last.empty()) ask("(" + last);
    }

private:
    void ask(std::string_view from) {
        std::string command;
        append_command(command, {"XRANGE", kRedisStream, from, "+", "COUNT", kEntriesPerRead});
        connection_.send(command);
    }

    RedisConnection connection_;
};

class RedisTailReader final : public Reader {
public:
    explicit RedisTailReader(std::uint16_t port) : connection_(port) { ask("0-0"); }

    void receive(const Take& take) override {
        connection_.receive();
        const std::string_view reply = connection_.next_reply();
        if (reply.empty()) return;
        std::string last;
        take_streams(reply, take, [&](std::string_view id) { last.assign(id); });
        ask(last);
    }

private:
    void ask(std::string_view behind) {
        std::string command;
        append_command(command, {"XREAD", "COUNT", kEntriesPerRead, "BLOCK", "0", "STREAMS",
                                 kRedisStream, behind});
        connection_.send(command);
    }

    RedisConnection connection_;
};

class RedisChannelReader final : public Reader {
public:
    explicit RedisChannelReader(std::uint16_t port) : connection_(port) {
        static_cast<void>(connection_.ask({"SUBSCRIBE", kRedisChannel}));
    }

    void receive(const Take& take) override {
        connection_.receive();
        for (std::string_view reply = connection_.next_reply(); !reply.empty();
             reply = connection_.next_reply()) {
            // ["message", channel, payload]
            static_cast<void>(need_token(reply, '*'));
            static_cast<void>(need_token(reply, '$'));
            static_cast<void>(need_token(reply, '$'));
            take(std::as_bytes(std::span(need_token(reply, '$').text)));
        }
    }

private:
    RedisConnection connection_;
};

}  // namespace

std::unique_ptr<Reader> make_group_reader(std::uint16_t port, const std::string& group) {
    return std::make_unique<RedisGroupReader>(port, group);
}

std::unique_ptr<Reader> make_range_reader(std::uint16_t port) {
    return std::make_unique<RedisRangeReader>(port);
}

std::unique_ptr<Reader> make_tail_reader(std::uint16_t port) {
    return std::make_unique<RedisTailReader>(port);
}

std::unique_ptr<Reader> make_channel_reader(std::uint16_t port) {
    return std::make_unique<RedisChannelReader>(port);
}

}  // namespace casc::bench::compare
