#include "target.hpp"

#include "bystanders.hpp"
#include "need.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <unistd.h>

namespace casc::bench {

Target::Target(const Options& options, boost::json::object& parameters)
    : folder_(options.data_folder), endpoint_(options.address) {
    parameters["data_folder"] = folder_.description();
    const std::vector<std::string> effective = make_room_for_bystanders(options, parameters);
    if (!options.address.empty()) {
        if (options.transport != "tcp")
            throw std::runtime_error(
                "--transport is for a broker of its own; --address can be shm:///path");
        parameters["broker"] = options.address;
        return;
    }
    if (options.transport != "tcp") parameters["transport"] = options.transport;
    parameters["broker"] = "its own, shipped defaults";
    if (!effective.empty()) {
        parameters["broker"] = "its own";
        boost::json::array settings;
        for (const std::string& setting : effective)
            settings.emplace_back(setting);
        parameters["settings"] = std::move(settings);
    }
    broker_ =
        std::make_unique<BrokerProcess>(folder_.path(), effective, options.transport != "tcp");
    rss_ = std::make_unique<RssWatch>(broker_->pid());
    use(options.transport == "shm" ? Transport::shared_memory : Transport::tcp);
}

void Target::use(Transport transport) {
    endpoint_ =
        transport == Transport::tcp ? broker_->endpoint() : "shm://" + broker_->socket().string();
}

client::ClientOptions Target::client_options() const {
    client::ClientOptions options;
    options.endpoints = {endpoint_};
    options.client_id = "casc-bench";
    return options;
}

std::unique_ptr<client::Client> Target::connect() const {
    return need(client::Client::connect(client_options()), "connecting");
}

double Target::restart_seconds() {
    ended_cpu_seconds_ = broker_cpu_seconds();
    ended_rss_bytes_max_ = broker_rss_bytes_max();
    rss_.reset();
    broker_->stop();
    const auto began = std::chrono::steady_clock::now();
    broker_->start();
    const auto took = std::chrono::steady_clock::now() - began;
    rss_ = std::make_unique<RssWatch>(broker_->pid());
    endpoint_ = broker_->endpoint();
    return std::chrono::duration<double>(took).count();
}

double Target::broker_cpu_seconds() const {
    return broker_ ? ended_cpu_seconds_ + cpu_seconds_of(broker_->pid()) : 0;
}

std::uint64_t Target::broker_rss_bytes() const {
    return broker_ ? rss_bytes_of(broker_->pid()) : 0;
}

std::uint64_t Target::broker_rss_bytes_max() const {
    return rss_ ? std::max(ended_rss_bytes_max_, rss_->bytes_max()) : 0;
}

std::uint64_t Target::broker_open_files() const {
    return broker_ ? open_files_of(broker_->pid()) : 0;
}

std::vector<std::string> create_topics(client::Client& client, const TopicPlan& plan) {
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < plan.topic_count; ++i) {
        wire::fb::CreateTopicT request;
        request.name = plan.prefix + '-' + std::to_string(::getpid()) + '-' + std::to_string(i);
        request.settings = std::make_unique<wire::fb::TopicSettingsT>();
        request.settings->partitions = plan.partition_count;
        request.settings->durability = static_cast<std::uint8_t>(plan.durability);
        if (plan.retention_bytes) {
            request.settings->retention_bytes = static_cast<std::int64_t>(*plan.retention_bytes);
        }
        static_cast<void>(need(client.call(request), "creating " + request.name));
        names.push_back(request.name);
    }
    return names;
}

Lane lane_of(const std::string& name) {
    return kLanes[static_cast<std::size_t>(std::ranges::find(kLaneNames, name) -
                                           kLaneNames.begin())];
}

Acks acks_of(const std::string& name) {
    for (const Acks acks : {Acks::none, Acks::memory, Acks::durable}) {
        if (to_string(acks) == name) return acks;
    }
    throw std::runtime_error("--acks " + name + " needs a cluster");
}

}  // namespace casc::bench
