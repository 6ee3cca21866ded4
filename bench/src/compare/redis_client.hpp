#pragma once
// Redis as a client uses it best: commands in blocks, replies as they come.
//
// Thread: one at a time, each object.

#include "connection.hpp"
#include "resp.hpp"
#include "roles.hpp"

#include <memory>
#include <string>
#include <utility>

namespace casc::bench::compare {

// A connection whose replies come in the order of the commands.
class RedisConnection {
public:
    explicit RedisConnection(std::uint16_t port) : connection_(port) {}

    void send(std::string_view commands) { connection_.send(commands); }
    // The next reply that is there, valid until the next call; empty when none is whole.
    // Throws what the server says when it is an error.
    [[nodiscard]] std::string_view next_reply();
    // Waits a moment for more.
    bool receive() { return connection_.receive(); }
    bool receive_available() { return connection_.receive_available(); }
    // Sends one and waits for its reply, with nothing else on its way.
    [[nodiscard]] std::string ask(std::initializer_list<std::string_view> words);

private:
    Connection connection_;
    RespScanner scanner_;
    std::size_t handed_out_ = 0;  // bytes of the reply that is in use
};

inline constexpr std::string_view kRedisStream = "events";
inline constexpr std::string_view kRedisChannel = "events";

// Commands of one block, two of which are on their way.
[[nodiscard]] std::uint64_t redis_block_events(std::size_t payload_bytes);
[[nodiscard]] std::unique_ptr<Writer> make_stream_writer(std::uint16_t port,
                                                         std::size_t payload_bytes);
[[nodiscard]] std::unique_ptr<Writer> make_channel_writer(std::uint16_t port,
                                                          std::size_t payload_bytes);
[[nodiscard]] std::unique_ptr<Reader> make_channel_reader(std::uint16_t port);
// XREADGROUP and XACK, in a group of its own.
[[nodiscard]] std::unique_ptr<Reader> make_group_reader(std::uint16_t port,
                                                        const std::string& group);
[[nodiscard]] std::unique_ptr<Reader> make_range_reader(std::uint16_t port);  // XRANGE
[[nodiscard]] std::unique_ptr<Reader> make_tail_reader(std::uint16_t port);   // XREAD BLOCK
// LPUSH and BLMPOP over a list each way.
[[nodiscard]] std::unique_ptr<Requester> make_list_requester(std::uint16_t port);
[[nodiscard]] std::unique_ptr<Responder> make_list_responder(std::uint16_t port);

}  // namespace casc::bench::compare
