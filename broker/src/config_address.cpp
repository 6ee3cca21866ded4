#include "config_address.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <netinet/in.h>
#include <sys/un.h>

namespace casc::broker {

namespace {

constexpr std::string_view kUnixScheme = "unix://";
constexpr std::string_view kInProcessScheme = "inproc://";

Error refused(std::string_view text, std::string_view why) {
    return {ErrorCode::invalid_config,
            "'" + std::string(text) + "' is no address: " + std::string(why)};
}

Result<ListenAddress> parse_unix(std::string_view text) {
    ListenAddress endpoint;
    endpoint.family = ListenAddress::Family::unix_socket;
    endpoint.path = text.substr(kUnixScheme.size());
    if (!endpoint.path.starts_with('/') || endpoint.path.size() < 2) {
        return refused(text,
                       "a Unix socket is an absolute path, for instance unix:///run/casc.sock");
    }
    // The kernel's sockaddr_un holds 108 bytes with the closing zero.
    if (endpoint.path.size() >= sizeof(sockaddr_un::sun_path)) {
        return refused(text, "the path of a Unix socket has at most 107 bytes");
    }
    return endpoint;
}

Result<ListenAddress> parse_in_process(std::string_view text) {
    ListenAddress endpoint;
    endpoint.family = ListenAddress::Family::in_process;
    endpoint.path = text.substr(kInProcessScheme.size());
    if (endpoint.path.empty()) return refused(text, "the name is missing, as in inproc://orders");
    return endpoint;
}

}  // namespace

bool ListenAddress::local_only() const {
    if (family != Family::tcp || host == "localhost") return true;
    in_addr v4{};
    if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    in6_addr v6{};
    return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
    if (text.starts_with(kUnixScheme)) return parse_unix(text);
    if (text.starts_with(kInProcessScheme)) return parse_in_process(text);
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos) return refused(text, "a port is missing, as in 127.0.0.1:7440");
    std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);

    ListenAddress endpoint;
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (port.empty() || error != std::errc() || end != port.data() + port.size()) {
        return refused(text, "the port is a number from 0 to 65535");
    }
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != host.npos) {
        return refused(text, "an IPv6 address stands in brackets, as in [::1]:7440");
    }
    if (host.empty())
        return refused(text,
                       "the host is missing; every interface is 0.0.0.0, and that needs insecure");
    endpoint.host = host;
    return endpoint;
}

}  // namespace casc::broker
