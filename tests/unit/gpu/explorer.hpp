#pragma once
// Runs small programs of two or three "threads" under every order of their atomic operations.
//
// The code under test takes its atomics and its event from a Sync parameter; here they are
// ModelSync's, which pause before each operation and let the explorer choose who goes next. A
// program is run again and again, each time with another sequence of choices, depth first, until
// there is none left. Orders that differ only in the order of operations that do not touch each
// other are run once (sleep sets, Godefroid 1996).
//
// Memory::store_buffers puts a FIFO store buffer in front of each thread, as x86 has: a store that
// is not seq_cst becomes visible to others later, at a moment that is one more choice. That is the
// machine on which a missing seq_cst loses a wake-up. (Weaker reorderings are the thread
// sanitizer's business.)

#include "fiber.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace casc::ring::testing {

enum class Memory { sequential, store_buffers };

// One run's worth of a program: fresh state, one body per thread, and a check when all have ended.
class Program {
public:
    virtual ~Program() = default;
    virtual std::vector<std::function<void()>> bodies() = 0;
    // Whether what happened was right. Called after the last body has ended.
    virtual bool correct() = 0;
};

struct Exploration {
    std::uint64_t runs = 0;     // complete executions, each of a different order
    std::uint64_t stuck = 0;    // ... in which somebody slept for ever
    std::uint64_t wrong = 0;    // ... after which correct() was false
    bool endless = false;       // one that did not end was met; the exploration stopped there
    std::string first_failure;  // the steps of the first such run
    [[nodiscard]] bool clean() const { return stuck == 0 && wrong == 0 && !endless; }
};

Exploration explore(const std::function<std::unique_ptr<Program>()>& make, Memory memory);

namespace detail {

struct Location {
    std::uint64_t value = 0;
    Location() = default;
    explicit Location(std::uint64_t v) : value(v) {}
    Location(const Location&) = delete;
    Location& operator=(const Location&) = delete;
    ~Location();  // forgets buffered stores
};

enum class Op : std::uint8_t { load, store, buffered_store, exchange, signal, consume, sleep };

// Asks for the running thread's turn to do `op` on `location`; returns when it has it. Outside of
// an exploration (setting up, looking at the result) every turn is granted at once.
void take_turn(Op op, Location& location);
std::uint64_t read(const Location& location);  // sees the thread's own buffered stores
void write(Op op, Location& location, std::uint64_t value);  // Op::store or Op::buffered_store
Op store_op(std::memory_order order);

}  // namespace detail

template <class T>
class ModelAtomic {
public:
    explicit ModelAtomic(T value) : location_(value) {}

    T load(std::memory_order) const {
        detail::take_turn(detail::Op::load, location_);
        return static_cast<T>(detail::read(location_));
    }
    void store(T value, std::memory_order order) {
        const detail::Op op = detail::store_op(order);
        detail::take_turn(op, location_);
        detail::write(op, location_, value);
    }
    T exchange(T value, std::memory_order) {
        detail::take_turn(detail::Op::exchange, location_);
        return static_cast<T>(std::exchange(location_.value, value));
    }

private:
    mutable detail::Location location_;
};

// Stands in for EventFd.
class ModelEvent {
public:
    void signal() {
        detail::take_turn(detail::Op::signal, signalled_);
        ++signalled_.value;
    }
    std::uint64_t consume() {
        detail::take_turn(detail::Op::consume, signalled_);
        return std::exchange(signalled_.value, 0);
    }
    template <class Limit>
    void wait(Limit) {
        detail::take_turn(detail::Op::sleep, signalled_);  // granted only once signalled
    }

private:
    detail::Location signalled_;
};

// What the model cannot see in code that uses std's own atomics, such as the reference count of a
// shared_ptr: a locked instruction, which empties the store buffer.
inline void full_fence() {
    detail::Location nobodys;
    detail::take_turn(detail::Op::exchange, nobodys);
}

struct ModelSync {
    template <class T>
    using Atomic = ModelAtomic<T>;
    using Event = ModelEvent;
};

}  // namespace casc::ring::testing
