// The `request` workload: request and reply through the broker. A requester keeps so many requests
// in flight, a responder echoes each; both are threads of this process with a connection each. The
// limit is the raw TCP ping-pong, which has half as many hops.

#include "bystanders.hpp"
#include "describe_times.hpp"
#include "event_budget.hpp"
#include "host.hpp"
#include "limits_network.hpp"
#include "need.hpp"
#include "payload.hpp"
#include "target.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

namespace casc::bench {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kWarmUp{500};
constexpr milliseconds kCallsCountedFor{500};  // after the warm-up of a run of its own
constexpr const char* kSubject = "bench.echo";

struct RequestPlan {
    std::size_t payload_bytes = 100;
    std::uint32_t in_flight = 1;
    std::uint32_t responder_count = 1;
    std::uint32_t run = 0;
    nanoseconds duration{};
    std::uint64_t request_count = ~std::uint64_t{0};
};

// Echoes until it is ended. Thread: its own.
class Echo {
public:
    explicit Echo(const Target& target)
        : client_(target.connect()),
          responder_(need(client_->serve({.subject = kSubject}), "a responder")),
          thread_([this] { run(); }) {}
    ~Echo() {
        stopping_ = true;
        thread_.join();
    }
    Echo(const Echo&) = delete;
    Echo& operator=(const Echo&) = delete;

    [[nodiscard]] std::uint64_t answered() const { return answered_.load(); }

private:
    void run() {
        while (!stopping_) {
            const auto requests = responder_.poll(256, milliseconds(20));
            if (!requests) return;
            for (const client::ReceivedRequest& request : *requests)
                static_cast<void>(
                    responder_.answer(request.id, {.payload = request.event.payload}));
            answered_.fetch_add(requests->size(), std::memory_order_relaxed);
        }
    }

    const std::unique_ptr<client::Client> client_;
    client::Responder responder_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> answered_{0};
    std::thread thread_;
};

struct RequestOutcome {
    Histogram latency_ns;
    std::uint64_t asked = 0;  // and answered or failed, the warm-up included
    std::uint64_t answered = 0;
    std::uint64_t misplaced = 0;  // somebody else's answer
    std::uint64_t failed = 0;
    double seconds = 0;
    std::string trouble;
    CpuSeconds cpu_seconds;
    std::optional<BudgetPerEvent> budget;  // of all that were asked

    void check(const Result<client::Answer>& answer, std::uint64_t sequence, std::uint32_t run) {
        ++asked;
        if (!answer) {
            ++failed;
            if (trouble.empty()) trouble = answer.error().message();
            return;
        }
        const PayloadHead head = head_of(answer->payload());
        if (head.sequence != sequence || head.run != run) ++misplaced;
    }
};

// One at a time, in the calling thread.
RequestOutcome ask_one_by_one(client::Client& client, const RequestPlan& plan) {
    RequestOutcome outcome;
    Payloads payloads(plan.payload_bytes);
    const auto warm = Clock::now() + kWarmUp;
    Clock::time_point began{};
    auto sent = Clock::now();
    for (std::uint64_t sequence = 0; outcome.answered < plan.request_count; ++sequence) {
        const auto answer =
            client.request(kSubject, {.payload = payloads.next({sequence, 0, plan.run, 0})});
        const auto now = Clock::now();
        outcome.check(answer, sequence, plan.run);
        if (began == Clock::time_point{}) {
            if (now >= warm) began = now;
        } else {
            ++outcome.answered;
            outcome.latency_ns.record(static_cast<std::uint64_t>((now - sent).count()));
            outcome.seconds = std::chrono::duration<double>(now - began).count();
            if (now - began >= plan.duration) break;
        }
        sent = Clock::now();
    }
    return outcome;
}

// Many at a time: each answer's callback asks for the next, so that the client's own thread does
// all of it.
class ManyAtATime {
public:
    ManyAtATime(client::Client& client, const RequestPlan& plan)
        : client_(client), plan_(plan), payloads_(plan.payload_bytes) {}

    RequestOutcome run() {
        // Where the callbacks run.
        client_.call_async(wire::fb::PingT{}, {}, [this](const Result<wire::fb::PingReplyT>&) {
            for (std::uint32_t i = 0; i < plan_.in_flight; ++i)
                ask();
        });
        std::unique_lock lock(mutex_);
        ended_.wait(lock, [this] { return has_ended_; });
        return std::move(outcome_);
    }

private:
    void ask() {
        const std::uint64_t sequence = sequence_++;
        ++under_way_;
        client_.request_async(kSubject, {.payload = payloads_.next({sequence, 0, plan_.run, 0})},
                              {}, [this, sequence, sent = Clock::now()](auto answer) {
                                  answered(answer, sequence, sent);
                              });
    }
    void answered(const Result<client::Answer>& answer, std::uint64_t sequence,
                  Clock::time_point sent) {
        const auto now = Clock::now();
        if (began_ == Clock::time_point{}) {
            if (now - first_ >= kWarmUp) began_ = now;
        } else {
            ++outcome_.answered;
            outcome_.latency_ns.record(static_cast<std::uint64_t>((now - sent).count()));
            outcome_.seconds = std::chrono::duration<double>(now - began_).count();
        }
        outcome_.check(answer, sequence, plan_.run);
        const bool is_over =
            began_ != Clock::time_point{} &&
            (now - began_ >= plan_.duration || outcome_.answered >= plan_.request_count);
        if (!is_over && answer) ask();
        if (--under_way_ != 0) return;
        const std::lock_guard lock(mutex_);
        has_ended_ = true;
        ended_.notify_one();
    }

    client::Client& client_;
    const RequestPlan plan_;
    std::mutex mutex_;  // of has_ended_
    std::condition_variable ended_;
    bool has_ended_ = false;
    // Where the callbacks run.
    std::uint32_t under_way_ = 0;
    Payloads payloads_;
    std::uint64_t sequence_ = 0;
    const Clock::time_point first_ = Clock::now();
    Clock::time_point began_{};
    RequestOutcome outcome_;
};

RequestOutcome ask(client::Client& client, const RequestPlan& plan) {
    return plan.in_flight == 1 ? ask_one_by_one(client, plan) : ManyAtATime(client, plan).run();
}

void count_calls(client::Client& client, RequestPlan plan, EventBudget& budget,
                 RequestOutcome& outcome) {
    plan.duration = std::min<nanoseconds>(plan.duration, kCallsCountedFor);
    budget.start(Counting::only_calls);
    const RequestOutcome counted = ask(client, plan);
    budget.stop(static_cast<double>(counted.asked), 0);
    outcome.failed += counted.failed;
    outcome.misplaced += counted.misplaced;
    if (outcome.trouble.empty()) outcome.trouble = counted.trouble;
}

RequestOutcome ask(const Target& target, const RequestPlan& plan) {
    std::vector<std::unique_ptr<Echo>> echoes;
    for (std::uint32_t i = 0; i < plan.responder_count; ++i)
        echoes.push_back(std::make_unique<Echo>(target));
    const auto client = target.connect();
    EventBudget budget(target);
    budget.start(Counting::all_but_calls);
    RequestOutcome outcome = ask(*client, plan);
    const auto asked = static_cast<double>(outcome.asked);
    // The payload goes to the responder and back.
    outcome.cpu_seconds = budget.stop(asked, 2 * asked * static_cast<double>(plan.payload_bytes));
    count_calls(*client, plan, budget, outcome);
    outcome.budget = budget.so_far();
    return outcome;
}

// The same through shared memory, and how the two compare.
json::object ask_through_rings(Target& target, const RequestPlan& plan, const RequestOutcome& tcp,
                               Report& report) {
    target.use(Transport::shared_memory);
    const RequestOutcome rings = ask(target, plan);
    report.error_count += rings.failed + rings.misplaced;
    const auto rate = [](const RequestOutcome& outcome) {
        return outcome.seconds > 0 ? static_cast<double>(outcome.answered) / outcome.seconds : 0;
    };
    const auto median_ns = [](const RequestOutcome& outcome) {
        return static_cast<double>(outcome.latency_ns.percentile(50));
    };
    json::object object{{"events_per_second", rate(rings)},
                        {"over_tcp", rate(rings) / rate(tcp)},
                        {"tcp_p50_over_its_p50", median_ns(tcp) / median_ns(rings)},
                        {"latency_us", describe(rings.latency_ns)}};
    object["budget_per_event"] = rings.budget->to_json();
    if (!rings.trouble.empty()) object["trouble"] = rings.trouble;
    return object;
}

void run_request(const Options& options, Report& report) {
    RequestPlan plan;
    plan.payload_bytes = options.size_bytes.value_or(plan.payload_bytes);
    if (plan.payload_bytes < kPayloadBytesMin)
        throw std::runtime_error("--size must be at least " + std::to_string(kPayloadBytesMin) +
                                 ": every request carries its number");
    plan.in_flight = std::max(1u, options.in_flight_count.value_or(1));
    plan.responder_count = std::max(1u, options.consumer_count);
    plan.run = std::random_device{}();
    plan.duration = options.duration.value_or(std::chrono::seconds(5));
    if (options.event_count) plan.request_count = *options.event_count;
    report.parameters = {{"payload_bytes", plan.payload_bytes},
                         {"in_flight", plan.in_flight},
                         {"responders", plan.responder_count},
                         {"requesters", 1}};
    Target target(options, report.parameters);
    print_banner(report);

    Histogram round_trips = tcp_round_trips_ns(std::chrono::seconds(1));
    report.details["ping_pong_on_one_processor_us"] =
        describe(tcp_round_trips_ns(milliseconds(500), Ends::on_one_processor));
    if (cpu_count() > 1)
        report.details["ping_pong_on_two_processors_us"] =
            describe(tcp_round_trips_ns(milliseconds(500), Ends::on_two_processors));
    // Without slow ones: requests that a slow responder takes are not beside what is measured.
    Bystanders bystanders(target, options, {}, SlowKind::reader);
    const RequestOutcome outcome = ask(target, plan);
    report.cpu_seconds = outcome.cpu_seconds;
    report.budget = outcome.budget;
    // Before and after: the machine may have changed.
    round_trips.merge(tcp_round_trips_ns(std::chrono::seconds(1)));

    const double round_trip_us = static_cast<double>(round_trips.percentile(50)) / 1000;
    const double median_us = static_cast<double>(outcome.latency_ns.percentile(50)) / 1000;
    report.limit.name = "TCP ping-pong of 128 bytes, median";
    report.limit.latency_us = round_trip_us;
    report.latency_ns = outcome.latency_ns;
    report.events_per_second =
        outcome.seconds > 0 ? static_cast<double>(outcome.answered) / outcome.seconds : 0;
    report.bytes_per_second = report.events_per_second * static_cast<double>(plan.payload_bytes);
    report.share_of_limit = median_us > 0 ? round_trip_us / median_us : 0;
    report.details["ping_pong_us"] = describe(round_trips);
    report.details["p50_over_ping_pong"] = median_us / round_trip_us;
    report.details["failed"] = outcome.failed;
    report.details["misplaced"] = outcome.misplaced;
    if (!outcome.trouble.empty()) report.details["trouble"] = outcome.trouble;
    report.error_count = outcome.failed + outcome.misplaced;
    if (options.transport == "both")
        report.details["shared_memory"] = ask_through_rings(target, plan, outcome, report);
    bystanders.end(report);
    report.rss_bytes_max = target.broker_rss_bytes_max();
}

constexpr std::array<std::string_view, 11> kRequestFlags{
    "--size",    "--in-flight", "--consumers", "--duration",         "--events",     "--transport",
    "--address", "--data-dir",  "--set",       "--idle-connections", "--idle-topics"};

}  // namespace

extern const Workload kRequestWorkload;
const Workload kRequestWorkload{
    "request", "How long does a request take to a responder and back, and how many at a time?",
    kRequestFlags, run_request};

}  // namespace casc::bench
