#include "nats_protocol.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <stdexcept>

namespace casc::bench::compare {
namespace {

constexpr std::string_view kCrLf = "\r\n";
constexpr std::size_t kControlLineMax = 64u << 10;  // INFO is the longest

[[noreturn]] void fail_as_foreign(std::string_view line) {
    throw std::runtime_error("not a NATS frame: '" + std::string(line.substr(0, 40)) + "'");
}

std::size_t size_in(std::string_view word, std::string_view line) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc{} || end != word.data() + word.size()) fail_as_foreign(line);
    return number;
}

// The words of a line, five of them at most.
struct Words {
    std::array<std::string_view, 5> all;
    std::size_t count = 0;

    explicit Words(std::string_view line) {
        for (std::size_t at = 0; at < line.size() && count < all.size();) {
            const std::size_t end = std::min(line.find(' ', at), line.size());
            if (end > at) all[count++] = line.substr(at, end - at);
            at = end + 1;
        }
    }
};

// MSG and HMSG: the line, and behind it the bytes that it speaks of.
std::optional<NatsFrame> take_message(std::string_view& rest, std::string_view line,
                                      bool has_headers) {
    const Words words(line);
    const std::size_t fixed = has_headers ? 4 : 3;
    if (words.count != fixed && words.count != fixed + 1) fail_as_foreign(line);
    NatsFrame frame;
    frame.kind = NatsKind::message;
    frame.subject = words.all[0];
    if (words.count == fixed + 1) frame.reply = words.all[2];
    const std::size_t bytes = size_in(words.all[words.count - 1], line);
    const std::size_t header_bytes = has_headers ? size_in(words.all[words.count - 2], line) : 0;
    if (header_bytes > bytes) fail_as_foreign(line);
    const auto begin =
        static_cast<std::size_t>(line.data() + line.size() - rest.data()) + kCrLf.size();
    if (rest.size() < begin + bytes + kCrLf.size()) return {};
    frame.headers = rest.substr(begin, header_bytes);
    frame.payload = rest.substr(begin + header_bytes, bytes - header_bytes);
    rest.remove_prefix(begin + bytes + kCrLf.size());
    return frame;
}

}  // namespace

std::optional<NatsFrame> take_frame(std::string_view& rest) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) {
        if (rest.size() > kControlLineMax) fail_as_foreign(rest);
        return {};
    }
    if (end == 0 || rest[end - 1] != '\r') fail_as_foreign(rest);
    const std::string_view line = rest.substr(0, end - 1);
    if (line.starts_with("MSG ")) return take_message(rest, line.substr(4), false);
    if (line.starts_with("HMSG ")) return take_message(rest, line.substr(5), true);
    NatsFrame frame;
    if (line.starts_with("INFO "))
        frame = {NatsKind::info, line.substr(5), {}, {}, {}, {}};
    else if (line.starts_with("-ERR"))
        frame = {NatsKind::error, line.substr(4), {}, {}, {}, {}};
    else if (line == "PING")
        frame.kind = NatsKind::ping;
    else if (line == "PONG")
        frame.kind = NatsKind::pong;
    else if (line != "+OK")
        fail_as_foreign(line);
    rest.remove_prefix(end + 1);
    return frame;
}

int status_of(const NatsFrame& frame) {
    constexpr std::string_view kVersion = "NATS/1.0 ";
    if (!frame.headers.starts_with(kVersion)) return 0;
    int status = 0;
    const std::string_view rest = frame.headers.substr(kVersion.size());
    std::from_chars(rest.data(), rest.data() + rest.size(), status);
    return status;
}

void append_publish(std::string& out, std::string_view subject, std::string_view reply,
                    std::string_view payload) {
    out += "PUB ";
    out += subject;
    out += ' ';
    if (!reply.empty()) {
        out += reply;
        out += ' ';
    }
    out += std::to_string(payload.size());
    out += kCrLf;
    out += payload;
    out += kCrLf;
}

void append_subscribe(std::string& out, std::string_view subject, int sid) {
    out += "SUB ";
    out += subject;
    out += ' ';
    out += std::to_string(sid);
    out += kCrLf;
}

}  // namespace casc::bench::compare
