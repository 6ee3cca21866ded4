#pragma once
// casc/ring/ring.hpp: a bounded queue between two threads, one that writes and one that reads,
// without locks.
//
//   auto waker = std::make_shared<ring::Waker>();                    // one per reader thread
//   auto [tx, rx] = ring::make_ring<Command>(1024, waker);
//   writer:  if (!tx.try_push(std::move(command))) ...    // full: the command is untouched
//   reader:  rx.drain([&](Command&& command) { run(command); }, 64);
//
// A ring is never one object with two users: each end is its own move-only type, so "single
// producer" is checked by the compiler. An end that is destroyed says goodbye to the other: see
// RingState.

#include <casc/ring/ring_consumer.hpp>
#include <casc/ring/ring_producer.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace casc::ring {

// The two ends, to be handed to the two threads.
template <class T, class Sync = StdSync>
struct Ring {
    RingProducer<T, Sync> producer;
    RingConsumer<T, Sync> consumer;
};

// A ring for at least `capacity` items (rounded up to a power of two). `reader` is the waker of the
// thread that will read; without one the reader never sleeps or sleeps on something else, and
// publishing is cheaper.
template <class T, class Sync = StdSync>
[[nodiscard]] Ring<T, Sync> make_ring(std::size_t capacity,
                                      std::shared_ptr<BasicWaker<Sync>> reader = nullptr) {
    auto core = std::make_shared<detail::RingCore<T, Sync>>(capacity, std::move(reader));
    return {RingProducer<T, Sync>(core), RingConsumer<T, Sync>(core)};
}

}  // namespace casc::ring
