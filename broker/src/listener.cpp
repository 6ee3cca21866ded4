#include "listener.hpp"

#include <casc/broker/logging.hpp>
#include <casc/ring/in_process.hpp>
#include <casc/types/units.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <charconv>
#include <sys/stat.h>
#include <unistd.h>

namespace casc::broker {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using local = asio::local::stream_protocol;

std::string address_of(const tcp::endpoint& endpoint) {
    const std::string host = endpoint.address().to_string();
    return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
           std::to_string(endpoint.port());
}

void prepare_socket(tcp::socket& socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
}
void prepare_socket(local::socket&) {}

std::string peer_of(const tcp::socket& socket) {
    error_code error;
    const auto peer = socket.remote_endpoint(error);
    return error ? std::string("unknown") : address_of(peer);
}
std::string peer_of(const local::socket&) {
    return "unix";
}

template <class Protocol>
class ListenerOf final : public Listener {
public:
    ListenerOf(typename Protocol::acceptor acceptor, std::string endpoint, std::string unlink_path,
               Accepted accepted)
        : acceptor_(std::move(acceptor)),
          retry_(acceptor_.get_executor()),
          endpoint_(std::move(endpoint)),
          unlink_path_(std::move(unlink_path)),
          accepted_(std::move(accepted)) {}
    ~ListenerOf() override { close(); }

    void start() override {
        acceptor_.async_accept([this](const error_code& error, typename Protocol::socket socket) {
            if (error == asio::error::operation_aborted) return;
            if (error) return retry(error);
            prepare_socket(socket);
            std::string peer = peer_of(socket);
            accepted_(Session::Socket(std::move(socket)), std::move(peer));
            start();
        });
    }

    void close() override {
        error_code ignored;
        if (!acceptor_.is_open()) return;
        acceptor_.close(ignored);
        retry_.cancel();
        if (!unlink_path_.empty()) ::unlink(unlink_path_.c_str());
    }

    std::string endpoint() const override { return endpoint_; }

private:
    // Out of descriptors, most likely: accepting again at once would spin.
    void retry(const error_code& why) {
        log_event(LogLevel::warn, "accept_failed",
                  {{"endpoint", endpoint_}, {"why", why.message()}});
        retry_.expires_after(250ms);
        retry_.async_wait([this](const error_code& error) {
            if (!error) start();
        });
    }

    typename Protocol::acceptor acceptor_;
    asio::steady_timer retry_;
    const std::string endpoint_;
    const std::string unlink_path_;
    Accepted accepted_;
};

// For clients in this very process: they come with a socket that is connected already.
// Thread: `Accept` of it on the client's, the rest on the shard's.
class InProcess final : public Listener {
public:
    InProcess(asio::io_context& io, std::string name, Accepted accepted)
        : io_(io), name_(std::move(name)), accepted_(std::move(accepted)) {}

    // Whoever connects before the loop runs waits in it.
    [[nodiscard]] Result<void> bind() {
        CASC_TRY(bound_, ring::InProcessListener::bind(name_, [this](ring::FileDescriptor socket) {
                     take(std::move(socket));
                 }));
        return {};
    }
    void start() override {}
    void close() override { bound_.reset(); }
    std::string endpoint() const override { return "inproc://" + name_; }

private:
    void take(ring::FileDescriptor fd) {
        asio::post(io_, [this, fd = std::move(fd)]() mutable {
            const asio::generic::stream_protocol unix_stream(AF_UNIX, 0);
            accepted_(Session::Socket(io_, unix_stream, fd.release()), "in-process");
        });
    }

    asio::io_context& io_;
    const std::string name_;
    Accepted accepted_;
    std::unique_ptr<ring::InProcessListener> bound_;
};

Error cannot_bind(const std::string& endpoint, const std::string& why) {
    return Error(ErrorCode::invalid_config, "cannot listen on " + endpoint + ": " + why);
}

template <class Protocol>
Result<typename Protocol::acceptor> open_acceptor(asio::io_context& io,
                                                  const typename Protocol::endpoint& at,
                                                  const std::string& endpoint) {
    typename Protocol::acceptor acceptor(io);
    error_code error;
    acceptor.open(at.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor.bind(at, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) return cannot_bind(endpoint, error.message());
    return acceptor;
}

Result<std::unique_ptr<Listener>> bind_local(asio::io_context& io, const std::string& path,
                                             Listener::Accepted accepted) {
    const std::string endpoint = "unix://" + path;
    local::endpoint at;
    try {
        at = local::endpoint(path);
    } catch (const boost::system::system_error& e) {
        return cannot_bind(endpoint, e.code().message());  // the path is too long
    }
    // A broker that was killed leaves its socket file behind. One that answers belongs to a live
    // process.
    error_code error;
    local::socket probe(io);
    probe.connect(at, error);
    if (!error) return cannot_bind(endpoint, "another process listens there");
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) {
        if (!S_ISSOCK(info.st_mode))
            return cannot_bind(endpoint, "a file that is no socket is in the way");
        ::unlink(path.c_str());
    }
    const mode_t before = ::umask(0177);  // owner only, from the moment it exists
    auto acceptor = open_acceptor<local>(io, at, endpoint);
    ::umask(before);
    if (!acceptor) return acceptor.error();
    return std::unique_ptr<Listener>(std::make_unique<ListenerOf<local>>(
        *std::move(acceptor), endpoint, path, std::move(accepted)));
}

Result<std::unique_ptr<Listener>> bind_tcp(asio::io_context& io, const std::string& endpoint,
                                           Listener::Accepted accepted) {
    const auto colon = endpoint.rfind(':');
    if (colon == std::string::npos) return cannot_bind(endpoint, "it has no port");
    std::string host = endpoint.substr(0, colon);
    if (host.size() > 1 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    error_code error;
    tcp::resolver resolver(io);
    const auto found =
        resolver.resolve(host, endpoint.substr(colon + 1), tcp::resolver::passive, error);
    if (error || found.empty()) return cannot_bind(endpoint, error.message());
    auto acceptor = open_acceptor<tcp>(io, found.begin()->endpoint(), endpoint);
    if (!acceptor) return acceptor.error();
    const std::string bound = address_of(acceptor->local_endpoint());
    return std::unique_ptr<Listener>(std::make_unique<ListenerOf<tcp>>(
        *std::move(acceptor), bound, std::string(), std::move(accepted)));
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::bind(asio::io_context& io, const std::string& endpoint,
                                                 Accepted accepted) {
    constexpr std::string_view in_process_scheme = "inproc://";
    constexpr std::string_view unix_scheme = "unix://";
    constexpr std::string_view tcp_scheme = "tcp://";
    if (endpoint.starts_with(in_process_scheme)) {
        auto listener = std::make_unique<InProcess>(io, endpoint.substr(in_process_scheme.size()),
                                                    std::move(accepted));
        CASC_TRY_VOID(listener->bind());
        return std::unique_ptr<Listener>(std::move(listener));
    }
    if (endpoint.starts_with(unix_scheme))
        return bind_local(io, endpoint.substr(unix_scheme.size()), std::move(accepted));
    if (endpoint.starts_with(tcp_scheme))
        return bind_tcp(io, endpoint.substr(tcp_scheme.size()), std::move(accepted));
    return bind_tcp(io, endpoint, std::move(accepted));
}

}  // namespace casc::broker
