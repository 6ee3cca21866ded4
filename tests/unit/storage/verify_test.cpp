#include "store_fixture.hpp"

namespace casc::storage {

namespace {

// The files of a store's database that hold event data or state, oldest first.
std::vector<std::filesystem::path> sst_files(SimulatedDisk& disk,
                                             const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files;
    const auto names = disk.list(directory / "rocks");
    REQUIRE(names);
    for (const auto& name : *names)
        if (name.ends_with(".sst")) files.push_back(directory / "rocks" / name);
    std::sort(files.begin(), files.end());
    return files;
}

struct VerifyFixture : StoreFixture {
    void fill() {
        must_open();
        for (int i = 0; i < 40; ++i)
            settle(append(log_of(1), {std::string(3000, static_cast<char>('a' + i % 26))}));
        drain();
    }
    // One bit in the middle of the oldest file with events.
    void flip_a_bit_in_the_events() {
        for (const auto& path : sst_files(simulated, options.directory)) {
            const std::size_t bytes = simulated.content(path).size();
            if (bytes < 5000) continue;  // state
            return simulated.flip_bit(path, bytes / 2, 3);
        }
        FAIL("no file with events");
    }
    VerifyReport verify() {
        auto report = verify_store(*disk, options.directory, {});
        REQUIRE_MESSAGE(report.has_value(), (report ? std::string() : report.error().message()));
        return *report;
    }
};

}  // namespace

TEST_CASE_FIXTURE(VerifyFixture,
                  "storage/verify: a healthy store has no damage and everything is counted") {
    fill();
    store.reset();
    const auto report = verify();
    CHECK(report.damage == std::vector<std::string>{});
    CHECK(report.batches == 40);
    CHECK(report.events == 40);
    CHECK(report.logs == 1);
    CHECK(report.journal_entries > 0);
}

TEST_CASE_FIXTURE(VerifyFixture,
                  "storage/verify: events that only the journal has are verified too") {
    must_open();
    settle(append(log_of(1), {"a", "b"}));
    simulated.crash();
    store.reset();
    const auto report = verify();
    CHECK(report.damage == std::vector<std::string>{});
    CHECK(report.events == 2);
    must_open();
    CHECK(read(log_of(1)) == Events{"a", "b"});  // verification has changed nothing
}

TEST_CASE_FIXTURE(VerifyFixture, "storage/verify: a flipped bit in an SST file is found") {
    fill();
    store.reset();
    flip_a_bit_in_the_events();
    CHECK(!verify().damage.empty());
}

TEST_CASE_FIXTURE(VerifyFixture,
                  "storage/verify: a flipped bit is an error for readers, never a wrong byte") {
    fill();
    restart();
    store.reset();
    flip_a_bit_in_the_events();
    must_open();
    Events events;
    const auto failure = read_into(events, log_of(1));
    REQUIRE(failure);
    CHECK(failure->code == ErrorCode::data_corrupt);
    for (std::size_t i = 0; i < events.size(); ++i)
        CHECK(events[i] == std::string(3000, static_cast<char>('a' + i % 26)));
}

TEST_CASE_FIXTURE(VerifyFixture,
                  "storage/verify: a missing journal and a missing slice are found") {
    fill();
    store.reset();
    SUBCASE("journal") {
        const auto names = disk->list(options.directory / "journal");
        REQUIRE(names);
        for (const auto& name : *names)
            REQUIRE(disk->remove_file(options.directory / "journal" / name));
    }
    SUBCASE("SST file") {
        REQUIRE(disk->remove_file(sst_files(simulated, options.directory).front()));
    }
    CHECK(!verify().damage.empty());
}

}  // namespace casc::storage
