#pragma once
// client/src/endpoint.hpp: where a broker listens, as the user writes it.

#include <casc/types/result.hpp>

#include <string>
#include <string_view>

namespace casc::client {

// A parsed address. Thread: any (value).
struct Endpoint {
    std::string text;  // as given, for messages
    std::string host;  // empty for a Unix socket
    std::string port;
    std::string path;  // of a Unix socket

    [[nodiscard]] bool is_unix() const noexcept { return !path.empty(); }
};

// Reads "host:port", "host" (default port), "[v6]:port", "tcp://..." or "unix:///path".
// Fails with: invalid_config.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace casc::client
