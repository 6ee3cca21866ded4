#pragma once
// config_address.hpp: an address to listen on, taken apart. Thread: any (a value).

#include <casc/types/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace casc::broker {

struct ListenAddress {
    enum class Family : std::uint8_t { tcp, unix_socket, in_process };
    Family family = Family::tcp;
    std::string host;  // tcp: without the brackets of an IPv6 address
    std::uint16_t port = 0;
    std::string path;  // unix_socket: absolute; in_process: the name

    // True when no other machine can reach it: a Unix socket, this process, 127.0.0.0/8, ::1 or
    // "localhost".
    [[nodiscard]] bool local_only() const;
};

// "127.0.0.1:7440", "[::1]:7440", "localhost:0", "unix:///run/casc.sock", "inproc://orders". Fails
// with invalid_config.
[[nodiscard]] Result<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace casc::broker
