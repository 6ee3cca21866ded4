#include "bystanders.hpp"

#include "open_files.hpp"

#include <algorithm>

namespace casc::bench {
namespace {

namespace json = boost::json;

// For who is measured.
constexpr std::uint32_t kConnectionsOfTheMeasured = 1000;
// What the broker asks for beside its connections; it says so when it gets less, and goes on.
constexpr std::uint32_t kFilesTheBrokerAsksFor = 1024;
// What ships; less would not be the broker that is asked about.
constexpr std::uint32_t kConnectionsByDefault = 10'000;

std::uint32_t connections_of(const Options& options) {
    return options.idle_connection_count + options.slow_consumer_count;
}

// Those that are not there any more are errors, and the first reason is told.
json::object roll_call(std::uint32_t wanted, std::uint32_t there, const std::string& why,
                       Report& report) {
    json::object object{{"there_at_end", there}};
    if (there == wanted) return object;
    report.error_count += wanted - there;
    object["lost"] = wanted - there;
    if (!why.empty()) object["trouble"] = why;
    return object;
}

}  // namespace

std::uint64_t files_needed_with_bystanders(const Options& options) {
    return options.idle_connection_count + kFilesPerClient * options.slow_consumer_count +
           kFilesBesideConnections;
}

std::vector<std::string> make_room_for_bystanders(const Options& options,
                                                  json::object& parameters) {
    if (options.idle_connection_count > 0)
        parameters["idle_connections"] = options.idle_connection_count;
    if (options.idle_topic_count > 0) parameters["idle_topics"] = options.idle_topic_count;
    if (options.slow_consumer_count > 0) parameters["slow_consumers"] = options.slow_consumer_count;
    std::vector<std::string> settings;
    const std::uint32_t connections = connections_of(options);
    if (connections == 0) return options.settings;
    const std::uint32_t limit =
        std::max(kConnectionsByDefault, connections + kConnectionsOfTheMeasured);
    require_open_files(files_needed_with_bystanders(options),
                       std::uint64_t{connections} + kConnectionsOfTheMeasured +
                           kFilesPerClient * options.slow_consumer_count + kFilesTheBrokerAsksFor);
    if (limit > kConnectionsByDefault)
        settings.push_back("limits.connections=" + std::to_string(limit));
    settings.insert(settings.end(), options.settings.begin(), options.settings.end());
    return settings;
}

Bystanders::Bystanders(const Target& target, const Options& options,
                       const std::vector<std::string>& topics, SlowKind slow_kind)
    : options_(options) {
    if (options.idle_topic_count > 0) topics_.emplace(target, options.idle_topic_count);
    if (options.idle_connection_count > 0)
        connections_.emplace(target.endpoint(), options.idle_connection_count);
    if (options.slow_consumer_count > 0)
        slow_.emplace(target, topics, slow_kind, options.slow_consumer_count);
}

void Bystanders::end(Report& report) {
    json::object details;
    if (slow_) end_slow(details, report);
    if (connections_) end_connections(details, report);
    if (topics_) end_topics(details, report);
    if (!details.empty()) report.details["bystanders"] = std::move(details);
}

void Bystanders::end_slow(json::object& details, Report& report) {
    const std::uint32_t there = slow_->count_there();
    json::object object =
        roll_call(options_.slow_consumer_count, there, slow_->first_error(), report);
    object["events"] = slow_->events();
    details["slow_consumers"] = std::move(object);
    slow_.reset();
}

void Bystanders::end_connections(json::object& details, Report& report) {
    const std::uint32_t there = connections_->count_answered();
    json::object object =
        roll_call(options_.idle_connection_count, there, connections_->first_error(), report);
    object["heartbeats"] = connections_->heartbeats();
    details["idle_connections"] = std::move(object);
    connections_.reset();
}

void Bystanders::end_topics(json::object& details, Report& report) {
    details["idle_topics"] =
        roll_call(options_.idle_topic_count, topics_->count_there(),
                  "the broker does not list them with the event of each", report);
    topics_.reset();
}

}  // namespace casc::bench
