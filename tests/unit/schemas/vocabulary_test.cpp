// The words of casc as types: what they allow is tested here, what they forbid in
// tests/compile_fail.
#include <casc/types/units.hpp>
#include <casc/types/vocabulary.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <unordered_set>
#include <vector>

using namespace casc;

TEST_CASE("schemas/vocabulary: points and distances add up as places and gaps do") {
    constexpr Offset ten(10);
    static_assert(ten + OffsetDelta(5) == Offset(15));
    static_assert(Offset(15) - ten == OffsetDelta(5));
    static_assert(Offset(15) - OffsetDelta(5) == ten);
    static_assert(OffsetDelta(2) + OffsetDelta(3) - OffsetDelta(1) == OffsetDelta(4));
    static_assert(ten.next() == Offset(11));
    static_assert(ten < ten.next() && Offset{} == Offset(0));
    Offset moving = ten;
    moving += OffsetDelta(7);
    CHECK(moving == Offset(17));
}

TEST_CASE("schemas/vocabulary: a log id gives back the topic, partition and lane it was made of") {
    std::mt19937_64 random(1);
    for (int i = 0; i < 1000; ++i) {
        const TopicId topic(static_cast<std::uint32_t>(random()));
        const PartitionId partition(static_cast<std::uint32_t>(random() % kPartitionsMax));
        const Lane lane = kLanes[random() % kLaneCount];
        const LogId log(topic, partition, lane);
        REQUIRE(log.topic() == topic);
        REQUIRE(log.partition() == partition);
        REQUIRE(log.lane() == lane);
        REQUIRE(LogId(log.value()) == log);
    }
}

TEST_CASE(
    "schemas/vocabulary: the big-endian bytes of log ids sort by topic, then partition, then "
    "lane") {
    const auto key = [](LogId log) {
        std::array<unsigned char, 8> bytes{};
        for (unsigned i = 0; i < 8; ++i)
            bytes[i] = static_cast<unsigned char>(log.value() >> (56 - 8 * i));
        return bytes;
    };
    std::vector<LogId> expected;
    for (const std::uint32_t topic : {1u, 2u, 255u, 256u, 0xFFFFFFFFu})
        for (const std::uint32_t partition : {0u, 1u, 255u, 256u, kPartitionsMax - 1})
            for (const Lane lane : kLanes)
                expected.emplace_back(TopicId(topic), PartitionId(partition), lane);
    std::vector<LogId> shuffled = expected;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(2));
    std::sort(shuffled.begin(), shuffled.end(), [&](LogId a, LogId b) { return key(a) < key(b); });
    CHECK(shuffled == expected);
    CHECK(std::is_sorted(expected.begin(), expected.end()));
}

TEST_CASE("schemas/vocabulary: an impossible partition cannot reach into another topic") {
    const LogId log(TopicId(7), PartitionId(0xFFFFFFFF), Lane::low);
    CHECK(log.topic() == TopicId(7));
    CHECK(log.lane() == Lane::low);
}

TEST_CASE("schemas/vocabulary: ids and logs can be keys of a hash table") {
    std::unordered_set<TopicId> topics;
    std::unordered_set<LogId> logs;
    for (std::uint32_t i = 0; i < 1000; ++i) {
        topics.insert(TopicId(i));
        logs.insert(LogId(TopicId(i), PartitionId(i % 7), kLanes[i % 4]));
    }
    CHECK(topics.size() == 1000);
    CHECK(logs.size() == 1000);
    CHECK(topics.contains(TopicId(999)));
    CHECK_FALSE(topics.contains(TopicId(1000)));
}

TEST_CASE("schemas/vocabulary: lanes, durabilities and acks have the names that users write") {
    CHECK(to_string(Lane::critical) == "critical");
    CHECK(to_string(Lane::low) == "low");
    CHECK(to_string(Durability::volatile_) == "volatile");
    CHECK(to_string(Durability::replicated) == "replicated");
    CHECK(to_string(Acks::none) == "none");
    CHECK(to_string(Acks::replicated) == "replicated");
}

TEST_CASE("schemas/units: literals and rounding are exact") {
    static_assert(3_KiB == 3072 && 2_MiB == 2097152 && 1_GiB == 1073741824);
    static_assert(align_up<std::size_t>(0, 8) == 0 && align_up<std::size_t>(1, 8) == 8);
    static_assert(align_up<std::size_t>(8, 8) == 8 && align_up<std::uint64_t>(4097, 4096) == 8192);
    CHECK(250us < 1ms);
}
