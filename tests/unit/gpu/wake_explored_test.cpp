// Every order of the operations of writers and a reader that sleeps: no wake-up is lost. And the
// explorer is worth believing: it finds each of the classic ways to lose one.

#include "explorer.hpp"

#include <casc/ring/ring.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

namespace casc::ring {
namespace {

using testing::Exploration;
using testing::Memory;
using testing::ModelSync;
using testing::Program;

constexpr std::array kWakeMemories{Memory::sequential, Memory::store_buffers};

// How the reader goes to sleep. Only the first is right.
template <class Sync>
struct Waits {
    template <class Ready>
    static void wait(BasicWaker<Sync>& waker, Ready ready) {
        waker.wait(ready);
    }
};
template <class Sync>
struct SleepsWithoutLookingAgain {
    template <class Ready>
    static void wait(BasicWaker<Sync>& waker, Ready) {
        waker.wait([] { return false; });
    }
};
template <class Sync>
struct LooksBeforeArming {
    template <class Ready>
    static void wait(BasicWaker<Sync>& waker, Ready ready) {
        if (!ready()) waker.wait([] { return false; });
    }
};

// `writers` threads push `pushes` items each into a ring of their own and close it; one reader
// sleeps whenever all rings are empty, and ends when all are closed.
template <class Sync, template <class> class HowToWait>
class SleepingReader : public Program {
public:
    SleepingReader(std::size_t writers, int pushes) : pushes_(pushes), next_(writers, 0) {
        for (std::size_t i = 0; i < writers; ++i)
            rings_.push_back(make_ring<int, Sync>(4, waker_));
    }
    std::vector<std::function<void()>> bodies() override {
        std::vector<std::function<void()>> all;
        for (auto& ring : rings_) {
            all.emplace_back([this, &ring] {
                for (int i = 0; i < pushes_; ++i)
                    wrong_ |= !ring.producer.try_push(i);
                ring.producer.close();
            });
        }
        all.emplace_back([this] { read(); });
        return all;
    }
    bool correct() override {
        return !wrong_ && std::ranges::all_of(next_, [this](int next) { return next == pushes_; });
    }

private:
    void read() {
        std::vector<std::size_t> open(rings_.size());
        for (std::size_t i = 0; i < open.size(); ++i)
            open[i] = i;
        while (!open.empty()) {
            std::size_t taken = 0;
            for (const std::size_t i : open) {
                taken +=
                    rings_[i].consumer.drain([&](int&& item) { wrong_ |= item != next_[i]++; });
            }
            std::erase_if(open, [&](std::size_t i) {
                return rings_[i].consumer.state() == RingState::closed;
            });
            if (taken > 0 || open.empty()) continue;
            HowToWait<Sync>::wait(*waker_, [&] {
                return std::ranges::any_of(
                    open, [&](std::size_t i) { return rings_[i].consumer.ready(); });
            });
        }
    }

    const int pushes_;
    std::shared_ptr<BasicWaker<Sync>> waker_ = std::make_shared<BasicWaker<Sync>>();
    std::vector<Ring<int, Sync>> rings_;
    std::vector<int> next_;
    bool wrong_ = false;
};

template <class Sync, template <class> class HowToWait>
Exploration explore_reader(std::size_t writers, int pushes, Memory memory) {
    return testing::explore(
        [&] { return std::make_unique<SleepingReader<Sync, HowToWait>>(writers, pushes); }, memory);
}

TEST_CASE("gpu/waker explored: a reader that sleeps loses no wake-up in any order of operations") {
    for (const Memory memory : kWakeMemories) {
        for (const int pushes : {0, 1, 2}) {
            const Exploration found = explore_reader<ModelSync, Waits>(1, pushes, memory);
            CAPTURE(pushes);
            CAPTURE(found.runs);
            CAPTURE(found.first_failure);
            CHECK(found.clean());
        }
    }
}

TEST_CASE("gpu/waker explored: nor when two writers share its waker") {
    const Exploration found = explore_reader<ModelSync, Waits>(2, 0, Memory::store_buffers);
    CAPTURE(found.first_failure);
    CHECK(found.clean());
}

// A stop flag stored with release only, and wake(): the path for news that are not in a ring.
class StopFlag : public Program {
public:
    std::vector<std::function<void()>> bodies() override {
        return {[this] {
                    stop_.store(1, std::memory_order_release);
                    waker_.wake();
                },
                [this] {
                    const auto stopped = [this] {
                        return stop_.load(std::memory_order_acquire) == 1;
                    };
                    while (!stopped())
                        waker_.wait(stopped);
                }};
    }
    bool correct() override { return true; }

private:
    testing::ModelAtomic<std::uint32_t> stop_{0};
    BasicWaker<ModelSync> waker_;
};

TEST_CASE("gpu/waker explored: wake() is heard whatever order its news were stored with") {
    for (const Memory memory : kWakeMemories) {
        const Exploration found =
            testing::explore([] { return std::make_unique<StopFlag>(); }, memory);
        CAPTURE(found.runs);
        CAPTURE(found.first_failure);
        CHECK(found.clean());
        CHECK(found.runs > 3);
    }
}

TEST_CASE(
    "gpu/waker explored: the explorer finds a reader that does not look again before it sleeps") {
    const Exploration found =
        explore_reader<ModelSync, SleepsWithoutLookingAgain>(1, 1, Memory::sequential);
    CHECK(found.stuck > 0);
    CHECK(found.stuck < found.runs);
    CHECK(found.first_failure.ends_with("exchange; "));  // armed, and nobody left to signal
}

TEST_CASE("gpu/waker explored: the explorer finds a reader that looks before it arms") {
    const Exploration found =
        explore_reader<ModelSync, LooksBeforeArming>(1, 1, Memory::sequential);
    CHECK(found.stuck > 0);
    CHECK(found.stuck < found.runs);
}

// Wrong on purpose: publishes with release where the waker's argument needs seq_cst.
template <class T>
class ReleaseOnlyAtomic : public testing::ModelAtomic<T> {
public:
    using testing::ModelAtomic<T>::ModelAtomic;
    void store(T value, std::memory_order) {
        testing::ModelAtomic<T>::store(value, std::memory_order_release);
    }
};
struct ReleaseOnlySync : ModelSync {
    template <class T>
    using Atomic = ReleaseOnlyAtomic<T>;
};

TEST_CASE(
    "gpu/waker explored: the explorer finds a publication that is still in the store buffer") {
    CHECK(explore_reader<ReleaseOnlySync, Waits>(1, 0, Memory::store_buffers).stuck > 0);
    // ... which a machine without store buffers would forgive.
    CHECK(explore_reader<ReleaseOnlySync, Waits>(1, 0, Memory::sequential).clean());
}

}  // namespace
}  // namespace casc::ring
