// What an event costs in instructions and requests for memory is what bench/budget.toml says.

#include "child_process.hpp"
#include "scratch_folder.hpp"

#include <doctest/doctest.h>
#include <toml++/toml.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

using namespace casc::bench;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::seconds kPatience{250};

const toml::table& budget() {
    static const toml::table table = toml::parse_file(CASC_SOURCE_DIR "/bench/budget.toml");
    return table;
}

// Inside of casc_budget_measured(), on its thread.
std::uint64_t instructions_in(const std::filesystem::path& profile) {
    std::ifstream in(profile);
    for (std::string word; in >> word;) {
        std::uint64_t total = 0;
        if (word == "totals:" && in >> total) return total;
    }
    throw std::runtime_error("callgrind has counted nothing");
}

struct Spent {
    double instructions = 0;
    double allocations = 0;
};

Spent spent_per_event(const std::string& name, std::uint64_t count) {
    const ScratchFolder folder(std::filesystem::current_path());
    compare::ChildProcess counting(
        {.name = "callgrind",
         .program = compare::find_program("valgrind"),
         .arguments = {"--tool=callgrind", "--toggle-collect=casc_budget_measured",
                       "--callgrind-out-file=" + (folder.path() / "profile").string(),
                       CASC_BUDGET_PATH, name, std::to_string(count)},
         // Copies by the same instructions on every processor; one that copies by itself would be
         // counted byte by byte.
         .environment = {"GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,"
                         "-AVX2,-AVX512VL"},
         .folder = folder.path()});
    if (const int status = counting.wait(kPatience); status != 0)
        counting.fail("it ended with " + std::to_string(status));
    const auto events = static_cast<double>(count);
    return {static_cast<double>(instructions_in(folder.path() / "profile")) / events,
            std::stod(counting.output()) / events};
}

// `count`: enough for what is done once a batch, little enough for a few seconds.
void check(const std::string& name, std::uint64_t count) {
    const auto wanted = budget()["instructions"][name].value<double>();
    const auto allocations = budget()["allocations"][name].value<double>();
    const auto tolerance = budget()["tolerance"].value<double>();
    REQUIRE(wanted);
    REQUIRE(allocations);
    REQUIRE(tolerance);
    const Spent spent = spent_per_event(name, count);
    INFO(name, ": ", spent.instructions, " instructions and ", spent.allocations,
         " allocations an event, bench/budget.toml says ", *wanted, " and ", *allocations);
    CHECK(spent.instructions <= *wanted * (1 + *tolerance));
    CHECK(spent.instructions >= *wanted * (1 - *tolerance));  // faster: then let the budget say so
    CHECK(spent.allocations <= *allocations);
}

}  // namespace

TEST_CASE("bench/budget: a batch is encoded and decoded, and a request framed") {
    check("encode", 36'000);
    check("decode", 36'000);
    check("frame", 1'000);
}

TEST_CASE("bench/budget: events are stored and read") {
    check("append", 36'000);
    check("append_single", 3'000);
    check("fetch", 6'000);
}

TEST_CASE("bench/budget: items go through a ring") {
    check("ring", 64'000);
    check("ring_single", 10'000);
}

TEST_CASE("bench/budget: nothing is budgeted that is not counted") {
    CHECK(budget()["instructions"].as_table()->size() == 8);
    CHECK(budget()["allocations"].as_table()->size() == 8);
}
