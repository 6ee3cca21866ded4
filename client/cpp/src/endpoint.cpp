#include "endpoint.hpp"

#include <casc/client/options.hpp>
#include <casc/wire/frame.hpp>

#include <charconv>
#include <cstdint>
#include <utility>

namespace casc::client {
namespace {

// sun_path has 108 bytes, the last of which ends the string.
constexpr std::size_t kUnixPathBytesMax = 107;

Error bad(std::string_view text, std::string_view why) {
    return Error(ErrorCode::invalid_config,
                 "endpoint '" + std::string(text) + "': " + std::string(why));
}

bool is_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && port != 0;
}

bool strip(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
    using Kind = Endpoint::Kind;
    std::string_view rest = text;
    Endpoint endpoint;
    endpoint.text = text;
    for (const auto& [scheme, kind] :
         {std::pair("unix://", Kind::unix_socket), std::pair("shm://", Kind::shared_memory)}) {
        if (!strip(rest, scheme)) continue;
        if (!rest.starts_with('/'))
            return bad(text, "a Unix socket is written " + std::string(scheme) + "/absolute/path");
        if (rest.size() > kUnixPathBytesMax) return bad(text, "the path is longer than 107 bytes");
        endpoint.kind = kind;
        endpoint.path = rest;
        return endpoint;
    }
    if (strip(rest, "inproc://")) {
        if (rest.empty()) return bad(text, "the name is missing");
        endpoint.kind = Kind::in_process;
        endpoint.path = rest;
        return endpoint;
    }
    strip(rest, "tcp://");
    if (rest.find("://") != std::string_view::npos)
        return bad(text, "only tcp://, unix://, shm:// and inproc:// are known");

    std::string_view port;
    if (strip(rest, "[")) {
        const auto close = rest.find(']');
        if (close == std::string_view::npos) return bad(text, "']' is missing");
        endpoint.host = rest.substr(0, close);
        port = rest.substr(close + 1);
    } else {
        const auto colon = rest.find(':');
        endpoint.host = rest.substr(0, colon);
        if (colon != std::string_view::npos) port = rest.substr(colon);
    }
    if (endpoint.host.empty()) return bad(text, "the host is missing");
    if (port.empty()) {
        endpoint.port = std::to_string(wire::kDefaultPort);
        return endpoint;
    }
    if (!strip(port, ":") || !is_port(port))
        return bad(text, "the port is not a number from 1 to 65535");
    endpoint.port = port;
    return endpoint;
}

Result<void> check_endpoint(std::string_view text) {
    CASC_TRY_VOID(parse_endpoint(text));
    return {};
}

}  // namespace casc::client
