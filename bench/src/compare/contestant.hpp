#pragma once
// Who takes part: casc, or a peer.
//
// Thread: one, the same for all of its life, since the processes it starts die with that thread.

#include "case.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace casc::bench::compare {

// On what terms a contestant takes part in a case.
struct Terms {
    std::string guarantee;      // what an event has that was acknowledged, or received
    std::string configuration;  // how it is set up and driven
};

class Contestant {
public:
    Contestant() = default;
    virtual ~Contestant() = default;  // whatever happens nothing of it runs on
    Contestant(const Contestant&) = delete;
    Contestant& operator=(const Contestant&) = delete;

    [[nodiscard]] virtual std::string name() const = 0;
    // Another line of the first contestant, with another guarantee: it is no party of its own, and
    // nobody misses it where it has no terms.
    [[nodiscard]] virtual bool is_second_line() const { return false; }
    // What must be installed for it; empty: nothing.
    [[nodiscard]] virtual std::string package() const = 0;
    // Known from the first start on.
    [[nodiscard]] virtual std::string version() const = 0;
    // Nothing: it has no such thing.
    [[nodiscard]] virtual std::optional<Terms> terms(const Case& asked) const = 0;

    // For one case, with its data and its log in `folder`, which is empty and outlives the run.
    // Throws std::runtime_error that an operator can act on; NotInstalled when it is not here.
    virtual void start(const std::filesystem::path& folder, const Case& asked) = 0;
    [[nodiscard]] virtual Sample run(const Case& asked) = 0;
    virtual void stop() noexcept = 0;
};

}  // namespace casc::bench::compare
