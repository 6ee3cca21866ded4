// One bit of what is stored turns over. Either nobody notices because it did not matter, or the
// store says that its data is corrupt; nobody is ever given other bytes, and nothing that was
// proven durable is missing without a word.

#include "rounds.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

using namespace casc;
using namespace casc::sim;

namespace {

struct Target {
    const char* what;
    std::string (*folder)();
    std::string_view part;
};

const Target kTargets[] = {{"journal", [] { return std::string("/data/journal"); }, ".seg"},
                           {"SST", [] { return std::string("/data/rocks"); }, ".sst"},
                           {"MANIFEST", [] { return std::string("/data/rocks"); }, "MANIFEST"},
                           {"CURRENT", [] { return std::string("/data/rocks"); }, "CURRENT"}};

std::vector<std::string> files_of(World& world, const Target& target) {
    std::vector<std::string> files;
    const auto names = world.disk().list(target.folder());
    REQUIRE(names);
    for (const std::string& name : *names) {
        const std::string path = target.folder() + "/" + name;
        if (name.find(target.part) != std::string::npos && !world.disk().content(path).empty())
            files.push_back(path);
    }
    return files;
}

// Bytes that are in use; a journal segment is mostly what earlier lives have left.
std::size_t used_bytes(World& world, const std::string& path) {
    const std::string content = world.disk().content(path);
    const auto last = content.find_last_not_of('\0');
    return last == std::string::npos ? content.size() : last + 1;
}

bool says_corrupt(const Error& error) {
    return error.code == ErrorCode::data_corrupt;
}

// CURRENT is one name: with another bit it names a file that does not exist.
bool refuses(const Target& target, const Error& error) {
    // A MANIFEST whose last record is damaged shows an older database, which is before the journal.
    if ((target.part == "CURRENT" || target.part == "MANIFEST") &&
        error.code == ErrorCode::data_missing)
        return error.detail.find("MANIFEST") != std::string::npos;
    // Without its first entry a segment is not known to be one of the chain: what it had is
    // missing.
    if (target.part == ".seg" && error.code == ErrorCode::data_missing)
        return error.detail.find("journal") != std::string::npos;
    // RocksDB calls the properties of an SST file those of the MANIFEST that names it.
    return says_corrupt(error) &&
           (error.detail.find(target.part) != std::string::npos ||
            (target.part == ".sst" && error.detail.find("MANIFEST") != std::string::npos));
}

struct Outcome {
    int harmless = 0;
    int refused = 0;
    int found_by_reading = 0;
};

void flip_one(World& world, const Target& target, Outcome& outcome) {
    world.open();
    world.work(static_cast<int>(50 + world.draw(250)));
    if (world.draw(3) == 0) static_cast<void>(world.store().drain());
    world.settle_and_prove();
    world.crash();
    const auto files = files_of(world, target);
    if (files.empty()) return;
    const std::string& path = files[world.draw(files.size())];
    const std::uint64_t position = world.draw(used_bytes(world, path));
    const auto bit = static_cast<unsigned>(world.draw(8));
    world.disk().flip_bit(path, position, bit);
    CAPTURE(path);
    CAPTURE(position);
    const auto changes = world.disk().change_count();
    if (const auto opened = world.open_or_say(); !opened) {
        ++outcome.refused;
        INFO(opened.error().message());
        CHECK(refuses(target, opened.error()));
        // The folder is as it was found: once the operator has the file back, so is everything
        // else.
        CHECK(world.disk().change_count() == changes);
        world.disk().flip_bit(path, position, bit);
        world.open();
        world.check();
        REQUIRE(world.violations() == "");
        return;
    }
    int unreadable = 0;
    world.check([&](const Error& error) {
        ++unreadable;
        return says_corrupt(error);
    });
    REQUIRE(world.violations() == "");
    ++(unreadable > 0 ? outcome.found_by_reading : outcome.harmless);
}

}  // namespace

TEST_CASE(
    "sim/bit_flip: a flipped bit in journal, SST, MANIFEST or CURRENT is harmless or said, never "
    "served") {
    const std::uint64_t seed = seed_of_this_run();
    const int rounds = rounds_of_this_run(120);
    std::map<std::string, Outcome> outcomes;
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(seed);
        CAPTURE(round);
        const Target& target = kTargets[static_cast<std::size_t>(round) % std::size(kTargets)];
        World world(seed + static_cast<std::uint64_t>(round));
        flip_one(world, target, outcomes[target.what]);
    }
    for (const auto& [what, outcome] : outcomes)
        MESSAGE(what << ": " << outcome.harmless << " harmless, " << outcome.refused << " refused, "
                     << outcome.found_by_reading << " found by reading");
    // That of the journal is the next test's: most of a segment is stored elsewhere by then.
    CHECK(outcomes["CURRENT"].refused > 0);
    CHECK(outcomes["SST"].refused + outcomes["SST"].found_by_reading > 0);
}

TEST_CASE("sim/bit_flip: a flipped bit in a durable entry that only the journal has is refused") {
    World world(1);
    world.open();
    const LogId log{TopicId(1), PartitionId(0), Lane::normal};
    REQUIRE(world.append(log, 100, 1));
    world.settle_and_prove();
    world.crash();
    const std::string payload = "0." + std::string(50, 'b');  // see the next test
    std::string damaged;
    std::uint64_t position = 0;
    for (const std::string& path : files_of(world, kTargets[0])) {
        const auto at = world.disk().content(path).find(payload);
        if (at == std::string::npos) continue;
        damaged = path;
        position = at + 20;
    }
    REQUIRE(damaged != "");
    world.disk().flip_bit(damaged, position, 3);
    const auto opened = world.open_or_say();
    REQUIRE(!opened);
    CHECK(says_corrupt(opened.error()));
    CHECK(opened.error().detail.find(damaged) != std::string::npos);
    world.disk().flip_bit(damaged, position, 3);
    world.open();
    world.check();
    CHECK(world.violations() == "");
}

TEST_CASE(
    "sim/bit_flip: a cold read whose place is damaged says so and does not begin somewhere else") {
    World world(1);
    world.options().tail_cache_bytes = 0;
    world.open();
    const LogId log{TopicId(1), PartitionId(0), Lane::normal};
    for (int i = 0; i < 40; ++i) {
        REQUIRE(world.append(log, 3000, 1));
        world.settle();
    }
    world.stop_orderly();
    constexpr std::uint64_t kDamaged = 25;
    // World::append() numbers the payloads and fills them with one letter.
    const std::string payload = std::to_string(kDamaged) + "." + std::string(100, 'a');
    bool flipped = false;
    for (const std::string& path : files_of(world, kTargets[1])) {
        const auto at = world.disk().content(path).find(payload);
        if (at == std::string::npos) continue;
        world.disk().flip_bit(path, at + 50, 3);
        flipped = true;
    }
    REQUIRE(flipped);
    world.open();
    const auto found = world.read(log, kDamaged, kDamaged + 1);
    REQUIRE(!found);
    CHECK(says_corrupt(found.error()));
}
