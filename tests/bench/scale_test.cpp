// What the `scale` workload decides before it measures, and what it concludes.

#include "scale_step.hpp"
#include "text.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

using namespace casc::bench;
using casc::test::contains;
using namespace std::chrono_literals;

namespace {

constexpr ScaleOver kAll[] = {ScaleOver::partitions, ScaleOver::connections, ScaleOver::groups,
                              ScaleOver::size, ScaleOver::backlog};
constexpr std::uint64_t kGiB = 1u << 30;
constexpr ScaleRoom kLargeMachine{100 * kGiB, 100'000, 100 * kGiB};

template <class Call>
std::string error_of(Call&& call) {
    try {
        call();
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return {};
}

std::string why_no_room(ScaleOver over, std::uint64_t step, const ScaleRoom& room) {
    return no_room_for(over, step, 3s, room).value_or("");
}

}  // namespace

TEST_CASE("bench/scale: what cannot grow is refused with those that can") {
    const std::string error = error_of([] { (void)scale_over_of("topics"); });
    CHECK(contains(error, "no 'topics'"));
    for (const ScaleOver over : kAll) {
        CHECK(scale_over_of(to_string(over)) == over);
        CHECK(contains(error, std::string(to_string(over))));
    }
    CHECK(contains(error_of([] { (void)scale_over_of(""); }), "--over is missing"));
}

TEST_CASE("bench/scale: the default ladders are steps that one could have asked for") {
    for (const ScaleOver over : kAll) {
        std::string text;
        for (const std::uint64_t step : default_steps(over))
            text += (text.empty() ? "" : ",") + std::to_string(step);
        CHECK(parse_steps(over, text) == default_steps(over));
    }
}

TEST_CASE("bench/scale: steps are counts or sizes, as what grows has it") {
    CHECK(parse_steps(ScaleOver::partitions, "1,10,1k") == std::vector<std::uint64_t>{1, 10, 1000});
    CHECK(parse_steps(ScaleOver::size, "16,1KiB") == std::vector<std::uint64_t>{16, 1024});
    CHECK(format_step(ScaleOver::partitions, 2048) == "2048");
    CHECK(format_step(ScaleOver::size, 2048) == "2 KiB");
    CHECK(format_step(ScaleOver::backlog, 3 * kGiB) == "3 GiB");
    CHECK(format_step(ScaleOver::backlog, 0) == "0 B");
}

TEST_CASE("bench/scale: steps that make no sense are refused by name") {
    CHECK(contains(error_of([] { (void)parse_steps(ScaleOver::partitions, "1,,2"); }), "''"));
    CHECK(contains(error_of([] { (void)parse_steps(ScaleOver::partitions, "0"); }), "'0'"));
    CHECK(contains(error_of([] { (void)parse_steps(ScaleOver::partitions, "100k"); }), "65536"));
    CHECK(contains(error_of([] { (void)parse_steps(ScaleOver::connections, "1KiB"); }), "1KiB"));
    CHECK(contains(error_of([] { (void)parse_steps(ScaleOver::size, "8"); }), "from 16"));
}

TEST_CASE("bench/scale: a step without room is left out, with what it lacks") {
    CHECK_FALSE(no_room_for(ScaleOver::backlog, 10 * kGiB, 3s, kLargeMachine));
    ScaleRoom room = kLargeMachine;
    room.disk_free_bytes = 12 * kGiB;
    CHECK_FALSE(no_room_for(ScaleOver::backlog, kGiB, 3s, room));
    CHECK(contains(why_no_room(ScaleOver::backlog, 10 * kGiB, room), "disk"));
    CHECK_FALSE(no_room_for(ScaleOver::partitions, 10'000, 3s, room));
    for (const ScaleOver over : {ScaleOver::connections, ScaleOver::groups}) {
        room = kLargeMachine;
        room.open_files_max = 1024;
        CHECK_FALSE(no_room_for(over, 10, 3s, room));
        CHECK(contains(why_no_room(over, 1000, room), "open files"));
        room.open_files_max = open_files_for(over, 1000);
        CHECK_FALSE(no_room_for(over, 1000, 3s, room));
        room.memory_bytes = kGiB;
        CHECK(contains(why_no_room(over, 1000, room), "memory"));
    }
}

TEST_CASE("bench/scale: a short run needs little of the disk, a long one much") {
    ScaleRoom room = kLargeMachine;
    room.disk_free_bytes = 2 * kGiB;
    CHECK_FALSE(no_room_for(ScaleOver::partitions, 1, 100ms, room));
    CHECK(contains(why_no_room(ScaleOver::partitions, 1, room), "disk"));
    room.disk_free_bytes = 12 * kGiB;
    CHECK(no_room_for(ScaleOver::partitions, 1, 60s, room));
}

TEST_CASE(
    "bench/scale: a step in which nothing was timed has no times, and too few judge nothing") {
    ScaleStep step;
    const auto empty = step.to_json(ScaleOver::size);
    CHECK(empty.at("p50_us").is_null());
    CHECK(empty.at("p99_us").is_null());
    step.latency_ns.record(2000, 99);
    CHECK(step.to_json(ScaleOver::size).at("p99_us").as_double() == 2);
    CHECK_FALSE(step.has_samples_to_judge());
    step.latency_ns.record(2000);
    CHECK(step.has_samples_to_judge());
}

TEST_CASE("bench/scale: flat is what does not more than double, up or down or in between") {
    const auto flat = growth_of({10, 15, 20});
    REQUIRE(flat);
    CHECK(flat->last_over_first == 2);
    CHECK(flat->is_flat());
    const auto bulging = growth_of({10, 25, 10});
    REQUIRE(bulging);
    CHECK(bulging->last_over_first == 1);
    CHECK(bulging->largest_over_smallest == doctest::Approx(2.5));
    CHECK_FALSE(bulging->is_flat());
    CHECK_FALSE(growth_of({20, 9})->is_flat());
    CHECK_FALSE(growth_of({10}));
    CHECK_FALSE(growth_of({0, 10}));
}
