#include "model_bench.hpp"

#include "listing.hpp"
#include "model_host_call.hpp"
#include "progress.hpp"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <span>

namespace casc::admin {

namespace {

using Steady = std::chrono::steady_clock;
using Millis = std::chrono::duration<double, std::milli>;

struct BenchOptions {
    std::string model;
    std::string subject;
    std::string prompt = "The quick brown fox jumps over the lazy dog.";
    std::string method = "generate";
    std::uint64_t requests = 100;
    std::uint64_t in_flight = 8;
    std::uint64_t max_tokens = 64;
};

// Milliseconds, but for the tokens.
struct Measured {
    std::vector<double> first_token;
    std::vector<double> per_token;
    std::vector<double> request;
    std::uint64_t tokens = 0;
    std::uint64_t errors = 0;
    Error last_error{ErrorCode::ok};
};

double percentile(std::vector<double> values, double share) {
    if (values.empty()) return 0;
    // The smallest that so many are not above.
    const double rank = std::ceil(share * static_cast<double>(values.size()));
    const auto at = static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
    std::nth_element(values.begin(), values.begin() + at, values.end());
    return std::round(values[static_cast<std::size_t>(at)] * 1000) / 1000;
}

// Keeps so many requests under way until all are answered. Shared with the client's callbacks.
class Load : public std::enable_shared_from_this<Load> {
public:
    Load(client::Client& client, std::string subject, std::string text, milliseconds timeout)
        : client_(client),
          subject_(std::move(subject)),
          text_(std::move(text)),
          timeout_(timeout) {}

    Measured run(const BenchOptions& options, Progress& progress) {
        std::unique_lock lock(mutex_);
        while (ended_ < options.requests) {
            while (asked_ < options.requests && asked_ - ended_ < options.in_flight) {
                ++asked_;
                lock.unlock();
                ask();
                lock.lock();
            }
            progress.show(ended_, options.requests);
            const std::uint64_t shown = ended_;
            changed_.wait(lock, [&] {
                const bool may_ask =
                    asked_ < options.requests && asked_ - ended_ < options.in_flight;
                return may_ask || ended_ == options.requests || ended_ != shown;
            });
        }
        return std::move(measured_);
    }

private:
    void ask() {
        client_.request_async(
            subject_, {.payload = std::as_bytes(std::span(text_))}, timeout_,
            [self = shared_from_this(), began = Steady::now()](Result<client::Answer> answer) {
                self->take(answer, Millis(Steady::now() - began).count());
            });
    }
    void take(const Result<client::Answer>& answer, double took) {
        boost::system::error_code malformed;
        const json::value value = answer ? json::parse(answer->text(), malformed) : json::value();
        const std::lock_guard lock(mutex_);
        ++ended_;
        changed_.notify_one();
        if (!answer || malformed || !value.is_object()) {
            ++measured_.errors;
            measured_.last_error =
                answer ? Error(ErrorCode::malformed_message, "an answer that is no JSON")
                       : answer.error();
            return;
        }
        const json::object& all = value.get_object();
        const auto tokens =
            static_cast<std::uint64_t>(number_of(all, "response.result.tokens_generated"));
        const double first = number_of(all, "response.metadata.first_token_ms");
        const double total = number_of(all, "response.inference_time_ms");
        measured_.request.push_back(took);
        measured_.tokens += tokens;
        if (tokens > 0) measured_.first_token.push_back(first);
        if (tokens > 1)
            measured_.per_token.push_back((total - first) / static_cast<double>(tokens - 1));
    }

    client::Client& client_;
    const std::string subject_;
    const std::string text_;
    const milliseconds timeout_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t asked_ = 0;
    std::uint64_t ended_ = 0;
    Measured measured_;
};

// Steps of the device and their requests so far; zeros when the model has no host to ask.
std::pair<double, double> steps_of(Session& session, const std::string& model,
                                   milliseconds timeout) {
    const auto models = ask_host_for_models(session, {{"op", "stats"}, {"name", model}}, timeout);
    if (!models || models->empty()) return {0, 0};
    const json::object& stats = models->front().get_object();
    return {number_of(stats, "steps"), number_of(stats, "batch_sum")};
}

Document document_of(const BenchOptions& options, const Measured& measured, double seconds,
                     double batch_mean) {
    const auto per_second = [seconds](double count) {
        return std::round(count / seconds * 1000) / 1000;
    };
    Document document;
    document.add("model", "model", json::value(options.model));
    document.add("requests", "requests", options.requests, Style::count);
    document.add("in_flight", "in flight", options.in_flight, Style::count);
    document.add("errors", "errors", measured.errors, Style::count);
    document.add("seconds", "seconds", std::round(seconds * 1000) / 1000);
    document.add("requests_per_second", "requests/s",
                 per_second(static_cast<double>(measured.request.size())));
    document.add("tokens_per_second", "tokens/s", per_second(static_cast<double>(measured.tokens)));
    document.add("batch_mean", "requests per step", batch_mean);
    const auto add_times = [&](std::string_view key50, std::string_view heading50,
                               std::string_view key99, std::string_view heading99,
                               const std::vector<double>& times) {
        if (times.empty()) return;
        document.add(key50, heading50, percentile(times, 0.5));
        document.add(key99, heading99, percentile(times, 0.99));
    };
    add_times("first_token_ms_p50", "first token p50 ms", "first_token_ms_p99",
              "first token p99 ms", measured.first_token);
    add_times("per_token_ms_p50", "per token p50 ms", "per_token_ms_p99", "per token p99 ms",
              measured.per_token);
    add_times("request_ms_p50", "request p50 ms", "request_ms_p99", "request p99 ms",
              measured.request);
    return document;
}

Result<ExitCode> bench(Session& session, const BenchOptions& options) {
    CASC_TRY(client::Client* const client, session.client());
    CASC_TRY(const Connection connection, session.connection());
    json::object params{{"prompt", options.prompt}};
    if (options.method == "generate") params["max_tokens"] = options.max_tokens;
    const std::string text = compact_json(json::object{
        {"model", options.model}, {"method", options.method}, {"params", std::move(params)}});
    const std::string subject =
        options.subject.empty() ? "infer." + options.model : options.subject;
    const auto before = steps_of(session, options.model, connection.timeout);
    const auto load = std::make_shared<Load>(*client, subject, text, connection.timeout);
    const auto began = Steady::now();
    Progress progress("asking " + options.model, session.out());
    const Measured measured = load->run(options, progress);
    const double seconds = std::chrono::duration<double>(Steady::now() - began).count();
    if (measured.errors == options.requests) return measured.last_error;
    const auto after = steps_of(session, options.model, connection.timeout);
    const double steps = after.first - before.first;
    const double batch_mean =
        steps > 0 ? std::round((after.second - before.second) / steps * 100) / 100 : 0;
    session.out().show(document_of(options, measured, seconds, batch_mean));
    if (measured.errors == 0) return ExitCode::ok;
    return session.out().fail(measured.last_error);
}

Result<std::uint64_t> parse_count(std::string_view text) {
    CASC_TRY(const std::uint64_t count, parse_number(text));
    if (count == 0) return Error(ErrorCode::invalid_request, "must be at least 1");
    return count;
}

}  // namespace

void add_model_bench(Commands& commands, CLI::App* noun) {
    auto options = std::make_shared<BenchOptions>();
    CLI::App* verb = noun->add_subcommand("bench", "Ask a model again and again, and measure");
    verb->add_option("NAME", options->model, "The model")->required();
    verb->add_option("--subject", options->subject, "Where it listens (default: infer.NAME)")
        ->type_name("SUBJECT");
    verb->add_option("--method", options->method, "generate (default), embed or classify")
        ->type_name("METHOD");
    verb->add_option("--prompt", options->prompt, "What is asked")->type_name("TEXT");
    add_parsed(verb, "--requests", options->requests, parse_count, "COUNT",
               "How many (default: 100)");
    add_parsed(verb, "--in-flight", options->in_flight, parse_count, "COUNT",
               "So many at a time (default: 8)");
    add_parsed(verb, "--max-tokens", options->max_tokens, parse_count, "COUNT",
               "The longest answer (default: 64)");
    commands.on(verb, [options](Session& session) { return bench(session, *options); });
}

}  // namespace casc::admin
