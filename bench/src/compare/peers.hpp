#pragma once
// Everybody who can take part, one file each.
//
// Thread: any.

#include "contestant.hpp"
#include "options.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace casc::bench::compare {

// Measured by this very program in a process of its own, with `settings` on top of its broker's
// defaults and those of `flips` that the workload has, so that there is one way in which casc is
// measured.
[[nodiscard]] std::unique_ptr<Contestant> make_casc(std::vector<std::string> settings,
                                                    const Options& flips);
// The same, of `produce` alone, with events that are acknowledged from the broker's memory.
[[nodiscard]] std::unique_ptr<Contestant> make_casc_memory(std::vector<std::string> settings,
                                                           const Options& flips);

[[nodiscard]] std::unique_ptr<Contestant> make_redis();
[[nodiscard]] std::unique_ptr<Contestant> make_nats();
[[nodiscard]] std::unique_ptr<Contestant> make_rabbitmq();
[[nodiscard]] std::unique_ptr<Contestant> make_zeromq();
// A broker that listens at HOST:PORT, started by somebody else.
[[nodiscard]] std::unique_ptr<Contestant> make_kafka(const std::string& address);

struct Peer {
    std::string_view name;
    std::unique_ptr<Contestant> (*make)();
};
inline constexpr std::array kPeers{Peer{"redis", make_redis}, Peer{"nats", make_nats},
                                   Peer{"rabbitmq", make_rabbitmq}, Peer{"zeromq", make_zeromq}};

}  // namespace casc::bench::compare
