#pragma once
// The broker that a workload talks to: one of its own, or the one that --address names.
//
// Thread: one at a time, except where said.

#include "broker_process.hpp"
#include "options.hpp"
#include "process_stats.hpp"
#include "report.hpp"
#include "scratch_folder.hpp"

#include <casc/client/call.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace casc::bench {

enum class Transport : std::uint8_t { tcp, shared_memory };

class Target {
public:
    // Starts a broker unless options.address is set, and notes in `parameters` which it is.
    Target(const Options& options, boost::json::object& parameters);

    // What the next connections are made with.
    [[nodiscard]] client::ClientOptions client_options() const;
    // A connection of its own, with an I/O thread. Thread: any.
    [[nodiscard]] std::unique_ptr<client::Client> connect() const;
    // How the next connections are made; what --transport asks for at first ("both": TCP).
    void use(Transport transport);

    // Where plain sockets go, whatever --transport asks for: to TCP, or as --address says.
    [[nodiscard]] const std::string& endpoint() const {
        return is_own() ? broker_->endpoint() : endpoint_;
    }
    [[nodiscard]] bool is_own() const { return broker_ != nullptr; }
    // Of our own broker only: drains it, starts it again, and returns how long the start took.
    double restart_seconds();

    // Where our own broker keeps its data; with --address a folder on the same disk as far as we
    // know, for the limits.
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
    [[nodiscard]] std::filesystem::path data_folder() const { return broker_->data_folder(); }

    [[nodiscard]] pid_t broker_pid() const { return broker_->pid(); }  // of our own, as it is now

    // All of our own broker, 0 with --address: it may not even be on this machine.
    [[nodiscard]] double broker_cpu_seconds() const;           // of all that were started
    [[nodiscard]] std::uint64_t broker_rss_bytes() const;      // now
    [[nodiscard]] std::uint64_t broker_rss_bytes_max() const;  // since the first start
    [[nodiscard]] std::uint64_t broker_open_files() const;     // now

private:
    const ScratchFolder folder_;
    std::unique_ptr<BrokerProcess> broker_;
    std::string endpoint_;
    std::unique_ptr<RssWatch> rss_;
    double ended_cpu_seconds_ = 0;
    std::uint64_t ended_rss_bytes_max_ = 0;
};

// Topics that only this run uses.
struct TopicPlan {
    std::string prefix;
    std::uint32_t topic_count = 1;
    std::uint32_t partition_count = 1;
    Durability durability = Durability::durable;
    std::optional<std::uint64_t> retention_bytes{};
};

// Creates them and returns their names. With --address they stay when the run ends, as an
// operator's data would.
[[nodiscard]] std::vector<std::string> create_topics(client::Client& client, const TopicPlan& plan);

[[nodiscard]] Lane lane_of(const std::string& name);
[[nodiscard]] Acks acks_of(const std::string& name);

}  // namespace casc::bench
