// The ZeroMQ side of the `volatile` workload, as its guide has it: a context with an I/O thread for
// each side, sockets that belong to one thread, high-water marks large enough to keep everybody
// busy. A PUB socket drops what does not fit, so a publisher stays within a window of what its
// slowest subscriber has got.

#include "volatile_run.hpp"
#include "zeromq_sockets.hpp"

#include <algorithm>
#include <thread>

namespace casc::bench {
namespace {

// How long a blocked send or receive goes without looking whether it is over.
constexpr int kLookMs = 50;

void zmq_consume(ZeroMqSocket& socket, TakenEvents& tally, const std::atomic<bool>& stopping) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    for (std::uint64_t taken = 0; !stopping.load(std::memory_order_relaxed);) {
        if (zmq_msg_recv(&message, socket.raw(), 0) < 0) {
            tally.publish();
            continue;
        }
        tally.take({static_cast<const std::byte*>(zmq_msg_data(&message)), zmq_msg_size(&message)});
        if (++taken % 64 == 0) tally.publish();
    }
    zmq_msg_close(&message);
}

// `may_send(sequence)` waits for room where the socket would drop.
template <class MaySend>
void zmq_produce(ZeroMqSocket& socket, const VolatilePlan& plan, std::uint32_t number,
                 const std::atomic<bool>& stopping, MaySend&& may_send) {
    Payloads payloads(plan.payload_bytes);
    for (std::uint64_t sequence = 0; !stopping.load(std::memory_order_relaxed); ++sequence) {
        const auto payload = payloads.next(volatile_head(plan, number, sequence));
        if (!may_send(sequence)) return;
        while (zmq_send(socket.raw(), payload.data(), payload.size(), 0) < 0)
            if (stopping.load(std::memory_order_relaxed)) return;
    }
}

std::uint64_t slowest(const std::vector<std::unique_ptr<TakenEvents>>& tallies) {
    std::uint64_t least = ~std::uint64_t{0};
    for (const auto& tally : tallies)
        least = std::min(least, tally->count());
    return least;
}

}  // namespace

VolatileOutcome run_zeromq(const VolatilePlan& plan) {
    const bool fans_out = plan.consumer_count > 1;
    const std::uint64_t window = std::max<std::uint64_t>(1, plan.window_bytes / plan.payload_bytes);
    const int mark = static_cast<int>(window);
    std::atomic<bool> measuring{false};
    std::atomic<bool> producers_stop{false};
    std::atomic<bool> consumers_stop{false};
    std::vector<std::unique_ptr<TakenEvents>> tallies;
    ZeroMqContext producing;
    ZeroMqContext consuming;
    std::vector<ZeroMqSocket> to;
    std::vector<ZeroMqSocket> from;
    // Many on one side connect to the one on the other.
    if (fans_out) {
        to.emplace_back(producing, ZMQ_PUB);
        to.back().set(ZMQ_SNDHWM, 0);  // the window below is what bounds it
        const std::string address = to.back().bind();
        for (std::uint32_t i = 0; i < plan.consumer_count; ++i) {
            from.emplace_back(consuming, ZMQ_SUB);
            from.back().set(ZMQ_RCVHWM, 0);
            from.back().subscribe_all();
            from.back().connect(address);
        }
        // A subscription takes a moment to arrive, and what is sent before it is not for it.
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
    } else {
        from.emplace_back(consuming, ZMQ_PULL);
        from.back().set(ZMQ_RCVHWM, mark);
        const std::string address = from.back().bind();
        for (std::uint32_t i = 0; i < plan.producer_count; ++i) {
            to.emplace_back(producing, ZMQ_PUSH);
            to.back().set(ZMQ_SNDHWM, std::max(1, mark / static_cast<int>(plan.producer_count)));
            to.back().connect(address);
        }
    }
    for (ZeroMqSocket& socket : to)
        socket.set(ZMQ_SNDTIMEO, kLookMs);
    for (ZeroMqSocket& socket : from) {
        socket.set(ZMQ_RCVTIMEO, kLookMs);
        tallies.push_back(std::make_unique<TakenEvents>(plan, measuring));
    }
    std::vector<std::thread> consumers;
    for (std::size_t i = 0; i < from.size(); ++i)
        consumers.emplace_back([&, i] { zmq_consume(from[i], *tallies[i], consumers_stop); });
    std::vector<std::thread> producers;
    for (std::uint32_t i = 0; i < to.size(); ++i)
        producers.emplace_back([&, i] {
            std::uint64_t may_send_until = window;
            zmq_produce(to[i], plan, i, producers_stop, [&](std::uint64_t sequence) {
                while (fans_out && sequence >= may_send_until) {
                    if (producers_stop.load(std::memory_order_relaxed)) return false;
                    may_send_until = slowest(tallies) + window;
                    if (sequence >= may_send_until)
                        std::this_thread::sleep_for(std::chrono::microseconds(100));
                }
                return true;
            });
        });
    VolatileOutcome outcome;
    outcome.events_per_second = measure_rate(plan, tallies, measuring);
    producers_stop = true;
    for (std::thread& thread : producers)
        thread.join();
    consumers_stop = true;
    for (std::thread& thread : consumers)
        thread.join();
    sum_up(tallies, outcome);
    return outcome;
}

}  // namespace casc::bench
