// The lines of a queue group's keys, against a model that looks at all of them each time.

#include "queue_key_order.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <list>
#include <map>
#include <random>
#include <string>

using namespace casc;
using namespace casc::broker;

namespace {

LogId log_of(std::uint32_t topic) {
    return {TopicId(topic), PartitionId(0), Lane::normal};
}

}  // namespace

TEST_CASE("broker/queue_key_order: the same key has the same hash, and no key has none") {
    const std::string text = "a key";
    const auto bytes = std::as_bytes(std::span(text));
    CHECK(hash_of(bytes) == hash_of(bytes));
    CHECK(hash_of(bytes) != kNoKey);
    CHECK(hash_of(std::span<const std::byte>{}) != kNoKey);  // an empty key is a key
    CHECK(hash_of(std::nullopt) == kNoKey);
}

TEST_CASE(
    "broker/queue_key_order: who leaves first lets the next one go, who leaves later nobody") {
    QueueKeyOrder order;
    const QueuePlace a{log_of(1), Offset(0)}, b{log_of(2), Offset(0)}, c{log_of(1), Offset(7)};
    CHECK(order.enter(5, a));
    CHECK(!order.enter(5, b));
    CHECK(!order.enter(5, c));
    CHECK(order.of_log(log_of(1)).size() == 2);
    CHECK(order.leave(b) == std::nullopt);
    CHECK(order.leave(b) == std::nullopt);  // it is not there any more
    CHECK(order.leave(a) == c);
    CHECK(order.leave(c) == std::nullopt);
    CHECK(order.size() == 0);
    CHECK(order.enter(5, a));
}

TEST_CASE("broker/queue_key_order: agrees with a list per key, whoever comes and goes") {
    std::mt19937 random(3);
    QueueKeyOrder order;
    std::map<KeyHash, std::list<QueuePlace>> lines;
    std::vector<std::pair<KeyHash, QueuePlace>> standing;
    for (std::uint64_t step = 0; step < 20'000; ++step) {
        if (standing.empty() || random() % 2 == 0) {
            const KeyHash key = 1 + random() % 5;
            const QueuePlace event{log_of(static_cast<std::uint32_t>(1 + random() % 3)),
                                   Offset(step)};
            auto& line = lines[key];
            line.push_back(event);
            standing.emplace_back(key, event);
            REQUIRE(order.enter(key, event) == (line.size() == 1));
        } else {
            const auto at =
                standing.begin() + static_cast<std::ptrdiff_t>(random() % standing.size());
            const auto [key, event] = *at;
            standing.erase(at);
            auto& line = lines[key];
            const bool was_first = line.front() == event;
            line.remove(event);
            const auto next = order.leave(event);
            REQUIRE(next.has_value() == (was_first && !line.empty()));
            if (next) REQUIRE(*next == line.front());
        }
        REQUIRE(order.size() == standing.size());
    }
}
