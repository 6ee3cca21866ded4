#pragma once
// One listening socket, TCP or Unix.

#include "session.hpp"

#include <casc/types/result.hpp>

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>

namespace casc::broker {

// Thread: owning shard.
class Listener {
public:
    using Accepted = std::function<void(Session::Socket socket, std::string address)>;

    virtual ~Listener() = default;

    // Binds "host:port", "unix:///path" (mode 0600; a socket file that nobody listens on any more
    // is replaced) or "inproc://name". Fails with invalid_config and the operating system's reason.
    [[nodiscard]] static Result<std::unique_ptr<Listener>> bind(boost::asio::io_context& io,
                                                                const std::string& endpoint,
                                                                Accepted accepted);

    virtual void start() = 0;
    virtual void close() = 0;
    // As bound, with the real port.
    [[nodiscard]] virtual std::string endpoint() const = 0;
};

}  // namespace casc::broker
