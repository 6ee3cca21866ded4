#pragma once
// client/src/endpoint.hpp: where a broker listens, as the user writes it.

#include <casc/types/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace casc::client {

// A parsed address. Thread: any (value).
struct Endpoint {
    enum class Kind : std::uint8_t { tcp, unix_socket, shared_memory, in_process };

    std::string text;  // as given, for messages
    Kind kind = Kind::tcp;
    std::string host;  // tcp
    std::string port;
    std::string path;  // of the Unix socket; in_process: the name

    // Whether its bytes are to go through rings in shared memory, once there is a connection.
    [[nodiscard]] bool wants_rings() const noexcept {
        return kind == Kind::shared_memory || kind == Kind::in_process;
    }
};

// Reads "host:port", "host" (default port), "[v6]:port", "tcp://...", "unix:///path", "shm:///path"
// or "inproc://name".
// Fails with: invalid_config.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace casc::client
