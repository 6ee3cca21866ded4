// The `topics` workload: what a hundred thousand topics cost. Creates them, writes one event to
// each, starts the broker again, and reads the event of each; then taps with patterns follow all of
// them, while more come. Times of every phase, and the broker's memory and open files.

#include "host.hpp"
#include "limits_network.hpp"
#include "need.hpp"
#include "payload.hpp"
#include "pipeline.hpp"
#include "progress.hpp"
#include "target.hpp"
#include "workload.hpp"

#include <casc/wire/batch.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace casc::bench {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kProducersAtOnce = 128;  // of each writer
constexpr std::size_t kWriters = 4;
// The first part of a name, and how many taps there are: one of them for all, each of the others
// for one of those parts.
constexpr std::size_t kFirstParts = 100;
constexpr std::size_t kTaps = kFirstParts + 1;
constexpr std::size_t kTappedEventsMax = 10'000;
constexpr std::chrono::seconds kPatience{60};

struct Topic {
    std::string name;
    std::uint32_t id = 0;
};

class TopicsRun {
public:
    TopicsRun(Target& target, const Options& options, Report& report)
        : target_(target),
          report_(report),
          topics_(options.topic_count == 1 ? 100'000 : options.topic_count),
          payload_bytes_(options.size_bytes.value_or(100)),
          run_(std::random_device{}()) {
        for (std::size_t i = 0; i < topics_.size(); ++i)
            topics_[i].name = subject(i);
    }

    void run() {
        client_ = target_.connect();
        phase("create", [this] { create(); });
        phase("write", [this] { write(); });
        phase("read", [this] { read(); });
        client_.reset();
        if (target_.is_own())
            phase("restart", [this] { static_cast<void>(target_.restart_seconds()); });
        client_ = target_.connect();
        phase("read_after_restart", [this] { read(); });
        part("tap_by_pattern", "taps_per_second", kTaps, [this] { tap(); });
        const std::size_t before = topics_.size();
        for (std::size_t i = before; i < before + before / 10; ++i)
            topics_.push_back({.name = subject(i)});
        first_ = before;
        part("create_under_patterns", "topics_per_second", topics_.size() - before,
             [this] { create(); });
        const std::size_t tapped = std::min(topics_.size() - before, kTappedEventsMax);
        first_ = topics_.size() - tapped;
        part("write_under_patterns", "events_per_second", tapped, [&] { follow(tapped); });
    }

    [[nodiscard]] double seconds() const { return seconds_; }
    // Topics that went through the phases before the patterns.
    [[nodiscard]] std::size_t count() const { return count_; }

private:
    [[nodiscard]] std::string subject(std::size_t number) const {
        return prefix_ + std::to_string(number % kFirstParts) + "." + std::to_string(number);
    }

    // Something that is done with all topics.
    void phase(const char* name, const std::function<void()>& work) {
        seconds_ += part(name, "topics_per_second", topics_.size(), work);
    }
    double part(const char* name, const char* pace, std::size_t count,
                const std::function<void()>& work) {
        Progress progress(std::string("topics: ") + name);
        progress_ = &progress;
        const auto began = Clock::now();
        work();
        const double took = std::chrono::duration<double>(Clock::now() - began).count();
        report_.details[name] = json::object{{"seconds", took},
                                             {pace, static_cast<double>(count) / took},
                                             {"rss_bytes", target_.broker_rss_bytes()},
                                             {"open_files", target_.broker_open_files()}};
        open_files_max_ = std::max(open_files_max_, target_.broker_open_files());
        report_.details["open_files_max"] = open_files_max_;
        return took;
    }

    void end(Pipeline& pipeline) {
        pipeline.finish();
        report_.error_count += pipeline.error_count();
        if (pipeline.error_count() > 0) report_.details["first_error"] = pipeline.first_error();
    }

    void show(std::size_t done) {
        progress_->show(static_cast<double>(done) / static_cast<double>(topics_.size()));
    }

    void create() {
        Pipeline pipeline;
        for (std::size_t i = first_; i < topics_.size(); ++i) {
            wire::fb::CreateTopicT request;
            request.name = topics_[i].name;
            pipeline.start();
            client_->call_async(
                request, {},
                [&pipeline, &topic = topics_[i]](Result<wire::fb::CreateTopicReplyT> reply) {
                    if (reply) topic.id = reply->topic_id;
                    pipeline.done(reply ? nullptr : &reply.error());
                });
            show(i);
        }
        end(pipeline);
    }

    // As applications do it: a producer for each, from several connections.
    void write() {
        std::atomic<std::size_t> next{first_};
        std::mutex mutex;  // cold: only when something fails
        std::string trouble;
        std::vector<std::thread> writers;
        for (std::size_t i = 0; i < kWriters; ++i) {
            writers.emplace_back([&] {
                try {
                    write_some(next);
                } catch (const std::exception& error) {
                    const std::lock_guard lock(mutex);
                    trouble = error.what();
                }
            });
        }
        for (std::thread& writer : writers)
            writer.join();
        if (!trouble.empty()) throw std::runtime_error(trouble);
    }

    // Takes the next few topics until there are no more.
    void write_some(std::atomic<std::size_t>& next) {
        const auto client = target_.connect();
        Payloads payloads(payload_bytes_);
        client::ProducerOptions options;
        options.linger = std::chrono::microseconds(0);
        options.in_flight_bytes = 1u << 20;
        options.batch_bytes = 64 * 1024;
        for (std::size_t from = 0; (from = next.fetch_add(kProducersAtOnce)) < topics_.size();) {
            std::vector<client::Producer> producers;
            for (std::size_t i = from; i < std::min(topics_.size(), from + kProducersAtOnce); ++i) {
                producers.push_back(
                    need(client->make_producer(topics_[i].name, options), "a producer"));
                client::Event event;
                event.payload = payloads.next({i, 0, run_, 0});
                need(producers.back().send(event), "sending");
            }
            for (client::Producer& producer : producers)
                need(producer.close(), "closing a producer");
        }
    }

    void tap() {
        for (std::size_t i = 0; i < kTaps; ++i) {
            client::TapOptions options;
            options.topics = {i == 0 ? prefix_ + ">" : prefix_ + std::to_string(i - 1) + ".*"};
            taps_.push_back(need(client_->make_tap(options), "a tap"));
            progress_->show(static_cast<double>(i) / kTaps);
        }
    }
    // An event in each of the topics that came last, which the tap for all of them gives meanwhile.
    void follow(std::size_t count) {
        auto written = std::async(std::launch::async, [this] { write(); });
        std::size_t taken = 0;
        const auto deadline = Clock::now() + kPatience;
        while (taken < count) {
            if (Clock::now() > deadline)
                throw std::runtime_error("the tap has given " + std::to_string(taken) + " of " +
                                         std::to_string(count) + " events in a minute");
            const auto events =
                need(taps_.front().poll(1000, std::chrono::milliseconds(100)), "the tap");
            taken += events.size();
        }
        written.get();
    }

    void read() {
        Pipeline pipeline;
        wire::Encoder encoder;
        for (std::size_t i = 0; i < topics_.size(); ++i) {
            wire::fb::FetchT request;
            auto source = std::make_unique<wire::fb::FetchSourceT>();
            source->topic_id = topics_[i].id;
            source->lane = static_cast<std::uint8_t>(Lane::normal);
            request.sources.push_back(std::move(source));
            request.bytes_min = 1;
            request.bytes_max = 64 * 1024;
            request.max_wait_ms = 10'000;
            pipeline.start();
            client_->call_raw(wire::Api::fetch, encoder.encode(request), {},
                              [&pipeline, i, this](Result<client::Reply> reply) {
                                  if (!reply) return pipeline.done(&reply.error());
                                  const Error wrong(ErrorCode::data_missing,
                                                    topics_[i].name + " does not have its event");
                                  pipeline.done(holds(reply->attachments, i) ? nullptr : &wrong);
                              });
            show(i);
        }
        end(pipeline);
    }

    [[nodiscard]] bool holds(std::span<const std::byte> batch, std::uint64_t sequence) const {
        const auto view = wire::BatchView::parse(batch);
        if (!view || !view->verify_body() || view->event_count() != 1) return false;
        const auto payload = view->payload(0, view->stored_payloads());
        return payload.size() == payload_bytes_ && head_of(payload).sequence == sequence &&
               head_of(payload).run == run_;
    }

    Target& target_;
    Report& report_;
    const std::string prefix_ = "topics-" + std::to_string(::getpid()) + ".";
    std::vector<Topic> topics_;
    const std::size_t count_ = topics_.size();
    std::size_t first_ = 0;  // those before it are done
    const std::size_t payload_bytes_;
    const std::uint32_t run_;
    std::unique_ptr<client::Client> client_;
    std::vector<client::Tap> taps_;  // of that client, which outlives them
    Progress* progress_ = nullptr;
    double seconds_ = 0;
    std::uint64_t open_files_max_ = 0;
};

void run_topics(const Options& options, Report& report) {
    report.parameters = {{"topics", options.topic_count == 1 ? 100'000 : options.topic_count},
                         {"payload_bytes", options.size_bytes.value_or(100)},
                         {"requests_in_flight", kRequestsInFlight},
                         {"writers", kWriters},
                         {"producers_at_once", kProducersAtOnce},
                         {"taps", kTaps}};
    Target target(options, report.parameters);
    print_banner(report);
    const Histogram round_trips = tcp_round_trips_ns(std::chrono::milliseconds(500));
    const double client_cpu = own_cpu_seconds();
    TopicsRun run(target, options, report);
    run.run();
    report.details["seconds_all_phases"] = run.seconds();
    // One per topic and phase would be the pace of somebody who waits for every answer.
    report.limit.name = "one TCP round trip for each of the four requests";
    report.limit.events_per_second = 1e9 / static_cast<double>(round_trips.percentile(50)) / 4;
    report.events_per_second = static_cast<double>(run.count()) / run.seconds();
    report.bytes_per_second =
        report.events_per_second * static_cast<double>(options.size_bytes.value_or(100));
    report.share_of_limit = report.events_per_second / *report.limit.events_per_second;
    report.rss_bytes_max = target.broker_rss_bytes_max();
    report.cpu_seconds = {own_cpu_seconds() - client_cpu, target.broker_cpu_seconds()};
}

constexpr std::array<std::string_view, 5> kTopicsFlags{"--topics", "--size", "--address",
                                                       "--data-dir", "--set"};

}  // namespace

extern const Workload kTopicsWorkload;
const Workload kTopicsWorkload{"topics", "What do a hundred thousand topics cost?", kTopicsFlags,
                               run_topics};

}  // namespace casc::bench
