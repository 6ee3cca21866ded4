// The HTTP port with made-up handlers and real sockets.

#include <casc/broker/http.hpp>

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <atomic>
#include <charconv>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <text.hpp>
#include <unistd.h>

using namespace casc;
using namespace casc::broker;
using casc::test::contains;

namespace {

// A blocking TCP connection to a loopback port. No read waits longer than 20 s, so a hang is a
// failure.
class Connection {
public:
    explicit Connection(const std::string& endpoint)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const timeval deadline{20, 0};
        REQUIRE(setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) == 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        unsigned port = 0;
        const std::string digits = endpoint.substr(endpoint.rfind(':') + 1);
        std::from_chars(digits.data(), digits.data() + digits.size(), port);
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    ~Connection() { ::close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Until the peer refuses more; it may hang up in the middle of nonsense.
    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    // Everything up to the peer's close.
    std::string rest() const {
        std::string text;
        char chunk[4096];
        for (ssize_t n = 0; (n = ::recv(fd_, chunk, sizeof chunk, 0)) != 0;) {
            if (n < 0) return text + (errno == EAGAIN ? "<still open>" : "");
            text.append(chunk, static_cast<std::size_t>(n));
        }
        return text;
    }
    // One answer with a Content-Length, of a connection that stays open.
    std::string one() const {
        std::string text;
        char byte = 0;
        while (text.find("\r\n\r\n") == text.npos && ::recv(fd_, &byte, 1, 0) == 1)
            text += byte;
        const std::size_t at = text.find("Content-Length: ");
        std::size_t length = 0;
        if (at != text.npos)
            std::from_chars(text.data() + at + 16, text.data() + text.size(), length);
        for (std::size_t i = 0; i < length && ::recv(fd_, &byte, 1, 0) == 1; ++i)
            text += byte;
        return text;
    }

private:
    int fd_;
};

// Five verbs: serve, get, ask, contains, connect.
struct HttpFixture {
    HttpHandlers handlers;
    HttpLimits limits;
    std::unique_ptr<HttpServer> server;

    HttpFixture() {
        handlers.metrics = [] {
            return std::vector<MetricFamily>{{"casc_up", "Up.", "gauge", {{"casc_up", "", 1}}}};
        };
        handlers.live = [] { return std::vector<HealthCheck>{{"loop", true, ""}}; };
        handlers.ready = [] {
            return std::vector<HealthCheck>{{"storage", true, ""}, {"listeners", true, ""}};
        };
        handlers.version_json = R"({"version":"1.2.3"})";
    }
    void serve() {
        auto started = HttpServer::start("127.0.0.1:0", handlers, limits);
        REQUIRE_MESSAGE(started.has_value(), started.error().detail);
        server = std::move(started).value();
    }
    std::string ask(std::string_view bytes) {
        if (!server) serve();
        const Connection connection(server->endpoint());
        connection.send(bytes);
        return connection.rest();
    }
    std::string get(const std::string& target) {
        return ask("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
};

}  // namespace

TEST_CASE_FIXTURE(HttpFixture,
                  "broker/http: /metrics is Prometheus text with the process's own families") {
    const std::string text = get("/metrics");
    CHECK(text.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(contains(text, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    CHECK(contains(text, "\ncasc_up 1\n"));
    CHECK(contains(text, "\nprocess_resident_memory_bytes "));
}

TEST_CASE_FIXTURE(HttpFixture,
                  "broker/http: /metrics is 503 with the reason when the shard does not answer") {
    handlers.metrics = []() -> Result<std::vector<MetricFamily>> {
        return Error(ErrorCode::timeout, "shard 0");
    };
    const std::string text = get("/metrics");
    CHECK(text.starts_with("HTTP/1.1 503 "));
    CHECK(contains(text, "application/problem+json"));
    CHECK(contains(text, "shard 0"));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: /livez and /readyz are 200 while their checks pass") {
    CHECK(contains(get("/livez"), "{\"status\":\"live\"}"));
    CHECK(contains(get("/readyz"), "{\"status\":\"ready\"}"));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: /readyz is 503 with the reasons") {
    handlers.ready = [] {
        return std::vector<HealthCheck>{{"storage", false, "replaying \"x\""},
                                        {"listeners", true, ""}};
    };
    const std::string text = get("/readyz");
    CHECK(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    CHECK(contains(text, R"({"status":"not_ready","reasons":["storage: replaying \"x\""]})"));
    CHECK(get("/livez").starts_with("HTTP/1.1 200 "));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: /readyz?verbose lists every check") {
    CHECK(contains(
        get("/readyz?verbose"),
        R"("checks":[{"name":"storage","passed":true},{"name":"listeners","passed":true}])"));
    CHECK(contains(get("/readyz?a=b&verbose=1"), "\"checks\""));
    CHECK_FALSE(contains(get("/readyz?verbosely"), "\"checks\""));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: /version is what it was given") {
    CHECK(contains(get("/version"), R"({"version":"1.2.3"})"));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: other paths and methods are told what there is") {
    const std::string text = get("/metricsx");
    CHECK(text.starts_with("HTTP/1.1 404 Not Found\r\n"));
    CHECK(contains(text, "Content-Type: application/problem+json\r\n"));
    CHECK(contains(text, "/readyz"));
    const std::string posted = ask(
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
    CHECK(posted.starts_with("HTTP/1.1 405 "));
    CHECK(contains(posted, "Allow: GET, HEAD\r\n"));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: HEAD gets the headers of GET and no body") {
    const std::string text = ask("HEAD /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(text.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(contains(text, "Content-Length: 20\r\n"));
    CHECK(text.ends_with("\r\n\r\n"));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: a connection serves one request after the other") {
    serve();
    const Connection connection(server->endpoint());
    for (int i = 0; i < 3; ++i) {
        connection.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(contains(connection.one(), "{\"status\":\"live\"}"));
    }
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: nonsense is refused and harms nobody") {
    CHECK(ask("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").starts_with("HTTP/1.1 400 "));
    CHECK(ask("GET\r\n\r\n").starts_with("HTTP/1.1 400 "));
    CHECK(get("/livez").starts_with("HTTP/1.1 200 "));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: headers and bodies are bounded") {
    limits.header_bytes = 512;
    limits.body_bytes = 100;
    const std::string text =
        ask("GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(600, 'y') + "\r\n\r\n");
    CHECK(text.starts_with("HTTP/1.1 431 "));
    CHECK(ask("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n")
              .starts_with("HTTP/1.1 413 "));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: a client that stays silent is closed") {
    limits.idle_timeout = std::chrono::milliseconds(50);
    serve();
    const Connection silent(server->endpoint());
    CHECK(silent.rest().empty());
    const Connection slow(server->endpoint());
    slow.send("GET /livez HTT");
    CHECK(slow.rest().empty());
}

TEST_CASE_FIXTURE(HttpFixture,
                  "broker/http: one connection too many is told so, and the others go on") {
    limits.connections = 1;
    serve();
    const Connection first(server->endpoint());
    first.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(contains(first.one(), "live"));
    const Connection second(server->endpoint());
    CHECK(second.rest().starts_with("HTTP/1.1 503 "));
    first.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(contains(first.one(), "live"));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: a handler that throws costs its request only") {
    handlers.ready = []() -> std::vector<HealthCheck> { throw std::runtime_error("broken"); };
    CHECK(get("/readyz").starts_with("HTTP/1.1 500 "));
    CHECK(get("/livez").starts_with("HTTP/1.1 200 "));
}

TEST_CASE_FIXTURE(HttpFixture, "broker/http: the server stops with connections open") {
    serve();
    const Connection open(server->endpoint());
    open.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(contains(open.one(), "live"));
    server.reset();
    CHECK(open.rest().empty());
}

TEST_CASE_FIXTURE(HttpFixture,
                  "broker/http: an address in use or not ours is an error that names it") {
    serve();
    const auto again = HttpServer::start(server->endpoint(), handlers);
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().code == ErrorCode::invalid_config);
    CHECK(contains(again.error().detail,
                   "cannot serve HTTP on " + server->endpoint() + ": Address already in use"));
    CHECK_FALSE(HttpServer::start("127.0.0.1", handlers).has_value());
    CHECK_FALSE(HttpServer::start("unix:///tmp/x", handlers).has_value());
}
