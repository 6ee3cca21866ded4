#pragma once
// Topics beside the one that is measured: with default settings and one event each, and nobody who
// uses them.
//
// Thread:   one at a time.
// Lifetime: `target` must outlive it. Like every topic of a run they stay at an --address.

#include "target.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace casc::bench {

class IdleTopics {
public:
    // Returns when each has its event on disk; throws when one could not be made.
    IdleTopics(const Target& target, std::uint32_t count);

    // Asks the broker how many of them are there with their event.
    [[nodiscard]] std::uint32_t count_there() const;

private:
    void create();
    void write();
    [[nodiscard]] std::string name(std::size_t number) const;

    const std::string prefix_;
    const std::unique_ptr<client::Client> client_;
    std::vector<std::uint32_t> ids_;
};

}  // namespace casc::bench
