// Every order of the operations of a writer and a reader of bytes that both sleep: no wake-up is
// lost, neither for bytes nor for room.

#include "explorer.hpp"

#include <casc/ring/byte_ring.hpp>

#include <doctest/doctest.h>

#include <array>
#include <memory>

namespace casc::ring {
namespace {

using testing::Exploration;
using testing::Memory;
using testing::ModelSync;
using testing::Program;

// Wrong on purpose: says that it waits with release where the argument needs seq_cst.
template <class T>
class UnorderedAtomic : public testing::ModelAtomic<T> {
public:
    using testing::ModelAtomic<T>::ModelAtomic;
    void store(T value, std::memory_order) {
        testing::ModelAtomic<T>::store(value, std::memory_order_release);
    }
};
struct UnorderedSync : ModelSync {
    template <class T>
    using Atomic = UnorderedAtomic<T>;
};

// `total` bytes through a ring of `Capacity`; each side sleeps on a bell of its own.
template <class Sync, std::size_t Capacity>
class SleepingBytes : public Program {
public:
    explicit SleepingBytes(std::size_t total) : total_(total) {}

    std::vector<std::function<void()>> bodies() override {
        return {[this] { write(); }, [this] { read(); }};
    }
    bool correct() override { return received_ == total_ && !wrong_; }

private:
    void write() {
        BasicByteRingWriter<Sync> writer(cursors_, memory_);
        for (std::size_t sent = 0; sent < total_;) {
            const auto byte = static_cast<std::byte>(sent);
            const std::size_t count = writer.put({&byte, 1}).value();
            sent += count;
            if (writer.publish()) readers_bell_.signal();
            if (count != 0) continue;
            writer.arm();
            if (!writer.has_room()) sleep(writers_bell_);
            writer.disarm();
        }
    }
    void read() {
        BasicByteRingReader<Sync> reader(cursors_, memory_);
        while (received_ < total_) {
            std::byte byte{};
            const std::size_t count = reader.take({&byte, 1}).value();
            wrong_ |= count != 0 && byte != static_cast<std::byte>(received_);
            received_ += count;
            if (reader.release()) writers_bell_.signal();
            if (count != 0 || received_ == total_) continue;
            reader.arm();
            if (!reader.has_bytes()) sleep(readers_bell_);
            reader.disarm();
        }
    }
    static void sleep(testing::ModelEvent& bell) {
        bell.wait(0);
        bell.consume();
    }

    const std::size_t total_;
    ByteRingCursors<Sync> cursors_;
    std::array<std::byte, Capacity> memory_{};
    testing::ModelEvent readers_bell_;
    testing::ModelEvent writers_bell_;
    std::size_t received_ = 0;
    bool wrong_ = false;
};

template <class Sync, std::size_t Capacity>
Exploration explore_bytes(std::size_t total, Memory memory) {
    return testing::explore([&] { return std::make_unique<SleepingBytes<Sync, Capacity>>(total); },
                            memory);
}

}  // namespace

TEST_CASE("gpu/byte_ring explored: nobody who waits for bytes sleeps for ever") {
    for (const Memory memory : {Memory::sequential, Memory::store_buffers}) {
        const Exploration found = explore_bytes<ModelSync, 4>(1, memory);
        CAPTURE(found.runs);
        CAPTURE(found.first_failure);
        CHECK(found.clean());
        CHECK(found.runs > 3);
    }
}

TEST_CASE("gpu/byte_ring explored: nor whoever waits for room") {
    const Exploration found = explore_bytes<ModelSync, 1>(2, Memory::sequential);
    CAPTURE(found.runs);
    CAPTURE(found.first_failure);
    CHECK(found.clean());
    CHECK(found.runs > 3);
}

TEST_CASE("gpu/byte_ring explored: with release stores alone somebody would") {
    CHECK(explore_bytes<UnorderedSync, 4>(1, Memory::store_buffers).stuck > 0);
}

}  // namespace casc::ring
