#pragma once
// casc/broker/http.hpp: the small HTTP port for people's monitoring: /metrics, /livez, /readyz,
// /version.
//
//   auto http = HttpServer::start("127.0.0.1:7441", handlers);
//   log_event(LogLevel::info, "listening", {{"http", http->endpoint()}});
//
// It knows nothing of a broker: what it serves comes from HttpHandlers, and it runs before recovery
// begins, so that a broker with much to replay is seen as alive and not ready instead of as
// missing.

#include <casc/broker/broker.hpp>
#include <casc/types/result.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace casc::broker {

struct HealthCheck {
    std::string name;  // "storage"
    bool passed = false;
    std::string detail;  // why not; empty when it passed
};

// Called on the control thread, one at a time; each must come back within about two seconds.
struct HttpHandlers {
    std::function<Result<std::vector<MetricFamily>>()> metrics;
    // The event loop turns. Must not depend on the disk: a slow disk is no reason to kill the
    // process.
    std::function<std::vector<HealthCheck>()> live;
    // Work can be accepted now. Must not wait.
    std::function<std::vector<HealthCheck>()> ready;
    std::string version_json;  // of /version
};

struct HttpLimits {
    std::size_t connections = 64;
    std::size_t header_bytes = 8192;
    std::size_t body_bytes = 4096;  // no path wants one, but some clients send one with a GET
    std::chrono::milliseconds idle_timeout{15'000};  // to send a request, or to read the answer
};

// Thread:   start() and the destructor on one thread, which starts and joins the thread
// "casc-control". Lifetime: what the handlers refer to must outlive it.
class HttpServer {
public:
    // Fails with invalid_config when the address cannot be bound.
    [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(std::string_view endpoint,
                                                                   HttpHandlers handlers,
                                                                   HttpLimits limits = {});
    ~HttpServer();

    // As bound, with the real port: "127.0.0.1:7441".
    [[nodiscard]] const std::string& endpoint() const;

private:
    class Impl;
    explicit HttpServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace casc::broker
