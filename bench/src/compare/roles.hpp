#pragma once
// What a client of a peer does, whatever its protocol: each is a connection of its own. The
// workloads (drive.hpp) are written against these.
//
// Thread: one at a time, each.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace casc::bench::compare {

// Called with each payload that has come; it is valid during the call.
using Take = std::function<void(std::span<const std::byte>)>;

// As many as fit `bytes_max`, but no more than `count_max`; one always goes.
[[nodiscard]] constexpr std::uint64_t events_within(std::size_t bytes_max,
                                                    std::size_t payload_bytes,
                                                    std::uint64_t count_max) {
    return std::clamp<std::uint64_t>(bytes_max / payload_bytes, 1, count_max);
}

class Writer {
public:
    virtual ~Writer() = default;
    // Events of one send, and at most that many without an acknowledgement; what was found best.
    [[nodiscard]] virtual std::uint64_t block_events() const = 0;
    [[nodiscard]] virtual std::uint64_t window_events() const = 0;

    virtual void put(std::span<const std::byte> payload) = 0;  // into the block that is next
    // The block. Who would be overrun by single events may keep it until more has come.
    virtual void send() = 0;
    virtual void finish() {}  // sends what is kept
    // How many more are acknowledged; waits for at least one. Throws when the server refuses one.
    virtual std::uint64_t wait() = 0;
    // The same without waiting.
    virtual std::uint64_t poll() = 0;
};

class Reader {
public:
    virtual ~Reader() = default;
    // Waits a moment for what comes next. What it has taken it has also acknowledged, at the latest
    // with its next call, where the question asks for that.
    virtual void receive(const Take& take) = 0;
};

class Requester {
public:
    virtual ~Requester() = default;
    virtual void put(std::span<const std::byte> payload) = 0;
    virtual void send() = 0;
    virtual void receive(const Take& take) = 0;  // replies
};

class Responder {
public:
    virtual ~Responder() = default;
    // Waits a moment for requests, and echoes those that have come.
    virtual void serve() = 0;
};

}  // namespace casc::bench::compare
