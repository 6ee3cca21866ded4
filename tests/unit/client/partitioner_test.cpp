#include <casc/client/partitioner.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

using namespace casc::client;

namespace {
std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}
}  // namespace

TEST_CASE("client/partitioner: murmur2 gives the numbers of Kafka's own test") {
    // From org.apache.kafka.common.utils.UtilsTest.testMurmur2.
    CHECK(static_cast<std::int32_t>(murmur2(bytes("21"))) == -973932308);
    CHECK(static_cast<std::int32_t>(murmur2(bytes("foobar"))) == -790332482);
    CHECK(static_cast<std::int32_t>(murmur2(bytes("a-little-bit-long-string"))) == -985981536);
    CHECK(static_cast<std::int32_t>(murmur2(bytes("a-little-bit-longer-string"))) == -1486304829);
    CHECK(static_cast<std::int32_t>(
              murmur2(bytes("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"))) == -58897971);
    CHECK(static_cast<std::int32_t>(murmur2(bytes("abc"))) == 479470107);
}

TEST_CASE("client/partitioner: a key keeps its partition, and every partition is reached") {
    bool reached[7] = {};
    for (int i = 0; i < 1000; ++i) {
        const std::string key = std::to_string(i);
        const auto partition = partition_of_key(bytes(key), 7);
        REQUIRE(partition.value() < 7);
        CHECK(partition == partition_of_key(bytes(key), 7));
        reached[partition.value()] = true;
    }
    for (const bool r : reached)
        CHECK(r);
}
