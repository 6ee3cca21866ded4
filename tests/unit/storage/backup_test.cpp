#include "store_fixture.hpp"

namespace casc::storage {

namespace {

struct BackupFixture : StoreFixture {
    Result<std::uint64_t> back_up(const std::filesystem::path& target) {
        std::optional<Result<std::uint64_t>> result;
        store->post_backup(target, [&](Result<std::uint64_t> bytes) { result = std::move(bytes); });
        while (!result)
            wait_for_news();
        return *result;
    }
};

}  // namespace

TEST_CASE_FIXTURE(
    BackupFixture,
    "storage/backup: a restored store has what was durable at the time, and goes on") {
    must_open();
    for (int i = 0; i < 50; ++i)
        settle(append(log_of(1), {std::to_string(i) + std::string(3000, '.')}));
    settle(*store->put(StateTable::group, "g", "1"));
    const auto expected = read(log_of(1));
    const auto bytes = back_up("/backup");
    REQUIRE_MESSAGE(bytes.has_value(), (bytes ? std::string() : bytes.error().message()));
    CHECK(*bytes > 100'000);
    settle(append(log_of(1), {"after the backup"}));
    settle(*store->put(StateTable::group, "g", "2"));
    drain();
    store.reset();

    const auto restored = restore_store(*disk, "/backup", "/restored");
    REQUIRE_MESSAGE(restored.has_value(), (restored ? std::string() : restored.error().message()));
    options.directory = "/restored";
    must_open();
    CHECK(read(log_of(1)) == expected);
    CHECK(rows(StateTable::group).at("g") == "1");
    CHECK(append(log_of(1), {"new"}).base == Offset(50));
    settle(append(log_of(1), {"newer"}));
    crash();
    CHECK(read(log_of(1), 50) == Events{"new", "newer"});
}

TEST_CASE_FIXTURE(BackupFixture,
                  "storage/backup: a folder that is not empty is refused, and the store goes on") {
    must_open();
    settle(append(log_of(1), {"a"}));
    REQUIRE(back_up("/backup"));
    const auto second = back_up("/backup");
    REQUIRE(!second);
    CHECK(second.error().code == ErrorCode::invalid_request);
    CHECK(!store->failure());
    settle(append(log_of(1), {"b"}));
    CHECK(read(log_of(1)) == Events{"a", "b"});
}

TEST_CASE_FIXTURE(BackupFixture, "storage/backup: a damaged backup is not restored") {
    must_open();
    for (int i = 0; i < 50; ++i)
        settle(append(log_of(1), {std::string(3000, '.')}));
    REQUIRE(back_up("/backup"));
    const auto names = disk->list("/backup/rocks");
    REQUIRE(names);
    for (const auto& name : *names) {
        const std::filesystem::path path = std::filesystem::path("/backup/rocks") / name;
        const auto content = disk->read_file(path);
        if (name.ends_with(".sst") && content->size() > 5'000)
            simulated.flip_bit(path, content->size() / 2, 3);
    }
    const auto restored = restore_store(*disk, "/backup", "/restored");
    REQUIRE(!restored);
    CHECK(restored.error().code == ErrorCode::data_corrupt);
}

}  // namespace casc::storage
