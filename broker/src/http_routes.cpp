#include "http_routes.hpp"

#include "logging_json_text.hpp"
#include "prometheus.hpp"

#include <boost/beast/http/field.hpp>
#include <boost/beast/http/verb.hpp>

namespace casc::broker {

namespace http = boost::beast::http;

namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kPaths = "/metrics, /livez, /readyz and /version";

HttpResponse response(http::status status, std::string_view content_type, std::string body,
                      unsigned version) {
    HttpResponse out{status, version};
    out.set(http::field::content_type, content_type);
    // What monitoring reads is true now, not a minute ago.
    out.set(http::field::cache_control, "no-store");
    out.set("X-Content-Type-Options", "nosniff");
    out.body() = std::move(body);
    return out;
}

// {"status":"ready"}, {"status":"not_ready","reasons":[...]}, with verbose every check by name.
std::string health_json(std::string_view word, bool passed, const std::vector<HealthCheck>& checks,
                        bool verbose) {
    std::string out =
        "{\"status\":\"" + std::string(passed ? "" : "not_") + std::string(word) + "\"";
    if (!passed) {
        std::string reasons;
        for (const HealthCheck& check : checks) {
            if (check.passed) continue;
            reasons += (reasons.empty() ? "" : ",") + json_string(check.name + ": " + check.detail);
        }
        out += ",\"reasons\":[" + reasons + "]";
    }
    if (verbose) {
        std::string all;
        for (const HealthCheck& check : checks) {
            all += (all.empty() ? "" : ",") + ("{\"name\":" + json_string(check.name)) +
                   ",\"passed\":" + (check.passed ? "true" : "false") +
                   (check.detail.empty() ? "" : ",\"detail\":" + json_string(check.detail)) + "}";
        }
        out += ",\"checks\":[" + all + "]";
    }
    return out + "}\n";
}

HttpResponse health(std::string_view word, const std::vector<HealthCheck>& checks, bool verbose,
                    unsigned version) {
    bool passed = true;
    for (const HealthCheck& check : checks)
        passed = passed && check.passed;
    return response(passed ? http::status::ok : http::status::service_unavailable, kJson,
                    health_json(word, passed, checks, verbose), version);
}

HttpResponse metrics(const HttpHandlers& handlers, unsigned version) {
    Result<std::vector<MetricFamily>> families = handlers.metrics();
    if (!families)
        return problem(http::status::service_unavailable, families.error().message(), version);
    for (MetricFamily& family : process_metrics())
        families->push_back(std::move(family));
    return response(http::status::ok, kPrometheusContentType, render_prometheus(*families),
                    version);
}

// Whether `name` is one of the parameters of the query: verbose, verbose=1.
bool has_parameter(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const std::string_view item = query.substr(0, query.find('&'));
        if (item.substr(0, item.find('=')) == name) return true;
        query.remove_prefix(std::min(query.size(), item.size() + 1));
    }
    return false;
}

HttpResponse get(std::string_view target, const HttpHandlers& handlers, unsigned version) {
    const std::size_t mark = target.find('?');
    const std::string_view path = target.substr(0, mark);
    const bool verbose = mark != target.npos && has_parameter(target.substr(mark + 1), "verbose");
    if (path == "/metrics") return metrics(handlers, version);
    if (path == "/livez") return health("live", handlers.live(), verbose, version);
    if (path == "/readyz") return health("ready", handlers.ready(), verbose, version);
    if (path == "/version")
        return response(http::status::ok, kJson, handlers.version_json + "\n", version);
    return problem(http::status::not_found,
                   "there is nothing at this path; there are " + std::string(kPaths), version);
}

}  // namespace

HttpResponse problem(http::status status, std::string_view detail, unsigned http_version) {
    const auto reason = http::obsolete_reason(status);
    const std::string body =
        "{\"type\":\"about:blank\",\"title\":" + json_string({reason.data(), reason.size()}) +
        ",\"status\":" + std::to_string(static_cast<unsigned>(status)) +
        ",\"detail\":" + json_string(detail) + "}\n";
    return response(status, "application/problem+json", body, http_version);
}

HttpResponse answer(const HttpRequest& request, const HttpHandlers& handlers) {
    const unsigned version = request.version();
    HttpResponse out;
    if (request.method() == http::verb::get || request.method() == http::verb::head) {
        const auto target = request.target();
        out = get({target.data(), target.size()}, handlers, version);
    } else {
        out = problem(http::status::method_not_allowed, "only GET and HEAD are answered here",
                      version);
        out.set(http::field::allow, "GET, HEAD");
    }
    out.keep_alive(request.keep_alive());
    out.content_length(out.body().size());
    if (request.method() == http::verb::head) out.body().clear();
    return out;
}

}  // namespace casc::broker
