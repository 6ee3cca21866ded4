// Every order of the atomic operations of two threads on one small ring: what was accepted comes
// out, whole, in order.

#include "counted.hpp"
#include "explorer.hpp"

#include <casc/ring/ring.hpp>

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <vector>

namespace casc::ring {
namespace {

using testing::Counted;
using testing::Exploration;
using testing::Memory;
using testing::ModelSync;
using testing::Program;

constexpr std::array kMemories{Memory::sequential, Memory::store_buffers};

// A writer that tries a few pushes and a reader that tries a few pops, neither waiting for the
// other; afterwards the rest is popped and everything accepted must have come out once and in
// order.
template <class Sync>
class TryingProgram : public Program {
public:
    TryingProgram(std::size_t capacity, int pushes, int pops)
        : ring_(make_ring<int, Sync>(capacity)), pushes_(pushes), pops_(pops) {}

    std::vector<std::function<void()>> bodies() override {
        return {[this] { write(); }, [this] { read(); }};
    }
    bool correct() override {
        while (auto item = ring_.consumer.try_pop())
            popped_.push_back(*item);
        return popped_ == accepted_;
    }

protected:
    virtual void write() {
        for (int i = 1; i <= pushes_; ++i) {
            if (ring_.producer.try_push(i)) accepted_.push_back(i);
        }
    }
    virtual void read() {
        for (int i = 0; i < pops_; ++i) {
            if (auto item = ring_.consumer.try_pop()) popped_.push_back(*item);
        }
    }

    Ring<int, Sync> ring_;
    const int pushes_;
    const int pops_;
    std::vector<int> accepted_;
    std::vector<int> popped_;
};

class BatchProgram : public TryingProgram<ModelSync> {
public:
    BatchProgram() : TryingProgram(4, 0, 0) {}

private:
    void write() override {
        for (int first = 1; first <= 7; first += 3) {
            std::array<int, 3> items{first, first + 1, first + 2};
            const std::size_t count = ring_.producer.try_push_many(items);
            accepted_.insert(accepted_.end(), items.begin(),
                             items.begin() + static_cast<std::ptrdiff_t>(count));
        }
        if (ring_.producer.try_stage(100)) accepted_.push_back(100);
        if (ring_.producer.try_stage(101)) accepted_.push_back(101);
        ring_.producer.publish();
    }
    void read() override {
        for (int i = 0; i < 3; ++i) {
            ring_.consumer.drain([this](int&& item) { popped_.push_back(item); }, 2);
        }
    }
};

TEST_CASE(
    "gpu/ring explored: in every order of operations what was accepted comes out once and in "
    "order") {
    for (const Memory memory : kMemories) {
        for (const std::size_t capacity : {1, 2, 4}) {
            const Exploration found = testing::explore(
                [&] { return std::make_unique<TryingProgram<ModelSync>>(capacity, 4, 4); }, memory);
            CAPTURE(capacity);
            CAPTURE(found.runs);
            CAPTURE(found.first_failure);
            CHECK(found.clean());
            CHECK(found.runs > 50);
        }
    }
}

TEST_CASE("gpu/ring explored: the same with batches") {
    for (const Memory memory : kMemories) {
        const Exploration found =
            testing::explore([] { return std::make_unique<BatchProgram>(); }, memory);
        CAPTURE(found.runs);
        CAPTURE(found.first_failure);
        CHECK(found.clean());
        CHECK(found.runs > 10);
    }
}

// Wrong on purpose: reads one position further than the other side has published.
template <class T>
class OptimisticAtomic : public testing::ModelAtomic<T> {
public:
    using testing::ModelAtomic<T>::ModelAtomic;
    T load(std::memory_order order) const {
        const T value = testing::ModelAtomic<T>::load(order);
        return order == std::memory_order_acquire && value != 0 ? value + 1 : value;
    }
};
struct OptimisticSync : ModelSync {
    template <class T>
    using Atomic = OptimisticAtomic<T>;
};

TEST_CASE("gpu/ring explored: the explorer finds a producer that overwrites an item not yet read") {
    const Exploration found =
        testing::explore([] { return std::make_unique<TryingProgram<OptimisticSync>>(2, 4, 4); },
                         Memory::sequential);
    CHECK(found.wrong > 0);
    CHECK(found.wrong < found.runs);  // it takes the right order of operations to see it
}

// The consumer goes away at some moment of the producer's pushes, or the other way round; nobody is
// leaked.
class LeavingProgram : public Program {
public:
    explicit LeavingProgram(int& alive) : alive_(alive), ring_(make_ring<Counted, ModelSync>(2)) {}

    std::vector<std::function<void()>> bodies() override {
        return {[this] {
                    auto tx = std::move(ring_.producer);
                    for (int i = 0; i < 4; ++i)
                        accepted_ += tx.try_emplace(&alive_, i) ? 1 : 0;
                    tx.close();
                    testing::full_fence();  // giving up the share in the ring's memory
                },
                [this] {
                    auto rx = std::move(ring_.consumer);
                    for (int i = 0; i < 2; ++i)
                        popped_ += rx.try_pop() ? 1 : 0;
                    rx.abandon();
                    testing::full_fence();
                }};
    }
    bool correct() override { return alive_ == 0 && popped_ <= accepted_ && accepted_ >= 2; }

private:
    int& alive_;
    int accepted_ = 0;
    int popped_ = 0;
    Ring<Counted, ModelSync> ring_;
};

TEST_CASE("gpu/ring explored: whenever an end leaves, every item is destroyed exactly once") {
    for (const Memory memory : kMemories) {
        int alive = 0;
        const Exploration found =
            testing::explore([&] { return std::make_unique<LeavingProgram>(alive); }, memory);
        CAPTURE(found.runs);
        CAPTURE(found.first_failure);
        CHECK(found.clean());
    }
}

}  // namespace
}  // namespace casc::ring
