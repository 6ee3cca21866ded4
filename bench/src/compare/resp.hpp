#pragma once
// RESP2, the protocol of Redis: commands out, replies in.
//
// Grammar: a command is an array of bulk strings. A reply is "+text", "-error", ":number",
// "$length" and so many bytes, or "*count" and so many replies, each line ended by CR LF; -1 for $
// and * says that there is none.
//
// Thread: one at a time.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace casc::bench::compare {

void append_bulk(std::string& out, std::string_view text);
void append_array(std::string& out, std::size_t count);
void append_command(std::string& out, std::initializer_list<std::string_view> words);

// One piece of a reply; those of an array follow it.
struct RespToken {
    char kind = 0;            // + - : $ *
    std::int64_t number = 0;  // the number of ':', the count of '*', the length of '$'
    std::string_view text;    // of '+', '-' and '$'

    [[nodiscard]] bool is_none() const { return (kind == '$' || kind == '*') && number < 0; }
};

// The first token, taken off the front of `rest`. Nothing, and `rest` as it was: it is not whole
// yet. Throws std::runtime_error when it is not RESP.
[[nodiscard]] std::optional<RespToken> take_token(std::string_view& rest);

// Finds where a reply ends, and goes on where it was when more has come.
class RespScanner {
public:
    // `unread` begins with the reply, and has grown since the last call. Its size once it is whole;
    // the next call then is about the next reply.
    [[nodiscard]] std::optional<std::size_t> scan(std::string_view unread);

private:
    std::size_t scanned_ = 0;
    std::int64_t missing_ = 1;  // replies
};

}  // namespace casc::bench::compare
