#pragma once
// storage/src/reader_thread.hpp: the thread that owns the Reader, and how the shard talks to it.

#include "reader.hpp"

#include <casc/ring/ring.hpp>

#include <thread>

namespace casc::storage {

// What the shard asks. `forget` has no answer: slices have been dropped.
struct ReadOrder {
    enum class Kind { read, forget };
    Kind kind = Kind::read;
    ReadRequest request{};
};

// Thread:   constructed, try_send() and receive() by the shard; the rest runs on the thread it
// starts. Lifetime: what the reader borrows.
class ReaderThread {
public:
    // Room for as many answers as there can be orders under way: the shard takes answers before it
    // sends.
    static constexpr std::size_t kOrdersMax = 1024;

    ReaderThread(const Rocks& rocks, const SliceSet& slices, SizedPools& answers,
                 std::shared_ptr<ring::Waker> shard);
    ~ReaderThread();
    ReaderThread(const ReaderThread&) = delete;
    ReaderThread& operator=(const ReaderThread&) = delete;

    [[nodiscard]] bool try_send(ReadOrder&& order) {
        return orders_.producer.try_push(std::move(order));
    }
    [[nodiscard]] std::optional<ReadAnswer> receive() { return answers_.consumer.try_pop(); }
    [[nodiscard]] bool ready() { return answers_.consumer.ready(); }

private:
    void run();

    Reader reader_;
    std::shared_ptr<ring::Waker> waker_;
    ring::Ring<ReadOrder> orders_;
    ring::Ring<ReadAnswer> answers_;
    std::thread thread_;
};

}  // namespace casc::storage
