// What a connection still has to send.

#include "send_queue.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string>

using namespace casc;
using namespace casc::broker;

namespace {

void put(SendQueue& queue, const std::string& text) {
    const auto room = queue.reserve(text.size());
    std::memcpy(room.data(), text.data(), text.size());
}

// Takes up to `bytes` from the front, as a socket does.
std::string take(SendQueue& queue, std::size_t bytes) {
    std::vector<boost::asio::const_buffer> buffers;
    queue.gather(buffers);
    std::string taken;
    for (const auto& buffer : buffers)
        taken.append(static_cast<const char*>(buffer.data()),
                     std::min(buffer.size(), bytes - taken.size()));
    queue.sent(taken.size());
    return taken;
}

storage::BatchRef block_with(storage::BlockPool& pool, const std::string& text) {
    storage::BatchRef batch{pool.take(text.size()), {}};
    std::memcpy(batch.block.bytes().data(), text.data(), text.size());
    batch.bytes = batch.block.bytes().first(text.size());
    return batch;
}

}  // namespace

TEST_CASE("broker/send_queue: frames and batches leave in order, however little the socket takes") {
    storage::BlockPool pool(4096, 1_MiB);
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    SendQueue queue;
    std::string sent, expected;
    for (int i = 0; i < 2000; ++i) {
        const std::string text(1 + random() % 900, static_cast<char>('a' + i % 26));
        if (random() % 4 == 0) {
            queue.push(block_with(pool, text));
        } else {
            put(queue, text);
        }
        expected += text;
        if (random() % 2 == 0) sent += take(queue, random() % 1500);
        CHECK(queue.bytes() == expected.size() - sent.size());
    }
    while (!queue.empty())
        sent += take(queue, 1 + random() % 5000);
    CHECK(sent == expected);
    CHECK(queue.slabs() == 0);
    CHECK(pool.bytes_in_use() == 0);
}

TEST_CASE("broker/send_queue: small frames side by side are one piece") {
    SendQueue queue;
    for (int i = 0; i < 100; ++i)
        put(queue, "0123456789abcdef");
    std::vector<boost::asio::const_buffer> buffers;
    queue.gather(buffers);
    CHECK(buffers.size() == 1);
}

TEST_CASE("broker/send_queue: an empty queue holds no memory, after a large answer either") {
    // The slab of an 8 MiB answer used to stay with its connection.
    SendQueue queue;
    put(queue, std::string(8_MiB, 'x'));
    CHECK(queue.slabs() == 1);
    while (!queue.empty())
        take(queue, 1_MiB);
    CHECK(queue.slabs() == 0);
    put(queue, "again");
    CHECK(take(queue, 100) == "again");
}

TEST_CASE("broker/send_queue: clearing lets go of batches") {
    storage::BlockPool pool(4096, 1_MiB);
    SendQueue queue;
    put(queue, "frame");
    queue.push(block_with(pool, "batch"));
    take(queue, 7);
    queue.clear();
    CHECK(queue.empty());
    CHECK(queue.bytes() == 0);
    CHECK(pool.bytes_in_use() == 0);
    put(queue, "more");
    CHECK(take(queue, 100) == "more");
}

TEST_CASE("broker/send_queue: no more pieces at once than the kernel takes") {
    storage::BlockPool pool(4096, 1_MiB);
    SendQueue queue;
    for (int i = 0; i < 200; ++i)
        queue.push(block_with(pool, "12345678"));
    std::vector<boost::asio::const_buffer> buffers;
    queue.gather(buffers);
    CHECK(buffers.size() == SendQueue::kGatherMax);
}
