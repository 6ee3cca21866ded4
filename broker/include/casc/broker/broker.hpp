#pragma once
// casc/broker/broker.hpp: one broker inside this process.
//
//   auto broker = Broker::start(loaded);      // recovered, listening
//   broker->request_drain();                  // from a signal handler's thread
//   broker->wait();                           // until everything is on disk and closed

#include <casc/broker/config.hpp>
#include <casc/broker/metrics.hpp>
#include <casc/types/result.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace casc::broker {

// Thread: any, except start(). Starts a thread that does sessions and shard ("casc-shard") besides
// those of the store.
class Broker {
public:
    // Opens the data folder, recovers, binds. Fails with a message for an operator: data_locked,
    // data_corrupt, data_version, data_unwritable, invalid_config (an address that is not allowed
    // or cannot be bound), ...
    [[nodiscard]] static Result<std::unique_ptr<Broker>> start(const LoadedConfig& config);
    ~Broker();

    // As bound, with the real port: "127.0.0.1:41003", "unix:///run/casc.sock".
    [[nodiscard]] std::vector<std::string> endpoints() const;

    // Stops accepting, answers what is in flight, makes everything durable and checkpointed.
    // Returns at once.
    void request_drain();
    // Until the broker has stopped. The error is that of the storage if it had to give up.
    [[nodiscard]] Result<void> wait();

    // Applies the reloadable settings of `config`; names those that differ but need a restart.
    [[nodiscard]] std::vector<std::string> reload(const LoadedConfig& config);

    // Asks the shard thread and waits for the answer: proof that its loop turns. Fails with
    // timeout.
    [[nodiscard]] Result<std::vector<MetricFamily>> metrics(milliseconds deadline);
    // Serving, storage not frozen, not draining. The string says why not.
    [[nodiscard]] bool ready(std::string& why) const;

private:
    class Impl;
    explicit Broker(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace casc::broker
