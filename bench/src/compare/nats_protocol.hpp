#pragma once
// The text protocol of NATS, as far as a client needs it.
//
// Grammar, each line ended by CR LF: the server sends INFO json, PING, PONG, +OK, -ERR text,
// MSG subject sid [reply] bytes and HMSG subject sid [reply] header-bytes all-bytes, the last two
// followed by so many bytes and CR LF; the client sends CONNECT json, PING, PONG, SUB subject sid
// and PUB subject [reply] bytes, followed alike.
//
// Thread: any.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace casc::bench::compare {

enum class NatsKind : std::uint8_t { info, message, ping, pong, ok, error };

// Views into what was parsed.
struct NatsFrame {
    NatsKind kind = NatsKind::ok;
    std::string_view text;     // of info and error
    std::string_view subject;  // and what follows: of a message
    std::string_view reply;    // empty: none is wanted
    std::string_view headers;
    std::string_view payload;
};

// The first frame, taken off the front of `rest`. Nothing, and `rest` as it was: it is not whole
// yet. Throws std::runtime_error when it is not the protocol.
[[nodiscard]] std::optional<NatsFrame> take_frame(std::string_view& rest);

// The number behind "NATS/1.0 " in the headers of a message that is the server's own word: 100 for
// a heartbeat or a question whether we keep up, 404 and above for the end of a request. 0: none.
[[nodiscard]] int status_of(const NatsFrame& frame);
// "PUB subject reply " and the rest of it; without a reply the subject is followed by the size.
void append_publish(std::string& out, std::string_view subject, std::string_view reply,
                    std::string_view payload);
void append_subscribe(std::string& out, std::string_view subject, int sid);

}  // namespace casc::bench::compare
