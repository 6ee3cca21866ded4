// `e2e`: an open loop. Every event has a moment at which it is due, and its latency counts from
// then, as in casc's own workload of that name.

#include "drive.hpp"
#include "histogram.hpp"
#include "pacing.hpp"
#include "payload.hpp"
#include "timed_sample.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

namespace casc::bench::compare {
namespace {

using Clock = Pacing::Clock;
using std::chrono::nanoseconds;

constexpr std::chrono::seconds kEventPatience{10};

struct Schedule {
    std::uint64_t event_count;
    std::uint64_t warm_up_count;  // the first of them, not recorded
    nanoseconds gap;
};

Schedule schedule_of(const Case& asked) {
    const double seconds = std::chrono::duration<double>(asked.duration).count();
    const auto measured = static_cast<std::uint64_t>(static_cast<double>(asked.rate) * seconds);
    const std::uint64_t warm_up = std::min<std::uint64_t>(2 * asked.rate, measured);
    return {measured + warm_up, warm_up,
            nanoseconds(1'000'000'000 / static_cast<std::int64_t>(asked.rate))};
}

void send_on_schedule(Writer& writer, const Case& asked, const Schedule& schedule) {
    Pacing pacing;
    Payloads payloads(asked.payload_bytes);
    const auto began = Clock::now() + std::chrono::milliseconds(10);
    for (std::uint64_t sequence = 0; sequence < schedule.event_count; ++sequence) {
        const auto due = began + schedule.gap * static_cast<std::int64_t>(sequence);
        pacing.wait_until(due);
        writer.put(payloads.next({sequence, 0, 0, due.time_since_epoch().count()}));
        writer.send();
        // Now and then, so that they do not fill the connection.
        if (sequence % 256 == 0) writer.poll();
    }
    writer.finish();
}

Histogram receive_on_schedule(Reader& reader, const Schedule& schedule) {
    Histogram latency_ns;
    std::uint64_t taken = 0;
    std::uint64_t misplaced = 0;
    const Take take = [&](std::span<const std::byte> payload) {
        const auto now = Clock::now().time_since_epoch().count();
        const PayloadHead head = head_of(payload);
        if (head.sequence != taken++) ++misplaced;
        if (head.sequence >= schedule.warm_up_count)
            latency_ns.record(static_cast<std::uint64_t>(now - head.intended));
    };
    for (auto last = Clock::now(); taken < schedule.event_count;) {
        const std::uint64_t before = taken;
        reader.receive(take);
        const auto now = Clock::now();
        if (taken > before) last = now;
        if (now - last > kEventPatience)
            throw std::runtime_error("events stopped after " + std::to_string(taken) + " of " +
                                     std::to_string(schedule.event_count));
    }
    if (misplaced > 0) throw std::runtime_error(std::to_string(misplaced) + " events misplaced");
    return latency_ns;
}

}  // namespace

Sample drive_e2e(Writer& writer, Reader& reader, const Case& asked) {
    const Schedule schedule = schedule_of(asked);
    Histogram latency_ns;
    std::exception_ptr trouble;
    std::thread receiver([&] {
        try {
            latency_ns = receive_on_schedule(reader, schedule);
        } catch (...) {
            trouble = std::current_exception();
        }
    });
    std::exception_ptr sender_trouble;
    try {
        send_on_schedule(writer, asked, schedule);
    } catch (...) {
        sender_trouble = std::current_exception();
    }
    receiver.join();
    if (sender_trouble) std::rethrow_exception(sender_trouble);
    if (trouble) std::rethrow_exception(trouble);
    return timed_sample(static_cast<double>(asked.rate), latency_ns);
}

}  // namespace casc::bench::compare
