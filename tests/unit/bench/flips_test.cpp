#include "flips.hpp"

#include "case_list.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string_view>

using namespace casc::bench;
using namespace casc::bench::compare;

namespace {

constexpr std::array<std::string_view, 3> kOfE2e{"--rate", "--idle-connections", "--slow-consumer"};
constexpr std::array<std::string_view, 2> kOfRequest{"--idle-topics", "--idle-connections"};

}  // namespace

TEST_CASE("bench/flips: casc gets those that its workload has, as one would type them") {
    Options flips;
    CHECK(flip_flags(flips).empty());
    flips.key_count = 1000;
    flips.partition_count = 64;
    flips.compression = "lz4";
    flips.idle_connection_count = 10'000;
    CHECK(flip_flags(flips) ==
          " --keys 1000 --partitions 64 --compression lz4 --idle-connections 10000");
    CHECK(flip_flags(flips, kFlips) == flip_flags(flips));
    CHECK(flip_flags(flips, kOfE2e) == " --idle-connections 10000");
    flips.retention_bytes = 1 << 20;
    flips.idle_topic_count = 7;
    flips.slow_consumer_count = 2;
    CHECK(flip_flags(flips, kOfRequest) == " --idle-topics 7 --idle-connections 10000");
    CHECK(flip_flags(flips, kFlips) ==
          " --keys 1000 --partitions 64 --compression lz4 --retention-bytes 1048576"
          " --idle-topics 7 --idle-connections 10000 --slow-consumer 2");
}

TEST_CASE("bench/flips: idle connections are asked of everybody") {
    CompareOptions options;
    options.flips.idle_connection_count = 5;
    for (const Case& asked : cases_of(options))
        CHECK(asked.idle_connection_count == 5);
}
