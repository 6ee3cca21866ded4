#pragma once
// node.hpp: the life of the process around one Broker: start, serve, reload, drain.

#include "options.hpp"
#include "ready_file.hpp"
#include "signals.hpp"

#include <casc/broker/broker.hpp>
#include <casc/broker/config.hpp>
#include <casc/broker/http.hpp>
#include <casc/gpu/gpu_devices.hpp>
#include <casc/inference/model_host.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace casc::broker {

// Thread: main, except the health checks, which the control thread calls. Two helper threads do
// what may take long while main listens to signals: "casc-start" recovers the broker, "casc-wait"
// waits for its end.
class Node {
public:
    // `signals` must outlive it.
    Node(SignalWaiter& signals, Options options, LoadedConfig loaded);
    ~Node();

    // Returns when the broker has stopped.
    [[nodiscard]] ExitCode run();

private:
    enum class Phase : std::uint8_t { starting, serving, draining, stopped };

    [[nodiscard]] Result<void> start_http();
    [[nodiscard]] std::optional<ExitCode> start_broker();
    [[nodiscard]] std::optional<ExitCode> announce();
    [[nodiscard]] std::vector<std::string> announced_endpoints() const;
    void start_models();
    [[nodiscard]] ExitCode serve();
    void drain();
    void reload();

    // On the control thread.
    [[nodiscard]] Result<std::vector<MetricFamily>> metrics() const;
    [[nodiscard]] std::vector<HealthCheck> live() const;
    [[nodiscard]] std::vector<HealthCheck> ready() const;

    // Fixed after construction.
    SignalWaiter& signals_;
    const Options options_;
    // Owned by main.
    LoadedConfig loaded_;
    ReadyFile ready_file_;
    std::unique_ptr<Broker> broker_;
    // Gone before the broker that it is a client of.
    std::unique_ptr<inference::ModelHost> models_;
    std::unique_ptr<gpu::GpuDevices> gpus_;  // with models, on a machine that has some
    std::thread drainer_;                    // casc-drain: models first, then the broker
    // Written by main (release), read by the control thread (acquire). serving_ is broker_ once it
    // has recovered, serving_models_ is models_ once they are there.
    std::atomic<Phase> phase_{Phase::starting};
    std::atomic<Broker*> serving_{nullptr};
    std::atomic<inference::ModelHost*> serving_models_{nullptr};
    // Last, so that it is gone before what its handlers read.
    std::unique_ptr<HttpServer> http_;
};

}  // namespace casc::broker
