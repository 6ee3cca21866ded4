// A queue in which everything stands once.

#include "unique_queue.hpp"

#include <doctest/doctest.h>

using casc::broker::UniqueQueue;

TEST_CASE(
    "broker/unique_queue: what stands in line is not put in again, and is after it has left") {
    UniqueQueue<int> queue;
    for (const int value : {3, 1, 3, 2, 1})
        queue.push(value);
    CHECK(queue.size() == 3);
    CHECK(queue.pop() == 3);
    queue.push(3);
    queue.push(2);
    CHECK(queue.pop() == 1);
    CHECK(queue.pop() == 2);
    CHECK(queue.pop() == 3);
    CHECK(queue.empty());
}
