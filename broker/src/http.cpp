// http.cpp: the HTTP port's sockets: one thread, bounded connections, every wait with a deadline.

#include "config_address.hpp"
#include "http_routes.hpp"

#include <casc/broker/http.hpp>
#include <casc/broker/logging.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <array>
#include <exception>
#include <optional>
#include <pthread.h>
#include <thread>

namespace casc::broker {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

// Answers with the error in a variable instead of an exception: a client that goes away is nothing
// exceptional.
auto into(beast::error_code& error) {
    return asio::redirect_error(asio::use_awaitable, error);
}

constexpr std::chrono::milliseconds kHangUpTime(500);
constexpr std::size_t kHangUpReads = 16;

std::string text_of(const tcp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
           std::to_string(endpoint.port());
}

Error cannot_bind(std::string_view endpoint, const std::string& why) {
    return {ErrorCode::invalid_config,
            "cannot serve HTTP on " + std::string(endpoint) + ": " + why};
}

// What to tell a client whose request could not be read; nothing when it only went away.
std::optional<http::status> refusal_of(beast::error_code error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return http::status::request_header_fields_too_large;
    }
    if (error == http::error::body_limit) return http::status::payload_too_large;
    const bool gone = error == http::error::end_of_stream ||
                      error == http::error::partial_message || error == beast::error::timeout;
    if (gone || error.category() != http::make_error_code(http::error::bad_method).category())
        return std::nullopt;
    return http::status::bad_request;
}

}  // namespace

class HttpServer::Impl {
public:
    Impl(HttpHandlers handlers, HttpLimits limits)
        : handlers_(std::move(handlers)), limits_(limits) {}

    ~Impl() {
        io_.stop();
        if (thread_.joinable()) thread_.join();
    }

    Result<void> bind(std::string_view text) {
        CASC_TRY(const ListenAddress address, parse_listen_address(text));
        if (address.family != ListenAddress::Family::tcp)
            return cannot_bind(text, "HTTP is served over TCP");
        beast::error_code error;
        tcp::resolver resolver(io_);
        const auto found = resolver.resolve(address.host, std::to_string(address.port),
                                            tcp::resolver::passive, error);
        if (error || found.empty()) return cannot_bind(text, error.message());
        const tcp::endpoint endpoint = found.begin()->endpoint();
        acceptor_.open(endpoint.protocol(), error);
        if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
        if (!error) acceptor_.bind(endpoint, error);
        if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
        if (error) return cannot_bind(text, error.message());
        endpoint_ = text_of(acceptor_.local_endpoint());
        return {};
    }

    void run() {
        asio::co_spawn(io_, accept_all(), asio::detached);
        thread_ = std::thread([this] {
            pthread_setname_np(pthread_self(), "casc-control");
            io_.run();
        });
    }

    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

private:
    asio::awaitable<void> accept_all() {
        for (;;) {
            beast::error_code error;
            tcp::socket socket = co_await acceptor_.async_accept(into(error));
            if (error) {
                // Out of descriptors, most likely: the listening socket stays readable, so wait
                // instead of spinning.
                log_event(LogLevel::warn, "http_accept_failed", {{"why", error.message()}});
                asio::steady_timer pause(io_, std::chrono::milliseconds(100));
                co_await pause.async_wait(into(error));
                continue;
            }
            asio::co_spawn(io_, serve(beast::tcp_stream(std::move(socket))), asio::detached);
        }
    }

    asio::awaitable<void> serve(beast::tcp_stream stream) {
        const Seat seat(connections_);
        if (connections_ > limits_.connections) {
            HttpResponse refusal =
                problem(http::status::service_unavailable, "too many HTTP connections", 11);
            co_await send(stream, refusal);
        } else {
            beast::flat_buffer received(limits_.header_bytes + limits_.body_bytes);
            while (co_await serve_one(stream, received)) {
            }
        }
        co_await hang_up(stream);
    }

    // Closing a socket that still holds unread bytes resets it, and the peer may never see the
    // refusal. So what is on its way is read and thrown away, for a moment and up to a bound.
    static asio::awaitable<void> hang_up(beast::tcp_stream& stream) {
        beast::error_code error;
        stream.socket().shutdown(tcp::socket::shutdown_send, error);
        stream.expires_after(kHangUpTime);
        std::array<char, 4096> discarded;
        for (std::size_t reads = 0; reads < kHangUpReads && !error; ++reads) {
            co_await stream.async_read_some(asio::buffer(discarded), into(error));
        }
    }

    // Reads one request and answers it. False: the connection is to be closed.
    asio::awaitable<bool> serve_one(beast::tcp_stream& stream, beast::flat_buffer& received) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
        parser.body_limit(limits_.body_bytes);
        beast::error_code error;
        stream.expires_after(limits_.idle_timeout);
        co_await http::async_read(stream, received, parser, into(error));
        if (error) {
            if (const auto status = refusal_of(error)) {
                HttpResponse refusal = problem(*status, error.message(), 11);
                co_await send(stream, refusal);
            }
            co_return false;
        }
        HttpResponse response = answered(parser.get());
        co_return co_await send(stream, response) && response.keep_alive();
    }

    // A handler that throws costs this one request.
    HttpResponse answered(const HttpRequest& request) {
        try {
            return answer(request, handlers_);
        } catch (const std::exception& e) {
            log_event(LogLevel::error, "http_request_failed", {{"why", e.what()}});
            HttpResponse out = problem(http::status::internal_server_error, "the request failed",
                                       request.version());
            out.keep_alive(false);
            out.prepare_payload();
            return out;
        }
    }

    asio::awaitable<bool> send(beast::tcp_stream& stream, HttpResponse& response) {
        if (!response.has_content_length()) {  // a refusal: the connection is closed behind it
            response.keep_alive(false);
            response.prepare_payload();
        }
        beast::error_code error;
        stream.expires_after(limits_.idle_timeout);
        // The serializer sends the headers of HEAD's answer alone, since its body is empty but its
        // length is not.
        co_await http::async_write(stream, response, into(error));
        co_return !error;
    }

    // Counts a connection for as long as it is served.
    struct Seat {
        explicit Seat(std::size_t& counter) : taken(counter) { ++taken; }
        ~Seat() { --taken; }
        Seat(const Seat&) = delete;
        Seat& operator=(const Seat&) = delete;
        std::size_t& taken;
    };

    // Fixed after construction.
    HttpHandlers handlers_;
    HttpLimits limits_;
    std::string endpoint_;
    // Owned by the control thread once it runs. io_ outlives the coroutines, which it destroys with
    // itself; so what they touch at their end stands above it.
    std::size_t connections_ = 0;
    asio::io_context io_{1};
    tcp::acceptor acceptor_{io_};
    std::thread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(std::string_view endpoint,
                                                      HttpHandlers handlers, HttpLimits limits) {
    auto impl = std::make_unique<Impl>(std::move(handlers), limits);
    CASC_TRY_VOID(impl->bind(endpoint));
    impl->run();
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

const std::string& HttpServer::endpoint() const {
    return impl_->endpoint();
}

}  // namespace casc::broker
